//! Cycles: what comes with a call, what is taken of it and comes back, what is burned, and what
//! things are said to cost.

use replica_execution::meter::Width;
use types::{CanisterId, Cycles, Fees};

use crate::harness::Subnet;
use crate::programs::{Frame, WIDTHS, Want, check_in, install, numbers, run, violates};

/// `go` sends AMOUNT to `take`, whose body is TAKE, and replies what it replied and what came back.
const EXCHANGE: &str = r#"
  (data (ptr.const 0) "take")
  (table funcref (elem $replied $rejected))
  (func (export "canister_KIND take") TAKE (call $msg_reply))
  (func $refund
    (call $msg_cycles_refunded128 (ptr.const 100))
    (call $out (ptr.const 100) (ptr.const 16)))
  (func $replied (param ptr)
    (call $msg_arg_data_copy (ptr.const 200) (ptr.const 0) (call $msg_arg_data_size))
    (call $out (ptr.const 200) (call $msg_arg_data_size))
    (call $refund) (call $msg_reply))
  (func $rejected (param ptr) (call $refund) (call $msg_reply))
  (func (export "canister_update go")
    (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 1))
    (call $call_cycles_add128 AMOUNT)
    (drop (call $call_perform)))"#;

/// A program's text for the exchange.
fn exchange(kind: &str, amount: &str, take: &str) -> String {
    EXCHANGE.replace("KIND", kind).replace("AMOUNT", amount).replace("TAKE", take)
}

fn balance(subnet: &Subnet, id: CanisterId) -> u128 {
    subnet.state.canister(&id).unwrap().system.balance.0
}

fn set_balance(subnet: &mut Subnet, id: CanisterId, amount: u128) {
    subnet.state.canister_mut(&id).unwrap().system.balance = Cycles(amount);
}

const AVAILABLE: &str =
    "(call $msg_cycles_available128 (ptr.const 300)) (call $out (ptr.const 300) (ptr.const 16))";

fn accept(high: i64, low: i64) -> String {
    format!(
        "(call $msg_cycles_accept128 (i64.const {high}) (i64.const {low}) (ptr.const 300))
         (call $out (ptr.const 300) (ptr.const 16))"
    )
}

/// Two numbers for each amount: the lower half comes first.
fn amounts(list: &[u128]) -> Vec<u8> {
    list.iter().flat_map(|amount| amount.to_le_bytes()).collect()
}

#[test]
fn what_is_not_accepted_comes_back() {
    let mut subnet = Subnet::new();
    for kind in ["update", "query"] {
        for width in WIDTHS {
            for (take, replied, refunded) in [
                (String::new(), vec![], 100),
                (AVAILABLE.into(), vec![100], 100),
                (accept(0, 0), vec![0], 100),
                (accept(0, 30) + AVAILABLE, vec![30, 70], 70),
                (accept(0, 30) + &accept(0, 60) + &accept(0, 60), vec![30, 60, 10], 0),
                (accept(0, 101), vec![100], 0),
                (accept(1, 0), vec![100], 0),
                (accept(-1, -1) + AVAILABLE, vec![100, 0], 0),
            ] {
                let text = exchange(kind, "(i64.const 0) (i64.const 100)", &take);
                let id = install(&mut subnet, width, &text);
                let before = balance(&subnet, id);
                let reply = subnet.update(id, "go", b"").unwrap();
                let expected = amounts(&[&replied[..], &[refunded]].concat());
                assert_eq!(reply, expected, "{kind} {width:?} {take}");
                assert_eq!(balance(&subnet, id), before, "one sends to oneself");
            }
        }
    }
}

#[test]
fn after_the_answer_nothing_can_be_accepted() {
    // Noted in a global, since the reply is away.
    let take = "(call $msg_cycles_accept128 (i64.const 0) (i64.const 30) (ptr.const 300))
        (call $msg_reply)
        (call $msg_cycles_available128 (ptr.const 320))
        (call $msg_cycles_accept128 (i64.const 0) (i64.const 30) (ptr.const 340))
        (global.set $noted (i64.add (i64.load (ptr.const 320)) (i64.load (ptr.const 340))))";
    let text = exchange("update", "(i64.const 0) (i64.const 100)", take)
        .replace(&format!("{take} (call $msg_reply)"), take)
        + r#"(global $noted (mut i64) (i64.const 99))
             (func (export "canister_query noted")
               (call $out64 (global.get $noted)) (call $msg_reply))"#;
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, &text);
        assert_eq!(subnet.update(id, "go", b"").unwrap(), amounts(&[70]));
        assert_eq!(subnet.query(id, "noted", b"").unwrap(), numbers(&[0]));
    }
}

/// What came with a call can be accepted by any of its messages until it is answered.
#[test]
fn callbacks_accept_what_is_left() {
    let text = exchange("update", "(i64.const 0) (i64.const 100)", "TAKE")
        .replace(
            "TAKE (call $msg_reply)",
            "(call $msg_cycles_accept128 (i64.const 0) (i64.const 30) (ptr.const 300))
             (call $call_self (ptr.const 4) (ptr.const 4) (ptr.const 2) (ptr.const 2))
             (drop (call $call_perform))",
        )
        .replace("$replied $rejected)", "$replied $rejected $more)")
        .replace("\"take\")", "\"takenope\")")
        + r#"(func $more (param ptr)
               (call $msg_cycles_accept128 (i64.const 0) (i64.const 60) (ptr.const 300))
               (call $out (ptr.const 300) (ptr.const 16))
               (call $msg_cycles_available128 (ptr.const 300))
               (call $out (ptr.const 300) (ptr.const 16))
               (call $msg_reply))"#;
    let text = text.replace("canister_update takenope", "canister_update take");
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, &text);
        assert_eq!(subnet.update(id, "go", b"").unwrap(), amounts(&[60, 10, 10]));
    }
}

#[test]
fn a_callee_that_fails_keeps_nothing() {
    let mut subnet = Subnet::new();
    for (kind, width) in
        ["update", "query"].into_iter().flat_map(|kind| WIDTHS.map(|width| (kind, width)))
    {
        for end in ["unreachable", "(call $msg_reject (ptr.const 0) (ptr.const 0)) (return)"] {
            let take = accept(0, 30) + end;
            let text = exchange(kind, "(i64.const 0) (i64.const 100)", &take);
            let id = install(&mut subnet, width, &text);
            let before = balance(&subnet, id);
            // A reject is an answer: what was accepted with it stays accepted.
            let refunded = if end == "unreachable" { 100 } else { 70 };
            assert_eq!(subnet.update(id, "go", b"").unwrap(), amounts(&[refunded]));
            assert_eq!(balance(&subnet, id), before);
        }
    }
}

/// The refund is there whatever becomes of the callback.
#[test]
fn refunds_stay_if_the_callback_fails() {
    let text = exchange("update", "(i64.const 0) (i64.const 100)", &accept(0, 30))
        .replace("(call $refund) (call $msg_reply))", "unreachable)");
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, &text);
        let before = balance(&subnet, id);
        let error = subnet.update(id, "go", b"").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0502");
        assert_eq!(balance(&subnet, id), before);
    }
}

#[test]
fn functions_of_64_bits_fail_on_larger_amounts() {
    let mut subnet = Subnet::new();
    let large = (1u128 << 64) + 5;
    let error = "cycles amount exceeds 64-bit representation";
    for (take, end, fails) in [
        ("(call $out64 (call $msg_cycles_available))", "", true),
        ("(call $out64 (call $msg_cycles_accept (i64.const -1)))", "", false),
        ("", "(call $out64 (call $msg_cycles_refunded))", true),
        ("", "(call $out64 (call $canister_cycle_balance))", true),
    ] {
        let text = exchange("update", "(i64.const 1) (i64.const 5)", take)
            .replace("(call $refund) (call $msg_reply)", &format!("{end} (call $msg_reply)"))
            .replace("(func $rejected (param ptr)", "(func $rejected (param ptr) unreachable");
        let id = install(&mut subnet, Width::Bits32, &text);
        set_balance(&mut subnet, id, large * 2);
        let result = subnet.update(id, "go", b"");
        match result {
            Ok(reply) if !fails => assert_eq!(reply, numbers(&[u64::MAX])),
            Err(failure) if fails && take.is_empty() => {
                assert!(failure.message.contains(error), "{failure}");
            }
            // The callee failed, and the caller by its own doing.
            Err(failure) if fails => assert!(failure.message.contains("unreachable"), "{failure}"),
            result => panic!("{take} {end}: {result:?}"),
        }
    }
    // Both halves are where they belong.
    for width in WIDTHS {
        let text = exchange("update", "(i64.const 1) (i64.const 5)", AVAILABLE);
        let id = install(&mut subnet, width, &text);
        set_balance(&mut subnet, id, large * 2);
        assert_eq!(subnet.update(id, "go", b"").unwrap(), numbers(&[5, 1, 5, 1]));
        let body = "(call $canister_cycle_balance128 (ptr.const 0))
            (call $out (ptr.const 0) (ptr.const 16))";
        let id = install(&mut subnet, width, &Frame::Update.text(body));
        set_balance(&mut subnet, id, large);
        assert_eq!(subnet.update(id, "go", b"").unwrap(), numbers(&[5, 1]));
        let body = "(call $cycles_burn128 (i64.const 1) (i64.const 1) (ptr.const 0))
            (call $out (ptr.const 0) (ptr.const 16))";
        let id = install(&mut subnet, width, &Frame::Update.text(body));
        set_balance(&mut subnet, id, large);
        assert_eq!(subnet.update(id, "go", b"").unwrap(), numbers(&[1, 1]));
        assert_eq!(balance(&subnet, id), 4);
    }
}

#[test]
fn burning_takes_what_is_there() {
    let burn = |high: i64, low: i64| {
        format!(
            "(call $cycles_burn128 (i64.const {high}) (i64.const {low}) (ptr.const 0))
             (call $out64 (i64.load (ptr.const 0)))"
        )
    };
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        for (body, burned, left) in [
            (burn(0, 0), vec![0], 1_000),
            (burn(0, 400), vec![400], 600),
            (burn(0, 400) + &burn(0, 500) + &burn(0, 500), vec![400, 500, 100], 0),
            (burn(-1, -1) + &burn(0, 1), vec![1_000, 0], 0),
        ] {
            let id = install(&mut subnet, width, &Frame::Update.text(&body));
            set_balance(&mut subnet, id, 1_000);
            let consumed = subnet.state.totals.consumed_cycles;
            assert_eq!(subnet.update(id, "go", b"").unwrap(), numbers(&burned), "{body}");
            assert_eq!(balance(&subnet, id), left);
            let more = subnet.state.totals.consumed_cycles.minus(consumed);
            assert_eq!(more.0, 1_000 - left);
        }
        // With the message, the burning is undone.
        let id = install(&mut subnet, width, &Frame::Update.text(&(burn(0, 5) + "unreachable")));
        let before = (balance(&subnet, id), subnet.state.totals.consumed_cycles);
        subnet.update(id, "go", b"").unwrap_err();
        assert_eq!((balance(&subnet, id), subnet.state.totals.consumed_cycles), before);
    }
}

/// A subnet with the published prices of thirteen nodes.
fn priced() -> Subnet {
    Subnet::with(|config| config.fees = Fees { reference_size: 1, ..Fees::default() })
}

/// What is liquid is above the freezing threshold: thirty days of keeping what the canister holds.
#[test]
fn liquid_cycles_are_above_the_freezing_threshold() {
    let body = "(call $canister_cycle_balance128 (ptr.const 0))
        (call $canister_liquid_cycle_balance128 (ptr.const 16))
        (call $cycles_burn128 (i64.const -1) (i64.const 0) (ptr.const 32))
        (call $canister_cycle_balance128 (ptr.const 48))
        (call $canister_liquid_cycle_balance128 (ptr.const 64))
        (call $out (ptr.const 0) (ptr.const 80))";
    let mut subnet = priced();
    for width in WIDTHS {
        let id = install(&mut subnet, width, &Frame::Update.text(body));
        let bytes = u128::from(subnet.state.canister(&id).unwrap().memory_bytes());
        // 127,000 cycles for a GiB and a second, a day at a time.
        let threshold = ((127_000 * bytes * 86_400) >> 30) * 30;
        let reply = subnet.update(id, "go", b"").unwrap();
        let amounts: Vec<_> = reply
            .chunks(16)
            .map(|bytes| u128::from_le_bytes(bytes.try_into().expect("sixteen of them")))
            .collect();
        let [balance, liquid, burned, left, liquid_left] = amounts[..] else {
            panic!("five amounts: {amounts:?}")
        };
        assert_eq!(balance - liquid, threshold);
        assert_eq!((burned, left, liquid_left), (liquid, threshold, 0));
    }
    // On a free subnet nothing freezes.
    let mut free = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut free, width, &Frame::Update.text(body));
        set_balance(&mut free, id, 7);
        let reply = free.update(id, "go", b"").unwrap();
        assert_eq!(reply, self::amounts(&[7, 7, 7, 0, 0]));
    }
}

/// The figures are those of the published table, written here once more.
#[test]
fn costs_are_those_of_the_fee_table() {
    let out = "(call $out (ptr.const 0) (ptr.const 16))";
    let call = |method: i64, payload: i64| {
        format!("(call $cost_call (i64.const {method}) (i64.const {payload}) (ptr.const 0)) {out}")
    };
    let http = |request: i64, response: i64| {
        format!(
            "(call $cost_http_request (i64.const {request}) (i64.const {response}) (ptr.const 0)) \
             {out}"
        )
    };
    let create = format!("(call $cost_create_canister (ptr.const 0)) {out}");
    // The largest response is 2 MiB, the longest callback 40 B instructions, and wasm64 costs twice.
    let reserved = |factor: u128| 2_097_152 * 1_000 + 5_000_000 + 40_000_000_000 * factor;
    let mut subnet = priced();
    let mut free = Subnet::new();
    for (width, factor) in [(Width::Bits32, 1), (Width::Bits64, 2)] {
        for (body, cost) in [
            (create.clone(), 500_000_000_000),
            (call(0, 0), 260_000 + reserved(factor)),
            (call(4, 1_000), 260_000 + 1_004_000 + reserved(factor)),
            (http(0, 0), 3_060_000),
            (http(10, 2_000_000), 3_060_000 + 4_000 + 1_600_000_000),
        ] {
            let want = amounts(&[cost]);
            check_in(&mut subnet, width, Frame::Update, &body, Want::Bytes(&want));
            check_in(&mut subnet, width, Frame::Query, &body, Want::Bytes(&want));
            check_in(&mut free, width, Frame::Update, &body, Want::Bytes(&[0; 16]));
        }
        // Sizes that nothing has give some number.
        for body in [call(-1, -1), http(-1, -1)] {
            let reply = run(&mut subnet, width, Frame::Update, &body).unwrap();
            assert_eq!(reply.len(), 16);
        }
    }
}

/// A call costs what `cost_call` says: at once, and with what comes back never more.
#[test]
fn a_call_takes_its_cost_from_the_balance() {
    let text = r#"
      (data (ptr.const 0) "take")
      (table funcref (elem $done))
      (func (export "canister_update take") (call $msg_reply))
      (func $done (param ptr) (call $msg_reply))
      (func (export "canister_update go")
        (call $canister_cycle_balance128 (ptr.const 100))
        (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))
        (call $call_data_append (ptr.const 0) (ptr.const 1000))
        (call $call_cycles_add128 (i64.const 0) (i64.const 77))
        (call $canister_cycle_balance128 (ptr.const 116))
        (call $out32 (call $call_perform))
        (call $canister_cycle_balance128 (ptr.const 132))
        (call $cost_call (i64.const 4) (i64.const 1000) (ptr.const 148))
        (call $out64 (i64.sub (i64.load (ptr.const 100)) (i64.load (ptr.const 116))))
        (call $out64 (i64.sub (i64.sub (i64.load (ptr.const 116)) (i64.load (ptr.const 132)))
          (i64.load (ptr.const 148))))
        (call $msg_reply))"#;
    let mut subnet = priced();
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        assert_eq!(subnet.update(id, "go", b"").unwrap(), numbers(&[0, 77, 0]));
    }
}

#[test]
fn a_call_that_is_not_made_gives_its_cycles_back() {
    let new = "(call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))";
    let add = |low: u64| format!("(call $call_cycles_add128 (i64.const 0) (i64.const {low}))");
    let balance = "(call $canister_cycle_balance128 (ptr.const 100))
        (call $out64 (i64.load (ptr.const 100)))";
    let mut subnet = Subnet::new();
    let all = 100_000_000_000_000;
    for width in WIDTHS {
        let mut check = |body: String, want: Want<'_>| {
            check_in(&mut subnet, width, Frame::Update, &body, want);
        };
        let body = format!("{new} {} {balance} {} {balance} {new} {balance}", add(5), add(6));
        check(body, Want::Numbers(&[all - 5, all - 11, all]));
        check(format!("{new} {} {balance}", add(all)), Want::Numbers(&[0]));
        check(format!("{new} {}", add(all + 1)), violates("is out of cycles"));
        check(format!("{new} {} {}", add(all), add(1)), violates("is out of cycles"));
        let high = "(call $call_cycles_add128 (i64.const 1) (i64.const 0))";
        check(format!("{new} {high}"), violates("is out of cycles"));
        // The message ends without performing: all is back.
        let id = install(&mut subnet, width, &Frame::Update.text(&format!("{new} {}", add(5))));
        subnet.update(id, "go", b"").unwrap();
        assert_eq!(self::balance(&subnet, id), u128::from(all));
    }
    let narrow = format!("{new} (call $call_cycles_add (i64.const 5)) {balance}");
    check_in(&mut subnet, Width::Bits32, Frame::Update, &narrow, Want::Numbers(&[all - 5]));
    let too_much = format!("{new} (call $call_cycles_add (i64.const -1))");
    let want = violates("is out of cycles");
    check_in(&mut subnet, Width::Bits32, Frame::Update, &too_much, want);
    // Where calls cost something, all that is liquid cannot be sent: the call is not made.
    let mut subnet = priced();
    let body = format!(
        "{new}
         (call $canister_liquid_cycle_balance128 (ptr.const 100))
         (call $call_cycles_add128 (i64.load (ptr.const 108)) (i64.load (ptr.const 100)))
         (call $out32 (call $call_perform))
         (call $canister_liquid_cycle_balance128 (ptr.const 116))
         (call $out64 (i64.sub (i64.load (ptr.const 100)) (i64.load (ptr.const 116))))"
    );
    for width in WIDTHS {
        check_in(&mut subnet, width, Frame::Update, &body, Want::Numbers(&[2, 0]));
    }
}

/// The subnet has no keys to sign with, so every name of a key is wrong; nothing is written.
#[test]
fn costs_of_signatures_tell_what_is_wrong() {
    let mut subnet = Subnet::new();
    for (function, curves) in
        [("cost_sign_with_ecdsa", 1), ("cost_sign_with_schnorr", 2), ("cost_vetkd_derive_key", 1)]
    {
        for width in WIDTHS {
            for curve in [0, 1, 2, 3, -1] {
                let known = (0..curves).contains(&curve);
                let body = format!(
                    "(i64.store (ptr.const 100) (i64.const 7)) (i64.store (ptr.const 108) (i64.const 8))
                     (call $out32 (call ${function}
                       (ptr.const 0) (ptr.const 5) (i32.const {curve}) (ptr.const 100)))
                     (call $out64 (i64.load (ptr.const 100)))
                     (call $out64 (i64.load (ptr.const 108)))"
                );
                let want = [if known { 2 } else { 1 }, 7, 8];
                check_in(&mut subnet, width, Frame::Update, &body, Want::Numbers(&want));
            }
            for (src, size, dst) in [(131_070, 3, 0), (0, 131_073, 0), (0, 0, 131_057), (-1, 1, 0)]
            {
                let body = format!(
                    "(drop (call ${function}
                       (ptr.const {src}) (ptr.const {size}) (i32.const 0) (ptr.const {dst})))"
                );
                let want = Want::Fails("IC0502", "heap out of bounds");
                check_in(&mut subnet, width, Frame::Update, &body, want);
            }
        }
    }
}

#[test]
fn only_one_canister_makes_cycles() {
    let mut subnet = Subnet::new();
    let body = "(call $mint_cycles128 (i64.const 0) (i64.const 5) (ptr.const 0))";
    let text = "ic0.mint_cycles128 cannot be executed on non Cycles Minting Canister: ";
    for width in WIDTHS {
        check_in(&mut subnet, width, Frame::Update, body, violates(text));
    }
    let body = "(drop (call $mint_cycles (i64.const 5)))";
    let text = "ic0.mint_cycles cannot be executed on non Cycles Minting Canister: ";
    check_in(&mut subnet, Width::Bits32, Frame::Update, body, violates(text));
}
