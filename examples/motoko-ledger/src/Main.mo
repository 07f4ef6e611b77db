/// An example canister: a ledger of named amounts that keeps all its state across upgrades by itself
/// (enhanced orthogonal persistence), calls the Rust example, and counts with a timer.
import List "mo:core/List";
import Nat "mo:core/Nat";
import Nat64 "mo:core/Nat64";
import Principal "mo:core/Principal";
import Runtime "mo:core/Runtime";
import Timer "mo:core/Timer";

persistent actor Ledger {
  public type Entry = { name : Text; amount : Nat; author : Principal };

  type Counter = actor { add : Nat64 -> async Nat64 };

  let entries = List.empty<Entry>();
  var sum : Nat = 0;
  var beats : Nat = 0;

  // Ends with an upgrade and starts again after it, so it is not part of what is kept.
  transient let _heart = Timer.recurringTimer<system>(
    #milliseconds 500,
    func() : async () { beats += 1 },
  );

  public shared ({ caller }) func record(name : Text, amount : Nat) : async Nat {
    entries.add({ name; amount; author = caller });
    sum += amount;
    sum;
  };

  public query func total() : async Nat { sum };

  public query func list() : async [Entry] { entries.toArray() };

  public query func heartbeats() : async Nat { beats };

  /// Adds an amount to the Rust counter and here, and answers with the counter's new value.
  public shared func addToCounter(counter : Principal, amount : Nat64) : async Nat64 {
    let other : Counter = actor (counter.toText());
    let value = await other.add(amount);
    sum += amount.toNat();
    value;
  };

  /// Changes the state, then traps: nothing of the change may remain.
  public shared func recordAndTrap(amount : Nat) : async () {
    sum += amount;
    Runtime.trap("recordAndTrap traps after adding " # amount.toText());
  };
};
