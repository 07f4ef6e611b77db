//! A developer's steps with ic-agent: canisters made, installed, called.

use candid::utils::{ArgumentDecoder, ArgumentEncoder};
use candid::{CandidType, Nat, Principal};
use ic_agent::{Agent, AgentError, Identity};
use ic_management_canister_types::{
    CanisterIdRecord, CanisterInstallMode, CanisterStatusResult, ChunkHash, InstallChunkedCodeArgs,
    InstallCodeArgs, ProvisionalCreateCanisterWithCyclesArgs, UpgradeFlags, UploadChunkArgs,
    WasmMemoryPersistence,
};

use crate::{LocalNetwork, certificate};

/// Cycles of a new canister: enough for all that a test does.
const CYCLES: u128 = 100_000_000_000_000;

/// The most that the specification allows in one chunk.
const CHUNK_BYTES: usize = 1 << 20;

/// An agent with the network's root key, for one of its nodes or its endpoint.
pub fn agent(network: &LocalNetwork, url: &str, identity: impl Identity + 'static) -> Agent {
    let agent = Agent::builder()
        .with_url(url)
        .with_identity(identity)
        .build()
        .expect("the URL is well formed");
    agent.set_root_key(network.root_key().to_vec());
    agent
}

/// Creates a canister whose controller is the agent's principal.
pub async fn create(agent: &Agent, network: &LocalNetwork) -> Result<Principal, AgentError> {
    let arguments = ProvisionalCreateCanisterWithCyclesArgs {
        amount: Some(Nat::from(CYCLES)),
        ..Default::default()
    };
    // Any canister id of the subnet routes the call there.
    let ranges = agent.read_state_subnet_canister_ranges(network.subnet_id()).await?;
    let (first, _) = ranges.first().expect("a subnet has canister ids");
    let (record,): (CanisterIdRecord,) =
        manage(agent, *first, "provisional_create_canister_with_cycles", &arguments).await?;
    Ok(record.canister_id)
}

/// Installs a module in one message.
pub async fn install(
    agent: &Agent,
    canister_id: Principal,
    mode: CanisterInstallMode,
    module: &[u8],
    argument: Vec<u8>,
) -> Result<(), AgentError> {
    let arguments = InstallCodeArgs {
        mode,
        canister_id,
        wasm_module: module.to_vec(),
        arg: argument,
        sender_canister_version: None,
    };
    manage(agent, canister_id, "install_code", &arguments).await
}

/// Installs a module by its chunks.
pub async fn install_chunked(
    agent: &Agent,
    canister_id: Principal,
    mode: CanisterInstallMode,
    module: &[u8],
    argument: Vec<u8>,
) -> Result<(), AgentError> {
    let mut chunk_hashes_list: Vec<ChunkHash> = Vec::new();
    // Smaller chunks than needed, so that there are several of them.
    for chunk in module.chunks(CHUNK_BYTES.min(module.len() / 3 + 1)) {
        let upload = UploadChunkArgs { canister_id, chunk: chunk.to_vec() };
        let (hash,) = manage(agent, canister_id, "upload_chunk", &upload).await?;
        chunk_hashes_list.push(hash);
    }
    let arguments = InstallChunkedCodeArgs {
        mode,
        target_canister: canister_id,
        store_canister: None,
        chunk_hashes_list,
        wasm_module_hash: certificate::sha256(module).to_vec(),
        arg: argument,
        sender_canister_version: None,
    };
    manage(agent, canister_id, "install_chunked_code", &arguments).await
}

/// An upgrade that keeps the main memory, as modules of the Motoko compiler need it.
pub fn upgrade_keeping_memory() -> CanisterInstallMode {
    CanisterInstallMode::Upgrade(Some(UpgradeFlags {
        skip_pre_upgrade: None,
        wasm_memory_persistence: Some(WasmMemoryPersistence::Keep),
    }))
}

/// Calls a method of the management canister about a canister.
pub async fn manage<A: CandidType, R: for<'a> ArgumentDecoder<'a>>(
    agent: &Agent,
    canister_id: Principal,
    method: &str,
    argument: &A,
) -> Result<R, AgentError> {
    let reply = agent
        .update(&Principal::management_canister(), method)
        .with_effective_canister_id(canister_id)
        .with_arg(candid::encode_one(argument).expect("candid"))
        .await?;
    Ok(decode(&reply))
}

/// The status of a canister, as its controller sees it.
pub async fn status(
    agent: &Agent,
    canister_id: Principal,
) -> Result<CanisterStatusResult, AgentError> {
    let (status,) =
        manage(agent, canister_id, "canister_status", &CanisterIdRecord { canister_id }).await?;
    Ok(status)
}

/// An update call.
pub async fn update<R: for<'a> ArgumentDecoder<'a>>(
    agent: &Agent,
    canister_id: Principal,
    method: &str,
    arguments: impl ArgumentEncoder,
) -> Result<R, AgentError> {
    let argument = candid::encode_args(arguments).expect("candid");
    Ok(decode(&agent.update(&canister_id, method).with_arg(argument).await?))
}

/// A query call whose node signatures the agent verifies.
pub async fn query<R: for<'a> ArgumentDecoder<'a>>(
    agent: &Agent,
    canister_id: Principal,
    method: &str,
    arguments: impl ArgumentEncoder,
) -> Result<R, AgentError> {
    let argument = candid::encode_args(arguments).expect("candid");
    Ok(decode(
        &agent.query(&canister_id, method).with_arg(argument).call_with_verification().await?,
    ))
}

fn decode<R: for<'a> ArgumentDecoder<'a>>(reply: &[u8]) -> R {
    candid::decode_args(reply).unwrap_or_else(|error| panic!("the reply has another type: {error}"))
}
