//! Calls between canisters, their callbacks and their cycles.

mod harness;

use candid::{Decode, Encode};
use harness::{Subnet, controllers, module, nat, number, record};
use ic_management_canister_types as ic;
use types::{CanisterId, Cycles, Fees, MANAGEMENT_CANISTER};

/// Calls what its argument says, and answers with what came of it.
///
/// The argument: one byte length and the callee, one byte length and the method, the payload.
/// `call` attaches the cycles set before by `attach` and waits as long as `timeout` says.
const PROXY: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_size" (func $caller_size (result i32)))
  (import "ic0" "msg_caller_copy" (func $caller_copy (param i32 i32 i32)))
  (import "ic0" "msg_reject_code" (func $code (result i32)))
  (import "ic0" "msg_reject_msg_size" (func $msg_size (result i32)))
  (import "ic0" "msg_reject_msg_copy" (func $msg_copy (param i32 i32 i32)))
  (import "ic0" "msg_cycles_available128" (func $available (param i32)))
  (import "ic0" "msg_cycles_accept128" (func $accept (param i64 i64 i32)))
  (import "ic0" "msg_cycles_refunded128" (func $refunded (param i32)))
  (import "ic0" "msg_deadline" (func $deadline (result i64)))
  (import "ic0" "canister_cycle_balance128" (func $balance (param i32)))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_on_cleanup" (func $on_cleanup (param i32 i32)))
  (import "ic0" "call_data_append" (func $data (param i32 i32)))
  (import "ic0" "call_cycles_add128" (func $add (param i64 i64)))
  (import "ic0" "call_with_best_effort_response" (func $best_effort (param i32)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
  (import "ic0" "time" (func $time (result i64)))
  (memory 40)
  (table funcref (elem $on_reply $on_reject $trap_in_reply $cleanup $count $trapping_cleanup))
  (data (i32.const 100) "callback trapped")
  (data (i32.const 120) "cleanup trapped")
  (global $attached (mut i64) (i64.const 0))
  (global $timeout (mut i32) (i32.const 0))
  (global $counted (mut i64) (i64.const 0))
  (func $arg8 (result i64)
    (call $arg_copy (i32.const 0) (i32.const 0) (i32.const 8))
    (i64.load (i32.const 0)))
  (func (export "canister_update attach")
    (global.set $attached (call $arg8)) (call $reply))
  (func (export "canister_update timeout")
    (global.set $timeout (i32.wrap_i64 (call $arg8))) (call $reply))
  (func $start (param $reply_fn i32) (param $reject_fn i32) (param $cleanup i32) (result i32)
    (local $n i32) (local $m i32)
    (call $arg_copy (i32.const 1000) (i32.const 0) (call $arg_size))
    (local.set $n (i32.load8_u (i32.const 1000)))
    (local.set $m (i32.load8_u (i32.add (i32.const 1001) (local.get $n))))
    (call $call_new
      (i32.const 1001) (local.get $n)
      (i32.add (i32.const 1002) (local.get $n)) (local.get $m)
      (local.get $reply_fn) (i32.const 7) (local.get $reject_fn) (i32.const 8))
    (if (local.get $cleanup)
      (then (call $on_cleanup (local.get $cleanup) (i32.const 9))))
    (call $data
      (i32.add (i32.add (i32.const 1002) (local.get $n)) (local.get $m))
      (i32.sub (call $arg_size) (i32.add (i32.add (i32.const 2) (local.get $n)) (local.get $m))))
    (if (i64.ne (global.get $attached) (i64.const 0))
      (then (call $add (i64.const 0) (global.get $attached))))
    (if (global.get $timeout) (then (call $best_effort (global.get $timeout))))
    (call $perform))
  (func $checked (param i32)
    (if (local.get 0) (then (call $reject (i32.const 100) (i32.const 0)))))
  (func (export "canister_update call")
    (call $checked (call $start (i32.const 0) (i32.const 1) (i32.const 0))))
  (func (export "canister_update call_and_trap")
    (drop (call $start (i32.const 0) (i32.const 1) (i32.const 0)))
    (call $trap (i32.const 100) (i32.const 8)))
  (func (export "canister_update trap_in_callback")
    (call $checked (call $start (i32.const 2) (i32.const 1) (i32.const 3))))
  (func (export "canister_update trap_in_cleanup")
    (call $checked (call $start (i32.const 2) (i32.const 1) (i32.const 5))))
  (func (export "canister_update call_and_forget")
    (drop (call $start (i32.const 4) (i32.const 4) (i32.const 0))))
  (func (export "canister_update bad_callback")
    (drop (call $start (i32.const 77) (i32.const 77) (i32.const 0))))
  (func (export "canister_composite_query compose")
    (call $checked (call $start (i32.const 0) (i32.const 1) (i32.const 0))))
  (func (export "canister_update perform_result")
    (i32.store (i32.const 0) (call $start (i32.const 4) (i32.const 4) (i32.const 0)))
    (call $append (i32.const 0) (i32.const 4)) (call $reply))
  (func $on_reply (param i32)
    (call $arg_copy (i32.const 1000) (i32.const 0) (call $arg_size))
    (call $append (i32.const 1000) (call $arg_size))
    (call $reply))
  (func $on_reject (param i32)
    (i32.store8 (i32.const 999) (i32.add (i32.const 48) (call $code)))
    (call $msg_copy (i32.const 1000) (i32.const 0) (call $msg_size))
    (call $append (i32.const 999) (i32.add (i32.const 1) (call $msg_size)))
    (call $reply))
  (func $trap_in_reply (param i32)
    (global.set $counted (i64.const 1000))
    (call $trap (i32.const 100) (i32.const 16)))
  (func $cleanup (param i32)
    (global.set $counted (i64.add (global.get $counted) (i64.extend_i32_u (local.get 0)))))
  (func $trapping_cleanup (param i32) (call $trap (i32.const 120) (i32.const 15)))
  (func $count (param i32)
    (global.set $counted (i64.add (global.get $counted) (i64.const 1))))
  (func (export "canister_query counted")
    (i64.store (i32.const 0) (global.get $counted))
    (call $append (i32.const 0) (i32.const 8)) (call $reply))
  (func (export "canister_update accept")
    (call $accept (i64.const 0) (i64.const 30) (i32.const 0))
    (call $append (i32.const 0) (i32.const 16))
    (call $reply))
  (func (export "canister_update caller")
    (call $caller_copy (i32.const 200) (i32.const 0) (call $caller_size))
    (call $append (i32.const 200) (call $caller_size)) (call $reply))
  (func (export "canister_query query_caller")
    (call $caller_copy (i32.const 200) (i32.const 0) (call $caller_size))
    (call $append (i32.const 200) (call $caller_size)) (call $reply))
  (func (export "canister_update deadline")
    (i64.store (i32.const 0) (call $deadline))
    (call $append (i32.const 0) (i32.const 8)) (call $reply))
  (func (export "canister_update trap") (call $trap (i32.const 100) (i32.const 8)))
  (func (export "canister_update silent"))
  (func (export "canister_update reject") (call $reject (i32.const 100) (i32.const 8)))
  (func (export "canister_update set_timer")
    (i64.store (i32.const 0) (call $timer (i64.add (call $time) (call $arg8))))
    (call $append (i32.const 0) (i32.const 8)) (call $reply))
  (func (export "canister_global_timer")
    (global.set $counted (i64.add (global.get $counted) (i64.const 100))))
)
"#;

/// The argument of the proxy's methods.
fn to(callee: CanisterId, method: &str, payload: &[u8]) -> Vec<u8> {
    let mut arg = vec![callee.as_slice().len() as u8];
    arg.extend(callee.as_slice());
    arg.push(method.len() as u8);
    arg.extend(method.as_bytes());
    arg.extend(payload);
    arg
}

fn two() -> (Subnet, CanisterId, CanisterId) {
    let mut subnet = Subnet::new();
    let [a, b] = [subnet.install_new(PROXY), subnet.install_new(PROXY)];
    (subnet, a, b)
}

fn balance(subnet: &Subnet, id: CanisterId) -> u128 {
    subnet.state.canister(&id).unwrap().system.balance.0
}

fn counted(subnet: &Subnet, id: CanisterId) -> u64 {
    number(&subnet.query(id, "counted", b"").unwrap())
}

#[test]
fn a_call_is_answered_within_the_round() {
    let (mut subnet, a, b) = two();
    let id = subnet.submit(harness::admin(), a, Some(a), "call", &to(b, "caller", b""));
    let outcome = subnet.round();
    assert_eq!(outcome.completed, [id]);
    assert_eq!(outcome.counters.messages, 3);
    assert_eq!(subnet.outcome(id).unwrap().unwrap(), a.as_slice());
    let canister = subnet.state.canister(&a).unwrap();
    assert!(canister.system.queues.is_idle() && canister.system.calls.context_count() == 0);
}

#[test]
fn calls_go_to_oneself_and_to_queries() {
    let (mut subnet, a, b) = two();
    assert_eq!(subnet.update(a, "call", &to(a, "caller", b"")).unwrap(), a.as_slice());
    assert_eq!(subnet.update(a, "call", &to(b, "query_caller", b"")).unwrap(), a.as_slice());
}

#[test]
fn failures_of_the_callee_have_codes_and_texts() {
    let (mut subnet, a, b) = two();
    let mut check = |callee: CanisterId, method: &str, expected: &str| {
        let reply = subnet.update(a, "call", &to(callee, method, b"")).unwrap();
        let text = String::from_utf8(reply).unwrap();
        assert!(text.starts_with(expected), "{text}\ninstead of\n{expected}");
    };
    let error = format!("Error from Canister {b}");
    check(
        b,
        "trap",
        &format!("5IC0503: {error}: Canister called `ic0.trap` with message: 'callback'.\nCon"),
    );
    check(b, "no such", &format!("5IC0536: {error}: Canister has no update method 'no such'."));
    check(b, "silent", &format!("5IC0506: Canister {b} did not reply to the call"));
    check(b, "reject", "4callback");
    check(b, "compose", "5IC0527: Composite query cannot be called in replicated mode");
    let missing = CanisterId::from_index(500);
    check(missing, "go", &format!("3IC0301: Canister {missing} not found"));
    check(MANAGEMENT_CANISTER, "go", "5IC0536: Management canister has no method 'go'");
    check(
        MANAGEMENT_CANISTER,
        "http_request",
        "4IC0407: The management method 'http_request' is not implemented on this subnet.",
    );
}

#[test]
fn a_trap_after_the_call_undoes_the_call() {
    let (mut subnet, a, b) = two();
    let before = balance(&subnet, a);
    subnet.update(a, "attach", &50u64.to_le_bytes()).unwrap();
    subnet.update(a, "call_and_trap", &to(b, "accept", b"")).unwrap_err();
    assert_eq!((balance(&subnet, a), balance(&subnet, b)), (before, before));
    assert!(subnet.state.canister(&a).unwrap().system.queues.is_idle());
}

#[test]
fn cycles_go_with_the_call_and_the_rest_comes_back() {
    let (mut subnet, a, b) = two();
    let before = balance(&subnet, a);
    subnet.update(a, "attach", &50u64.to_le_bytes()).unwrap();
    let accepted = subnet.update(a, "call", &to(b, "accept", b"")).unwrap();
    assert_eq!(number(&accepted[..8]), 30);
    assert_eq!((balance(&subnet, a), balance(&subnet, b)), (before - 30, before + 30));
    // A callee that traps gets nothing.
    subnet.update(a, "call", &to(b, "trap", b"")).unwrap();
    assert_eq!((balance(&subnet, a), balance(&subnet, b)), (before - 30, before + 30));
    // More than there is cannot be sent.
    subnet.update(a, "attach", &u64::MAX.to_le_bytes()).unwrap();
    let error = subnet.update(a, "call", &to(b, "accept", b"")).unwrap_err();
    assert!(error.message.contains("is out of cycles"), "{}", error.message);
}

#[test]
fn a_callback_that_traps_is_cleaned_up_after() {
    let (mut subnet, a, b) = two();
    let error = subnet.update(a, "trap_in_callback", &to(b, "caller", b"")).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0503");
    assert!(error.message.contains("with message: 'callback trapped'"), "{}", error.message);
    // What the callback did is undone, what the cleanup did is kept.
    assert_eq!(counted(&subnet, a), 9);
    let error = subnet.update(a, "trap_in_cleanup", &to(b, "caller", b"")).unwrap_err();
    let text = "'callback trapped'\n\ncall_on_cleanup also failed:\n\nCanister called `ic0.trap` \
                with message: 'cleanup trapped'";
    assert!(error.message.contains(text), "{}", error.message);
    assert_eq!(counted(&subnet, a), 9);
}

#[test]
fn a_callback_that_does_not_exist() {
    let (mut subnet, a, b) = two();
    let error = subnet.update(a, "bad_callback", &to(b, "caller", b"")).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0513");
}

#[test]
fn a_canister_that_calls_and_never_answers() {
    let (mut subnet, a, b) = two();
    let error = subnet.update(a, "call_and_forget", &to(b, "caller", b"")).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0506");
    assert_eq!(counted(&subnet, a), 1);
}

#[test]
fn best_effort_calls_time_out() {
    let (mut subnet, a, b) = two();
    subnet.update(a, "timeout", &20u64.to_le_bytes()).unwrap();
    let deadline = subnet.update(a, "call", &to(b, "deadline", b"")).unwrap();
    assert_eq!(number(&deadline), (subnet.state.time.as_secs() + 20) * 1_000_000_000);
    // The management canister answers `raw_rand` a round later; by then it is too late.
    let arg = to(MANAGEMENT_CANISTER, "raw_rand", b"DIDL\0\0");
    let id = subnet.submit(harness::admin(), a, Some(a), "call", &arg);
    subnet.round();
    assert_eq!(subnet.outcome(id), None);
    subnet.round_after(30_000);
    let text = String::from_utf8(subnet.outcome(id).unwrap().unwrap()).unwrap();
    assert_eq!(text, "6IC0601: Call deadline has expired.");
    subnet.round();
    assert!(subnet.state.canister(&a).unwrap().system.queues.is_idle());
}

#[test]
fn raw_rand_comes_a_round_later_and_differs() {
    let (mut subnet, a, _) = two();
    let arg = to(MANAGEMENT_CANISTER, "raw_rand", b"DIDL\0\0");
    let ids = [0; 2].map(|_| subnet.submit(harness::admin(), a, Some(a), "call", &arg));
    subnet.round();
    assert!(ids.iter().all(|id| subnet.outcome(*id).is_none()));
    subnet.round();
    let replies = ids.map(|id| subnet.outcome(id).unwrap().unwrap());
    let bytes = replies.map(|reply| Decode!(&reply, Vec<u8>).unwrap());
    assert!(bytes.iter().all(|bytes| bytes.len() == 32));
    assert_ne!(bytes[0], bytes[1]);
}

#[test]
fn composite_queries_call_and_are_limited() {
    let (subnet, a, b) = two();
    let reply = subnet.query(a, "compose", &to(b, "query_caller", b"")).unwrap();
    assert_eq!(reply, a.as_slice());
    // Six calls deep is fine, seven is not.
    let nested = |depth: usize| {
        let mut arg = to(b, "query_caller", b"");
        for _ in 1..depth {
            arg = to(a, "compose", &arg);
        }
        subnet.query(a, "compose", &arg)
    };
    assert_eq!(nested(6).unwrap(), a.as_slice());
    let error = nested(7).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0525", "{}", error.message);
    // Updates cannot be called.
    let text = String::from_utf8(subnet.query(a, "compose", &to(b, "caller", b"")).unwrap());
    assert!(text.unwrap().starts_with("5IC0536: "));
    let status = to(MANAGEMENT_CANISTER, "canister_status", &Encode!(&record(a)).unwrap());
    let reply = subnet.query(a, "compose", &status).unwrap();
    assert!(Decode!(&reply, ic::CanisterStatusResult).is_ok());
}

#[test]
fn the_global_timer_fires_once() {
    let (mut subnet, a, _) = two();
    let before = subnet.update(a, "set_timer", &5_000_000_000u64.to_le_bytes()).unwrap();
    assert_eq!(number(&before), 0);
    subnet.round_after(1_000);
    assert_eq!(counted(&subnet, a), 0);
    subnet.round_after(5_000);
    assert_eq!(counted(&subnet, a), 100);
    subnet.round_after(5_000);
    assert_eq!(counted(&subnet, a), 100);
}

#[test]
fn queues_are_bounded() {
    let mut subnet = Subnet::with(|config| config.limits.queue_messages_max = 3);
    let [a, b] = [subnet.install_new(PROXY), subnet.install_new(PROXY)];
    let arg = to(b, "caller", b"");
    let calls = [0; 5].map(|_| subnet.submit(harness::admin(), a, Some(a), "perform_result", &arg));
    subnet.round();
    let results = calls.map(|id| number(&subnet.outcome(id).unwrap().unwrap()));
    assert_eq!(results, [0, 0, 0, 2, 2]);
}

#[test]
fn canisters_can_ask_for_cycles() {
    let (mut subnet, a, b) = two();
    let settings = serde_free_settings(b);
    subnet.manage(b, "update_settings", &settings).unwrap();
    let text = String::from_utf8(subnet.update(a, "call", &to(b, "caller", b"")).unwrap()).unwrap();
    assert!(text.starts_with("5IC0520: "), "{text}");
    subnet.update(a, "attach", &50u64.to_le_bytes()).unwrap();
    assert_eq!(subnet.update(a, "call", &to(b, "caller", b"")).unwrap(), a.as_slice());
}

/// `update_settings` with a setting that the published crate does not know yet.
fn serde_free_settings(id: CanisterId) -> UpdateMinimum {
    let settings = Minimum { minimum_incoming_canister_call_cycles: nat(40) };
    UpdateMinimum { canister_id: id.0, settings }
}

#[derive(candid::CandidType)]
struct Minimum {
    minimum_incoming_canister_call_cycles: Option<candid::Nat>,
}

#[derive(candid::CandidType)]
struct UpdateMinimum {
    canister_id: candid::Principal,
    settings: Minimum,
}

#[test]
fn a_subnet_with_fees_charges_and_refunds() {
    let mut subnet = Subnet::with(|config| config.fees = Fees::default());
    let [a, b] = [subnet.install_new(PROXY), subnet.install_new(PROXY)];
    let before = (balance(&subnet, a), balance(&subnet, b));
    subnet.update(a, "call", &to(b, "caller", b"")).unwrap();
    let spent = (before.0 - balance(&subnet, a), before.1 - balance(&subnet, b));
    // The fees of one node of thirteen: about a message each, and the call on one side.
    assert!((500_000..10_000_000).contains(&spent.0), "{spent:?}");
    assert!((300_000..5_000_000).contains(&spent.1), "{spent:?}");
    assert!(subnet.state.totals.consumed_cycles > Cycles(spent.0 + spent.1));
}

#[test]
fn a_frozen_canister_does_nothing() {
    let mut subnet = Subnet::with(|config| config.fees = Fees::default());
    let id = subnet.install_new(PROXY);
    let threshold = ic::CanisterSettings {
        freezing_threshold: nat(u128::from(u64::MAX)),
        ..controllers(&[harness::admin()])
    };
    let args = ic::UpdateSettingsArgs {
        canister_id: id.0,
        settings: threshold,
        sender_canister_version: None,
    };
    subnet.manage(id, "update_settings", &args).unwrap();
    let error = subnet.update(id, "caller", b"").unwrap_err();
    assert_eq!(error.code.to_string(), "IC0207");
    let expected = format!("Canister {id} is out of cycles: please top up");
    assert!(error.message.starts_with(&expected), "{}", error.message);
    assert_eq!(subnet.query(id, "counted", b"").unwrap_err().code.to_string(), "IC0207");
    let refused = subnet.validate(harness::stranger(), id, "caller", b"").unwrap_err();
    assert_eq!(refused.message, format!("Canister {id} is out of cycles"));
}

#[test]
fn a_canister_without_cycles_loses_its_code() {
    let mut subnet = Subnet::with(|config| {
        config.fees = Fees { gib_per_second: Cycles(100_000_000_000_000_000), ..Fees::default() };
    });
    let id = subnet.create_with(None);
    let no_threshold = ic::CanisterSettings { freezing_threshold: nat(0), ..Default::default() };
    let args = ic::UpdateSettingsArgs {
        canister_id: id.0,
        settings: no_threshold,
        sender_canister_version: None,
    };
    subnet.manage(id, "update_settings", &args).unwrap();
    subnet.install(id, ic::CanisterInstallMode::Install, &module(PROXY), b"").unwrap();
    for _ in 0..20 {
        subnet.round_after(20_000);
    }
    let canister = subnet.state.canister(&id).unwrap();
    assert!(canister.execution.is_none());
    assert_eq!(canister.system.balance, Cycles::ZERO);
    assert_eq!(canister.system.history.changes().count(), 0);
}
