//! The canister of the drill: appends eight bytes to a list and replies with their position.
//!
//! A message that is lost, applied twice or applied in another order on another node shows in the
//! list.

use candid::{CandidType, Decode, Encode, Principal};
use ic_management_canister_types::{
    CanisterIdRecord, CanisterInstallMode, InstallCodeArgs, ProvisionalCreateCanisterWithCyclesArgs,
};

use super::client::Clients;
use crate::error::Error;

/// Bytes of an entry, of a position and of a count.
pub const ENTRY_BYTES: usize = 8;

/// Entries of one `read`.
const PAGE: u32 = 50_000;

/// Linear memory: 0 the number of entries; 8 the argument; 64 KiB onwards the entries.
const MODULE: &str = r#"
(module
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (memory 2)
  (data (i32.const 32) "eight bytes, please")
  (func $argument
    (if (i32.ne (call $arg_size) (i32.const 8))
      (then (call $trap (i32.const 32) (i32.const 19))))
    (call $arg_copy (i32.const 8) (i32.const 0) (i32.const 8)))
  (func (export "canister_update record")
    (local $end i32)
    (call $argument)
    (local.set $end
      (i32.add (i32.const 65536) (i32.mul (i32.load (i32.const 0)) (i32.const 8))))
    (if (i32.gt_u (i32.add (local.get $end) (i32.const 8))
                  (i32.mul (memory.size) (i32.const 65536)))
      (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))))
    (i64.store (local.get $end) (i64.load (i32.const 8)))
    (call $append (i32.const 0) (i32.const 8))
    (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
    (call $reply))
  (func (export "canister_query count")
    (call $append (i32.const 0) (i32.const 8))
    (call $reply))
  (func (export "canister_query read")
    (call $argument)
    (call $append
      (i32.add (i32.const 65536) (i32.mul (i32.load (i32.const 8)) (i32.const 8)))
      (i32.mul (i32.load (i32.const 12)) (i32.const 8)))
    (call $reply)))
"#;

/// Creates the canister and installs the module.
pub async fn install(clients: &Clients) -> Result<Principal, Error> {
    let create = ProvisionalCreateCanisterWithCyclesArgs {
        amount: None,
        settings: None,
        specified_id: None,
        sender_canister_version: None,
    };
    let reply =
        manage(clients, clients.first_canister, "provisional_create_canister_with_cycles", &create)
            .await?;
    let record = Decode!(&reply, CanisterIdRecord)
        .map_err(|error| Error::Drill(format!("create_canister answered strangely: {error}")))?;
    let wasm_module = wat::parse_str(MODULE).expect("the text above is a module");
    let install = InstallCodeArgs {
        mode: CanisterInstallMode::Install,
        canister_id: record.canister_id,
        wasm_module,
        arg: Vec::new(),
        sender_canister_version: None,
    };
    manage(clients, record.canister_id, "install_code", &install).await?;
    Ok(record.canister_id)
}

async fn manage(
    clients: &Clients,
    effective: Principal,
    method: &str,
    argument: &impl CandidType,
) -> Result<Vec<u8>, Error> {
    let argument = Encode!(argument)
        .map_err(|error| Error::Drill(format!("cannot encode {method}: {error}")))?;
    clients
        .node(0)
        .update(&Principal::management_canister(), method)
        .with_effective_canister_id(effective)
        .with_arg(argument)
        .call_and_wait()
        .await
        .map_err(|error| Error::Drill(format!("{method} failed: {error}")))
}

/// All entries as node `index` shows them.
pub async fn entries(
    clients: &Clients,
    index: usize,
    ledger: Principal,
) -> Result<Vec<u64>, Error> {
    let count = query(clients, index, ledger, "count", Vec::new()).await?;
    let count = u32::try_from(numbers(&count)?.first().copied().unwrap_or(0))
        .map_err(|_| Error::Drill("the ledger's count is out of range".into()))?;
    let mut all = Vec::new();
    let mut from = 0;
    while from < count {
        let page = PAGE.min(count - from);
        let argument = [from.to_le_bytes(), page.to_le_bytes()].concat();
        all.extend(numbers(&query(clients, index, ledger, "read", argument).await?)?);
        from += page;
    }
    Ok(all)
}

async fn query(
    clients: &Clients,
    index: usize,
    ledger: Principal,
    method: &str,
    argument: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    clients
        .node(index)
        .query(&ledger, method)
        .with_arg(argument)
        .call()
        .await
        .map_err(|error| Error::Drill(format!("query {method} of node {index}: {error}")))
}

/// Little-endian numbers of eight bytes each.
pub fn numbers(bytes: &[u8]) -> Result<Vec<u64>, Error> {
    if !bytes.len().is_multiple_of(ENTRY_BYTES) {
        return Err(Error::Drill(format!("the ledger answered {} bytes", bytes.len())));
    }
    let number = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
    Ok(bytes.chunks_exact(ENTRY_BYTES).map(number).collect())
}
