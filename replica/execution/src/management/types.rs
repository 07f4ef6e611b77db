//! The Candid types of the management canister, as `ic.did` (2026-08) has them. Types that the
//! crate `ic-management-canister-types` has in the same form are taken from there; those below
//! are newer or have fields which that crate does not know.

use candid::{CandidType, DecoderConfig, Nat, Principal};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use types::{ErrorCode, UserError};

pub(crate) use ic_management_canister_types::{
    CanisterIdRecord, CanisterInfoArgs, CanisterInfoResult, CanisterInstallMode, CanisterLogFilter,
    CanisterLogRecord, CanisterMetadataArgs, CanisterMetadataResult, CanisterStatusType, Change,
    ChangeDetails, ChangeOrigin, ChunkHash, CodeDeploymentMode, CodeDeploymentRecord,
    ControllersChangeRecord, CreationRecord, EnvironmentVariable, FetchCanisterLogsArgs,
    FetchCanisterLogsResult, FromCanisterRecord, FromUserRecord, InstallChunkedCodeArgs,
    MemoryMetrics, ProvisionalTopUpCanisterArgs, QueryStats, SubnetInfoArgs, SubnetInfoResult,
    UninstallCodeArgs, UploadChunkArgs, WasmMemoryPersistence as Persistence,
};

/// Who may read something of a canister besides its controllers.
#[derive(CandidType, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Controllers alone.
    #[serde(rename = "controllers")]
    Controllers,
    /// Everyone.
    #[serde(rename = "public")]
    Public,
    /// These too.
    #[serde(rename = "allowed_viewers")]
    AllowedViewers(Vec<Principal>),
}

/// `canister_settings`.
#[derive(CandidType, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CanisterSettings {
    pub(crate) controllers: Option<Vec<Principal>>,
    pub(crate) compute_allocation: Option<Nat>,
    pub(crate) memory_allocation: Option<Nat>,
    pub(crate) freezing_threshold: Option<Nat>,
    pub(crate) reserved_cycles_limit: Option<Nat>,
    pub(crate) minimum_incoming_canister_call_cycles: Option<Nat>,
    pub(crate) log_visibility: Option<Visibility>,
    pub(crate) log_memory_limit: Option<Nat>,
    pub(crate) snapshot_visibility: Option<Visibility>,
    pub(crate) status_visibility: Option<Visibility>,
    pub(crate) wasm_memory_limit: Option<Nat>,
    pub(crate) wasm_memory_threshold: Option<Nat>,
    pub(crate) environment_variables: Option<Vec<EnvironmentVariable>>,
}

/// `definite_canister_settings`.
#[derive(CandidType, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct DefiniteCanisterSettings {
    pub(crate) controllers: Vec<Principal>,
    pub(crate) compute_allocation: Nat,
    pub(crate) memory_allocation: Nat,
    pub(crate) freezing_threshold: Nat,
    pub(crate) reserved_cycles_limit: Nat,
    pub(crate) minimum_incoming_canister_call_cycles: Nat,
    pub(crate) log_visibility: Visibility,
    pub(crate) log_memory_limit: Nat,
    pub(crate) snapshot_visibility: Visibility,
    pub(crate) status_visibility: Visibility,
    pub(crate) wasm_memory_limit: Nat,
    pub(crate) wasm_memory_threshold: Nat,
    pub(crate) environment_variables: Vec<EnvironmentVariable>,
}

/// `create_canister_args`; also what an empty argument stands for.
#[derive(CandidType, Deserialize, Clone, Debug, Default)]
pub(crate) struct CreateCanisterArgs {
    pub(crate) settings: Option<CanisterSettings>,
    pub(crate) sender_canister_version: Option<u64>,
}

/// `provisional_create_canister_with_cycles_args`.
#[derive(CandidType, Deserialize, Clone, Debug, Default)]
pub(crate) struct ProvisionalCreateCanisterArgs {
    pub(crate) amount: Option<Nat>,
    pub(crate) settings: Option<CanisterSettings>,
    pub(crate) specified_id: Option<Principal>,
    pub(crate) sender_canister_version: Option<u64>,
}

/// `update_settings_args`.
#[derive(CandidType, Deserialize, Clone, Debug)]
pub(crate) struct UpdateSettingsArgs {
    pub(crate) canister_id: Principal,
    pub(crate) settings: CanisterSettings,
    pub(crate) sender_canister_version: Option<u64>,
}

/// `install_code_args`; the module is decoded as a blob, not byte by byte.
#[derive(CandidType, Deserialize, Clone, Debug)]
pub(crate) struct InstallCodeArgs {
    pub(crate) mode: CanisterInstallMode,
    pub(crate) canister_id: Principal,
    #[serde(with = "serde_bytes")]
    pub(crate) wasm_module: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub(crate) arg: Vec<u8>,
    pub(crate) sender_canister_version: Option<u64>,
}

/// `canister_status_result`.
#[derive(CandidType, Deserialize, Clone, Debug)]
pub(crate) struct CanisterStatusResult {
    pub(crate) status: CanisterStatusType,
    pub(crate) ready_for_migration: bool,
    pub(crate) version: u64,
    pub(crate) settings: DefiniteCanisterSettings,
    pub(crate) module_hash: Option<ByteBuf>,
    pub(crate) memory_size: Nat,
    pub(crate) memory_metrics: MemoryMetrics,
    pub(crate) cycles: Nat,
    pub(crate) reserved_cycles: Nat,
    pub(crate) idle_cycles_burned_per_day: Nat,
    pub(crate) query_stats: QueryStats,
}

/// One range of `list_canisters_result`.
#[derive(CandidType, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct CanisterIdRange {
    pub(crate) start: Principal,
    pub(crate) end: Principal,
}

/// `list_canisters_result`.
#[derive(CandidType, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListCanistersResult {
    pub(crate) canisters: Vec<CanisterIdRange>,
}

/// What decoding, and what skipping unknown fields, may cost beyond the size of the message: a few
/// bytes of Candid can ask for a vector of billions of empty values, and every node must give up
/// at the same point.
const DECODING_QUOTA: usize = 2_000_000;
const SKIPPING_QUOTA: usize = 20_000;

/// Reads the one argument of a management method.
///
/// # Errors
/// IC0408 with the decoder's reason.
pub(crate) fn decode<'a, T: CandidType + Deserialize<'a>>(arg: &'a [u8]) -> Result<T, UserError> {
    let mut config = DecoderConfig::new();
    config
        .set_decoding_quota(DECODING_QUOTA + 4 * arg.len())
        .set_skipping_quota(SKIPPING_QUOTA + 4 * arg.len())
        .set_full_error_message(false);
    candid::utils::decode_one_with_config(arg, &config).map_err(|error| {
        UserError::new(
            ErrorCode::InvalidManagementPayload,
            format!("Error decoding candid: {error}"),
        )
    })
}

/// Writes the one result of a management method.
pub(crate) fn encode<T: CandidType>(value: &T) -> Vec<u8> {
    candid::encode_one(value).expect("types of our own have an encoding")
}

/// The result of a method that gives none.
pub(crate) fn encode_nothing() -> Vec<u8> {
    candid::encode_args(()).expect("nothing has an encoding")
}

/// The part of a method's argument that names the canister. The large blobs are named too: the
/// decoder takes them as a whole, but would skip them byte by byte.
#[derive(CandidType, Deserialize, Clone, Debug)]
pub(crate) struct AboutCanister {
    pub(crate) canister_id: Principal,
    arg: Option<ByteBuf>,
    chunk: Option<ByteBuf>,
    wasm_module: Option<ByteBuf>,
}

/// The same for `install_chunked_code`.
#[derive(CandidType, Deserialize, Clone, Debug)]
pub(crate) struct AboutTarget {
    pub(crate) target_canister: Principal,
    arg: Option<ByteBuf>,
}
