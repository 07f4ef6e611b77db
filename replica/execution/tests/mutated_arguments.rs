//! Arguments of the management canister, changed: every method decodes Candid of anybody. The
//! whole path runs, from the check of a node to the round, twice, with the same end.

mod harness;
#[path = "../../../fuzz/mutations.rs"]
mod mutations;

use candid::{Encode, Nat};
use harness::{Subnet, admin, controllers, module, record};
use ic_management_canister_types as ic;
use mutations::for_each_mutant;
use types::{CanisterId, MANAGEMENT_CANISTER};

const MUTANTS: u64 = 4_000;

/// So many calls go into one round.
const PER_ROUND: usize = 40;

const METHODS: [&str; 21] = [
    "create_canister",
    "provisional_create_canister_with_cycles",
    "provisional_top_up_canister",
    "install_code",
    "install_chunked_code",
    "uninstall_code",
    "update_settings",
    "canister_status",
    "canister_info",
    "canister_metadata",
    "start_canister",
    "stop_canister",
    "delete_canister",
    "deposit_cycles",
    "raw_rand",
    "upload_chunk",
    "stored_chunks",
    "clear_chunk_store",
    "fetch_canister_logs",
    "subnet_info",
    "no_such_method",
];

fn arguments(canister: CanisterId) -> Vec<Vec<u8>> {
    let canister_id = canister.0;
    let settings = ic::CanisterSettings {
        compute_allocation: Some(Nat::from(1u8)),
        memory_allocation: Some(Nat::from(1u64 << 30)),
        freezing_threshold: Some(Nat::from(u128::MAX)),
        ..controllers(&[admin()])
    };
    let wasm_module = module(r#"(module (memory 1) (func (export "canister_update x")))"#);
    let hash = ic::ChunkHash { hash: vec![7; 32] };
    let encoded = [
        Encode!(&record(canister)),
        Encode!(&ic::UpdateSettingsArgs {
            canister_id,
            settings: settings.clone(),
            sender_canister_version: Some(1),
        }),
        Encode!(&ic::ProvisionalCreateCanisterWithCyclesArgs {
            settings: Some(settings),
            amount: Some(Nat::from(u128::MAX)),
            specified_id: Some(canister_id),
            ..Default::default()
        }),
        Encode!(&ic::InstallCodeArgs {
            mode: ic::CanisterInstallMode::Reinstall,
            canister_id,
            wasm_module,
            arg: vec![1, 2, 3],
            sender_canister_version: None,
        }),
        Encode!(&ic::InstallChunkedCodeArgs {
            mode: ic::CanisterInstallMode::Install,
            target_canister: canister_id,
            store_canister: Some(canister_id),
            chunk_hashes_list: vec![hash],
            wasm_module_hash: vec![8; 32],
            arg: vec![],
            sender_canister_version: None,
        }),
        Encode!(&ic::UploadChunkArgs { canister_id, chunk: vec![9; 50] }),
        Encode!(&ic::CanisterInfoArgs { canister_id, num_requested_changes: Some(u64::MAX) }),
        Encode!(),
        // A vector of four thousand million empty values in a few bytes.
        Ok(b"DIDL\x01\x6d\x7f\x01\x00\xff\xff\xff\xff\x0f".to_vec()),
    ];
    encoded.map(|argument| argument.expect("it has an encoding")).to_vec()
}

#[test]
fn changed_arguments_are_answered_and_leave_the_same_state_everywhere() {
    let (mut one, mut two) = (Subnet::new(), Subnet::new());
    let canister = one.create();
    assert_eq!(two.create(), canister);
    let samples = arguments(canister);
    let mut waiting = Vec::new();
    let mut calls = 0;
    for_each_mutant(&samples, MUTANTS, |bytes| {
        let method = METHODS[calls % METHODS.len()];
        calls += 1;
        let _ = one.validate(admin(), MANAGEMENT_CANISTER, method, bytes);
        for subnet in [&mut one, &mut two] {
            let id = subnet.submit(admin(), MANAGEMENT_CANISTER, Some(canister), method, bytes);
            waiting.push(id);
        }
        if calls.is_multiple_of(PER_ROUND) {
            one.round();
            two.round();
        }
    });
    for _ in 0..20 {
        one.round();
        two.round();
    }
    // `stop_canister` may wait for ever on a canister that never comes to its end; here none has
    // open calls.
    assert!(waiting.iter().all(|id| one.outcome(*id).is_some()), "every call has an answer");
    assert_eq!(one.fingerprint(), two.fingerprint());
}
