use super::*;
use crate::meter::Width;

const COUNTER: &str = r#"(module
    (import "ic0" "msg_reply_data_append" (func $reply (param i32 i32)))
    (memory 1)
    (global $runs (mut i64) (i64.const 5))
    (data (i32.const 100) "hello")
    (func (export "canister_update increment")
        (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
        (global.set $runs (i64.add (global.get $runs) (i64.const 1))))
    (func (export "canister_query get")
        (i64.store (i32.const 16) (global.get $runs))
        (call $reply (i32.const 8) (i32.const 16)))
    (func (export "canister_query greet") (call $reply (i32.const 100) (i32.const 5))))"#;

#[test]
fn memory_and_globals_are_kept_between_updates() {
    let mut canister = Canister::new(COUNTER);
    for _ in 0..3 {
        canister.update("canister_update increment").unwrap();
    }
    let reply = canister.query("canister_query get").unwrap();
    assert_eq!(reply, [3, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(canister.globals, [GlobalValue::I64(8)]);
    assert_eq!(canister.heap.size, 1);
}

#[test]
fn a_query_leaves_no_trace() {
    let mut canister = Canister::new(COUNTER);
    let before = canister.heap.clone();
    canister.query("canister_query get").unwrap();
    canister.query("canister_update increment").unwrap();
    assert_eq!(canister.heap, before);
    assert_eq!(canister.globals, [GlobalValue::I64(5)]);
    assert_eq!(canister.query("canister_query get").unwrap()[..8], [0; 8]);
}

#[test]
fn data_segments_are_written_at_installation_only() {
    let mut canister = Canister::new(COUNTER);
    assert_eq!(canister.query("canister_query greet").unwrap(), b"hello");
    canister.heap.pages.write(100, b"HELLO");
    assert_eq!(canister.query("canister_query greet").unwrap(), b"HELLO");
}

#[test]
fn start_runs_when_asked() {
    let mut canister = Canister::new(
        r#"(module (memory 1)
            (func $start (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))))
            (func (export "canister_update nothing"))
            (start $start))"#,
    );
    canister.update("canister_update nothing").unwrap();
    assert!(canister.heap.pages.is_empty());
    canister.execute(Entry::Start, Keep::Changes, Recorder::default()).0.unwrap();
    canister.update("canister_update nothing").unwrap();
    assert_eq!(canister.heap.pages.get(0).unwrap()[0], 1);
}

#[test]
fn callbacks_are_called_through_the_table() {
    let mut canister = Canister::new(
        r#"(module (memory 1) (table 4 funcref) (elem (i32.const 1) $callback $other)
            (func $callback (param i32) (i32.store (i32.const 0) (local.get 0)))
            (func $other))"#,
    );
    let mut call = |index, environment| {
        let entry = Entry::Table { index, environment };
        canister.execute(entry, Keep::Changes, Recorder::default()).0?;
        Ok(canister.heap.pages.get(0).unwrap()[..4].to_vec())
    };
    assert_eq!(call(1, 0xffff_fffe), Ok(vec![0xfe, 0xff, 0xff, 0xff]));
    for index in [0, 2, 3, 4, u64::MAX] {
        assert_eq!(call(index, 0), Err(Trap::NoSuchCallback(index)));
    }
}

#[test]
fn tables_are_new_for_each_message() {
    let mut canister = Canister::new(
        r#"(module (memory 1) (table 2 funcref) (elem (i32.const 0) $one $two)
            (func $one (result i32) (i32.const 1))
            (func $two (result i32) (i32.const 2))
            (type $number (func (result i32)))
            (func (export "canister_update swap")
                (i32.store (i32.const 0) (call_indirect (type $number) (i32.const 0)))
                (table.set (i32.const 0) (ref.func $two))
                (i32.store (i32.const 4) (call_indirect (type $number) (i32.const 0)))))"#,
    );
    for _ in 0..2 {
        canister.update("canister_update swap").unwrap();
        assert_eq!(canister.heap.pages.get(0).unwrap()[..8], [1, 0, 0, 0, 2, 0, 0, 0]);
    }
}

#[test]
fn all_kinds_of_globals_are_kept() {
    let mut canister = Canister::new(
        r#"(module
            (global $a (mut i32) (i32.const -1)) (global $fixed i32 (i32.const 3))
            (global $b (mut i64) (i64.const 2)) (global $c (mut f32) (f32.const nan:0x200000))
            (global $d (mut f64) (f64.const 1.5)) (global $e (mut v128) (v128.const i64x2 1 2))
            (global $f (mut i32) (i32.add (i32.const 3) (i32.const 4)))
            (func (export "canister_update touch")
                (global.set $e (i64x2.add (global.get $e) (global.get $e)))
                (global.set $f (i32.mul (global.get $f) (i32.const 2)))))"#,
    );
    canister.update("canister_update touch").unwrap();
    let expected = [
        GlobalValue::I32(-1),
        GlobalValue::I64(2),
        GlobalValue::F32(0x7fa0_0000),
        GlobalValue::F64(1.5f64.to_bits()),
        GlobalValue::V128(2 | (4 << 64)),
        GlobalValue::I32(14),
    ];
    assert_eq!(canister.globals, expected);
}

#[test]
fn system_functions_of_each_shape_can_be_imported() {
    for (width, memory) in [(Width::Bits32, "(memory 1)"), (Width::Bits64, "(memory i64 1)")] {
        let imports: String =
            Ic0::ALL.iter().filter(|f| f.exists_in(width)).map(import(width)).collect();
        let text = format!(r#"(module {imports} {memory} (func (export "canister_update x")))"#);
        Canister::new(&text).update("canister_update x").unwrap();
    }
}

fn import(width: Width) -> impl Fn(&Ic0) -> String {
    move |function| {
        let parameters =
            function.parameters().iter().map(|kind| format!(" {}", kind.value_type(width)));
        let result = function
            .result()
            .map_or(String::new(), |kind| format!("(result {})", kind.value_type(width)));
        let parameters: String = parameters.collect();
        format!(r#"(import "ic0" "{}" (func (param{parameters}) {result}))"#, function.name())
    }
}

#[test]
fn numbers_pass_unchanged_between_both_sides() {
    let mut canister = Canister::new(
        r#"(module
            (import "ic0" "time" (func $time (result i64)))
            (import "ic0" "msg_reject_code" (func $code (result i32)))
            (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
            (memory 1)
            (func (export "canister_update x")
                (i64.store (i32.const 0) (call $time))
                (i32.store (i32.const 8) (call $code))
                (call $copy (i32.const 4094) (i32.const 0) (i32.const 4))))"#,
    );
    canister.update("canister_update x").unwrap();
    let mut bytes = [0; 12];
    canister.heap.pages.read(0, &mut bytes);
    assert_eq!(bytes, [0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]);
    canister.heap.pages.read(4094, &mut bytes[..4]);
    assert_eq!(bytes[..4], [0, 1, 2, 3]);
}

#[test]
fn a_module_with_64_bits_runs() {
    let mut canister = Canister::new(
        r#"(module
            (import "ic0" "debug_print" (func $print (param i64 i64)))
            (memory i64 1)
            (table 1 funcref) (elem (i32.const 0) $callback)
            (func $callback (param i64) (i64.store (i64.const 8) (local.get 0)))
            (data (i64.const 70) "wide")
            (func (export "canister_query x") (call $print (i64.const 70) (i64.const 4))))"#,
    );
    assert!(canister.module.info().memory_is_64);
    assert_eq!(canister.query("canister_query x").unwrap(), b"wide");
    let entry = Entry::Table { index: 0, environment: u64::MAX };
    canister.execute(entry, Keep::Changes, Recorder::default()).0.unwrap();
    assert_eq!(canister.heap.pages.get(0).unwrap()[8..16], [255; 8]);
}

#[test]
fn a_module_without_memory_runs() {
    let mut canister = Canister::new(
        r#"(module (import "ic0" "debug_print" (func $print (param i32 i32)))
            (func (export "canister_update none") (call $print (i32.const 0) (i32.const 0)))
            (func (export "canister_update some") (call $print (i32.const 0) (i32.const 1))))"#,
    );
    canister.update("canister_update none").unwrap();
    assert_eq!(canister.update("canister_update some"), Err(Trap::HeapOutOfBounds));
}

#[test]
fn a_kept_heap_grows_to_the_minimum_of_new_code() {
    let mut canister = Canister::new(r#"(module (memory 3) (func (export "canister_update x")))"#);
    canister.heap = Memory { pages: canister.heap.pages.clone(), size: 1 };
    canister.update("canister_update x").unwrap();
    assert_eq!(canister.heap.size, 3);
    canister.heap.size = 70_000;
    let too_large = Trap::HeapTooLarge { pages: 70_000, maximum: 65_536 };
    assert_eq!(canister.update("canister_update x"), Err(too_large));
}

#[test]
fn floats_give_one_nan() {
    let mut canister = Canister::new(
        r#"(module (memory 1)
            (func (export "canister_update x")
                (f64.store (i32.const 0) (f64.add (f64.const nan:0x123) (f64.const 1)))
                (f64.store (i32.const 8) (f64.div (f64.const 0) (f64.neg (f64.const 0))))
                (f32.store (i32.const 16) (f32.sqrt (f32.const -1)))
                (v128.store (i32.const 32) (f64x2.mul (v128.const i64x2 0x7ff0000000000001 0xfff8000000000007) (v128.const i64x2 0 0)))))"#,
    );
    canister.update("canister_update x").unwrap();
    let mut bytes = [0; 48];
    canister.heap.pages.read(0, &mut bytes);
    let nan = f64::to_le_bytes(f64::from_bits(0x7ff8_0000_0000_0000));
    for at in [0, 8, 32, 40] {
        assert_eq!(bytes[at..at + 8], nan, "at {at}");
    }
    assert_eq!(bytes[16..20], [0, 0, 0xc0, 0x7f]);
}
