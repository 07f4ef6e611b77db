//! The management canister: creation, code, settings, life and death of canisters.

mod harness;

use candid::{Decode, Encode};
use harness::{Subnet, admin, controllers, module, nat, number, record, stranger, upgrade};
use ic_management_canister_types as ic;
use types::{CanisterId, ErrorCode, Fees, MANAGEMENT_CANISTER, SubnetType, UserError};

/// Remembers the argument of its installation in heap, stable memory and a global, and counts its
/// upgrades.
const KEEPER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (import "ic0" "stable64_size" (func $stable_size (result i64)))
  (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
  (import "ic0" "stable64_read" (func $read (param i64 i64 i64)))
  (import "ic0" "canister_version" (func $version (result i64)))
  (import "ic0" "canister_status" (func $status (result i32)))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (memory 1)
  (global $started (mut i64) (i64.const 0))
  (start $start)
  (func $start (global.set $started (i64.add (global.get $started) (i64.const 1))))
  (func $keep
    (call $arg_copy (i32.const 100) (i32.const 0) (call $arg_size))
    (i32.store (i32.const 96) (call $arg_size)))
  (func (export "canister_init")
    (call $keep)
    (drop (call $grow (i64.const 2)))
    (call $write (i64.const 65530) (i64.const 100) (i64.const 10)))
  (func (export "canister_pre_upgrade")
    (i64.store (i32.const 0) (call $version))
    (call $write (i64.const 0) (i64.const 0) (i64.const 8)))
  (func (export "canister_post_upgrade")
    (i64.store (i32.const 8) (call $version))
    (call $write (i64.const 8) (i64.const 8) (i64.const 8))
    (if (i32.eq (call $arg_size) (i32.const 4)) (then (call $trap (i32.const 0) (i32.const 0)))))
  (func (export "canister_query kept")
    (call $append (i32.const 100) (i32.load (i32.const 96))) (call $reply))
  (func (export "canister_query started")
    (i64.store (i32.const 0) (global.get $started))
    (call $append (i32.const 0) (i32.const 8)) (call $reply))
  (func (export "canister_query stable")
    (call $read (i64.const 200) (i64.const 65530) (i64.const 10))
    (call $append (i32.const 200) (i32.const 10)) (call $reply))
  (func (export "canister_query versions")
    (call $read (i64.const 200) (i64.const 0) (i64.const 16))
    (call $append (i32.const 200) (i32.const 16)) (call $reply))
  (func (export "canister_query status")
    (i32.store (i32.const 0) (call $status))
    (call $append (i32.const 0) (i32.const 4)) (call $reply))
  (func (export "canister_update log")
    (call $arg_copy (i32.const 300) (i32.const 0) (call $arg_size))
    (call $print (i32.const 300) (call $arg_size))
    (call $reply)))
"#;

fn keeper() -> Vec<u8> {
    module(KEEPER)
}

fn installed() -> (Subnet, CanisterId) {
    let mut subnet = Subnet::new();
    let id = subnet.create();
    subnet.install(id, ic::CanisterInstallMode::Install, &keeper(), b"first data").unwrap();
    (subnet, id)
}

fn code(error: &UserError) -> String {
    error.code.to_string()
}

#[test]
fn ids_are_given_out_in_order_and_never_again() {
    let mut subnet = Subnet::new();
    let ids = [0; 3].map(|_| subnet.create());
    assert_eq!(ids, [0, 1, 2].map(CanisterId::from_index));
    subnet.manage(ids[2], "stop_canister", &record(ids[2])).unwrap();
    subnet.manage(ids[2], "delete_canister", &record(ids[2])).unwrap();
    assert_eq!(subnet.create(), CanisterId::from_index(3));
    let create_at = |subnet: &mut Subnet, index| {
        let specified_id = Some(CanisterId::from_index(index).0);
        let args =
            ic::ProvisionalCreateCanisterWithCyclesArgs { specified_id, ..Default::default() };
        subnet.manage(MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", &args)
    };
    let taken = create_at(&mut subnet, 2).unwrap_err();
    assert_eq!(code(&taken), "IC0538");
    assert_eq!(
        taken.message,
        format!("Canister {} is already installed.", CanisterId::from_index(2))
    );
    // A wanted id leaves the order of the others alone, and is passed over when its turn comes.
    for index in [5, 77, 4] {
        create_at(&mut subnet, index).unwrap();
        assert_eq!(code(&create_at(&mut subnet, index).unwrap_err()), "IC0538");
    }
    assert_eq!(subnet.create(), CanisterId::from_index(6));
    let wanted = CanisterId::from_index(77);
    subnet.manage(wanted, "stop_canister", &record(wanted)).unwrap();
    subnet.manage(wanted, "delete_canister", &record(wanted)).unwrap();
    assert_eq!(code(&create_at(&mut subnet, 77).unwrap_err()), "IC0538", "never used again");
    let last = subnet.state.config.canister_index_range.1;
    create_at(&mut subnet, last).unwrap();
    assert_eq!(subnet.create(), CanisterId::from_index(7));
    assert_eq!(code(&create_at(&mut subnet, 1 << 30).unwrap_err()), "IC0405");
}

#[test]
fn who_may_create() {
    let mut subnet = Subnet::new();
    let args = ic::CreateCanisterArgs::default();
    let create = |subnet: &mut Subnet| {
        subnet.manage_as(stranger(), MANAGEMENT_CANISTER, "create_canister", &args)
    };
    let reply = create(&mut subnet).unwrap();
    let id = CanisterId(Decode!(&reply, ic::CanisterIdRecord).unwrap().canister_id);
    let settings = &subnet.state.canister(&id).unwrap().system.settings;
    assert!(settings.controllers.contains(&stranger()) && settings.controllers.len() == 1);

    let mut application = Subnet::with(|config| config.subnet_type = SubnetType::Application);
    let error = create(&mut application).unwrap_err();
    assert_eq!(code(&error), "IC0406");
    assert_eq!(error.message, "Only canisters can call ic00 method create_canister");

    let mut production = Subnet::with(|config| config.development = false);
    let args = ic::ProvisionalCreateCanisterWithCyclesArgs::default();
    let method = "provisional_create_canister_with_cycles";
    let error = production.manage(MANAGEMENT_CANISTER, method, &args).unwrap_err();
    assert!(error.message.ends_with(&format!("is not allowed to call ic00 method {method}")));
}

#[test]
fn install_reinstall_and_their_errors() {
    let (mut subnet, id) = installed();
    assert_eq!(subnet.query(id, "kept", b"").unwrap(), b"first data");
    assert_eq!(subnet.query(id, "stable", b"").unwrap(), b"first data");
    assert_eq!(number(&subnet.query(id, "started", b"").unwrap()), 1);
    let error = subnet.install(id, ic::CanisterInstallMode::Install, &keeper(), b"").unwrap_err();
    assert_eq!(code(&error), "IC0514");
    assert!(error.message.starts_with(&format!(
        "Canister {id} cannot be installed because the canister is not empty."
    )));
    subnet.install(id, ic::CanisterInstallMode::Reinstall, &keeper(), b"other data").unwrap();
    assert_eq!(subnet.query(id, "stable", b"").unwrap(), b"other data");
    let error =
        subnet.install(id, ic::CanisterInstallMode::Reinstall, b"no module", b"").unwrap_err();
    assert_eq!(code(&error), "IC0505");
    assert!(error.message.contains("Canister's Wasm module is not valid: "), "{}", error.message);
    assert_eq!(subnet.query(id, "kept", b"").unwrap(), b"other data");
    let empty = subnet.create();
    let error = subnet.install(empty, upgrade(None, None), &keeper(), b"").unwrap_err();
    assert_eq!(code(&error), "IC0537");
    let missing = CanisterId::from_index(900);
    let error =
        subnet.install(missing, ic::CanisterInstallMode::Install, &keeper(), b"").unwrap_err();
    assert_eq!(error.message, format!("Canister {missing} not found"));
}

#[test]
fn upgrades_keep_stable_memory_and_are_atomic() {
    let (mut subnet, id) = installed();
    subnet.install(id, upgrade(None, None), &keeper(), b"").unwrap();
    assert_eq!(subnet.query(id, "kept", b"").unwrap(), b"");
    assert_eq!(subnet.query(id, "stable", b"").unwrap(), b"first data");
    let versions = subnet.query(id, "versions", b"").unwrap();
    let (before, after) = (number(&versions[..8]), number(&versions[8..]));
    assert!(before < after, "{before} {after}");
    // post_upgrade traps on four bytes: nothing of the upgrade remains.
    let hash = subnet.status(id).module_hash;
    let error = subnet.install(id, upgrade(None, None), &keeper(), b"trap").unwrap_err();
    assert_eq!(code(&error), "IC0503");
    assert_eq!(subnet.query(id, "versions", b"").unwrap(), versions);
    assert_eq!(subnet.status(id).module_hash, hash);
    // Without pre_upgrade the old version stays written.
    subnet.install(id, upgrade(Some(true), None), &keeper(), b"").unwrap();
    let skipped = subnet.query(id, "versions", b"").unwrap();
    assert_eq!(skipped[..8], versions[..8]);
    assert_ne!(skipped[8..], versions[8..]);
}

/// A module that keeps its heap as Motoko's do, with 64-bit memory.
const PERSISTENT: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i64 i64)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i64)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i64 i64 i64)))
  (memory i64 1)
  (func (export "canister_init")
    (call $arg_copy (i64.const 100) (i64.const 0) (call $arg_size)))
  (func (export "canister_query kept")
    (call $append (i64.const 100) (i64.const 4)) (call $reply))
  (@custom "icp:private enhanced-orthogonal-persistence" "")
  (@custom "enhanced-orthogonal-persistence" "")
  (@custom "icp:public candid:service" "service : {}"))
"#;

#[test]
fn heaps_are_kept_when_asked_for_and_the_module_agrees() {
    let mut subnet = Subnet::new();
    let id = subnet.create();
    let wasm = module(PERSISTENT);
    subnet.install(id, ic::CanisterInstallMode::Install, &wasm, b"data").unwrap();
    let error = subnet.install(id, upgrade(None, None), &wasm, b"").unwrap_err();
    assert_eq!(
        error.message,
        "Missing upgrade option: Enhanced orthogonal persistence requires the \
         `wasm_memory_persistence` upgrade option."
    );
    let keep = upgrade(None, Some(ic::WasmMemoryPersistence::Keep));
    subnet.install(id, keep, &wasm, b"").unwrap();
    assert_eq!(subnet.query(id, "kept", b"").unwrap(), b"data");
    let replace = upgrade(None, Some(ic::WasmMemoryPersistence::Replace));
    subnet.install(id, replace, &wasm, b"").unwrap();
    assert_eq!(subnet.query(id, "kept", b"").unwrap(), [0; 4]);
    let (mut subnet, id) = installed();
    let error = subnet.install(id, keep, &keeper(), b"").unwrap_err();
    assert!(error.message.starts_with("Invalid upgrade option: "), "{}", error.message);
}

#[test]
fn modules_come_in_chunks() {
    let (mut subnet, store) = installed();
    let target = subnet.create();
    let wasm = keeper();
    let (first, second) = wasm.split_at(wasm.len() / 2);
    let mut hashes = Vec::new();
    for chunk in [first, second] {
        let args = ic::UploadChunkArgs { canister_id: store.0, chunk: chunk.to_vec() };
        let reply = subnet.manage(store, "upload_chunk", &args).unwrap();
        hashes.push(Decode!(&reply, ic::ChunkHash).unwrap());
    }
    let stored = subnet.manage(store, "stored_chunks", &record(store)).unwrap();
    assert_eq!(Decode!(&stored, Vec<ic::ChunkHash>).unwrap().len(), 2);
    let hash = subnet.status(store).module_hash.unwrap();
    let install = |subnet: &mut Subnet, list: Vec<ic::ChunkHash>, hash: Vec<u8>| {
        let args = ic::InstallChunkedCodeArgs {
            mode: ic::CanisterInstallMode::Reinstall,
            target_canister: target.0,
            store_canister: Some(store.0),
            chunk_hashes_list: list,
            wasm_module_hash: hash,
            arg: b"in chunks!".to_vec(),
            sender_canister_version: None,
        };
        subnet.manage(target, "install_chunked_code", &args)
    };
    let wrong = install(&mut subnet, hashes.clone(), vec![0; 32]).unwrap_err();
    assert!(wrong.message.contains("does not match given hash"), "{}", wrong.message);
    install(&mut subnet, hashes.clone(), hash.clone()).unwrap();
    assert_eq!(subnet.query(target, "kept", b"").unwrap(), b"in chunks!");
    subnet.manage(store, "clear_chunk_store", &record(store)).unwrap();
    let gone = install(&mut subnet, hashes, hash).unwrap_err();
    assert!(gone.message.starts_with("Error from Wasm chunk store: Chunk hash "));
    let large = ic::UploadChunkArgs { canister_id: store.0, chunk: vec![0; (1 << 20) + 1] };
    let error = subnet.manage(store, "upload_chunk", &large).unwrap_err();
    assert!(error.message.contains("exceeds the maximum chunk size"), "{}", error.message);
}

#[test]
fn strangers_can_do_little() {
    let (mut subnet, id) = installed();
    for method in ["stored_chunks", "clear_chunk_store"] {
        let error = subnet.manage_as(stranger(), id, method, &record(id)).unwrap_err();
        assert_eq!(code(&error), "IC0512");
        assert_eq!(
            error.message,
            format!("Only controllers of canister {id} can call ic00 method {method}")
        );
    }
    for method in ["canister_info", "deposit_cycles", "raw_rand"] {
        let error = subnet.manage(id, method, &record(id)).unwrap_err();
        assert_eq!(error.message, format!("Only canisters can call ic00 method {method}"));
        let arg = Encode!(&record(id)).unwrap();
        let refused = subnet.validate(admin(), MANAGEMENT_CANISTER, method, &arg);
        assert_eq!(refused, Err(error));
    }
    let garbage =
        subnet.validate(admin(), MANAGEMENT_CANISTER, "install_code", b"no candid").unwrap_err();
    assert_eq!(garbage.code, ErrorCode::InvalidManagementPayload);
    let unknown = subnet.validate(admin(), MANAGEMENT_CANISTER, "no_such", b"").unwrap_err();
    assert_eq!(unknown.message, "Management canister has no method 'no_such'");
}

#[test]
fn settings_change_and_are_checked() {
    let (mut subnet, id) = installed();
    let version = subnet.status(id).version;
    let variable = ic::EnvironmentVariable { name: "PATH".into(), value: "here".into() };
    let settings = ic::CanisterSettings {
        controllers: Some(vec![admin(), stranger()]),
        compute_allocation: nat(3),
        memory_allocation: nat(1 << 30),
        freezing_threshold: nat(1_000),
        reserved_cycles_limit: nat(5),
        log_visibility: Some(ic::LogVisibility::Public),
        wasm_memory_limit: nat(1 << 30),
        wasm_memory_threshold: nat(1 << 20),
        environment_variables: Some(vec![variable.clone()]),
        ..Default::default()
    };
    let update = |subnet: &mut Subnet, settings| {
        let args =
            ic::UpdateSettingsArgs { canister_id: id.0, settings, sender_canister_version: None };
        subnet.manage(id, "update_settings", &args)
    };
    update(&mut subnet, settings).unwrap();
    let status = subnet.status(id);
    assert_eq!(status.version, version + 1);
    assert_eq!(status.settings.compute_allocation, 3u64);
    assert_eq!(status.settings.memory_allocation, 1u64 << 30);
    assert_eq!(status.settings.freezing_threshold, 1_000u64);
    assert_eq!(status.settings.environment_variables, std::slice::from_ref(&variable));
    assert_eq!(status.settings.log_visibility, ic::LogVisibility::Public);
    assert_eq!(status.settings.controllers.len(), 2);

    let mut refused = |settings: ic::CanisterSettings, text: &str| {
        let error = update(&mut subnet, settings).unwrap_err();
        assert!(error.message.contains(text), "{}", error.message);
    };
    let too_much = ic::CanisterSettings { compute_allocation: nat(101), ..Default::default() };
    refused(too_much, "compute_allocation must be at most 100, not 101");
    let too_many: Vec<_> = (0..11).map(|n| candid::Principal::self_authenticating([n])).collect();
    refused(controllers(&too_many), "exceeds maximum allowed 10");
    let many = ic::CanisterSettings {
        environment_variables: Some(vec![variable.clone(); 21]),
        ..Default::default()
    };
    refused(many, "Too many environment variables: 21 (max: 20)");
    let twice = ic::CanisterSettings {
        environment_variables: Some(vec![variable; 2]),
        ..Default::default()
    };
    refused(twice, "is given twice");
    let log = ic::CanisterSettings { log_memory_limit: nat(5), ..Default::default() };
    refused(log, "log_memory_limit must be 0 or from 4096");
    assert_eq!(subnet.status(id).settings.compute_allocation, 3u64);
}

#[test]
fn the_history_tells_who_did_what() {
    let (mut subnet, id) = installed();
    subnet.install(id, upgrade(None, None), &keeper(), b"").unwrap();
    let args = ic::UninstallCodeArgs { canister_id: id.0, sender_canister_version: None };
    subnet.manage(id, "uninstall_code", &args).unwrap();
    let args = ic::CanisterInfoArgs { canister_id: id.0, num_requested_changes: Some(3) };
    let reply =
        subnet.query(MANAGEMENT_CANISTER, "canister_info", &Encode!(&args).unwrap()).unwrap();
    let info = Decode!(&reply, ic::CanisterInfoResult).unwrap();
    assert_eq!((info.total_num_changes, info.module_hash), (4, None));
    let user = ic::ChangeOrigin::FromUser(ic::FromUserRecord { user_id: admin() });
    assert!(info.recent_changes.iter().all(|change| change.origin == user));
    let details: Vec<_> =
        info.recent_changes.into_iter().map(|change| change.details.unwrap()).collect();
    let mode = |details: &ic::ChangeDetails| match details {
        ic::ChangeDetails::CodeDeployment(record) => Some(record.mode),
        _ => None,
    };
    assert_eq!(mode(&details[0]), Some(ic::CodeDeploymentMode::Install));
    assert_eq!(mode(&details[1]), Some(ic::CodeDeploymentMode::Upgrade));
    assert_eq!(details[2], ic::ChangeDetails::CodeUninstall);
    let error = subnet.query(id, "kept", b"").unwrap_err();
    assert_eq!(code(&error), "IC0537");
}

#[test]
fn stopping_starting_and_deleting() {
    let (mut subnet, id) = installed();
    let error = subnet.manage(id, "delete_canister", &record(id)).unwrap_err();
    assert_eq!(code(&error), "IC0510");
    subnet.manage(id, "stop_canister", &record(id)).unwrap();
    subnet.manage(id, "stop_canister", &record(id)).unwrap();
    let status = subnet.status(id);
    assert_eq!(status.status, ic::CanisterStatusType::Stopped);
    assert!(status.ready_for_migration);
    let error = subnet.update(id, "log", b"").unwrap_err();
    assert_eq!(
        (code(&error), error.message),
        ("IC0508".into(), format!("Canister {id} is stopped"))
    );
    assert_eq!(code(&subnet.query(id, "kept", b"").unwrap_err()), "IC0508");
    assert_eq!(code(&subnet.validate(admin(), id, "log", b"").unwrap_err()), "IC0508");
    subnet.manage(id, "start_canister", &record(id)).unwrap();
    assert_eq!(number(&subnet.query(id, "status", b"").unwrap()), 1);
    subnet.manage(id, "stop_canister", &record(id)).unwrap();
    subnet.manage(id, "delete_canister", &record(id)).unwrap();
    let error = subnet.manage(id, "canister_status", &record(id)).unwrap_err();
    assert_eq!(error.message, format!("Canister {id} not found"));
}

/// Calls `raw_rand` and waits: a call that stays open until the next round.
const WAITER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $data (param i32 i32)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (memory 1)
  (table funcref (elem $done))
  (data (i32.const 0) "raw_rand")
  (data (i32.const 20) "DIDL\00\00")
  (func (export "canister_update wait")
    (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $data (i32.const 20) (i32.const 6))
    (drop (call $perform)))
  (func $done (param i32) (call $reply)))
"#;

#[test]
fn a_stop_waits_for_open_calls_and_can_be_cancelled() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(WAITER);
    let arg = Encode!(&record(id)).unwrap();
    let management = |subnet: &mut Subnet, method: &str| {
        subnet.submit(admin(), MANAGEMENT_CANISTER, Some(id), method, &arg)
    };
    let call = subnet.submit(admin(), id, Some(id), "wait", b"");
    subnet.round();
    let stop = management(&mut subnet, "stop_canister");
    let late = subnet.submit(admin(), id, Some(id), "wait", b"");
    subnet.round();
    assert_eq!(subnet.outcome(call), Some(Ok(vec![])));
    assert_eq!(subnet.outcome(stop), Some(Ok(b"DIDL\0\0".to_vec())));
    assert_eq!(code(&subnet.outcome(late).unwrap().unwrap_err()), "IC0509");

    management(&mut subnet, "start_canister");
    subnet.round();
    subnet.submit(admin(), id, Some(id), "wait", b"");
    let stop = management(&mut subnet, "stop_canister");
    let start = management(&mut subnet, "start_canister");
    // Management calls go first, so the call is open when the next round stops the canister.
    subnet.round();
    assert_eq!(subnet.outcome(start), Some(Ok(b"DIDL\0\0".to_vec())));
    let cancelled = subnet.outcome(stop).unwrap().unwrap_err();
    assert_eq!(code(&cancelled), "IC0511");
}

#[test]
fn a_stop_that_takes_too_long_fails() {
    let mut subnet = Subnet::new();
    let (a, b) = (subnet.install_new(HANGING), subnet.install_new(HANGING));
    // Each calls the other before answering, and the other's answer waits for raw_rand forever
    // because no round follows: the deadline passes first.
    let call = subnet.submit(admin(), a, Some(a), "call", b.as_slice());
    let arg = Encode!(&record(a)).unwrap();
    subnet.round();
    let stop = subnet.submit(admin(), MANAGEMENT_CANISTER, Some(a), "stop_canister", &arg);
    subnet.round();
    assert_eq!((subnet.outcome(call), subnet.outcome(stop)), (None, None));
    subnet.round_after(301_000);
    let error = subnet.outcome(stop).unwrap().unwrap_err();
    assert_eq!(code(&error), "IC0206");
    assert_eq!(error.message, "Stop canister request timed out");
    assert_eq!(subnet.status(a).status, ic::CanisterStatusType::Stopping);
    // Emptying the callee rejects the call that hangs, and the canister stops at last.
    let args = ic::UninstallCodeArgs { canister_id: b.0, sender_canister_version: None };
    subnet.manage(b, "uninstall_code", &args).unwrap();
    subnet.round();
    let rejected = subnet.outcome(call).unwrap();
    assert_eq!(rejected, Ok(b"4Canister has been uninstalled.".to_vec()));
    assert_eq!(subnet.status(a).status, ic::CanisterStatusType::Stopped);
}

/// `hang` calls `hang` on itself again and again, so it never ends.
const HANGING: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "msg_reject_code" (func $code (result i32)))
  (import "ic0" "msg_reject_msg_size" (func $msg_size (result i32)))
  (import "ic0" "msg_reject_msg_copy" (func $msg_copy (param i32 i32 i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $data (param i32 i32)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (memory 1)
  (table funcref (elem $done $again))
  (data (i32.const 0) "raw_rand")
  (data (i32.const 20) "DIDL\00\00")
  (data (i32.const 30) "hang")
  (func $ask_random
    (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)
      (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))
    (call $data (i32.const 20) (i32.const 6))
    (drop (call $perform)))
  (func (export "canister_update hang") (call $ask_random))
  (func $again (param i32) (call $ask_random))
  (func (export "canister_update call")
    (call $arg_copy (i32.const 100) (i32.const 0) (call $arg_size))
    (call $call_new (i32.const 100) (call $arg_size) (i32.const 30) (i32.const 4)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (drop (call $perform)))
  (func $done (param i32)
    (i32.store8 (i32.const 199) (i32.add (i32.const 48) (call $code)))
    (call $msg_copy (i32.const 200) (i32.const 0) (call $msg_size))
    (call $append (i32.const 199) (i32.add (i32.const 1) (call $msg_size)))
    (call $reply)))
"#;

#[test]
fn status_as_a_query_and_who_may_see_it() {
    let mut subnet = Subnet::with(|config| config.subnet_type = SubnetType::Application);
    let id = subnet.install_new(WAITER);
    let arg = Encode!(&record(id)).unwrap();
    let reply = subnet.query(MANAGEMENT_CANISTER, "canister_status", &arg).unwrap();
    let status = Decode!(&reply, ic::CanisterStatusResult).unwrap();
    assert_eq!(status.status, ic::CanisterStatusType::Running);
    assert_eq!(status.memory_metrics.wasm_memory_size, 65_536u64);
    assert_eq!(status.cycles, 100_000_000_000_000u64);
    let error = subnet.manage_as(stranger(), id, "canister_status", &record(id)).unwrap_err();
    assert_eq!(code(&error), "IC0512");
}

#[test]
fn logs_are_for_those_who_may_see_them() {
    let (mut subnet, id) = installed();
    for line in [&b"one"[..], b"two", b"three"] {
        subnet.update(id, "log", line).unwrap();
    }
    let fetch = |subnet: &Subnet, filter| {
        let args = ic::FetchCanisterLogsArgs { canister_id: id.0, filter };
        let arg = Encode!(&args).unwrap();
        let reply = subnet.query(MANAGEMENT_CANISTER, "fetch_canister_logs", &arg)?;
        let result = Decode!(&reply, ic::FetchCanisterLogsResult).unwrap();
        let contents = result.canister_log_records.into_iter().map(|record| record.content);
        Ok::<_, UserError>(contents.collect::<Vec<_>>())
    };
    assert_eq!(fetch(&subnet, None).unwrap(), [&b"one"[..], b"two", b"three"]);
    let filter = ic::CanisterLogFilter::ByIdx { start: 1, end: 2 };
    assert_eq!(fetch(&subnet, Some(filter)).unwrap(), [b"two"]);
    let settings = controllers(&[stranger()]);
    let args =
        ic::UpdateSettingsArgs { canister_id: id.0, settings, sender_canister_version: None };
    subnet.manage(id, "update_settings", &args).unwrap();
    let error = fetch(&subnet, None).unwrap_err();
    assert!(error.message.contains("is not allowed to access canister logs"));
    let arg = Encode!(&record(id)).unwrap();
    let error = subnet.validate(admin(), MANAGEMENT_CANISTER, "fetch_canister_logs", &arg);
    let text = "fetch_canister_logs API is only accessible in non-replicated mode";
    assert_eq!(error.unwrap_err().message, text);
}

#[test]
fn inspection_decides_about_users_calls() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(
        r#"
        (module
          (import "ic0" "msg_method_name_size" (func $size (result i32)))
          (import "ic0" "accept_message" (func $accept))
          (import "ic0" "msg_reply" (func $reply))
          (func (export "canister_inspect_message")
            (if (i32.eq (call $size) (i32.const 2)) (then (call $accept)))
            (if (i32.eq (call $size) (i32.const 3)) (then unreachable)))
          (func (export "canister_update ok") (call $reply))
          (func (export "canister_update nope") (call $reply)))
        "#,
    );
    assert_eq!(subnet.validate(stranger(), id, "ok", b""), Ok(()));
    let error = subnet.validate(stranger(), id, "nope", b"").unwrap_err();
    assert_eq!(code(&error), "IC0406");
    assert_eq!(error.message, format!("Error from Canister {id}: Canister rejected the message"));
    let error = subnet.validate(stranger(), id, "bad", b"").unwrap_err();
    assert_eq!(code(&error), "IC0502");
    // Whoever gets into a block all the same is executed.
    assert_eq!(subnet.update(id, "nope", b""), Ok(vec![]));
    let empty = subnet.create();
    assert_eq!(code(&subnet.validate(stranger(), empty, "ok", b"").unwrap_err()), "IC0537");
}

#[test]
fn the_hook_for_low_memory_runs_once() {
    let mut subnet = Subnet::new();
    let id = subnet.create();
    let settings = ic::CanisterSettings {
        wasm_memory_limit: nat(10 << 16),
        wasm_memory_threshold: nat(5 << 16),
        ..Default::default()
    };
    let args =
        ic::UpdateSettingsArgs { canister_id: id.0, settings, sender_canister_version: None };
    subnet.manage(id, "update_settings", &args).unwrap();
    let wat = r#"
        (module
          (import "ic0" "msg_reply" (func $reply))
          (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
          (memory 1)
          (global $ran (mut i32) (i32.const 0))
          (func (export "canister_on_low_wasm_memory")
            (global.set $ran (i32.add (global.get $ran) (i32.const 1))))
          (func (export "canister_update grow")
            (drop (memory.grow (i32.const 5))) (call $reply))
          (func (export "canister_query ran")
            (i32.store (i32.const 0) (global.get $ran))
            (call $append (i32.const 0) (i32.const 4)) (call $reply)))
    "#;
    subnet.install(id, ic::CanisterInstallMode::Install, &module(wat), b"").unwrap();
    subnet.round();
    assert_eq!(number(&subnet.query(id, "ran", b"").unwrap()), 0);
    subnet.update(id, "grow", b"").unwrap();
    for _ in 0..3 {
        subnet.round();
    }
    assert_eq!(number(&subnet.query(id, "ran", b"").unwrap()), 1);
    let error = subnet.update(id, "grow", b"").unwrap_err();
    assert_eq!(code(&error), "IC0539");
    assert!(error.message.contains("exceeded its current Wasm memory limit of 655360 bytes"));
}

#[test]
fn heartbeats_beat() {
    let mut subnet = Subnet::new();
    let id = subnet.install_new(
        r#"
        (module
          (import "ic0" "msg_reply" (func $reply))
          (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
          (memory 1)
          (func (export "canister_heartbeat")
            (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))))
          (func (export "canister_query beats")
            (call $append (i32.const 0) (i32.const 4)) (call $reply)))
        "#,
    );
    let before = number(&subnet.query(id, "beats", b"").unwrap());
    for _ in 0..3 {
        subnet.round();
    }
    assert_eq!(number(&subnet.query(id, "beats", b"").unwrap()), before + 3);
}

#[test]
fn expired_calls_do_not_begin() {
    let mut subnet = Subnet::with(|config| config.limits.instructions_per_round_max = 1);
    let ids = [subnet.install_new(WAITER), subnet.install_new(WAITER)];
    let calls = ids.map(|id| subnet.submit(admin(), id, Some(id), "wait", b""));
    subnet.round_after(400_000);
    for call in calls {
        assert_eq!(code(&subnet.outcome(call).unwrap().unwrap_err()), "IC0202");
    }
}

#[test]
fn canisters_make_canisters_for_cycles() {
    let mut subnet = Subnet::with(|config| {
        config.fees = Fees::default();
        config.subnet_type = SubnetType::Application;
    });
    let id = subnet.install_new(
        r#"
        (module
          (import "ic0" "msg_reply" (func $reply))
          (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
          (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
          (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
          (import "ic0" "msg_reject_msg_size" (func $msg_size (result i32)))
          (import "ic0" "msg_reject_msg_copy" (func $msg_copy (param i32 i32 i32)))
          (import "ic0" "cost_create_canister" (func $cost (param i32)))
          (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
          (import "ic0" "call_data_append" (func $data (param i32 i32)))
          (import "ic0" "call_cycles_add128" (func $add (param i64 i64)))
          (import "ic0" "call_perform" (func $perform (result i32)))
          (memory 1)
          (table funcref (elem $made $not))
          (data (i32.const 0) "create_canister")
          (data (i32.const 20) "DIDL\00\00")
          (func $create (param $less i64)
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 15)
              (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
            (call $data (i32.const 20) (i32.const 6))
            (call $cost (i32.const 32))
            (call $add (i64.const 0) (i64.sub (i64.load (i32.const 32)) (local.get $less)))
            (drop (call $perform)))
          (func (export "canister_update create") (call $create (i64.const -1000)))
          (func (export "canister_update stingy") (call $create (i64.const 1)))
          (func $made (param i32)
            (call $arg_copy (i32.const 100) (i32.const 0) (call $arg_size))
            (call $append (i32.const 100) (call $arg_size)) (call $reply))
          (func $not (param i32)
            (call $msg_copy (i32.const 100) (i32.const 0) (call $msg_size))
            (call $append (i32.const 100) (call $msg_size)) (call $reply)))
        "#,
    );
    let reply = subnet.update(id, "create", b"").unwrap();
    let made = CanisterId(Decode!(&reply, ic::CanisterIdRecord).unwrap().canister_id);
    let canister = subnet.state.canister(&made).unwrap();
    assert_eq!(canister.system.balance.0, 1_000);
    assert!(canister.system.settings.controllers.contains(&id.0));
    let text = String::from_utf8(subnet.update(id, "stingy", b"").unwrap()).unwrap();
    assert!(text.starts_with("IC0403: Creating a canister requires a fee of "), "{text}");
}
