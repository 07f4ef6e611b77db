//! Building calls: the order of the functions, what they refuse, and deadlines.

use replica_execution::meter::Width;

use crate::harness::{Subnet, number};
use crate::programs::{Frame, WIDTHS, Want, check, check_in, install, run, violates};

const NEW: &str = "(call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))";
const PERFORM: &str = "(drop (call $call_perform))";

#[test]
fn attributes_need_a_call_under_construction() {
    let mut subnet = Subnet::new();
    for (function, call) in [
        ("call_on_cleanup", "(call $call_on_cleanup (ptr.const 0) (ptr.const 0))"),
        ("call_data_append", "(call $call_data_append (ptr.const 0) (ptr.const 0))"),
        ("call_with_best_effort_response", "(call $call_with_best_effort_response (i32.const 5))"),
        ("call_cycles_add128", "(call $call_cycles_add128 (i64.const 0) (i64.const 0))"),
        ("call_perform", PERFORM),
    ] {
        let text = format!("ic0.{function} called when no call is under construction.");
        check(call, violates(&text));
        check(&format!("{NEW} {PERFORM} {call}"), violates(&text));
        // A call that is not performed ends with its message, not later.
        let body = format!("{NEW} {call}");
        for width in WIDTHS {
            check_in(&mut subnet, width, Frame::Update, &body, Want::Bytes(b""));
            check_in(&mut subnet, width, Frame::OnReply, call, violates(&text));
        }
    }
    let body = "(call $call_cycles_add (i64.const 0))";
    let text = "ic0.call_cycles_add called when no call is under construction.";
    check_in(&mut subnet, Width::Bits32, Frame::Update, body, violates(text));
}

#[test]
fn some_attributes_are_given_once() {
    let cleanup = "(call $call_on_cleanup (ptr.const 0) (ptr.const 0))";
    let text = "ic0.call_on_cleanup can be called at most once";
    check(&format!("{NEW} {cleanup} {cleanup}"), violates(text));
    check(&format!("{NEW} {cleanup} {NEW} {cleanup}"), Want::Bytes(b""));
    let timeout = "(call $call_with_best_effort_response (i32.const 5))";
    let text = "a timeout is already set";
    check(&format!("{NEW} {timeout} {timeout}"), violates(text));
    check(&format!("{NEW} {timeout} {NEW} {timeout}"), Want::Bytes(b""));
}

#[test]
fn callees_and_methods_are_named_within_bounds() {
    let new = |callee: &str, method: &str| {
        let zero = "(ptr.const 0)";
        format!("(call $call_new {callee} {method} {zero} {zero} {zero} {zero})")
    };
    let at = |size: u64| format!("(ptr.const 100) (ptr.const {size})");
    for (size, want) in [
        (0, Want::Bytes(b"")),
        (29, Want::Bytes(b"")),
        (30, violates("ic0.call_new: a principal has at most 29 bytes, not 30")),
    ] {
        check(&new(&at(size), &at(0)), want);
    }
    for (size, want) in [
        (20_000, Want::Bytes(b"")),
        (20_001, violates("ic0.call_new: size of method name 20001 exceeds the limit 20000")),
    ] {
        check(&new(&at(0), &at(size)), want);
    }
    let not_text = format!("(i32.store8 (ptr.const 100) (i32.const 0xff)) {}", new(&at(0), &at(1)));
    check(&not_text, violates("ic0.call_new: the text is not valid UTF-8"));
}

/// Appends the whole memory eighty times, which is 10 MiB, and then some bytes.
fn argument(more: u64) -> String {
    format!(
        "(local $i i32) {NEW}
         (loop $again
           (call $call_data_append (ptr.const 0) (ptr.const 131072))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 80))))
         (call $call_data_append (ptr.const 0) (ptr.const {more}))
         (call $out32 (call $call_perform))"
    )
}

#[test]
fn arguments_have_a_largest_size() {
    check(&argument(0), Want::Numbers(&[0]));
    let text = "the payload of 10485761 bytes exceeds the maximum of 10485760";
    check(&argument(1), violates(text));
}

/// `deadline` replies with its own deadline; `go` calls it with the timeout that replaces TIMEOUT.
const DEADLINES: &str = r#"
  (data (ptr.const 0) "deadline")
  (table funcref (elem $replied $rejected))
  (func (export "canister_update deadline")
    (call $out64 (call $msg_deadline)) (call $msg_reply))
  (func (export "canister_query as_query")
    (call $out64 (call $msg_deadline)) (call $msg_reply))
  (func $replied (param ptr)
    (call $msg_arg_data_copy (ptr.const 100) (ptr.const 0) (ptr.const 8))
    (call $out (ptr.const 100) (ptr.const 8))
    (call $out64 (call $msg_deadline))
    (call $msg_reply))
  (func $rejected (param ptr)
    (call $out32 (call $msg_reject_code))
    (call $msg_reply))
  (func (export "canister_update go")
    (call $call_self (ptr.const 0) (ptr.const 8) (ptr.const 0) (ptr.const 1))
    TIMEOUT
    (drop (call $call_perform)))"#;

#[test]
fn deadlines_are_whole_seconds_and_at_most_five_minutes_away() {
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        for (timeout, seconds) in [(1, 1), (299, 299), (300, 300), (301, 300), (-1, 300)] {
            let call = format!("(call $call_with_best_effort_response (i32.const {timeout}))");
            let id = install(&mut subnet, width, &DEADLINES.replace("TIMEOUT", &call));
            // Some time within a second.
            subnet.round_after(300);
            let reply = subnet.update(id, "go", b"").unwrap();
            let deadline = (subnet.state.time.as_secs() + seconds) * 1_000_000_000;
            assert_eq!((number(&reply[..8]), number(&reply[8..])), (deadline, 0), "{timeout}");
        }
        // Without a timeout there is no deadline, nor for calls by users and for queries.
        let id = install(&mut subnet, width, &DEADLINES.replace("TIMEOUT", ""));
        assert_eq!(subnet.update(id, "go", b"").unwrap(), [0; 16]);
        for method in ["deadline", "as_query"] {
            assert_eq!(subnet.update(id, method, b"").unwrap(), [0; 8]);
        }
        assert_eq!(subnet.query(id, "as_query", b"").unwrap(), [0; 8]);
        let call = "(call $call_with_best_effort_response (i32.const 50))";
        let as_query = DEADLINES.replace("TIMEOUT", call).replace("\"deadline\"", "\"as_query\"");
        let id = install(&mut subnet, width, &as_query);
        assert_eq!(subnet.update(id, "go", b"").unwrap(), [0; 16]);
        // A timeout of nothing is over at once: the outcome is unknown.
        let call = "(call $call_with_best_effort_response (i32.const 0))";
        let id = install(&mut subnet, width, &DEADLINES.replace("TIMEOUT", call));
        assert_eq!(subnet.update(id, "go", b"").unwrap(), 6u64.to_le_bytes());
    }
}

#[test]
fn callbacks_are_looked_up_when_they_run() {
    let text = |index: &str| {
        format!(
            r#"(data (ptr.const 0) "nope")
            (table 3 funcref)
            (elem (i32.const 0) $fine $without_parameter)
            (func $fine (param ptr) (call $outp (local.get 0)) (call $msg_reply))
            (func $without_parameter (call $msg_reply))
            (func (export "canister_update go")
              (call $canister_self_copy (ptr.const 100) (ptr.const 0) (call $canister_self_size))
              (call $call_new (ptr.const 100) (call $canister_self_size)
                (ptr.const 0) (ptr.const 4)
                (ptr.const {index}) (ptr.const 5) (ptr.const {index}) (ptr.const -1))
              (drop (call $call_perform)))"#
        )
    };
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let environment = match width {
            Width::Bits32 => u64::from(u32::MAX),
            Width::Bits64 => u64::MAX,
        };
        let id = install(&mut subnet, width, &text("0"));
        assert_eq!(subnet.update(id, "go", b"").unwrap(), environment.to_le_bytes());
        for index in ["1", "2", "3", "-1"] {
            let id = install(&mut subnet, width, &text(index));
            let error = subnet.update(id, "go", b"").unwrap_err();
            assert_eq!(error.code.to_string(), "IC0513", "{index}: {error}");
            let text = "Canister requested to invoke a non-existent Wasm function";
            assert!(error.message.contains(text), "{error}");
        }
    }
}

/// The effects of the message wait for its end, and calls go out in their order.
#[test]
fn calls_go_out_in_order_and_only_if_the_message_ends_well() {
    let text = r#"
      (data (ptr.const 0) "note")
      (table funcref (elem $ignore))
      (global $notes (mut i64) (i64.const 0))
      (func $ignore (param ptr))
      (func $send (param $digit i64)
        (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))
        (i64.store (ptr.const 50) (local.get $digit))
        (call $call_data_append (ptr.const 50) (ptr.const 8))
        (i64.store (ptr.const 50) (i64.const 0))
        (drop (call $call_perform)))
      (func $send_all
        (call $send (i64.const 1)) (call $send (i64.const 2)) (call $send (i64.const 3)))
      (func (export "canister_update note")
        (call $msg_arg_data_copy (ptr.const 100) (ptr.const 0) (ptr.const 8))
        (global.set $notes
          (i64.add (i64.mul (global.get $notes) (i64.const 10)) (i64.load (ptr.const 100))))
        (call $msg_reply))
      (func (export "canister_update send") (call $send_all) (call $msg_reply))
      (func (export "canister_update send_and_trap") (call $send_all) unreachable)
      (func (export "canister_query notes")
        (call $out64 (global.get $notes)) (call $msg_reply))"#;
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        subnet.update(id, "send_and_trap", b"").unwrap_err();
        subnet.round();
        assert_eq!(number(&subnet.query(id, "notes", b"").unwrap()), 0);
        subnet.update(id, "send", b"").unwrap();
        subnet.round();
        assert_eq!(number(&subnet.query(id, "notes", b"").unwrap()), 123);
    }
}

/// The code of a reject is 2 where it is not a trap: too many open calls.
#[test]
fn open_calls_are_bounded() {
    let mut subnet = Subnet::with(|config| config.limits.callbacks_per_canister_max = 2);
    let perform = format!("{NEW} (call $out32 (call $call_perform))");
    let body = perform.repeat(3);
    let reply = run(&mut subnet, Width::Bits32, Frame::Update, &body).unwrap();
    let results: Vec<_> = reply.chunks(8).map(number).collect();
    assert_eq!(results, [0, 0, 2]);
}
