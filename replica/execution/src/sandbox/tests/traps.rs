use super::*;

/// Runs a body in a module with memory, table and a function that recurses; the state must be as
/// before if it traps.
fn check(body: &str, expected: Trap) {
    let mut canister = Canister::new(&format!(
        r#"(module
            (import "ic0" "trap" (func $trap (param i32 i32)))
            (import "ic0" "debug_print" (func $print (param i32 i32)))
            (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
            (import "ic0" "msg_reply" (func $reply))
            (memory 1 10)
            (global $g (mut i32) (i32.const 1))
            (table 3 funcref) (elem (i32.const 0) $recurse)
            (type $none (func)) (type $number (func (result i32)))
            (data (i32.const 0) "reason")
            (data $passive "passive")
            (func $recurse (call $recurse))
            (func (export "canister_update x")
                (i32.store (i32.const 8000) (i32.const 7))
                (drop (memory.grow (i32.const 2)))
                (i32.store (i32.const 131072) (i32.const 7))
                (global.set $g (i32.const 2))
                {body}))"#
    ));
    let before = (canister.heap.clone(), canister.globals.clone());
    for _ in 0..2 {
        assert_eq!(canister.update("canister_update x").unwrap_err(), expected, "{body}");
        assert_eq!((canister.heap.clone(), canister.globals.clone()), before);
        assert!(canister.used > 0 && canister.used <= canister.limit);
    }
}

#[test]
fn each_kind_of_trap_is_told_apart() {
    check("unreachable", Trap::Unreachable);
    check("(drop (i32.div_u (i32.const 1) (i32.const 0)))", Trap::IntegerDivisionByZero);
    check("(drop (i64.rem_s (i64.const 1) (i64.const 0)))", Trap::IntegerDivisionByZero);
    check("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", Trap::IntegerOverflow);
    check("(drop (i32.trunc_f32_s (f32.const nan)))", Trap::InvalidConversion);
    check("(drop (i32.trunc_f32_s (f32.const 1e20)))", Trap::IntegerOverflow);
    check("(call_indirect (type $none) (i32.const 3))", Trap::TableOutOfBounds);
    check("(call_indirect (type $none) (i32.const 2))", Trap::BadIndirectCall);
    check("(drop (call_indirect (type $number) (i32.const 0)))", Trap::BadIndirectCall);
    check("(table.set (i32.const 9) (ref.null func))", Trap::TableOutOfBounds);
    check("(call $recurse)", Trap::StackOverflow);
    check("(loop (br 0))", Trap::OutOfInstructions);
}

#[test]
fn each_access_beyond_memory_traps() {
    let end = 3 * 65_536;
    for body in [
        format!("(drop (i32.load (i32.const {})))", end - 3),
        format!("(i32.store8 (i32.const {end}) (i32.const 1))"),
        "(i32.store (i32.const -1) (i32.const 1))".into(),
        "(i32.store offset=4294967295 (i32.const -1) (i32.const 1))".into(),
        format!("(v128.store (i32.const {}) (v128.const i64x2 1 1))", end - 15),
        format!("(memory.fill (i32.const {}) (i32.const 1) (i32.const 11))", end - 10),
        format!("(memory.copy (i32.const {}) (i32.const 0) (i32.const 11))", end - 10),
        "(memory.init $passive (i32.const 0) (i32.const 5) (i32.const 3))".into(),
        format!("(call $print (i32.const {}) (i32.const 2))", end - 1),
        format!("(call $copy (i32.const {}) (i32.const 0) (i32.const 2))", end - 1),
        "(call $print (i32.const 0) (i32.const -1))".into(),
    ] {
        check(&body, Trap::HeapOutOfBounds);
    }
}

#[test]
fn the_interface_can_end_an_execution() {
    let called = CanisterError::CalledTrap("reason".into());
    check("(call $trap (i32.const 0) (i32.const 6))", Trap::Api(called));
    let broken = CanisterError::ContractViolation("msg_reply".into());
    check("(call $reply)", Trap::Api(broken));
}

#[test]
fn exports_that_do_not_exist_are_named() {
    let mut canister = Canister::new(r#"(module (func (export "f") (param i32)))"#);
    for name in ["f", "canister_update nothing"] {
        assert_eq!(canister.update(name), Err(Trap::NoSuchExport(name.into())));
    }
}

#[test]
fn a_deep_recursion_traps_at_the_same_depth_each_time() {
    let text = r#"(module (memory 1) (global $depth (mut i32) (i32.const 0))
        (func $down (param i64 i64 f64) (result f64)
            (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
            (i32.store (i32.const 0) (global.get $depth))
            (f64.add (local.get 2) (call $down (local.get 1) (local.get 0) (local.get 2))))
        (func (export "canister_update x")
            (drop (call $down (i64.const 1) (i64.const 2) (f64.const 3)))))"#;
    let mut used = Vec::new();
    for _ in 0..3 {
        let mut canister = Canister::new(text);
        assert_eq!(canister.update("canister_update x"), Err(Trap::StackOverflow));
        used.push(canister.used);
        let handle = spawn("deep", move || {
            assert_eq!(canister.update("canister_update x"), Err(Trap::StackOverflow));
            canister.used
        });
        used.push(handle.unwrap().join().unwrap());
    }
    used.dedup();
    assert_eq!(used.len(), 1);
    assert!(used[0] > 10_000);
}

#[test]
fn growth_can_be_refused_or_end_the_execution() {
    let text = r#"(module
        (import "ic0" "debug_print" (func $print (param i32 i32)))
        (memory 1 5)
        (func (export "canister_update x")
            (i32.store8 (i32.const 0) (memory.grow (i32.const 1)))
            (i32.store8 (i32.const 1) (memory.grow (i32.const 1)))
            (i32.store8 (i32.const 2) (memory.grow (i32.const 10)))
            (call $print (i32.const 0) (i32.const 3))))"#;
    let entry = Entry::Export("canister_update x");
    let refuse = Recorder { pages_max: Some(2), ..Recorder::default() };
    let mut canister = Canister::new(text);
    let (result, api) = canister.execute(entry, Keep::Changes, refuse);
    assert_eq!((result, api.output), (Ok(1), vec![1, 255, 255]));
    assert_eq!(canister.heap.size, 2);
    let trap = Recorder { pages_trap: Some(2), ..Recorder::default() };
    let mut canister = Canister::new(text);
    let (result, _) = canister.execute(entry, Keep::Changes, trap);
    assert_eq!(result, Err(Trap::Api(CanisterError::OutOfMemory)));
    assert_eq!(canister.heap.size, 1);
}
