//! The log of a canister: how much of it is kept, and what is read of it.

use candid::{Decode, Encode};
use ic_management_canister_types as ic;
use replica_execution::meter::Width;
use types::{CanisterId, MANAGEMENT_CANISTER};

use crate::harness::{Subnet, nat};
use crate::programs::install;

/// `print` prints so many bytes, twice.
const TEXT: &str = r#"
  (func (export "canister_update print") (local $size i32)
    (call $msg_arg_data_copy (ptr.const 0) (ptr.const 0) (ptr.const 4))
    (local.set $size (i32.load (ptr.const 0)))
    (call $debug_print (ptr.const 8) (local.get $size))
    (call $debug_print (ptr.const 8) (local.get $size))
    (call $msg_reply))"#;

fn set_limit(subnet: &mut Subnet, id: CanisterId, bytes: u128) {
    let args = ic::UpdateSettingsArgs {
        canister_id: id.0,
        settings: ic::CanisterSettings { log_memory_limit: nat(bytes), ..Default::default() },
        sender_canister_version: None,
    };
    subnet.manage(id, "update_settings", &args).expect("it can be set");
}

fn lengths(subnet: &Subnet, id: CanisterId) -> Vec<usize> {
    filtered_lengths(subnet, id, None)
}

fn filtered_lengths(
    subnet: &Subnet,
    id: CanisterId,
    filter: Option<ic::CanisterLogFilter>,
) -> Vec<usize> {
    let args = ic::FetchCanisterLogsArgs { canister_id: id.0, filter };
    let arg = Encode!(&args).unwrap();
    let reply = subnet.query(MANAGEMENT_CANISTER, "fetch_canister_logs", &arg).unwrap();
    assert!(reply.len() <= 2 << 20, "a reply has its limit: {}", reply.len());
    let records = Decode!(&reply, ic::FetchCanisterLogsResult).unwrap().canister_log_records;
    assert!(records.is_sorted_by_key(|record| record.idx));
    records.iter().map(|record| record.content.len()).collect()
}

#[test]
fn the_setting_says_how_much_is_kept() {
    let mut subnet = Subnet::new();
    let id = install(&mut subnet, Width::Bits32, TEXT);
    let print = |subnet: &mut Subnet, bytes: u32| {
        subnet.update(id, "print", &bytes.to_le_bytes()).unwrap();
    };
    let of_status = |subnet: &mut Subnet| {
        let status = subnet.status(id);
        let sizes = status.memory_metrics;
        let whole = [
            sizes.wasm_memory_size,
            sizes.stable_memory_size,
            sizes.global_memory_size,
            sizes.wasm_binary_size,
            sizes.custom_sections_size,
            sizes.wasm_chunk_store_size,
        ];
        let rest = whole.into_iter().fold(status.memory_size, |rest, part| rest - part);
        (status.settings.log_memory_limit, rest)
    };
    print(&mut subnet, 3_000);
    assert_eq!(lengths(&subnet, id), [3_000], "4 KiB at first");
    assert_eq!(of_status(&mut subnet), (4_096u32.into(), 3_016u32.into()));
    set_limit(&mut subnet, id, 100_000);
    print(&mut subnet, 30_000);
    assert_eq!(lengths(&subnet, id), [3_000, 30_000, 30_000]);
    assert_eq!(of_status(&mut subnet), (100_000u32.into(), 63_048u32.into()));
    // Less room: the latest stay, and what is printed is cut to fit.
    set_limit(&mut subnet, id, 32_000);
    assert_eq!(lengths(&subnet, id), [30_000]);
    set_limit(&mut subnet, id, 4_096);
    assert_eq!(lengths(&subnet, id), [0; 0]);
    print(&mut subnet, 5_000);
    assert_eq!(lengths(&subnet, id), [4_080]);
    set_limit(&mut subnet, id, 0);
    print(&mut subnet, 5);
    assert_eq!(lengths(&subnet, id), [0; 0]);
    assert_eq!(of_status(&mut subnet), (0u8.into(), 0u8.into()));
}

/// More small records than a reply can carry: it has the latest ones, or with a filter the first.
#[test]
fn a_reply_has_as_many_records_as_fit() {
    let text = r#"
      (func (export "canister_update print") (local $n i32)
        (local.set $n (i32.const 50000))
        (loop $again
          (call $debug_print (ptr.const 8) (i32.const 30))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br_if $again (local.get $n)))
        (call $debug_print (ptr.const 8) (i32.const 31))
        (call $msg_reply))"#;
    let mut subnet = Subnet::new();
    let id = install(&mut subnet, Width::Bits32, text);
    set_limit(&mut subnet, id, 2 << 20);
    subnet.update(id, "print", b"").unwrap();
    let kept = subnet.state.canister(&id).unwrap().system.log.records().count();
    let lengths = lengths(&subnet, id);
    assert!(kept > lengths.len() && lengths.len() > 30_000, "{kept} {}", lengths.len());
    assert_eq!(lengths.last(), Some(&31));
    let first = subnet.state.canister(&id).unwrap().system.log.records().next().unwrap().index;
    let all = ic::CanisterLogFilter::ByIdx { start: first, end: u64::MAX };
    let from_the_first = filtered_lengths(&subnet, id, Some(all));
    assert_eq!((from_the_first.len(), from_the_first.last()), (lengths.len(), Some(&30)));
}
