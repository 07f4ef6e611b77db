//! Updates, queries, traps and the system interface, through whole rounds.

mod harness;

use harness::{Subnet, admin, number, stranger};
use types::{CanisterId, RejectCode};

/// A counter with all the usual ways to fail.
const COUNTER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_size" (func $caller_size (result i32)))
  (import "ic0" "msg_caller_copy" (func $caller_copy (param i32 i32 i32)))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (import "ic0" "time" (func $time (result i64)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (import "ic0" "data_certificate_present" (func $has_certificate (result i32)))
  (import "ic0" "data_certificate_size" (func $certificate_size (result i32)))
  (import "ic0" "data_certificate_copy" (func $certificate_copy (param i32 i32 i32)))
  (import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
  (import "ic0" "msg_method_name_size" (func $method_size (result i32)))
  (memory 1 10)
  (data (i32.const 100) "some reason")
  (global $count (mut i64) (i64.const 0))
  (func $reply_count
    (i64.store (i32.const 0) (global.get $count))
    (call $append (i32.const 0) (i32.const 8))
    (call $reply))
  (func (export "canister_update increment")
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (call $reply_count))
  (func (export "canister_query get") (call $reply_count))
  (func (export "canister_query increment_in_query")
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (i64.store (i32.const 8) (i64.const 77))
    (call $reply_count))
  (func (export "canister_query get_memory")
    (call $append (i32.const 8) (i32.const 8))
    (call $reply))
  (func (export "canister_update trap")
    (global.set $count (i64.const 99))
    (call $print (i32.const 100) (i32.const 4))
    (call $trap (i32.const 100) (i32.const 11)))
  (func (export "canister_update unreachable") unreachable)
  (func (export "canister_update loop") (loop $l (br $l)))
  (func (export "canister_update silent"))
  (func (export "canister_update reject")
    (call $reject (i32.const 100) (i32.const 11)))
  (func (export "canister_update reply_twice") (call $reply) (call $reply))
  (func (export "canister_update out_of_bounds")
    (call $arg_copy (i32.const 0) (i32.const 0) (i32.const 1000)))
  (func (export "canister_update heap_out_of_bounds")
    (call $append (i32.const 65530) (i32.const 100)))
  (func (export "canister_update wrong_context") (drop (call $method_size)))
  (func (export "canister_update echo")
    (call $arg_copy (i32.const 200) (i32.const 0) (call $arg_size))
    (call $append (i32.const 200) (call $arg_size))
    (call $reply))
  (func (export "canister_update caller")
    (call $caller_copy (i32.const 200) (i32.const 0) (call $caller_size))
    (call $append (i32.const 200) (call $caller_size))
    (call $reply))
  (func (export "canister_query time")
    (i64.store (i32.const 0) (call $time))
    (call $append (i32.const 0) (i32.const 8))
    (call $reply))
  (func (export "canister_update certify")
    (call $certify (i32.const 100) (i32.const 11))
    (call $reply))
  (func (export "canister_update certify_too_much")
    (call $certify (i32.const 100) (i32.const 33)))
  (func (export "canister_query certificate")
    (if (call $has_certificate)
      (then
        (call $certificate_copy (i32.const 200) (i32.const 0) (call $certificate_size))
        (call $append (i32.const 200) (call $certificate_size))))
    (call $reply))
  (func (export "canister_update instructions")
    (i64.store (i32.const 0) (call $counter (i32.const 0)))
    (i64.store (i32.const 8) (call $counter (i32.const 1)))
    (call $append (i32.const 0) (i32.const 16))
    (call $reply))
  (func (export "canister_update grow")
    (i64.store (i32.const 0)
      (i64.extend_i32_s (memory.grow (i32.const 20))))
    (call $append (i32.const 0) (i32.const 8))
    (call $reply)))
"#;

/// The texts after "Error from Canister <id>: ".
fn check_error(method: &str, code: &str, text: &str) {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(COUNTER);
    let error = subnet.update(id, method, b"").expect_err("it fails");
    assert_eq!(error.code.to_string(), code, "{}", error.message);
    let expected = format!("Error from Canister {id}: {text}");
    assert!(error.message.starts_with(&expected), "{}\ninstead of\n{expected}", error.message);
}

#[test]
fn updates_change_the_state_and_queries_do_not() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(COUNTER);
    for expected in 1..4 {
        assert_eq!(number(&subnet.update(id, "increment", b"").unwrap()), expected);
    }
    assert_eq!(number(&subnet.query(id, "increment_in_query", b"").unwrap()), 4);
    assert_eq!(number(&subnet.query(id, "get", b"").unwrap()), 3);
    assert_eq!(number(&subnet.query(id, "get_memory", b"").unwrap()), 0);
    // A query called as an update is replicated, and changes nothing either.
    assert_eq!(number(&subnet.update(id, "increment_in_query", b"").unwrap()), 4);
    assert_eq!(number(&subnet.update(id, "get", b"").unwrap()), 3);
    assert_eq!(number(&subnet.query(id, "get_memory", b"").unwrap()), 0);
}

#[test]
fn failures_have_the_published_texts() {
    check_error(
        "trap",
        "IC0503",
        "Canister called `ic0.trap` with message: 'some reason'.\nConsider gracefully handling \
         failures from this canister or altering the canister to handle exceptions. See \
         documentation: \
         https://internetcomputer.org/docs/current/references/execution-errors#trapped-explicitly",
    );
    check_error("unreachable", "IC0502", "Canister trapped: unreachable.\n");
    check_error("no such", "IC0536", "Canister has no update method 'no such'..\nCheck that");
    check_error(
        "reply_twice",
        "IC0504",
        "Canister violated contract: ic0.msg_reply: the call is already replied.\nIf you are",
    );
    check_error(
        "wrong_context",
        "IC0504",
        "Canister violated contract: \"ic0_msg_method_name_size\" cannot be executed in update mode",
    );
    check_error(
        "out_of_bounds",
        "IC0504",
        "Canister violated contract: ic0.msg_arg_data_copy payload: src=0 + length=1000 exceeds \
         the slice size=0",
    );
    check_error(
        "heap_out_of_bounds",
        "IC0504",
        "Canister violated contract: ic0.msg_reply_data_append heap: src=65530 + length=100 \
         exceeds the slice size=65536",
    );
    check_error(
        "certify_too_much",
        "IC0504",
        "Canister violated contract: ic0.certified_data_set failed because the passed data must \
         be no larger than 32 bytes. Found 33 bytes",
    );
}

#[test]
fn a_trap_undoes_everything_but_the_log() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(COUNTER);
    subnet.update(id, "increment", b"").unwrap();
    subnet.update(id, "trap", b"").unwrap_err();
    assert_eq!(number(&subnet.query(id, "get", b"").unwrap()), 1);
    let log: Vec<_> = subnet.state.canister(&id).unwrap().system.log.records().collect();
    let lines: Vec<_> = log.iter().map(|record| record.content.as_ref()).collect();
    let trap: &[u8] = b"[TRAP]: Canister called `ic0.trap` with message: 'some reason'";
    assert_eq!(lines, [b"some", trap]);
}

#[test]
fn endless_loops_end() {
    let mut subnet = Subnet::with(|config| config.limits.instructions_per_message_max = 1_000_000);
    let id = subnet.install_new(COUNTER);
    let error = subnet.update(id, "loop", b"").unwrap_err();
    assert_eq!(error.code.to_string(), "IC0522");
    let expected = "Canister exceeded the limit of 1000000 instructions for single message";
    assert!(error.message.contains(expected), "{}", error.message);
}

#[test]
fn answers_by_the_canister_and_none() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(COUNTER);
    let rejected = subnet.update(id, "reject", b"").unwrap_err();
    assert_eq!((rejected.code.to_string().as_str(), &*rejected.message), ("IC0406", "some reason"));
    assert_eq!(rejected.reject_code(), RejectCode::CanisterReject);
    let silent = subnet.update(id, "silent", b"").unwrap_err();
    assert_eq!(silent.code.to_string(), "IC0506");
    assert_eq!(silent.message, format!("Canister {id} did not reply to the call"));
    assert_eq!(subnet.update(id, "echo", b"hello").unwrap(), b"hello");
    assert_eq!(subnet.update(id, "caller", b"").unwrap(), admin().as_slice());
}

#[test]
fn canisters_without_code_or_existence() {
    let mut subnet = Subnet::new();
    let id = subnet.create();
    let error = subnet.update(id, "increment", b"").unwrap_err();
    assert_eq!(error.code.to_string(), "IC0537");
    let text = "Attempted to execute a message, but the canister contains no Wasm module.";
    assert_eq!(
        error.message,
        format!(
            "Error from Canister {id}: {text}.\nPlease install code to this canister before \
             calling it. See documentation: \
             https://internetcomputer.org/docs/current/references/execution-errors\
             #wasm-module-not-found"
        )
    );
    let missing = CanisterId::from_index(1_000);
    let error = subnet.update(missing, "increment", b"").unwrap_err();
    assert_eq!(error.code.to_string(), "IC0301");
    assert_eq!(error.message, format!("Canister {missing} not found"));
    assert_eq!(subnet.query(missing, "get", b"").unwrap_err(), error);
    let no_method = subnet.query(id, "get", b"").unwrap_err();
    assert_eq!(no_method.code.to_string(), "IC0537");
}

#[test]
fn queries_know_their_certificate_and_time() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(COUNTER);
    subnet.update(id, "certify", b"").unwrap();
    let canister = subnet.state.canister(&id).unwrap();
    assert_eq!(canister.system.certified_data.as_ref(), b"some reason");
    assert_eq!(subnet.query(id, "certificate", b"").unwrap(), b"");
    let certified = subnet.query_with(id, "certificate", b"", Some(b"proof"));
    assert_eq!(certified.unwrap(), b"proof");
    assert_eq!(number(&subnet.query(id, "time", b"").unwrap()), subnet.state.time.0);
    // In replicated mode there is none.
    assert_eq!(subnet.update(id, "certificate", b"").unwrap(), b"");
}

#[test]
fn instructions_are_counted_and_memory_grows_within_the_module() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(COUNTER);
    let counters = subnet.update(id, "instructions", b"").unwrap();
    let (message, call) = (number(&counters[..8]), number(&counters[8..]));
    assert!(message > 0 && call > message, "{message} {call}");
    assert_eq!(number(&subnet.update(id, "grow", b"").unwrap()), u64::MAX);
}

#[test]
fn the_same_rounds_give_the_same_state() {
    let play = || {
        let mut subnet = Subnet::new();
        let [a, b] = [subnet.install_new(COUNTER), subnet.install_new(COUNTER)];
        for method in ["increment", "trap", "echo", "silent", "increment"] {
            for id in [a, b] {
                subnet.submit(stranger(), id, Some(id), method, method.as_bytes());
            }
            subnet.round();
        }
        subnet.fingerprint()
    };
    let (one, other) = (play(), play());
    assert!(one == other, "two runs differ");
    assert!(one.contains("some reason"));
}
