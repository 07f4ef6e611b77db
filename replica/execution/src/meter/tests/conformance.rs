//! The instrumented form of a small corpus, frozen by hash. A change here changes what canisters
//! are charged and where they run out of instructions: it needs a new version of the replica that
//! all nodes of a subnet switch to at one height.

use sha2::{Digest, Sha256};

use super::prepare_text;

/// Every kind of insertion: tests, charges, lengths, reloads; and every section that is rewritten.
const MIXED: &str = r#"(module
    (import "ic0" "msg_reply" (func $reply))
    (type $pair (func (result i32 i64)))
    (memory 1 2) (table 4 funcref) (elem (i32.const 1) $pair)
    (global $a (mut i32) (i32.const 1)) (global $b (mut v128) (v128.const i64x2 1 2))
    (data (i32.const 8) "active") (data $passive "passive")
    (start $start)
    (func $start (global.set $a (i32.const 2)))
    (func $pair (type $pair) (i32.const 1) (i64.const 2))
    (func $switch (param i32) (result i32)
        (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 10))) (call $pair) (drop) (drop))
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
        (call $reply)))"#;

const WIDE: &str = r#"(module (memory i64 1) (table i64 4 funcref)
    (func (export "canister_update x") (param) (local v128)
        (i64.store (i64.const 8) (i64.load (i64.const 16)))
        (memory.copy (i64.const 0) (i64.const 8) (i64.const 16))
        (table.fill (i64.const 0) (ref.null func) (i64.const 1))
        (local.set 0 (f64x2.mul (local.get 0) (local.get 0)))))"#;

fn check(name: &str, text: &str, expected: &str) {
    let hash = hex(&Sha256::digest(prepare_text(text).unwrap().wasm));
    assert_eq!(hash, expected, "{name}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn instrumentation_is_frozen() {
    check("mixed", MIXED, "559372cd65b300f6875f7760bf3a2d51349cad39a6b2bfea78c18b81f6120133");
    check("wide", WIDE, "56972e39d33c13e1f1bc550d4b6f20dde0b6f84af225ae846d0bfcc22fe32bfa");
    check("empty", "(module)", "f2b030a339388267298b18c857e340d7702d0eaa9f11d6740389470c3078d43e");
    for (name, text, expected) in [
        (
            "sha256",
            include_str!("../../../kernels/sha256.wat"),
            "c9b53fe904f8b94116c2f2572fe2fd19eaddb33366e8b395141f47ddf7dd3619",
        ),
        (
            "sort",
            include_str!("../../../kernels/sort.wat"),
            "77bed50d2c1d0d70a42c99e5119fbfebb4cf361538099928cf12a249df4aebef",
        ),
        (
            "map",
            include_str!("../../../kernels/map.wat"),
            "cc7b70bc688a24ee9a9ac4132f1c9dedd955ea6907ce0e2e5295e6bf857e344c",
        ),
        (
            "matrix",
            include_str!("../../../kernels/matrix.wat"),
            "30c668df9898d6263f268ac5d4cfb336a7eddebe73696350cb16afc077c6bf16",
        ),
        (
            "sieve",
            include_str!("../../../kernels/sieve.wat"),
            "4b4fb024104e48d245e42cb96b344a840f92483049bdffa5055c32d1879059b5",
        ),
        (
            "fib",
            include_str!("../../../kernels/fib.wat"),
            "a88f3a64550d0d418b6861ba8b2bd444ca817c75fb96b416bcd55667fc339da0",
        ),
    ] {
        check(name, text, expected);
    }
}
