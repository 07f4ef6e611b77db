//! Answering a call, and what a canister says to nobody: its log and its last words.

use replica_execution::meter::Width;
use types::CanisterId;

use crate::harness::Subnet;
use crate::programs::{Frame, WIDTHS, check, check_in, install, run, violates};

fn nothing(function: &str) -> String {
    format!("(call ${function} (ptr.const 0) (ptr.const 0))")
}

#[test]
fn a_call_is_answered_once() {
    let (append, reject) = (nothing("msg_reply_data_append"), nothing("msg_reject"));
    let reply = "(call $msg_reply)";
    for (body, function) in [
        (reply.to_string(), "msg_reply"),
        (reject.clone(), "msg_reply"),
        (format!("{reply} {append}"), "msg_reply_data_append"),
        (format!("{reject} {append}"), "msg_reply_data_append"),
        (format!("{reply} {reject}"), "msg_reject"),
        (format!("{reject} {reject}"), "msg_reject"),
    ] {
        let text = format!("ic0.{function}: the call is already replied");
        check(&body, violates(&text));
        let mut subnet = Subnet::new();
        for frame in [Frame::Query, Frame::OnReply, Frame::OnReject] {
            check_in(&mut subnet, Width::Bits32, frame, &body, violates(&text));
        }
    }
}

fn log(subnet: &Subnet, id: CanisterId) -> Vec<String> {
    let records = subnet.state.canister(&id).unwrap().system.log.records();
    records.map(|record| String::from_utf8_lossy(&record.content).into_owned()).collect()
}

/// Also when the answer was given by an earlier message of the call.
#[test]
fn a_callback_cannot_answer_again() {
    let mut subnet = Subnet::new();
    let text = r#"
        (data (ptr.const 0) "nope")
        (table funcref (elem $again))
        (func $again (param ptr) (call $msg_reply))
        (func (export "canister_update go")
          (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))
          (drop (call $call_perform))
          (call $out64 (i64.const 7)) (call $msg_reply))"#;
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        assert_eq!(subnet.update(id, "go", b"").unwrap(), 7u64.to_le_bytes());
        subnet.round();
        let log = log(&subnet, id);
        let last = log.last().expect("the callback trapped");
        assert!(last.contains("ic0.msg_reply: the call is already replied"), "{last}");
        assert!(subnet.state.canister(&id).unwrap().system.queues.is_idle());
    }
}

/// What was appended and not sent is gone with the message.
#[test]
fn the_reply_buffer_does_not_outlive_its_message() {
    let mut subnet = Subnet::new();
    let text = r#"
        (data (ptr.const 0) "nope")
        (table funcref (elem $done))
        (func $done (param ptr) (call $out64 (i64.const 2)) (call $msg_reply))
        (func (export "canister_update go")
          (call $out64 (i64.const 1))
          (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))
          (drop (call $call_perform)))"#;
    let id = install(&mut subnet, Width::Bits32, text);
    assert_eq!(subnet.update(id, "go", b"").unwrap(), 2u64.to_le_bytes());
}

/// Appends the whole memory so many times, and then some bytes.
fn appending(times: u64, more: u64) -> String {
    format!(
        "(local $i i32)
         (loop $again
           (call $out (ptr.const 0) (ptr.const 131072))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const {times}))))
         (call $out (ptr.const 0) (ptr.const {more}))"
    )
}

#[test]
fn replies_have_a_largest_size() {
    let mut subnet = Subnet::new();
    for (frame, mebibytes) in [(Frame::Update, 2), (Frame::OnReject, 2), (Frame::Query, 3)] {
        let most = mebibytes << 20;
        let times = most / 131_072;
        let reply = run(&mut subnet, Width::Bits32, frame, &appending(times, 0)).unwrap();
        assert_eq!(reply.len() as u64, most);
        let text = format!("application payload size ({}) cannot be larger than {most}", most + 1);
        check_in(&mut subnet, Width::Bits32, frame, &appending(times, 1), violates(&text));
    }
}

#[test]
fn rejects_carry_text() {
    let reject = |data: &str, size: usize| {
        format!(
            r#"(func (export "canister_update go") (call $msg_reject (ptr.const 0) (ptr.const {size})))
               (data (ptr.const 0) "{data}")"#
        )
    };
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let mut answer = |data: &str, size: usize| {
            let id = install(&mut subnet, width, &reject(data, size));
            let error = subnet.update(id, "go", b"").unwrap_err();
            (error.code.to_string(), error.message)
        };
        assert_eq!(answer("", 0), ("IC0406".into(), String::new()));
        assert_eq!(answer("why not?", 8), ("IC0406".into(), "why not?".into()));
        assert_eq!(answer("\\e2\\82\\ac", 3), ("IC0406".into(), "€".into()));
        for (data, size) in [("\\e2\\82\\ac", 2), ("\\ff", 1), ("\\ed\\a0\\80", 3)] {
            let (code, text) = answer(data, size);
            assert_eq!(code, "IC0504");
            assert!(text.contains("ic0.msg_reject: the text is not valid UTF-8"), "{text}");
        }
    }
}

#[test]
fn certified_data_has_at_most_32_bytes() {
    let set = |size: u64| format!("(call $certified_data_set (ptr.const 500) (ptr.const {size}))");
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        for (body, length) in [
            (set(0), 0),
            (set(31), 31),
            (set(32), 32),
            // The last one counts.
            (set(32) + &set(3), 3),
        ] {
            let id = install(&mut subnet, width, &Frame::Update.text(&body));
            subnet.update(id, "go", b"").unwrap();
            let canister = subnet.state.canister(&id).unwrap();
            assert_eq!(canister.system.certified_data.len(), length, "{body}");
        }
        for size in [33, 131_072] {
            let text = format!("must be no larger than 32 bytes. Found {size} bytes");
            check_in(&mut subnet, width, Frame::Update, &set(size), violates(&text));
        }
    }
}

/// Whatever it is given, printing goes on.
#[test]
fn printing_never_fails() {
    let text = r#"
        (data (ptr.const 0) "some words")
        (func (export "canister_update go")
          (call $debug_print (ptr.const 0) (ptr.const 10))
          (call $debug_print (ptr.const 0) (ptr.const 0))
          (call $debug_print (ptr.const 131072) (ptr.const 1))
          (call $debug_print (ptr.const -1) (ptr.const -1))
          (call $debug_print (ptr.const 0) (ptr.const 4080))
          (call $msg_reply))
        (func (export "canister_query go_on")
          (call $debug_print (ptr.const -1) (ptr.const -1))
          (call $msg_reply))"#;
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        subnet.update(id, "go", b"").unwrap();
        subnet.query(id, "go_on", b"").unwrap();
        // The long line pushed all others out.
        let lines = log(&subnet, id);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [4_080]);
    }
    let text = text.replace("(call $debug_print (ptr.const 0) (ptr.const 4080))", "");
    for width in WIDTHS {
        let id = install(&mut subnet, width, &text);
        subnet.update(id, "go", b"").unwrap();
        let outside = "(debug_print message out of memory bounds)";
        assert_eq!(log(&subnet, id), ["some words", "", outside, outside]);
    }
}

#[test]
fn last_words_are_trimmed_to_text() {
    let trap = |data: &str, range: &str| {
        format!(
            r#"(func (export "canister_update go") (call $trap {range}))
               (data (ptr.const 0) "{data}")"#
        )
    };
    let long = "x".repeat(131_072);
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let mut check = |data: &str, range: &str, expected: &str| {
            let id = install(&mut subnet, width, &trap(data, range));
            let error = subnet.update(id, "go", b"").unwrap_err();
            assert_eq!(error.code.to_string(), "IC0503");
            let text = format!("Canister called `ic0.trap` with message: '{expected}'");
            assert!(error.message.contains(&text), "{error}");
        };
        check("bye", "(ptr.const 0) (ptr.const 3)", "bye");
        check("bye", "(ptr.const 0) (ptr.const 0)", "");
        check("a\\ffb\\e2\\82", "(ptr.const 0) (ptr.const 5)", "ab");
        let outside = "(trap message out of memory bounds)";
        check("", "(ptr.const 131072) (ptr.const 1)", outside);
        check("", "(ptr.const -1) (ptr.const -1)", outside);
        check(&long, "(ptr.const 0) (ptr.const 131072)", &long[..16 << 10]);
    }
}

#[test]
fn a_cleanup_knows_the_code_of_its_callback() {
    let text = |method: &str| {
        format!(
            r#"
            (data (ptr.const 0) "okay")
            (data (ptr.const 4) "nope")
            (table funcref (elem $trapping $cleaning))
            (global $code (mut i64) (i64.const 99))
            (func $trapping (param ptr) unreachable)
            (func $cleaning (param ptr)
              (global.set $code (i64.extend_i32_u (call $msg_reject_code))))
            (func (export "canister_query okay") (call $msg_reply))
            (func (export "canister_update go")
              (call $call_self (ptr.const {method}) (ptr.const 4) (ptr.const 0) (ptr.const 0))
              (call $call_on_cleanup (ptr.const 1) (ptr.const 0))
              (drop (call $call_perform)))
            (func (export "canister_query code")
              (call $out64 (global.get $code)) (call $msg_reply))"#
        )
    };
    let mut subnet = Subnet::new();
    for (width, (method, code)) in
        WIDTHS.into_iter().flat_map(|width| [("0", 0u64), ("4", 5)].map(|case| (width, case)))
    {
        let id = install(&mut subnet, width, &text(method));
        subnet.update(id, "go", b"").unwrap_err();
        assert_eq!(subnet.query(id, "code", b"").unwrap(), code.to_le_bytes(), "{width:?}");
    }
}
