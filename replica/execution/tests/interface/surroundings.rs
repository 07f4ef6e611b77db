//! What a canister can learn about itself and its surroundings, and its timer.

use candid::Encode;
use ic_management_canister_types as ic;
use replica_execution::meter::Width;
use types::{CanisterId, MANAGEMENT_CANISTER, PrincipalId};

use crate::harness::{Subnet, admin, nat, number, record, upgrade};
use crate::programs::{
    Frame, WIDTHS, Want, check, check_in, install, numbers, program, run, violates,
};

fn with_variables(subnet: &mut Subnet, width: Width, text: &str) -> CanisterId {
    let variable = |(name, value): (&str, &str)| ic::EnvironmentVariable {
        name: name.into(),
        value: value.into(),
    };
    // Not in the order of their names.
    let variables = [("b", "second"), ("a", ""), ("größe", "5")].map(variable).into();
    let id = subnet.create_with(Some(ic::CanisterSettings {
        environment_variables: Some(variables),
        ..crate::harness::controllers(&[admin()])
    }));
    let mode = ic::CanisterInstallMode::Install;
    subnet.install(id, mode, &program(width, text), b"").expect("the program installs");
    id
}

#[test]
fn environment_variables() {
    let b = "(ptr.const 100) (ptr.const 1)";
    let value = |range: &str| format!("(call $env_var_value_copy {b} {range})");
    let name = |range: &str| format!("(call $env_var_name_copy {range})");
    let out = |at: u64, size: u64| format!("(call $out (ptr.const {at}) (ptr.const {size}))");
    let exists = |range: &str| format!("(call $out32 (call $env_var_name_exists {range}))");
    let size = |range: &str| format!("(call $outp (call $env_var_value_size {range}))");
    let name_size =
        |index: i64| format!("(call $outp (call $env_var_name_size (ptr.const {index})))");
    let cases: Vec<(String, Want<'_>)> = vec![
        ("(call $outp (call $env_var_count))".into(), Want::Numbers(&[3])),
        (name_size(0) + &name_size(1) + &name_size(2), Want::Numbers(&[1, 1, 7])),
        (
            name_size(3),
            violates("index 3 is out of bounds. The number of environment variables is 3"),
        ),
        (name_size(-1), violates("is out of bounds. The number of environment variables is 3")),
        (
            name("(ptr.const 2) (ptr.const 0) (ptr.const 0) (ptr.const 7)") + &out(0, 7),
            Want::Bytes("größe".as_bytes()),
        ),
        (
            name("(ptr.const 2) (ptr.const 0) (ptr.const 1) (ptr.const 1)") + &out(0, 1),
            Want::Bytes(b"r"),
        ),
        (name("(ptr.const 0) (ptr.const 131072) (ptr.const 1) (ptr.const 0)"), Want::Bytes(b"")),
        (
            name("(ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 2)"),
            violates("ic0.env_var_name_copy payload: src=0 + length=2 exceeds the slice size=1"),
        ),
        (
            name("(ptr.const 0) (ptr.const 131072) (ptr.const 0) (ptr.const 1)"),
            violates("ic0.env_var_name_copy heap: src=131072 + length=1 exceeds"),
        ),
        (
            name("(ptr.const 3) (ptr.const 0) (ptr.const 0) (ptr.const 0)"),
            violates("index 3 is out"),
        ),
        (exists(b) + &exists("(ptr.const 101) (ptr.const 1)"), Want::Numbers(&[1, 0])),
        (exists("(ptr.const 0) (ptr.const 0)"), Want::Numbers(&[0])),
        (exists("(ptr.const 200) (ptr.const 128)"), Want::Numbers(&[0])),
        (
            exists("(ptr.const 200) (ptr.const 129)"),
            violates("Variable name is too large. Allowed: 128 bytes, found 129 bytes"),
        ),
        (exists("(ptr.const 102) (ptr.const 1)"), violates("the text is not valid UTF-8")),
        (size(b) + &size("(ptr.const 103) (ptr.const 1)"), Want::Numbers(&[6, 0])),
        (size("(ptr.const 101) (ptr.const 1)"), violates("Environment variable c not found.")),
        (size("(ptr.const 102) (ptr.const 1)"), violates("the text is not valid UTF-8")),
        (size("(ptr.const 200) (ptr.const 129)"), violates("Variable name is too large.")),
        (value("(ptr.const 0) (ptr.const 0) (ptr.const 6)") + &out(0, 6), Want::Bytes(b"second")),
        (value("(ptr.const 0) (ptr.const 2) (ptr.const 3)") + &out(0, 3), Want::Bytes(b"con")),
        (value("(ptr.const 131072) (ptr.const 6) (ptr.const 0)"), Want::Bytes(b"")),
        (
            value("(ptr.const 0) (ptr.const 2) (ptr.const 5)"),
            violates("ic0.env_var_value_copy payload: src=2 + length=5 exceeds the slice size=6"),
        ),
        (
            value("(ptr.const 131070) (ptr.const 0) (ptr.const 6)"),
            violates("ic0.env_var_value_copy heap: src=131070 + length=6 exceeds"),
        ),
        (
            "(call $env_var_value_copy (ptr.const 101) (ptr.const 1)
               (ptr.const 0) (ptr.const 0) (ptr.const 0))"
                .into(),
            violates("Environment variable c not found."),
        ),
    ];
    let mut subnet = Subnet::new();
    for (width, (body, want)) in
        WIDTHS.into_iter().flat_map(|width| cases.iter().map(move |case| (width, case)))
    {
        let text = Frame::Update.text(body) + r#"(data (ptr.const 100) "bc\ffa")"#;
        let id = with_variables(&mut subnet, width, &text);
        let result = subnet.update(id, "go", b"");
        match (want, &result) {
            (Want::Numbers(list), Ok(reply)) if *reply == numbers(list) => {}
            (Want::Bytes(bytes), Ok(reply)) if reply == bytes => {}
            (Want::Fails(code, text), Err(error))
                if error.code.to_string() == *code && error.message.contains(text) => {}
            _ => panic!("{width:?} {body}\nwants {want:?}\ngets {result:?}"),
        }
    }
    check("(call $outp (call $env_var_count))", Want::Numbers(&[0]));
}

#[test]
fn the_timer_gives_what_it_was_set_to() {
    let set = |time: i64| format!("(call $out64 (call $global_timer_set (i64.const {time})))");
    // Times far ahead, so that nothing fires.
    let (a, b) = (i64::MAX, i64::MAX - 7);
    check(
        &(set(0) + &set(a) + &set(b) + &set(0) + &set(b)),
        Want::Numbers(&[0, 0, a as u64, b as u64, 0]),
    );
    let text = format!(
        r#"(func (export "canister_update set") {} (call $msg_reply))
           (func (export "canister_update clear") {} (call $msg_reply))
           (func (export "canister_update set_and_trap") {} unreachable)
           (func (export "canister_update fire")
             (drop (call $global_timer_set (i64.const 1))) (call $msg_reply))
           (func (export "canister_global_timer")
             (i64.store (ptr.const 0) (i64.add (i64.load (ptr.const 0)) (i64.const 1))))
           (func (export "canister_query fired")
             (call $out (ptr.const 0) (ptr.const 8)) (call $msg_reply))"#,
        set(a),
        set(0),
        set(b)
    );
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, &text);
        let mut call = |method| subnet.update(id, method, b"").map(|reply| number(&reply));
        assert_eq!(call("set"), Ok(0));
        assert!(call("set_and_trap").is_err());
        assert_eq!(call("clear"), Ok(a as u64));
        assert_eq!(call("clear"), Ok(0));
        // A time in the past is due in the next round, and the timer is off from then on.
        subnet.update(id, "fire", b"").unwrap();
        let fired = |subnet: &Subnet| number(&subnet.query(id, "fired", b"").unwrap());
        assert_eq!(fired(&subnet), 0);
        subnet.round();
        assert_eq!(fired(&subnet), 1);
        assert_eq!(subnet.update(id, "clear", b"").map(|reply| number(&reply)), Ok(0));
        // New code finds the timer off.
        subnet.update(id, "set", b"").unwrap();
        subnet.install(id, upgrade(None, None), &program(width, &text), b"").unwrap();
        assert_eq!(subnet.update(id, "clear", b"").map(|reply| number(&reply)), Ok(0));
    }
}

#[test]
fn time_is_that_of_the_round() {
    let body = "(call $out64 (call $time)) (call $out64 (call $time))";
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        for frame in [Frame::Update, Frame::OnReply] {
            let reply = run(&mut subnet, width, frame, body).unwrap();
            assert_eq!(reply, numbers(&[subnet.state.time.0; 2]));
        }
        let reply = run(&mut subnet, width, Frame::Query, body).unwrap();
        assert_eq!(reply, numbers(&[subnet.state.time.0; 2]));
    }
}

#[test]
fn counters_of_instructions() {
    let count = |kind: i64| format!("(call $performance_counter (i32.const {kind}))");
    for kind in [2, 3, -1] {
        let text = format!("Error getting performance counter type {}", kind as u32);
        check(&format!("(drop {})", count(kind)), violates(&text));
    }
    // Within a message both go up; after a call the first begins anew and the second goes on.
    let both = format!("(call $out64 {}) (call $out64 {})", count(0), count(1));
    let text = format!(
        r#"(data (ptr.const 0) "okay")
           (table funcref (elem $done $trapping $cleaning))
           (global $in_cleanup (mut i64) (i64.const 0))
           (func (export "canister_query okay") (call $msg_reply))
           (func $spend (param $n i32)
             (loop $again
               (local.set $n (i32.sub (local.get $n) (i32.const 1)))
               (br_if $again (local.get $n))))
           (func $done (param ptr) {both} (call $msg_reply))
           (func (export "canister_update go")
             (call $spend (i32.const 100000))
             (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))
             (drop (call $call_perform)))
           (func $trapping (param ptr) (call $spend (i32.const 50000)) unreachable)
           (func $cleaning (param ptr) (global.set $in_cleanup {}))
           (func (export "canister_update go_and_trap")
             (call $spend (i32.const 100000))
             (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 1) (ptr.const 1))
             (call $call_on_cleanup (ptr.const 2) (ptr.const 0))
             (drop (call $call_perform)))
           (func (export "canister_query in_cleanup")
             (call $out64 (global.get $in_cleanup)) (call $msg_reply))
           (func (export "canister_update twice") {both} {both} (call $msg_reply))"#,
        count(1)
    );
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, &text);
        let list = |reply: Vec<u8>| reply.chunks(8).map(number).collect::<Vec<_>>();
        let twice = list(subnet.update(id, "twice", b"").unwrap());
        assert!(twice.is_sorted() && twice[0] > 0, "{twice:?}");
        let after = list(subnet.update(id, "go", b"").unwrap());
        assert!(after[0] < 100_000 && after[1] > 400_000, "{after:?}");
        // A cleanup goes on from what the method and the callback used.
        subnet.update(id, "go_and_trap", b"").unwrap_err();
        let cleanup = number(&subnet.query(id, "in_cleanup", b"").unwrap());
        let method = after[1];
        assert!(cleanup > method + method / 3, "{cleanup} {method}");
    }
}

#[test]
fn controllers_are_known_by_their_bytes() {
    let bytes = |id: PrincipalId| -> String {
        id.as_slice().iter().map(|byte| format!("\\{byte:02x}")).collect()
    };
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        for (id, expected) in [
            (admin(), 1u64),
            (crate::harness::stranger(), 0),
            (PrincipalId::anonymous(), 0),
            (MANAGEMENT_CANISTER.0, 0),
        ] {
            let size = id.as_slice().len();
            let body =
                format!("(call $out32 (call $is_controller (ptr.const 0) (ptr.const {size})))");
            let data = format!("(data (ptr.const 0) \"{}\")", bytes(id));
            let id = install(&mut subnet, width, &(Frame::Update.text(&body) + &data));
            assert_eq!(subnet.update(id, "go", b"").unwrap(), expected.to_le_bytes());
        }
        // Zeros of any length that a principal can have, and one more.
        let ask = |size: u64| {
            format!("(call $out32 (call $is_controller (ptr.const 0) (ptr.const {size})))")
        };
        check_in(&mut subnet, width, Frame::Update, &ask(29), Want::Numbers(&[0]));
        let text = "ic0.is_controller: a principal has at most 29 bytes, not 30";
        check_in(&mut subnet, width, Frame::Update, &ask(30), violates(text));
    }
}

#[test]
fn whether_all_nodes_execute_it() {
    let text = r#"
      (data (ptr.const 0) "query")
      (table funcref (elem $answer_in_callback))
      (global $in_init (mut i32) (i32.const 9))
      (global $in_task (mut i32) (i32.const 9))
      (global $in_start (mut i32) (i32.const 9))
      (start $start)
      (func $start (global.set $in_start (call $in_replicated_execution)))
      (func $answer (call $out32 (call $in_replicated_execution)) (call $msg_reply))
      (func $answer_in_callback (param ptr) (call $answer))
      (func $ask
        (call $call_self (ptr.const 0) (ptr.const 5) (ptr.const 0) (ptr.const 0))
        (drop (call $call_perform)))
      (func (export "canister_init") (global.set $in_init (call $in_replicated_execution)))
      (func (export "canister_heartbeat") (global.set $in_task (call $in_replicated_execution)))
      (func (export "canister_update update") (call $answer))
      (func (export "canister_query query") (call $answer))
      (func (export "canister_composite_query composite") (call $answer))
      (func (export "canister_composite_query in_composite_callback") (call $ask))
      (func (export "canister_update in_callback") (call $ask))
      (func (export "canister_query earlier")
        (call $out32 (global.get $in_start))
        (call $out32 (global.get $in_init))
        (call $out32 (global.get $in_task))
        (call $msg_reply))
      (func (export "canister_inspect_message")
        (if (i32.eqz (call $in_replicated_execution)) (then (call $accept_message))))"#;
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        for method in ["update", "query", "in_callback"] {
            assert_eq!(subnet.update(id, method, b"").unwrap(), numbers(&[1]), "{method}");
        }
        for method in ["query", "composite", "in_composite_callback"] {
            assert_eq!(subnet.query(id, method, b"").unwrap(), numbers(&[0]), "{method}");
        }
        assert_eq!(subnet.query(id, "earlier", b"").unwrap(), numbers(&[1, 1, 1]));
        assert_eq!(subnet.validate(admin(), id, "update", b""), Ok(()));
    }
}

/// What counts as a change of the canister, and what does not.
#[test]
fn versions_count_changes() {
    let text = r#"
      (data (ptr.const 0) "okay")
      (table funcref (elem $done))
      (func $done (param ptr) (call $msg_reply))
      (func $version (call $out64 (call $canister_version)) (call $msg_reply))
      (func (export "canister_query okay") (call $version))
      (func (export "canister_update version") (call $version))
      (func (export "canister_update trap") unreachable)
      (func (export "canister_update call")
        (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))
        (drop (call $call_perform)))"#;
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = subnet.create();
        let version = |subnet: &mut Subnet| subnet.status(id).version;
        assert_eq!(version(&mut subnet), 0);
        let wasm = program(width, text);
        let settings = ic::UpdateSettingsArgs {
            canister_id: id.0,
            settings: ic::CanisterSettings { freezing_threshold: nat(7), ..Default::default() },
            sender_canister_version: None,
        };
        let mut step = |what: &str, more: u64, act: &mut dyn FnMut(&mut Subnet)| {
            let before = version(&mut subnet);
            act(&mut subnet);
            assert_eq!(version(&mut subnet), before + more, "{width:?} {what}");
        };
        let mode = ic::CanisterInstallMode::Install;
        step("install", 1, &mut |subnet| subnet.install(id, mode, &wasm, b"").unwrap());
        step("an install that fails", 0, &mut |subnet| {
            subnet.install(id, mode, &wasm, b"").unwrap_err();
        });
        step("upgrade", 1, &mut |subnet| {
            subnet.install(id, upgrade(None, None), &wasm, b"").unwrap();
        });
        step("settings", 1, &mut |subnet| {
            subnet.manage(id, "update_settings", &settings).unwrap();
        });
        step("update", 1, &mut |subnet| {
            let seen = number(&subnet.update(id, "version", b"").unwrap());
            assert_eq!(seen + 1, subnet.status(id).version);
        });
        step("a trap", 0, &mut |subnet| {
            subnet.update(id, "trap", b"").unwrap_err();
        });
        step("query on one node", 0, &mut |subnet| {
            let seen = number(&subnet.query(id, "okay", b"").unwrap());
            assert_eq!(seen, subnet.status(id).version);
        });
        step("query on all nodes", 1, &mut |subnet| {
            subnet.update(id, "okay", b"").unwrap();
        });
        step("method, query and callback", 3, &mut |subnet| {
            subnet.update(id, "call", b"").unwrap();
        });
        for (what, more) in [
            // The request and the transition that follows are one change each.
            ("stop_canister", 2),
            ("stop_canister", 1),
            ("start_canister", 1),
            ("start_canister", 1),
            ("canister_status", 0),
        ] {
            step(what, more, &mut |subnet| {
                subnet.manage(id, what, &record(id)).unwrap();
            });
        }
        step("uninstall", 1, &mut |subnet| {
            let args = ic::UninstallCodeArgs { canister_id: id.0, sender_canister_version: None };
            subnet.manage(id, "uninstall_code", &args).unwrap();
        });
    }
}

#[test]
fn a_canister_knows_whether_it_runs() {
    // `wait` asks for randomness, which comes a round later; its callback tells the status.
    let text = r#"
      (data (ptr.const 0) "raw_rand")
      (data (ptr.const 20) "DIDL\00\00")
      (table funcref (elem $tell_in_callback))
      (global $at_upgrade (mut i32) (i32.const 0))
      (func $tell (call $out32 (call $canister_status)) (call $msg_reply))
      (func $tell_in_callback (param ptr) (call $tell))
      (func (export "canister_post_upgrade") (global.set $at_upgrade (call $canister_status)))
      (func (export "canister_update now") (call $tell))
      (func (export "canister_update wait")
        (call $call_new (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 8)
          (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 0))
        (call $call_data_append (ptr.const 20) (ptr.const 6))
        (drop (call $call_perform)))
      (func (export "canister_query at_upgrade")
        (call $out32 (global.get $at_upgrade)) (call $msg_reply))"#;
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        assert_eq!(subnet.update(id, "now", b"").unwrap(), numbers(&[1]));
        let call = subnet.submit(admin(), id, Some(id), "wait", b"");
        subnet.round();
        let arg = Encode!(&record(id)).unwrap();
        let stop = subnet.submit(admin(), MANAGEMENT_CANISTER, Some(id), "stop_canister", &arg);
        assert_eq!(subnet.finish(call).unwrap(), numbers(&[2]));
        subnet.outcome(stop).expect("it stopped in that round").unwrap();
        subnet.install(id, upgrade(None, None), &program(width, text), b"").unwrap();
        subnet.manage(id, "start_canister", &record(id)).unwrap();
        assert_eq!(subnet.query(id, "at_upgrade", b"").unwrap(), numbers(&[3]));
    }
}
