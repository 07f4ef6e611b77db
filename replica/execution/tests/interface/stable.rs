//! Stable memory: sizes, limits and bounds of both interfaces.

use replica_execution::meter::Width;
use types::{Cycles, Fees};

use crate::harness::Subnet;
use crate::programs::{Frame, WIDTHS, Want, check, check_in, install, numbers};

const OUT_OF_BOUNDS: Want<'static> = Want::Fails("IC0502", "stable memory out of bounds");
const HEAP_OUT_OF_BOUNDS: Want<'static> = Want::Fails("IC0502", "heap out of bounds");
const TOO_LARGE: Want<'static> =
    Want::Fails("IC0502", "32 bit stable memory api used on a memory larger than 4GB");
/// Pages of 500 GiB.
const PAGES_MAX: u64 = 500 << 14;
/// Pages of 4 GiB.
const PAGES_32: u64 = 1 << 16;

fn grow(pages: u64) -> String {
    format!("(call $out64 (call $stable64_grow (i64.const {pages})))")
}

fn narrow_grow(pages: u64) -> String {
    format!("(call $out32 (call $stable_grow (i32.const {pages})))")
}

const SIZE: &str = "(call $out64 (call $stable64_size))";
const NARROW_SIZE: &str = "(call $out32 (call $stable_size))";

fn check_narrow(body: &str, want: Want<'_>) {
    check_in(&mut Subnet::new(), Width::Bits32, Frame::Update, body, want);
}

#[test]
fn growing_gives_the_size_before_or_minus_one() {
    let refused = u64::MAX;
    check(SIZE, Want::Numbers(&[0]));
    check(&(grow(0) + &grow(3) + &grow(0) + &grow(4) + SIZE), Want::Numbers(&[0, 0, 3, 3, 7]));
    check(&(grow(PAGES_MAX) + &grow(1) + SIZE), Want::Numbers(&[0, refused, PAGES_MAX]));
    check(&(grow(PAGES_MAX + 1) + SIZE), Want::Numbers(&[refused, 0]));
    check(&(grow(1) + &grow(PAGES_MAX) + SIZE), Want::Numbers(&[0, refused, 1]));
    for pages in [1 << 48, 1 << 62, u64::MAX, u64::MAX - 1] {
        check(&(grow(2) + &grow(pages) + SIZE), Want::Numbers(&[0, refused, 2]));
    }
}

#[test]
fn the_interface_of_32_bits_ends_at_4_gib() {
    let refused = u64::from(u32::MAX);
    check_narrow(
        &(narrow_grow(5) + &narrow_grow(PAGES_32 - 5) + NARROW_SIZE + &narrow_grow(0)),
        Want::Numbers(&[0, 5, PAGES_32, PAGES_32]),
    );
    check_narrow(&narrow_grow(PAGES_32 + 1), Want::Numbers(&[refused]));
    check_narrow(&(narrow_grow(PAGES_32) + &narrow_grow(1)), Want::Numbers(&[0, refused]));
    check_narrow(&narrow_grow(u32::MAX.into()), Want::Numbers(&[refused]));
    let larger = grow(PAGES_32 + 1);
    for call in [
        NARROW_SIZE.to_string(),
        narrow_grow(0),
        "(call $stable_read (i32.const 0) (i32.const 0) (i32.const 0))".into(),
        "(call $stable_write (i32.const 0) (i32.const 0) (i32.const 0))".into(),
    ] {
        check_narrow(&(larger.clone() + &call), TOO_LARGE);
    }
    // The last byte that 32 bits reach.
    let last = format!(
        "{} (i32.store8 (i32.const 0) (i32.const 7))
         (call $stable_write (i32.const -1) (i32.const 0) (i32.const 1))
         (call $stable_read (i32.const 1) (i32.const -1) (i32.const 1))
         (call $out (i32.const 1) (i32.const 1))",
        narrow_grow(PAGES_32)
    );
    let mut expected = numbers(&[0]);
    expected.push(7);
    check_narrow(&last, Want::Bytes(&expected));
    let over = format!(
        "{} (call $stable_read (i32.const 0) (i32.const -1) (i32.const 2))",
        narrow_grow(PAGES_32)
    );
    check_narrow(&over, OUT_OF_BOUNDS);
}

/// Reads and writes of one page of stable memory and two of the heap.
#[test]
fn accesses_lie_within_both_memories() {
    let access = |stable: i64, heap: i64, size: i64| {
        [
            format!(
                "(call $stable64_write (i64.const {stable}) (i64.const {heap}) (i64.const {size}))"
            ),
            format!(
                "(call $stable64_read (i64.const {heap}) (i64.const {stable}) (i64.const {size}))"
            ),
        ]
    };
    let narrow = |[write, read]: [String; 2]| {
        [write, read].map(|call| call.replace("stable64", "stable").replace("i64.", "i32."))
    };
    let page = 65_536;
    let heap = 131_072;
    let fine = Want::Numbers(&[0]);
    for (calls, want) in [
        (access(0, 0, 0), fine),
        (access(page, heap, 0), fine),
        (access(0, heap - page, page), fine),
        (access(page - 1, heap - 1, 1), fine),
        (access(page + 1, 0, 0), OUT_OF_BOUNDS),
        (access(page - 1, 0, 2), OUT_OF_BOUNDS),
        (access(0, 0, page + 1), OUT_OF_BOUNDS),
        (access(-1, 0, 1), OUT_OF_BOUNDS),
        (access(-1, 0, 2), OUT_OF_BOUNDS),
        (access(0, heap - 1, 2), HEAP_OUT_OF_BOUNDS),
        (access(0, heap + 1, 0), HEAP_OUT_OF_BOUNDS),
        (access(0, -1, 1), HEAP_OUT_OF_BOUNDS),
    ] {
        for call in &calls {
            check(&(grow(1) + call), want);
        }
        for call in narrow(calls) {
            check_narrow(&(grow(1) + &call), want);
        }
    }
    // Addresses above 4 GiB do not wrap around.
    for (stable, heap, want) in [(1 << 32, 0, OUT_OF_BOUNDS), (0, 1 << 32, HEAP_OUT_OF_BOUNDS)] {
        for call in access(stable, heap, 1) {
            check(&(grow(1) + &call), want);
        }
    }
    // More bytes than there can be instructions.
    for call in access(0, 0, -1) {
        check(&(grow(1) + &call), Want::Fails("IC0522", "instructions"));
    }
}

#[test]
fn what_is_written_is_read_and_stays() {
    let text = r#"
      (data (ptr.const 0) "0123456789")
      (func $write (param $at i64)
        (call $stable64_write (local.get $at) (i64.const 0) (i64.const 10)))
      (func $read (param $at i64)
        (call $stable64_read (i64.const 100) (local.get $at) (i64.const 12))
        (call $out (ptr.const 100) (ptr.const 12)) (call $msg_reply))
      (func (export "canister_init") (drop (call $stable64_grow (i64.const 2))))
      (func (export "canister_update write")
        (call $write (i64.const 4091)) (call $read (i64.const 4090)))
      (func (export "canister_update write_and_trap")
        (call $write (i64.const 4095)) unreachable)
      (func (export "canister_query write_in_query")
        (call $write (i64.const 65530)) (call $read (i64.const 65529)))
      (func (export "canister_query read") (call $read (i64.const 4090)))
      (func (export "canister_query read_other") (call $read (i64.const 65529)))"#;
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, text);
        let written = b"\x000123456789\0".to_vec();
        assert_eq!(subnet.update(id, "write", b"").as_ref(), Ok(&written));
        assert_eq!(subnet.query(id, "read", b"").as_ref(), Ok(&written));
        subnet.update(id, "write_and_trap", b"").unwrap_err();
        assert_eq!(subnet.query(id, "read", b"").as_ref(), Ok(&written));
        // A query sees what it wrote, and nobody else does: on one node and on all.
        assert_eq!(subnet.query(id, "write_in_query", b"").as_ref(), Ok(&written));
        assert_eq!(subnet.update(id, "write_in_query", b"").as_ref(), Ok(&written));
        assert_eq!(subnet.query(id, "read_other", b"").unwrap(), [0; 12]);
        let sizes = subnet.status(id).memory_metrics.stable_memory_size;
        assert_eq!(sizes, 131_072u64);
    }
}

/// A memory of 3 GiB that nobody touches is enough to ask for too much.
#[test]
fn a_message_writes_so_many_pages_at_most() {
    let text = |kind: &str, bytes: u64| {
        format!(
            r#"(module
              (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
              (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
              (memory 49152)
              (func (export "canister_{kind} go")
                (drop (call $grow (i64.const 49152)))
                (call $write (i64.const 0) (i64.const 0) (i64.const {bytes}))))"#
        )
    };
    let mut subnet = Subnet::new();
    let expected = "limit 2097152 KB for regular messages, 8388608 KB for upgrade messages and \
                    1048576 KB for queries.";
    for (kind, gib) in [("update", 2u64), ("query", 1)] {
        let id = subnet.install_new(&text(kind, (gib << 30) + 1));
        let error = match kind {
            "update" => subnet.update(id, "go", b""),
            _ => subnet.query(id, "go", b""),
        };
        let error = error.unwrap_err();
        assert_eq!(error.code.to_string(), "IC0524", "{error}");
        assert!(error.message.contains(expected), "{error}");
    }
}

/// Growing is refused by an error where it would freeze the canister, and costs nothing then.
#[test]
fn memory_that_cannot_be_paid_for_is_not_grown() {
    let mut subnet = Subnet::with(|config| config.fees = Fees::default());
    for width in WIDTHS {
        let body = "(drop (call $stable64_grow (i64.const 8192000)))";
        let id = install(&mut subnet, width, &Frame::Update.text(body));
        // Enough for messages, but not for 500 GiB over thirty days.
        subnet.state.canister_mut(&id).unwrap().system.balance = Cycles(10_000_000_000_000);
        let error = subnet.update(id, "go", b"").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0532");
        let text = "Canister cannot grow memory by 536870912000 bytes due to insufficient cycles.";
        assert!(error.message.contains(text), "{error}");
        assert_eq!(subnet.status(id).memory_metrics.stable_memory_size, 0u64);
    }
}
