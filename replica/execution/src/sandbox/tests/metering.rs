use super::*;

/// Instructions used by a body with a memory and a table, and how it ended.
fn run(body: &str, limit: u64) -> (u64, Result<Vec<u8>, Trap>) {
    let mut canister = Canister::new(&module(body));
    canister.limit = limit;
    let result = canister.update("canister_update x");
    (canister.used, result)
}

fn module(body: &str) -> String {
    format!(
        r#"(module
        (import "ic0" "performance_counter" (func $perf (param i32) (result i64)))
        (memory 2) (table 10 funcref) (elem $passive func $leaf) (data $bytes "0123456789")
        (type $none (func))
        (func $leaf (nop))
        (func $many (result i32 i64) (i32.const 1) (i64.const 2))
        (func (export "canister_update x") (local $i i32) {body}))"#
    )
}

fn check(body: &str, instructions: u64) {
    assert_eq!(run(body, LIMIT), (instructions, Ok(vec![])), "{body}");
}

#[test]
fn operators_cost_what_the_table_says() {
    check("", 0);
    check("(nop) (nop)", 2);
    check("(drop (i32.add (i32.const 1) (i32.const 2)))", 4);
    check("(drop (i32.div_u (i32.const 1) (i32.const 2)))", 13);
    check("(drop (f64.sqrt (f64.const 4)))", 10);
    check("(call $leaf)", 5 + 1);
    check("(call $many) (drop) (drop)", 5 + 2 + 2);
    check("(drop (memory.size))", 21);
    check("(drop (memory.grow (i32.const 1)))", 302);
}

#[test]
fn bulk_operators_cost_their_length() {
    check("(memory.fill (i32.const 0) (i32.const 1) (i32.const 1000))", 103 + 1000);
    check("(memory.copy (i32.const 0) (i32.const 9) (i32.const 77))", 103 + 77);
    check("(memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 10))", 103 + 10);
    check("(table.init $passive (i32.const 0) (i32.const 0) (i32.const 1))", 103 + 1);
    check("(table.copy (i32.const 0) (i32.const 5) (i32.const 5))", 103 + 5);
    check("(table.fill (i32.const 0) (ref.null func) (i32.const 7))", 103 + 7);
    check("(drop (table.grow (ref.null func) (i32.const 7)))", 303 + 7);
}

#[test]
fn only_the_branch_taken_is_charged() {
    let choose = |condition| {
        format!("(if (i32.const {condition}) (then (nop)) (else (nop) (nop) (nop))) (nop)")
    };
    check(&choose(1), 3 + 1 + 1);
    check(&choose(0), 3 + 3 + 1);
    check("(block (br_if 0 (i32.const 1)) (nop) (nop))", 3);
    check("(block (br_if 0 (i32.const 0)) (nop) (nop))", 5);
    check("(if (i32.const 1) (then (return))) (nop) (nop)", 3 + 1);
    check("(block (block (br_table 0 1 (i32.const 1))) (nop) (nop)) (nop)", 3 + 1);
}

#[test]
fn loops_are_charged_for_each_turn() {
    let body = |turns| {
        format!(
            "(local.set $i (i32.const {turns}))
             (loop $l (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                (br_if $l (local.get $i)))"
        )
    };
    for turns in [1, 2, 1000] {
        check(&body(turns), 2 + turns * 7);
    }
}

#[test]
fn exhaustion_comes_at_the_first_test_below_zero() {
    // A turn costs 2 + 5 + 2 and prints one byte. The test is at the head of the loop, after the
    // turn is charged: only turns that are paid in full run.
    let text = r#"(module (import "ic0" "debug_print" (func $print (param i32 i32))) (memory 1)
        (func (export "canister_update x")
            (loop $l (call $print (i32.const 0) (i32.const 1)) (br $l))))"#;
    let entry = Entry::Export("canister_update x");
    for limit in [0, 1, 8, 9, 10, 17, 18, 19, 1000] {
        let mut canister = Canister::new(text);
        canister.limit = limit;
        let (result, api) = canister.execute(entry, Keep::Changes, Recorder::default());
        assert_eq!((canister.used, result), (limit, Err(Trap::OutOfInstructions)));
        assert_eq!(api.output.len() as u64, limit / 9, "limit {limit}");
    }
    // Exactly enough is enough; one less is not, even where no test follows.
    assert_eq!(run("(nop) (nop)", 2), (2, Ok(vec![])));
    assert_eq!(run("(nop) (nop)", 1), (1, Err(Trap::OutOfInstructions)));
    // A length is charged before the operator runs.
    let fill = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 1000))";
    assert_eq!(run(fill, 1103).1, Ok(vec![]));
    assert_eq!(run(fill, 1102).1, Err(Trap::OutOfInstructions));
}

#[test]
fn a_huge_length_does_not_turn_the_counter_around() {
    let text = r#"(module (memory i64 1)
        (func (export "canister_update x")
            (memory.fill (i64.const 0) (i32.const 1) (i64.const -1))))"#;
    let mut canister = Canister::new(text);
    canister.limit = 300_000_000_000;
    assert_eq!(canister.update("canister_update x"), Err(Trap::OutOfInstructions));
}

#[test]
fn the_counter_is_exact_for_system_functions_and_traps() {
    let body = "(drop (call $perf (i32.const 0))) (call $leaf) (drop (call $perf (i32.const 0)))";
    let mut canister = Canister::new(&module(body));
    let api = Recorder { charge: 10, ..Recorder::default() };
    let entry = Entry::Export("canister_update x");
    let (result, api) = canister.execute(entry, Keep::Changes, api);
    result.unwrap();
    let block = 1 + 5 + 1 + 5 + 1 + 5 + 1;
    assert_eq!(canister.used, block + 1 + 20);
    assert_eq!(api.counters, [LIMIT - block - 10, LIMIT - block - 10 - 1 - 10]);

    let trap_in_loop = "(local.set $i (i32.const 100))
        (loop $l (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (drop (i32.div_u (i32.const 5) (local.get $i))) (br $l))";
    let (used, result) = run(trap_in_loop, LIMIT);
    assert_eq!((used, result), (2 + 100 * (4 + 13 + 2), Err(Trap::IntegerDivisionByZero)));
}

#[test]
fn charges_of_system_functions_can_exhaust() {
    let mut canister = Canister::new(&module("(drop (call $perf (i32.const 0)))"));
    let api = Recorder { charge: LIMIT, ..Recorder::default() };
    let entry = Entry::Export("canister_update x");
    let (result, _) = canister.execute(entry, Keep::Changes, api);
    assert_eq!((canister.used, result), (LIMIT, Err(Trap::OutOfInstructions)));
}
