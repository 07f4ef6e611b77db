mod conformance;

use replica_state::{SystemMethod, WasmMethod};
use types::Limits;

use super::*;

fn prepare_text(text: &str) -> Result<Metered, ModuleError> {
    prepare(&wat::parse_str(text).unwrap(), &Limits::default())
}

fn check(fields: &str, expected: ModuleError) {
    assert_eq!(prepare_text(&format!("(module {fields})")).unwrap_err(), expected, "{fields}");
}

fn name(text: &str) -> String {
    text.to_string()
}

#[test]
fn imports_must_be_those_of_the_interface() {
    let foreign = |module: &str, field: &str| ModuleError::ForeignImport {
        module: name(module),
        name: name(field),
    };
    check(r#"(import "env" "time" (func (result i64)))"#, foreign("env", "time"));
    check(r#"(import "ic0" "memory" (memory 1))"#, foreign("ic0", "memory"));
    check(r#"(import "ic0" "g" (global i32))"#, foreign("ic0", "g"));
    check(
        r#"(import "ic0" "nothing" (func))"#,
        ModuleError::UnknownImport { name: name("nothing") },
    );
    check(
        r#"(import "ic0" "stable_size" (func (result i32))) (memory i64 1)"#,
        ModuleError::UnknownImport { name: name("stable_size") },
    );
    let wrong_type = || ModuleError::ImportType { name: name("time") };
    check(r#"(import "ic0" "time" (func (result i32)))"#, wrong_type());
    check(r#"(import "ic0" "time" (func (param i32) (result i64)))"#, wrong_type());
    check(
        r#"(import "ic0" "debug_print" (func (param i32 i32))) (memory i64 1)"#,
        ModuleError::ImportType { name: name("debug_print") },
    );
}

#[test]
fn exports_follow_the_interface() {
    let reserved = |text: &str| ModuleError::ReservedExport { name: name(text) };
    for export in ["canister_start", "canister_update", "canister_updates x", "plinth counter"] {
        check(&format!(r#"(func (export "{export}"))"#), reserved(export));
    }
    check(
        r#"(func (export "canister_init") (param i32))"#,
        ModuleError::EntryPointType { name: name("canister_init") },
    );
    check(
        r#"(func (export "canister_query x") (result i32) (i32.const 1))"#,
        ModuleError::EntryPointType { name: name("canister_query x") },
    );
    check(
        r#"(func (export "canister_query x") (export "canister_update x"))"#,
        ModuleError::DuplicateMethod { name: name("x") },
    );
}

#[test]
fn methods_are_found() {
    let metered = prepare_text(
        r#"(module (func $f (export "canister_update a b") (export "canister_query ")
            (export "canister_composite_query c") (export "canister_heartbeat")
            (export "something else"))
            (global (export "canister_global") i32 (i32.const 1)) (start $f))"#,
    );
    let metered = metered.unwrap();
    let expected = [
        WasmMethod::Update(name("a b")),
        WasmMethod::Query(name("")),
        WasmMethod::CompositeQuery(name("c")),
        WasmMethod::System(SystemMethod::Start),
        WasmMethod::System(SystemMethod::Heartbeat),
    ];
    assert_eq!(metered.info.methods, expected.into());
    assert!(metered.has_start && !metered.has_table && metered.memory.is_none());
    assert_eq!(metered.entry_points.len(), 5);
}

#[test]
fn custom_sections_follow_the_interface() {
    let section = |text: &str| ModuleError::CustomSection { name: name(text) };
    check(r#"(@custom "icp:other x" "")"#, section("icp:other x"));
    let both = r#"(@custom "icp:public x" "1") (@custom "icp:private x" "2")"#;
    check(both, section("icp:private x"));
    let seventeen: String = (0..17).map(|i| format!(r#"(@custom "icp:public {i}" "")"#)).collect();
    let what = "`icp:` custom sections";
    check(&seventeen, ModuleError::TooMany { what, count: 17, limit: 16 });

    let good = r#"(module (@custom "icp:public candid:service" "text") (@custom "name" "\00")
        (@custom "icp:private enhanced-orthogonal-persistence" ""))"#;
    let info = prepare_text(good).unwrap().info;
    assert_eq!(info.metadata.len(), 2);
    let candid = &info.metadata["candid:service"];
    assert!(candid.public && candid.content == "text");
    assert!(info.wants_heap_kept);
}

#[test]
fn counts_are_limited() {
    let check = |limits: Limits, text: &str, what: &'static str, count, limit| {
        let error = prepare(&wat::parse_str(text).unwrap(), &limits).unwrap_err();
        assert_eq!(error, ModuleError::TooMany { what, count, limit });
    };
    let functions = Limits { module_functions_max: 1, ..Limits::default() };
    check(functions, "(module (func) (func))", "functions", 2, 1);
    let globals = Limits { module_globals_max: 0, ..Limits::default() };
    check(globals, "(module (global i32 (i32.const 1)))", "globals", 1, 0);
    let code = Limits { module_code_bytes_max: 3, ..Limits::default() };
    check(code, "(module (func))", "bytes of code", 4, 3);
    let methods = Limits { module_methods_max: 0, ..Limits::default() };
    check(methods, r#"(module (func (export "canister_update x")))"#, "exported methods", 1, 0);
    let names = Limits { module_method_names_bytes_max: 3, ..Limits::default() };
    let text = r#"(module (func (export "canister_update long")))"#;
    check(names, text, "bytes of method names", 4, 3);
    let text = "(module (table 600000 funcref) (table 600000 funcref))";
    check(Limits::default(), text, "initial table elements", 1_200_000, 1_000_000);
    let text = "(module (memory i64 98305))";
    check(Limits::default(), text, "pages of initial memory", 98_305, 98_304);
    let long = Limits { module_function_instructions_max: 3, ..Limits::default() };
    let text = r#"(module (import "ic0" "msg_reply" (func)) (func) (func nop nop nop))"#;
    assert_eq!(
        prepare(&wat::parse_str(text).unwrap(), &long).unwrap_err(),
        ModuleError::FunctionTooLong { index: 2, count: 4, limit: 3 }
    );
}

#[test]
fn features_beyond_the_list_are_refused() {
    for fields in [
        "(memory 1) (memory 1)",
        "(memory 1 1 shared)",
        "(func $f (return_call $f))",
        "(func (param externref))",
        "(func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))",
        "(tag)",
        "(type (struct))",
    ] {
        let error = prepare_text(&format!("(module {fields})")).unwrap_err();
        assert!(matches!(error, ModuleError::Invalid(_)), "{fields}: {error}");
    }
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0\x01", b"\x1f\x8b\x08", b"text"] {
        assert!(prepare(bytes, &Limits::default()).is_err());
    }
}

#[test]
fn globals_of_references_must_be_immutable() {
    check("(global (mut funcref) (ref.null func))", ModuleError::ReferenceGlobal { index: 0 });
    prepare_text("(module (global funcref (ref.null func)))").unwrap();
}

#[test]
fn data_is_placed_and_must_fit() {
    let text = r#"(module (memory 1 7) (data (i32.const 3) "abc") (data "passive")
        (data (i32.add (i32.const 65530) (i32.const 2)) "ends"))"#;
    let metered = prepare_text(text).unwrap();
    assert_eq!(metered.memory, Some(MemoryLimits { minimum: 1, maximum: 7 }));
    let mut bytes = [0; 8];
    metered.initial_heap.pages.read(0, &mut bytes);
    assert_eq!(&bytes, b"\0\0\0abc\0\0");
    metered.initial_heap.pages.read(65_528, &mut bytes);
    assert_eq!(&bytes, b"\0\0\0\0ends");
    let outside = ModuleError::DataOutOfBounds { index: 0 };
    check(r#"(memory 1) (data (i32.const 65534) "abc")"#, outside.clone());
    check(r#"(memory i64 1) (data (i64.const -1) "abc")"#, outside);
}

#[test]
fn elements_must_fit() {
    let outside = ModuleError::ElementsOutOfBounds { index: 1 };
    check("(table 2 funcref) (elem func 0) (elem (i32.const 2) 0) (func)", outside.clone());
    check("(table i64 2 funcref) (elem func 0) (elem (i64.const -1) 0) (func)", outside);
    let text = "(module (table 2 funcref) (elem (i32.const 1) funcref (ref.func 0)) (func))";
    prepare_text(text).unwrap();
}

#[test]
fn results_are_valid_modules() {
    let text = r#"(module
        (type $pair (func (result i32 i64)))
        (memory 1) (table 3 funcref)
        (func $pair (type $pair) (i32.const 1) (i64.const 2))
        (func (param i32) (result i32 i64)
            (block (type $pair)
                (br_if 1 (i32.const 1) (i64.const 2) (local.get 0))
                (br_table 0 1 (local.get 0)))
            (drop) (drop) (loop (type $pair) (call $pair) (br_if 0 (drop) (drop) (local.get 0)) (call $pair)))
        (func (result v128 f32) (loop (br 0)) unreachable)
        (func (loop (br_if 0 (i32.const 0))) (return) (nop) (block (loop (br 1)))))"#;
    let metered = prepare_text(text).unwrap();
    let features = FEATURES;
    wasmparser::Validator::new_with_features(features).validate_all(&metered.wasm).unwrap();
}
