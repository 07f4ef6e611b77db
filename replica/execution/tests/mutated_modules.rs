//! Modules as anybody may install them, changed: what the meter accepts, the machine accepts.

#[path = "../../../fuzz/mutations.rs"]
mod mutations;

use std::io::Write as _;

use mutations::for_each_mutant;
use replica_execution::meter::{self, ModuleError};
use replica_execution::sandbox::Engine;
use types::Limits;

/// Every section, both widths, all kinds of control flow, vectors, tables and bulk operations.
const TEXTS: [&str; 4] = [
    r#"(module
        (import "ic0" "msg_reply" (func $reply))
        (type $pair (func (result i32 i64)))
        (memory 1 2) (table 4 funcref) (elem (i32.const 1) $pair)
        (global $a (mut i32) (i32.const 1)) (global $b (mut v128) (v128.const i64x2 1 2))
        (data (i32.const 8) "active") (data $passive "passive")
        (start $start)
        (func $start (global.set $a (i32.const 2)))
        (func $pair (type $pair) (i32.const 1) (i64.const 2))
        (func $switch (param i32) (result i32)
            (block (block (br_table 0 1 (local.get 0))) (return (i32.const 10)))
            (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2))))
        (func (export "canister_update x") (local $i i64)
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 10))
            (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 3))
            (table.fill (i32.const 0) (ref.null func) (i32.const 1))
            (drop (memory.grow (i32.const 1)))
            (loop $l
                (local.set $i (i64.add (local.get $i) (i64.const 1)))
                (call_indirect (type $pair) (i32.const 1)) (drop) (drop)
                (br_if $l (i64.lt_u (local.get $i) (i64.const 9))))
            (drop (call $switch (i32.const 1)))
            (call $reply)))"#,
    r#"(module (memory i64 1) (table i64 4 funcref)
        (@custom "icp:public candid:service" "text") (@custom "name" "\00")
        (func (export "canister_query x") (local v128)
            (i64.store (i64.const 8) (i64.load (i64.const 16)))
            (memory.copy (i64.const 0) (i64.const 8) (i64.const 16))
            (table.fill (i64.const 0) (ref.null func) (i64.const 1))
            (local.set 0 (f64x2.mul (local.get 0) (local.get 0)))))"#,
    r#"(module
        (import "ic0" "msg_arg_data_copy" (func (param i32 i32 i32)))
        (import "ic0" "stable64_grow" (func (param i64) (result i64)))
        (memory 1) (func (export "canister_heartbeat") (drop (call 1 (i64.const 1))) unreachable))"#,
    "(module)",
];

/// Most mutants are refused at once; those that are accepted are compiled.
const MUTANTS: u64 = 12_000;

#[test]
fn what_the_meter_accepts_the_machine_accepts() {
    let limits = Limits::default();
    let engine = Engine::new(&limits).expect("the machine works here");
    let mut samples: Vec<_> = TEXTS.map(|text| wat::parse_str(text).expect("good")).to_vec();
    samples.push(gzip(&samples[0]));
    for sample in &samples {
        assert!(engine.compile(sample).is_ok(), "the sample itself is good");
    }
    let mut accepted = 0;
    for_each_mutant(&samples, MUTANTS, |bytes| {
        let prepared = meter::prepare(bytes, &limits);
        let compiled = engine.compile(bytes);
        match (&prepared, compiled) {
            (Ok(metered), compiled) => {
                if let Err(error) = compiled {
                    panic!("the meter accepts a module that the machine refuses: {error}");
                }
                wasmparser::Validator::new_with_features(meter::FEATURES)
                    .validate_all(&metered.wasm)
                    .expect("the instrumented module is valid");
                let again = meter::prepare(bytes, &limits).expect("as before");
                assert_eq!(again.wasm, metered.wasm);
                accepted += 1;
            }
            (Err(_), Ok(_)) => panic!("the machine takes what the meter refuses"),
            (Err(expected), Err(found)) => assert_eq!(found.to_string(), expected.to_string()),
        }
        assert!(!matches!(prepared, Err(ModuleError::Compile)));
    });
    assert!(accepted > MUTANTS / 20, "only {accepted} mutants reach the machine");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(bytes).expect("a vector takes all");
    to.finish().expect("a vector takes all")
}
