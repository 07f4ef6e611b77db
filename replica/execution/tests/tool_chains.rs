//! Modules as tool chains make them: the examples in Rust (ic-cdk) and Motoko install, run, keep
//! their state over upgrades, and call each other.
//!
//! `cargo xtask test` builds them and sets `PLINTH_CANISTERS` to where they are.

mod harness;

use std::path::PathBuf;

use candid::{CandidType, Decode, Deserialize, Encode, Nat, Principal};
use harness::{Subnet, admin, upgrade};
use ic_management_canister_types as ic;
use types::CanisterId;

/// An example's module; `cargo xtask test` says where they are.
fn example(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("PLINTH_CANISTERS").map(PathBuf::from);
    let folder = folder.expect(
        "PLINTH_CANISTERS is not set: run `cargo xtask test`, or `eval \"$(cargo xtask env)\"` first",
    );
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn install(subnet: &mut Subnet, name: &str, arg: &[u8]) -> CanisterId {
    let id = subnet.create();
    subnet.install(id, ic::CanisterInstallMode::Install, &example(name), arg).expect("it installs");
    id
}

fn rust(subnet: &mut Subnet) -> CanisterId {
    install(subnet, "rust-counter", &Encode!(&Some("blue")).unwrap())
}

fn motoko(subnet: &mut Subnet) -> CanisterId {
    install(subnet, "motoko-ledger", &Encode!().unwrap())
}

#[derive(CandidType, Deserialize, Debug, PartialEq)]
enum Answer {
    Ok(Nat),
    Err(String),
}

#[derive(CandidType, Deserialize, Debug)]
struct Entry {
    name: String,
    amount: Nat,
    author: Principal,
}

#[test]
fn rust_counts_traps_and_is_upgraded() {
    let mut subnet = Subnet::new();
    let id = rust(&mut subnet);
    let add = |subnet: &mut Subnet, n: u64| {
        Decode!(&subnet.update(id, "add", &Encode!(&n).unwrap()).unwrap(), u64).unwrap()
    };
    assert_eq!((add(&mut subnet, 5), add(&mut subnet, 6)), (5, 11));
    let trapping = Encode!(&9u64, &"as asked").unwrap();
    let error = subnet.update(id, "add_and_trap", &trapping).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0503");
    let text = "Canister called `ic0.trap` with message: 'as asked'";
    assert!(error.message.contains(text), "{}", error.message);
    subnet.update(id, "put_note", &Encode!(&"a", &"note").unwrap()).unwrap();
    let reject = subnet.update(id, "reject_with", &Encode!(&"no").unwrap()).unwrap_err();
    assert_eq!((reject.code.to_string().as_str(), reject.message.as_str()), ("IC0406", "no"));

    let none = Encode!(&Option::<String>::None).unwrap();
    subnet.install(id, upgrade(None, None), &example("rust-counter"), &none).unwrap();
    let get = subnet.query(id, "get", &Encode!().unwrap()).unwrap();
    assert_eq!(Decode!(&get, u64).unwrap(), 11);
    let label = subnet.query(id, "label", &Encode!().unwrap()).unwrap();
    assert_eq!(Decode!(&label, String).unwrap(), "blue");
    let note = subnet.query(id, "get_note", &Encode!(&"a").unwrap()).unwrap();
    assert_eq!(Decode!(&note, Option<String>).unwrap().as_deref(), Some("note"));
    let caller = subnet.update(id, "who_am_i", &Encode!().unwrap()).unwrap();
    assert_eq!(Decode!(&caller, Principal).unwrap(), admin());
}

#[test]
fn rust_has_randomness_timers_and_certified_data() {
    let mut subnet = Subnet::new();
    let id = rust(&mut subnet);
    let random = subnet.update(id, "random_bytes", &Encode!().unwrap()).unwrap();
    assert_eq!(Decode!(&random, Vec<u8>).unwrap().len(), 32);
    subnet.update(id, "start_ticking", &Encode!(&1_000u64).unwrap()).unwrap();
    let ticks = |subnet: &Subnet| {
        let reply = subnet.query(id, "ticks", &Encode!().unwrap()).unwrap();
        Decode!(&reply, u64).unwrap()
    };
    for _ in 0..6 {
        subnet.round_after(2_000);
    }
    let before = ticks(&subnet);
    assert!(before >= 3, "{before}");
    let none = Encode!(&Option::<String>::None).unwrap();
    subnet.install(id, upgrade(None, None), &example("rust-counter"), &none).unwrap();
    for _ in 0..6 {
        subnet.round_after(2_000);
    }
    assert!(ticks(&subnet) > before);
    subnet.update(id, "add", &Encode!(&1u64).unwrap()).unwrap();
    let certified = subnet.state.canister(&id).unwrap().system.certified_data.len();
    assert_eq!(certified, 32);
    let reply = subnet.query_with(id, "get_certified", &Encode!().unwrap(), Some(b"proof"));
    assert!(reply.unwrap().windows(5).any(|window| window == b"proof"));
}

#[test]
fn motoko_keeps_its_heap_when_upgraded() {
    let mut subnet = Subnet::new();
    let id = motoko(&mut subnet);
    let record = |subnet: &mut Subnet, name: &str, amount: u32| {
        let arg = Encode!(&name, &Nat::from(amount)).unwrap();
        Decode!(&subnet.update(id, "record", &arg).unwrap(), Nat).unwrap()
    };
    assert_eq!(record(&mut subnet, "one", 5), 5u32);
    assert_eq!(record(&mut subnet, "two", 6), 11u32);
    let trap = Encode!(&Nat::from(9u32)).unwrap();
    let error = subnet.update(id, "recordAndTrap", &trap).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0503", "{}", error.message);

    let wasm = example("motoko-ledger");
    let arg = Encode!().unwrap();
    let error = subnet.install(id, upgrade(None, None), &wasm, &arg).unwrap_err();
    assert!(error.message.starts_with("Missing upgrade option: "), "{}", error.message);
    let keep = upgrade(None, Some(ic::WasmMemoryPersistence::Keep));
    for _ in 0..2 {
        subnet.install(id, keep, &wasm, &arg).unwrap();
    }
    let total = subnet.query(id, "total", &arg).unwrap();
    assert_eq!(Decode!(&total, Nat).unwrap(), 11u32);
    let list = Decode!(&subnet.query(id, "list", &arg).unwrap(), Vec<Entry>).unwrap();
    let names: Vec<_> = list.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert!(list.iter().all(|entry| entry.author == admin()));
    assert_eq!(list[1].amount, 6u32);
}

#[test]
fn the_two_call_each_other() {
    let mut subnet = Subnet::new();
    let (rust, motoko) = (rust(&mut subnet), motoko(&mut subnet));
    subnet.update(rust, "add", &Encode!(&7u64).unwrap()).unwrap();
    let reply = subnet.update(rust, "record_in_ledger", &Encode!(&motoko.0).unwrap()).unwrap();
    assert_eq!(Decode!(&reply, Answer).unwrap(), Answer::Ok(7u32.into()));
    let arg = Encode!(&rust.0, &3u64).unwrap();
    let reply = subnet.update(motoko, "addToCounter", &arg).unwrap();
    assert_eq!(Decode!(&reply, u64).unwrap(), 10);
    // A callee that is not there comes back as an error of the caller's own making.
    let missing = CanisterId::from_index(99);
    let reply = subnet.update(rust, "record_in_ledger", &Encode!(&missing.0).unwrap()).unwrap();
    match Decode!(&reply, Answer).unwrap() {
        Answer::Err(text) => assert!(text.contains("not found"), "{text}"),
        Answer::Ok(total) => panic!("nobody could answer {total}"),
    }
}

#[test]
fn motoko_has_a_timer() {
    let mut subnet = Subnet::new();
    let id = motoko(&mut subnet);
    for _ in 0..10 {
        subnet.round_after(10_000);
    }
    let reply = subnet.query(id, "heartbeats", &Encode!().unwrap()).unwrap();
    assert!(Decode!(&reply, Nat).unwrap() > 0u32);
}
