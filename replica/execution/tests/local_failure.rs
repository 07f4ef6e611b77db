//! What this computer cannot do is no outcome of a message. This test bounds the memory of its
//! process, so it is alone in its file.

mod harness;

use harness::Subnet;
use replica_execution::RoundInput;
use types::Randomness;

const CANISTER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (memory 1)
  (func (export "canister_update run") (i32.store (i32.const 0) (i32.const 1)) (call $reply)))
"#;

/// Addresses that this process uses, in bytes.
fn addresses_used() -> u64 {
    let sizes = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = sizes.split(' ').next().and_then(|size| size.parse::<u64>().ok());
    pages.expect("the first number is the size in pages") * 4096
}

/// Bounds the addresses that this process may use; `None` lifts the bound.
fn bound_addresses(bytes: Option<u64>) {
    let unlimited = libc::RLIM_INFINITY;
    let limit = libc::rlimit { rlim_cur: bytes.unwrap_or(unlimited), rlim_max: unlimited };
    // SAFETY: the pointer is to a value that lives during the call.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
    assert_eq!(result, 0, "the bound can be set");
}

#[test]
fn a_computer_without_memory_has_no_outcome() {
    let mut subnet = Subnet::new();
    let canister = subnet.install_new(CANISTER);
    let id = subnet.submit(harness::admin(), canister, Some(canister), "run", b"");
    let before = subnet.state.clone();
    let input = RoundInput {
        height: before.height.next(),
        time: before.time.plus_ms(1_000),
        randomness: Randomness([1; 32]),
    };
    // Enough for all but the addresses of a canister's memory.
    bound_addresses(Some(addresses_used() + (256 << 20)));
    let result = subnet.executor.execute_round(&mut before.clone(), input);
    bound_addresses(None);
    let failure = result.expect_err("the memory cannot be mapped");
    assert!(failure.to_string().contains("no memory can be mapped"), "{failure}");
    // The same batch again, where there is memory.
    subnet.round();
    assert_eq!(subnet.outcome(id), Some(Ok(vec![])));
}
