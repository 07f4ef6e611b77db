//! Moving bytes between the system and the memory: every `_copy`, every pair of source and size, and
//! every amount written, at the ends of both sides.

use replica_execution::meter::Width;
use replica_state::{Ingress, SenderInfo};
use std::sync::Arc;
use types::{MessageId, Principal, SubnetId};

use crate::harness::{Subnet, admin};
use crate::programs::{
    ARGUMENT, Frame, MEMORY_BYTES, REPLY, WIDTHS, Want, check, check_in, install, program, run,
    violates,
};

/// The largest number that an address can be.
fn largest(width: Width) -> u64 {
    match width {
        Width::Bits32 => u32::MAX.into(),
        Width::Bits64 => u64::MAX,
    }
}

/// A number as the text format has it for an address.
fn ptr(number: u64) -> String {
    match u32::try_from(number) {
        Ok(number) => format!("(ptr.const {number})"),
        Err(_) => format!("(ptr.const {number:#x})"),
    }
}

/// Checks `<name>_size` and `<name>_copy` against the data that they stand for. `first` is an
/// argument that both have before the others, if any.
fn check_copy(frame: Frame, name: &str, first: &str, data: &[u8]) {
    let mut subnet = Subnet::new();
    let length = data.len() as u64;
    let copy = |dst: u64, offset: u64, size: u64| {
        format!("(call ${name}_copy {first} {} {} {})", ptr(dst), ptr(offset), ptr(size))
    };
    let out = |at: u64, size: u64| format!("(call $out {} {})", ptr(at), ptr(size));
    for width in WIDTHS {
        let mut check = |body: String, want: Want<'_>| {
            check_in(&mut subnet, width, frame, &body, want);
        };
        check(format!("(call $outp (call ${name}_size {first}))"), Want::Numbers(&[length]));
        check(copy(100, 0, length) + &out(100, length), Want::Bytes(data));
        if length > 2 {
            let inner = &data[1..data.len() - 1];
            check(copy(100, 1, length - 2) + &out(100, length - 2), Want::Bytes(inner));
        }
        // Up to the last byte of both sides; nothing fits anywhere within them.
        check(
            copy(MEMORY_BYTES - length, 0, length) + &out(MEMORY_BYTES - length, length),
            Want::Bytes(data),
        );
        check(copy(MEMORY_BYTES, length, 0), Want::Bytes(b""));
        let most = largest(width);
        for (offset, size) in [(0, length + 1), (length, 1), (length + 1, 0), (most, 1)] {
            let text = format!(
                "ic0.{name}_copy payload: src={offset} + length={size} exceeds the slice \
                 size={length}"
            );
            check(copy(0, offset, size), violates(&text));
        }
        let too_long = match width {
            Width::Bits32 => violates("payload: src=1 + length=4294967295 exceeds"),
            // Each byte is charged for before it is looked for.
            Width::Bits64 if frame == Frame::Query => Want::Fails("IC0522", "5000000000 instr"),
            Width::Bits64 => Want::Fails("IC0522", "instructions"),
        };
        check(copy(0, 1, most), too_long);
        let above = [
            MEMORY_BYTES - length + 1,
            MEMORY_BYTES,
            most,
            (most - length).saturating_add(1),
            1 << 32,
        ];
        for dst in above.into_iter().filter(|dst| *dst <= most && length > 0) {
            let text = format!(
                "ic0.{name}_copy heap: src={dst} + length={length} exceeds the slice \
                 size={MEMORY_BYTES}"
            );
            check(copy(dst, 0, length), violates(&text));
        }
    }
}

#[test]
fn the_argument_and_the_caller() {
    check_copy(Frame::Update, "msg_arg_data", "", ARGUMENT);
    check_copy(Frame::Update, "msg_caller", "", admin().as_slice());
}

#[test]
fn the_reply_and_the_reject_message_of_a_call() {
    check_copy(Frame::OnReply, "msg_arg_data", "", REPLY);
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let body = "(call $out32 (call $msg_reject_code))";
        check_in(&mut subnet, width, Frame::OnReply, body, Want::Numbers(&[0]));
        check_in(&mut subnet, width, Frame::OnReject, body, Want::Numbers(&[5]));
        let body =
            "(call $msg_reject_msg_copy (ptr.const 0) (ptr.const 0) (call $msg_reject_msg_size))
                    (call $out (ptr.const 0) (call $msg_reject_msg_size))";
        let reply = run(&mut subnet, width, Frame::OnReject, body).unwrap();
        let text = String::from_utf8(reply).unwrap();
        assert!(text.starts_with("IC0536: Error from Canister "), "{text}");
        let size = text.len() + 1;
        for (args, side) in [
            (format!("(ptr.const 0) (ptr.const 0) (ptr.const {size})"), "payload: src=0"),
            (format!("(ptr.const 0) (ptr.const {size}) (ptr.const 1)"), "payload: src="),
            (
                "(ptr.const 131071) (ptr.const 0) (ptr.const 2)".into(),
                "heap: src=131071 + length=2",
            ),
        ] {
            let body = format!("(call $msg_reject_msg_copy {args})");
            let text = format!("ic0.msg_reject_msg_copy {side}");
            check_in(&mut subnet, width, Frame::OnReject, &body, violates(&text));
        }
    }
}

#[test]
fn who_one_is_and_where() {
    let subnet = Subnet::new();
    let key = subnet.state.chain_key_der.clone();
    check_copy(Frame::Update, "subnet_self", "", subnet.state.subnet_id.as_slice());
    assert_eq!(subnet.state.subnet_id, SubnetId(Principal::self_authenticating(&key)));
    check_copy(Frame::Update, "root_key", "", &key);
    check("(call $out32 (call $subnet_self_node_count))", Want::Numbers(&[1]));
    // Ids differ from canister to canister, so they are compared one by one.
    let mut subnet = subnet;
    for width in WIDTHS {
        let id = install(
            &mut subnet,
            width,
            r#"(func (export "canister_query go")
                 (call $outp (call $canister_self_size))
                 (call $canister_self_copy (ptr.const 0) (ptr.const 1) (ptr.const 9))
                 (call $out (ptr.const 0) (ptr.const 9))
                 (call $msg_reply))
               (func (export "canister_query too_far")
                 (call $canister_self_copy (ptr.const 0) (ptr.const 1) (ptr.const 10)))"#,
        );
        let reply = subnet.query(id, "go", b"").unwrap();
        assert_eq!(reply[..8], 10u64.to_le_bytes());
        assert_eq!(reply[8..], id.as_slice()[1..]);
        let error = subnet.query(id, "too_far", b"").unwrap_err();
        assert!(error.message.contains("payload: src=1 + length=10 exceeds the slice size=10"));
    }
}

#[test]
fn the_certificate() {
    check_copy(Frame::Query, "data_certificate", "", b"the certificate");
    let mut subnet = Subnet::new();
    let text = r#"(func (export "canister_query go")
        (call $out32 (call $data_certificate_present)) (call $msg_reply))
        (func (export "canister_query size") (drop (call $data_certificate_size)))
        (func (export "canister_query copy")
          (call $data_certificate_copy (ptr.const 0) (ptr.const 0) (ptr.const 0)))"#;
    let id = install(&mut subnet, Width::Bits32, text);
    for (certificate, present) in [(None, 0u64), (Some(&b""[..]), 1)] {
        let reply = subnet.query_with(id, "go", b"", certificate).unwrap();
        assert_eq!(reply, present.to_le_bytes());
    }
    for method in ["size", "copy"] {
        let error = subnet.query_with(id, method, b"", None).unwrap_err();
        assert!(error.message.contains("no certificate is available"), "{error}");
    }
}

/// What an identity provider says of a user comes with the user's call and stays through it.
#[test]
fn what_is_said_of_the_caller() {
    check_copy(Frame::Update, "msg_caller_info_data", "", b"");
    check_copy(Frame::Update, "msg_caller_info_signer", "", b"");
    let body = |name: &str| {
        format!(
            "(call $outp (call ${name}_size))
             (call ${name}_copy (ptr.const 0) (ptr.const 0) (call ${name}_size))
             (call $out (ptr.const 0) (call ${name}_size))"
        )
    };
    let both = body("msg_caller_info_data") + &body("msg_caller_info_signer");
    let signer = types::CanisterId::from_index(77).0;
    let info = SenderInfo { info: b"name=someone"[..].into(), signer };
    let mut expected = 12u64.to_le_bytes().to_vec();
    expected.extend(b"name=someone");
    expected.extend(10u64.to_le_bytes());
    expected.extend(signer.as_slice());
    let mut subnet = Subnet::new();
    for (n, (width, frame)) in (0..)
        .zip(WIDTHS.into_iter().flat_map(|width| [(width, Frame::Update), (width, Frame::OnReply)]))
    {
        let id = install(&mut subnet, width, &frame.text(&both));
        let message_id = MessageId([200 + n; 32]);
        let ingress = Ingress {
            message_id,
            sender: admin(),
            sender_info: Some(Arc::new(info.clone())),
            receiver: id,
            effective_canister: Some(id),
            method: "go".into(),
            payload: Default::default(),
            expiry: subnet.state.time.plus_ms(60_000),
        };
        subnet.executor.induct(&mut subnet.state, ingress).unwrap();
        assert_eq!(subnet.finish(message_id).unwrap(), expected, "{width:?} {frame:?}");
    }
}

#[test]
fn the_name_of_the_inspected_method() {
    let inspect = |body: &str| {
        format!(
            r#"(func (export "canister_inspect_message") {body}) (func (export "canister_update x"))"#
        )
    };
    // "a method": eight bytes, compared as one number.
    let number = i64::from_le_bytes(*b"a method");
    let whole = format!(
        "(call $msg_method_name_copy (ptr.const 0) (ptr.const 0) (call $msg_method_name_size))
         (if (i64.eq (i64.load (ptr.const 0)) (i64.const {number})) (then (call $accept_message)))"
    );
    let copy = |args: &str| format!("(call $msg_method_name_copy {args}) (call $accept_message)");
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        for (body, want) in [
            (whole.clone(), ""),
            (copy("(ptr.const 0) (ptr.const 8) (ptr.const 0)"), ""),
            (
                copy("(ptr.const 0) (ptr.const 8) (ptr.const 1)"),
                "payload: src=8 + length=1 exceeds",
            ),
            (copy("(ptr.const 131070) (ptr.const 0) (ptr.const 8)"), "heap: src=131070 + length=8"),
            (copy("(ptr.const 0) (ptr.const -1) (ptr.const 2)"), "payload: src="),
            ("(call $accept_message) (call $accept_message)".into(), "already called"),
            (String::new(), "Canister rejected the message"),
        ] {
            let id = install(&mut subnet, width, &inspect(&body));
            let result = subnet.validate(admin(), id, "a method", b"");
            match (want, result) {
                ("", Ok(())) => {}
                (text, Err(error)) if !text.is_empty() && error.message.contains(text) => {}
                (text, result) => panic!("{body}\nwants {text:?}\ngets {result:?}"),
            }
        }
    }
}

/// Functions that read `size` bytes at `src`, with what they need before and after these.
#[test]
fn what_is_read_lies_within_the_memory() {
    let name = "(ptr.const 0)";
    let call = "(call $call_new (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 0)
        (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 0))";
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let most = largest(width);
        let ranges = [
            (MEMORY_BYTES, 1),
            (MEMORY_BYTES - 1, 2),
            (most, 1),
            (most, most),
            (1, most),
            (1 << 32, 1),
        ];
        for (src, size) in ranges.into_iter().filter(|(src, _)| *src <= most) {
            let range = format!("{} {}", ptr(src), ptr(size));
            let short = size < 29;
            for (function, body) in [
                ("msg_reply_data_append", format!("(call $msg_reply_data_append {range})")),
                ("msg_reject", format!("(call $msg_reject {range})")),
                ("call_data_append", format!("{call} (call $call_data_append {range})")),
                ("certified_data_set", format!("(call $certified_data_set {range})")),
                ("is_controller", format!("(drop (call $is_controller {range}))")),
                ("env_var_name_exists", format!("(drop (call $env_var_name_exists {range}))")),
                ("env_var_value_size", format!("(drop (call $env_var_value_size {range}))")),
                (
                    "env_var_value_copy",
                    format!("(call $env_var_value_copy {range} {name} {name} {name})"),
                ),
                (
                    "call_new",
                    format!("(call $call_new {range} {name} {name} {name} {name} {name} {name})"),
                ),
                (
                    "call_new",
                    format!("(call $call_new {name} {name} {range} {name} {name} {name} {name})"),
                ),
            ] {
                let bounds = format!("ic0.{function} heap: src={src} + length={size} exceeds");
                // A size that nothing of the kind can have is refused as such.
                let want = if short { violates(&bounds) } else { violates(function) };
                check_in(&mut subnet, width, Frame::Update, &body, want);
            }
        }
    }
}

/// Amounts are 16 bytes, the lowest first, and nothing beside them changes.
#[test]
fn amounts_are_sixteen_bytes_within_the_memory() {
    let writers = [
        "$canister_cycle_balance128",
        "$canister_liquid_cycle_balance128",
        "$msg_cycles_available128",
        "$msg_cycles_accept128 (i64.const 0) (i64.const 0)",
        "$cycles_burn128 (i64.const 0) (i64.const 0)",
        "$cost_create_canister",
        "$cost_call (i64.const 1) (i64.const 2)",
        "$cost_http_request (i64.const 1) (i64.const 2)",
    ];
    let mut subnet = Subnet::new();
    for (width, writer) in WIDTHS.into_iter().flat_map(|width| writers.map(|name| (width, name))) {
        let mut check = |frame, body: &str, want: Want<'_>| {
            check_in(&mut subnet, width, frame, body, want);
        };
        let around = format!(
            "(memory.fill (ptr.const 90) (i32.const 0xee) (ptr.const 40))
             (call {writer} (ptr.const 100))
             (call $out64 (i64.load (ptr.const 92)))
             (call $out64 (i64.load (ptr.const 116)))"
        );
        let untouched = 0xeeee_eeee_eeee_eeee;
        check(Frame::Update, &around, Want::Numbers(&[untouched, untouched]));
        let last = format!("(call {writer} (ptr.const {}))", MEMORY_BYTES - 16);
        check(Frame::Update, &last, Want::Bytes(b""));
        let most = largest(width);
        let above = [MEMORY_BYTES - 15, MEMORY_BYTES, most - 15, most, 1 << 32];
        for dst in above.into_iter().filter(|dst| *dst <= most) {
            let body = format!("(call {writer} {})", ptr(dst));
            check(Frame::Update, &body, Want::Fails("IC0502", "heap out of bounds"));
        }
    }
    for width in WIDTHS {
        let body = "(call $msg_cycles_refunded128 (ptr.const 131057))";
        let want = Want::Fails("IC0502", "heap out of bounds");
        check_in(&mut subnet, width, Frame::OnReply, body, want);
    }
}

/// A module without a memory has addresses of 32 bits, none of which exists.
#[test]
fn a_module_without_memory() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(
        r#"(module
             (import "ic0" "msg_reply" (func $reply))
             (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
             (func (export "canister_update nothing")
               (call $append (i32.const 0) (i32.const 0)) (call $reply))
             (func (export "canister_update something")
               (call $append (i32.const 0) (i32.const 1)) (call $reply)))"#,
    );
    assert_eq!(subnet.update(id, "nothing", b""), Ok(vec![]));
    let error = subnet.update(id, "something", b"").unwrap_err();
    assert!(error.message.contains("src=0 + length=1 exceeds the slice size=0"), "{error}");
    assert!(!program(Width::Bits32, "").is_empty());
}
