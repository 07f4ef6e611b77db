//! Messages between canisters at their limits: full queues, late answers, too few cycles or
//! instructions, and what stops and deletions do to what is under way.

use candid::Encode;
use ic_management_canister_types as ic;
use replica_execution::meter::Width;
use types::{CanisterId, Cycles, Fees, MANAGEMENT_CANISTER, MessageId};

use crate::harness::{Subnet, admin, nat, number, record};
use crate::programs::{Frame, WIDTHS, Want, check_in, install, numbers};

/// `send` calls METHOD of the canister that its argument names, so many times as the argument's last
/// byte says (with 0 for 503), and replies how many of these calls were not made. What comes of
/// them is counted. `hold` answers when randomness comes, a round later.
const SENDER: &str = r#"
  (data (ptr.const 0) "METHOD")
  (data (ptr.const 20) "raw_rand")
  (data (ptr.const 40) "DIDL\00\00")
  (table funcref (elem $replied $rejected $held))
  (global $replies (mut i64) (i64.const 0))
  (global $rejects (mut i64) (i64.const 0))
  (global $code (mut i64) (i64.const 0))
  (global $called (mut i64) (i64.const 0))
  (func $replied (param ptr) (global.set $replies (i64.add (global.get $replies) (i64.const 1))))
  (func $rejected (param ptr)
    (global.set $rejects (i64.add (global.get $rejects) (i64.const 1)))
    (global.set $code (i64.extend_i32_u (call $msg_reject_code))))
  (func $held (param ptr) (call $msg_reply))
  (func $count (global.set $called (i64.add (global.get $called) (i64.const 1))))
  (func (export "canister_update hold")
    (call $count)
    (call $call_new (ptr.const 20) (ptr.const 0) (ptr.const 20) (ptr.const 8)
      (ptr.const 2) (ptr.const 0) (ptr.const 2) (ptr.const 0))
    (call $call_data_append (ptr.const 40) (ptr.const 6))
    (drop (call $call_perform)))
  (func (export "canister_update quick") (call $count) (call $msg_reply))
  (func (export "canister_update send")
    (local $i i32) (local $n i32) (local $refused i64)
    (call $msg_arg_data_copy (ptr.const 100) (ptr.const 0) (ptr.const 11))
    (local.set $n (i32.load8_u (ptr.const 110)))
    (if (i32.eqz (local.get $n)) (then (local.set $n (i32.const 503))))
    (loop $again
      (call $call_new (ptr.const 100) (ptr.const 10) (ptr.const 0) (ptr.const SIZE)
        (ptr.const 0) (ptr.const 0) (ptr.const 1) (ptr.const 0))
      ATTRIBUTES
      (local.set $refused
        (i64.add (local.get $refused) (i64.extend_i32_u (i32.ne (call $call_perform) (i32.const 0)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
    (call $out64 (local.get $refused))
    (call $msg_reply))
  (func (export "canister_query counts")
    (call $out64 (global.get $replies))
    (call $out64 (global.get $rejects))
    (call $out64 (global.get $code))
    (call $out64 (global.get $called))
    (call $msg_reply))"#;

fn sender(subnet: &mut Subnet, method: &str, attributes: &str) -> CanisterId {
    let text = SENDER
        .replace("METHOD", method)
        .replace("SIZE", &method.len().to_string())
        .replace("ATTRIBUTES", attributes);
    install(subnet, Width::Bits32, &text)
}

/// Lets one canister call the other, and returns how many calls were refused.
fn send(subnet: &mut Subnet, from: CanisterId, to: CanisterId, count: u8) -> u64 {
    let arg = [to.as_slice(), &[count]].concat();
    number(&subnet.update(from, "send", &arg).expect("it answers at once"))
}

/// Replies, rejects, the code of the last reject, and calls that executed.
fn counts(subnet: &Subnet, id: CanisterId) -> [u64; 4] {
    let reply = subnet.query(id, "counts", b"").expect("it runs");
    std::array::from_fn(|n| number(&reply[8 * n..8 * n + 8]))
}

fn balance(subnet: &Subnet, id: CanisterId) -> u128 {
    subnet.state.canister(&id).expect("it is there").system.balance.0
}

fn is_idle(subnet: &Subnet, id: CanisterId) -> bool {
    let system = &subnet.state.canister(&id).expect("it is there").system;
    system.queues.is_idle() && system.calls.context_count() == 0
}

/// A slot for the response is kept until the response is there, so it always finds room.
#[test]
fn five_hundred_calls_may_be_open_between_two_canisters() {
    let mut subnet = Subnet::new();
    let [a, b] = [sender(&mut subnet, "hold", ""), sender(&mut subnet, "hold", "")];
    assert_eq!(send(&mut subnet, a, b, 0), 3);
    assert_eq!(counts(&subnet, b)[3], 500, "all of them execute in that round");
    // No request waits any more, but all answers are still to come.
    let arg = [b.as_slice(), &[1]].concat();
    let id = subnet.submit(admin(), a, Some(a), "send", &arg);
    // Another callee has queues of its own.
    let other = [a.as_slice(), &[1]].concat();
    let other = subnet.submit(admin(), a, Some(a), "send", &other);
    subnet.round();
    // The ingress message and the first answers alternate, so some are there already.
    assert!(subnet.outcome(id).is_some() && subnet.outcome(other).is_some());
    for _ in 0..3 {
        subnet.round();
    }
    let [replies, rejects, ..] = counts(&subnet, a);
    assert_eq!((rejects, replies >= 501), (0, true), "{replies}");
    assert_eq!(send(&mut subnet, a, b, 0), 3, "everything is free again");
    for _ in 0..3 {
        subnet.round();
    }
    assert!(is_idle(&subnet, a) && is_idle(&subnet, b));
}

/// The answer that is waited for counts against the queue as the request did.
#[test]
fn a_slot_is_free_when_its_response_was_executed() {
    let mut subnet = Subnet::with(|config| config.limits.queue_messages_max = 2);
    let [a, b] = [sender(&mut subnet, "hold", ""), sender(&mut subnet, "hold", "")];
    let arg = [b.as_slice(), &[3]].concat();
    let calls: [MessageId; 2] = [(); 2].map(|()| subnet.submit(admin(), a, Some(a), "send", &arg));
    subnet.round();
    let refused = calls.map(|id| number(&subnet.outcome(id).unwrap().unwrap()));
    assert_eq!(refused, [1, 3], "the second finds both slots taken");
    subnet.round();
    assert_eq!(counts(&subnet, a)[0], 2);
    assert_eq!(send(&mut subnet, a, b, 2), 0);
}

/// A best-effort call that is over gives its cycles back when the callee answers, however late.
#[test]
fn late_answers_bring_their_cycles_home() {
    let attributes = "(call $call_with_best_effort_response (i32.const 1))
        (call $call_cycles_add128 (i64.const 0) (i64.const 100))";
    let mut subnet = Subnet::new();
    let [a, b] = [sender(&mut subnet, "hold", attributes), sender(&mut subnet, "hold", "")];
    let before = balance(&subnet, a);
    assert_eq!(send(&mut subnet, a, b, 5), 0);
    assert_eq!(balance(&subnet, a), before - 500);
    subnet.round_after(30_000);
    subnet.round();
    assert_eq!(counts(&subnet, a), [0, 5, 6, 0], "the outcome is unknown");
    assert_eq!(counts(&subnet, b)[3], 5, "though all of them were executed");
    assert_eq!((balance(&subnet, a), balance(&subnet, b)), (before, before));
    assert!(is_idle(&subnet, a) && is_idle(&subnet, b));
}

/// A request whose caller does not wait any more is not executed at all.
#[test]
fn requests_that_are_over_do_not_begin() {
    let attributes = "(call $call_with_best_effort_response (i32.const 0))
        (call $call_cycles_add128 (i64.const 0) (i64.const 100))";
    let mut subnet = Subnet::new();
    let [a, b] = [sender(&mut subnet, "quick", attributes), sender(&mut subnet, "quick", "")];
    let before = balance(&subnet, a);
    send(&mut subnet, a, b, 5);
    subnet.round();
    assert_eq!((counts(&subnet, a), counts(&subnet, b)[3]), ([0, 5, 6, 0], 0));
    assert_eq!(balance(&subnet, a), before);
    assert!(is_idle(&subnet, a) && is_idle(&subnet, b));
}

fn update_settings(subnet: &mut Subnet, id: CanisterId, settings: ic::CanisterSettings) {
    let args =
        ic::UpdateSettingsArgs { canister_id: id.0, settings, sender_canister_version: None };
    subnet.manage(id, "update_settings", &args).expect("they can be set");
}

fn freeze(subnet: &mut Subnet, id: CanisterId) {
    let freezing_threshold = nat(u64::MAX.into());
    update_settings(subnet, id, ic::CanisterSettings { freezing_threshold, ..Default::default() });
}

/// A frozen canister takes no calls, but the answers to its own.
#[test]
fn frozen_canisters_are_transiently_away() {
    let mut subnet = Subnet::with(|config| config.fees = Fees::default());
    let [a, b] = [sender(&mut subnet, "hold", ""), sender(&mut subnet, "hold", "")];
    assert_eq!(send(&mut subnet, a, b, 2), 0);
    freeze(&mut subnet, b);
    freeze(&mut subnet, a);
    for _ in 0..3 {
        subnet.round();
    }
    // The callbacks of both were paid ahead.
    let system = &subnet.state.canister(&a).unwrap().system;
    assert_eq!((system.calls.callback_count(), system.calls.context_count()), (0, 0));
    for canister in [a, b] {
        let error = subnet.update(canister, "quick", b"").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0207");
    }
    update_settings(
        &mut subnet,
        a,
        ic::CanisterSettings { freezing_threshold: nat(0), ..Default::default() },
    );
    assert_eq!(send(&mut subnet, a, b, 2), 0);
    subnet.round();
    assert_eq!(counts(&subnet, a), [2, 2, 2, 0], "the code is SYS_TRANSIENT");
}

/// The balance at which a canister is frozen is exactly its threshold and the longest message.
#[test]
fn the_freezing_threshold_to_the_cycle() {
    let mut subnet =
        Subnet::with(|config| config.fees = Fees { reference_size: 1, ..Fees::default() });
    let id = sender(&mut subnet, "quick", "");
    let bytes = u128::from(subnet.state.canister(&id).unwrap().memory_bytes());
    let threshold = ((127_000 * bytes * 86_400) >> 30) * 30;
    let message = 5_000_000 + 40_000_000_000;
    // Receiving the call: its method and the rest of its envelope.
    let receiving = 1_200_000 + 2_000 * (5 + 300);
    for (missing, runs) in [(1, false), (0, true)] {
        let balance = threshold + message + receiving - missing;
        subnet.state.canister_mut(&id).unwrap().system.balance = Cycles(balance);
        let result = subnet.update(id, "quick", b"");
        assert_eq!(result.is_ok(), runs, "{result:?}");
        if let Err(error) = result {
            assert_eq!(error.code.to_string(), "IC0207");
            let text = "please top up the canister with at least 1 additional cycles";
            assert!(error.message.contains(text), "{error}");
        }
    }
    // Queries need the threshold alone.
    for (missing, runs) in [(1, false), (0, true)] {
        subnet.state.canister_mut(&id).unwrap().system.balance = Cycles(threshold - missing);
        assert_eq!(subnet.query(id, "counts", b"").is_ok(), runs);
    }
}

/// A part of each callback's instructions is kept for its cleanup.
#[test]
fn a_callback_that_never_ends_is_cleaned_up_after() {
    let text = r#"
      (data (ptr.const 0) "nope")
      (table funcref (elem $endless $clean $endless))
      (global $cleaned (mut i64) (i64.const 0))
      (func $endless (param ptr) (loop $again (br $again)))
      (func $clean (param ptr) (global.set $cleaned (i64.const 1)))
      (func $go (param $cleanup ptr)
        (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))
        (call $call_on_cleanup (local.get $cleanup) (ptr.const 0))
        (drop (call $call_perform)))
      (func (export "canister_update go") (call $go (ptr.const 1)))
      (func (export "canister_update go_on") (call $go (ptr.const 2)))
      (func (export "canister_query cleaned")
        (call $out64 (global.get $cleaned)) (call $msg_reply))"#;
    let mut subnet = Subnet::with(|config| config.limits.instructions_per_message_max = 1_000_000);
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        let error = subnet.update(id, "go_on", b"").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0522");
        assert!(error.message.contains("call_on_cleanup also failed"), "{error}");
        assert_eq!(subnet.query(id, "cleaned", b"").unwrap(), numbers(&[0]));
        let error = subnet.update(id, "go", b"").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0522");
        assert_eq!(subnet.query(id, "cleaned", b"").unwrap(), numbers(&[1]));
        assert!(is_idle(&subnet, id));
    }
}

#[test]
fn composite_queries_share_their_instructions() {
    let text = r#"
      (data (ptr.const 0) "spend")
      (table funcref (elem $next $answer_code))
      (global $calls (mut i32) (i32.const 0))
      (func $ask
        (call $call_self (ptr.const 0) (ptr.const 5) (ptr.const 0) (ptr.const 1))
        (drop (call $call_perform)))
      (func $next (param ptr)
        (global.set $calls (i32.sub (global.get $calls) (i32.const 1)))
        (if (global.get $calls)
          (then (call $ask))
          (else (call $out64 (i64.const 77)) (call $msg_reply))))
      (func $answer_code (param ptr) (call $out32 (call $msg_reject_code)) (call $msg_reply))
      (func (export "canister_query spend") (local $n i32)
        (local.set $n (i32.const 1000000))
        (loop $again
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br_if $again (local.get $n)))
        (call $msg_reply))
      (func (export "canister_composite_query go")
        (call $msg_arg_data_copy (ptr.const 100) (ptr.const 0) (ptr.const 1))
        (global.set $calls (i32.load8_u (ptr.const 100)))
        (call $ask))"#;
    let mut subnet = Subnet::with(|config| {
        config.limits.instructions_per_composite_query_max = 20_000_000;
        config.limits.instructions_per_query_max = 8_000_000;
    });
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        // Each call takes about 5 million instructions and 1 million for itself.
        assert_eq!(subnet.query(id, "go", &[2]).unwrap(), numbers(&[77]), "{width:?}");
        let error = subnet.query(id, "go", &[10]).unwrap_err();
        assert_eq!(error.code.to_string(), "IC0526");
        assert_eq!(error.message, "Composite query calls exceeded the instruction limit.");
        // The next query has all of them again.
        assert_eq!(subnet.query(id, "go", &[2]).unwrap(), numbers(&[77]));
    }
}

/// A callee that uses up its own share is rejected; the query goes on.
#[test]
fn one_query_that_takes_too_long_is_a_reject() {
    let text = r#"
      (data (ptr.const 0) "endless")
      (table funcref (elem $answer_code))
      (func $answer_code (param ptr) (call $out32 (call $msg_reject_code)) (call $msg_reply))
      (func (export "canister_query endless") (loop $again (br $again)))
      (func (export "canister_composite_query go")
        (call $call_self (ptr.const 0) (ptr.const 7) (ptr.const 0) (ptr.const 0))
        (drop (call $call_perform)))"#;
    let mut subnet = Subnet::with(|config| config.limits.instructions_per_query_max = 8_000_000);
    let id = install(&mut subnet, Width::Bits32, text);
    assert_eq!(subnet.query(id, "go", b"").unwrap(), numbers(&[5]));
    let error = subnet.query(id, "endless", b"").unwrap_err();
    assert_eq!(error.code.to_string(), "IC0522");
}

fn management(subnet: &mut Subnet, method: &str, id: CanisterId) -> MessageId {
    let arg = Encode!(&record(id)).unwrap();
    subnet.submit(admin(), MANAGEMENT_CANISTER, Some(id), method, &arg)
}

/// Everybody who asks is answered when the canister has stopped, or after five minutes each.
#[test]
fn every_stop_request_has_its_own_patience() {
    let mut subnet = Subnet::new();
    let [a, b] = [sender(&mut subnet, "never", ""), sender(&mut subnet, "never", "")];
    let never = r#"
      (data (ptr.const 0) "raw_rand")
      (data (ptr.const 20) "DIDL\00\00")
      (table funcref (elem $ask_again))
      (func $ask
        (call $call_new (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 8)
          (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 0))
        (call $call_data_append (ptr.const 20) (ptr.const 6))
        (drop (call $call_perform)))
      (func $ask_again (param ptr) (call $ask))
      (func (export "canister_update never") (call $ask))"#;
    let mode = ic::CanisterInstallMode::Reinstall;
    let wasm = crate::programs::program(Width::Bits32, never);
    subnet.install(b, mode, &wasm, b"").unwrap();
    assert_eq!(send(&mut subnet, a, b, 1), 0);
    let first = management(&mut subnet, "stop_canister", b);
    subnet.round_after(100_000);
    let second = management(&mut subnet, "stop_canister", b);
    subnet.round_after(100_000);
    subnet.round_after(100_000);
    let code = |subnet: &Subnet, id| {
        subnet.outcome(id).map(|outcome| outcome.map_err(|error| error.code.to_string()))
    };
    assert_eq!(code(&subnet, first), None);
    subnet.round_after(100_000);
    assert_eq!(code(&subnet, first), Some(Err("IC0206".into())));
    assert_eq!(code(&subnet, second), None);
    subnet.round_after(100_000);
    assert_eq!(code(&subnet, second), Some(Err("IC0206".into())));
    // It goes on stopping: it takes no calls, and stops as soon as nothing is open.
    assert_eq!(send(&mut subnet, a, b, 1), 0);
    subnet.round();
    assert_eq!(counts(&subnet, a), [0, 1, 5, 0]);
    let third = management(&mut subnet, "stop_canister", b);
    let args = ic::UninstallCodeArgs { canister_id: b.0, sender_canister_version: None };
    subnet.manage(b, "uninstall_code", &args).unwrap();
    subnet.round();
    assert_eq!(code(&subnet, third), Some(Ok(b"DIDL\0\0".to_vec())));
    assert_eq!(subnet.status(b).status, ic::CanisterStatusType::Stopped);
}

/// What waits in the queues of a canister that is stopped and deleted is answered.
#[test]
fn messages_to_a_canister_that_goes_are_answered() {
    // Rounds of one management call, so that others keep waiting.
    let mut subnet = Subnet::new();
    let [a, b] = [sender(&mut subnet, "quick", ""), sender(&mut subnet, "quick", "")];
    let attached = "(call $call_cycles_add128 (i64.const 0) (i64.const 100))";
    let c = sender(&mut subnet, "quick", attached);
    let before = balance(&subnet, c);
    let [to_b, from_c] = [[a.as_slice(), &[7]].concat(), [b.as_slice(), &[7]].concat()];
    let waiting = [
        subnet.submit(admin(), b, Some(b), "send", &to_b),
        subnet.submit(admin(), b, Some(b), "quick", b""),
    ];
    let other = subnet.submit(admin(), c, Some(c), "send", &from_c);
    let stop = management(&mut subnet, "stop_canister", b);
    let delete = management(&mut subnet, "delete_canister", b);
    for _ in 0..3 {
        subnet.round();
    }
    assert_eq!(subnet.outcome(stop), Some(Ok(b"DIDL\0\0".to_vec())));
    // Not yet stopped when it was to be deleted: stopping ends with the round.
    assert_eq!(subnet.outcome(delete).unwrap().unwrap_err().code.to_string(), "IC0510");
    for id in waiting {
        assert_eq!(subnet.outcome(id).unwrap().unwrap_err().code.to_string(), "IC0509");
    }
    assert!(subnet.outcome(other).unwrap().is_ok());
    assert_eq!(counts(&subnet, c), [0, 7, 5, 0]);
    assert_eq!(balance(&subnet, c), before);
    subnet.manage(b, "delete_canister", &record(b)).unwrap();
    let late = subnet.submit(admin(), b, Some(b), "quick", b"");
    send(&mut subnet, c, b, 1);
    subnet.round();
    assert_eq!(subnet.outcome(late).unwrap().unwrap_err().code.to_string(), "IC0301");
    assert_eq!(counts(&subnet, c)[2], 3);
    assert_eq!(balance(&subnet, c), before);
}

/// A stop, a deletion and calls in rounds that are cut short after each management call: the calls
/// still wait when the canister is deleted.
#[test]
fn calls_that_wait_for_a_deleted_canister_are_rejected() {
    let mut subnet = Subnet::with(|config| config.limits.instructions_per_round_max = 1);
    let b = sender(&mut subnet, "quick", "");
    let waiting: [MessageId; 3] =
        [(); 3].map(|()| subnet.submit(admin(), b, Some(b), "quick", b""));
    let stop = management(&mut subnet, "stop_canister", b);
    let delete = management(&mut subnet, "delete_canister", b);
    for _ in 0..3 {
        subnet.round();
    }
    assert_eq!(subnet.outcome(stop), Some(Ok(b"DIDL\0\0".to_vec())));
    assert_eq!(subnet.outcome(delete), Some(Ok(b"DIDL\0\0".to_vec())));
    assert!(subnet.state.canister(&b).is_none());
    for id in waiting {
        let error = subnet.outcome(id).expect("nobody waits for ever").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0508");
        assert_eq!(error.message, format!("Canister {b} is stopped"));
    }
}

/// The hook for low memory goes before all that waits for the canister.
#[test]
fn the_hook_for_low_memory_runs_before_other_messages() {
    let text = r#"
      (func $note (param $digit i64)
        (global.set $notes
          (i64.add (i64.mul (global.get $notes) (i64.const 10)) (local.get $digit))))
      (global $notes (mut i64) (i64.const 0))
      (func (export "canister_on_low_wasm_memory") (call $note (i64.const 9)))
      (func (export "canister_heartbeat")
        (if (i64.eqz (global.get $notes)) (then (call $note (i64.const 1)))))
      (func (export "canister_update grow")
        (drop (memory.grow (ptr.const 5)))
        (call $note (i64.const 2)) (call $msg_reply))
      (func (export "canister_update next") (call $note (i64.const 3)) (call $msg_reply))
      (func (export "canister_query notes")
        (call $out64 (global.get $notes)) (call $msg_reply))"#;
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        update_settings(
            &mut subnet,
            id,
            ic::CanisterSettings {
                wasm_memory_limit: nat(10 << 16),
                wasm_memory_threshold: nat(5 << 16),
                ..Default::default()
            },
        );
        let grow = subnet.submit(admin(), id, Some(id), "grow", b"");
        let next = subnet.submit(admin(), id, Some(id), "next", b"");
        subnet.round();
        assert!(subnet.outcome(grow).unwrap().is_ok() && subnet.outcome(next).unwrap().is_ok());
        assert_eq!(subnet.query(id, "notes", b"").unwrap(), numbers(&[1_293]));
        // Once, until there was enough memory in between.
        for threshold in [5, 0, 5] {
            update_settings(
                &mut subnet,
                id,
                ic::CanisterSettings {
                    wasm_memory_threshold: nat(threshold << 16),
                    ..Default::default()
                },
            );
            subnet.round();
        }
        assert_eq!(subnet.query(id, "notes", b"").unwrap(), numbers(&[12_939]));
    }
}

/// The heap's own maximum, that of the width, and the one of the settings.
#[test]
fn heaps_grow_to_their_limits() {
    let mut subnet = Subnet::new();
    let minus_one = |width| match width {
        Width::Bits32 => u64::from(u32::MAX),
        Width::Bits64 => u64::MAX,
    };
    for (width, most) in [(Width::Bits32, 65_536u64), (Width::Bits64, 98_304)] {
        let grow = |pages: u64| format!("(call $outp (memory.grow (ptr.const {pages})))");
        // Settings of a new canister bind updates at 3 GiB; queries may go on.
        let most_of_updates = 49_152;
        for (frame, body, want) in [
            (Frame::Update, grow(0) + &grow(1) + &grow(0), Want::Numbers(&[2, 2, 3][..])),
            (Frame::Query, grow(most - 2) + &grow(1), Want::Numbers(&[2, minus_one(width)])),
            (Frame::Query, grow(most), Want::Numbers(&[minus_one(width)])),
            (Frame::Update, grow(most_of_updates - 2), Want::Numbers(&[2])),
            (
                Frame::Update,
                grow(most_of_updates - 1),
                Want::Fails("IC0539", "its current Wasm memory limit of 3221225472 bytes"),
            ),
        ] {
            check_in(&mut subnet, width, frame, &body, want);
        }
    }
}
