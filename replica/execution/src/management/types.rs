//! The Candid types of the management canister, as `ic.did` (2026-08) has them. Types that the
//! crate `ic-management-canister-types` has in the same form are taken from there; those below
//! are newer or have fields which that crate does not know.

use candid::{CandidType, DecoderConfig, Nat, Principal};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use types::{ErrorCode, UserError, check_candid_shape};

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

/// `cycles_consumed`
#[derive(CandidType, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct CyclesConsumed {
    pub(crate) memory: Nat,
    pub(crate) compute_allocation: Nat,
    pub(crate) ingress_induction: Nat,
    pub(crate) instructions: Nat,
    pub(crate) request_and_response_transmission: Nat,
    pub(crate) uninstall: Nat,
    pub(crate) canister_creation: Nat,
    pub(crate) http_outcalls: Nat,
    pub(crate) burned_cycles: Nat,
}

/// `canister_metrics_result`
#[derive(CandidType, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct CanisterMetricsResult {
    pub(crate) cycles_consumed: CyclesConsumed,
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
/// at the same point. Both are functions of the bytes alone.
const DECODING_QUOTA: usize = 2_000_000;
const SKIPPING_QUOTA: usize = 20_000;

/// Reads the one argument of a management method. The answer is a function of the bytes alone: not
/// of the stack of this thread, which the decoder would look at (see [`check_candid_shape`]), nor
/// of the texts of the decoder, which are another with each of its versions.
///
/// # Errors
/// IC0408.
pub(crate) fn decode<'a, T: CandidType + Deserialize<'a>>(arg: &'a [u8]) -> Result<T, UserError> {
    check_candid_shape(arg).map_err(|error| invalid(&error.to_string()))?;
    let mut config = DecoderConfig::new();
    config
        .set_decoding_quota(DECODING_QUOTA + 4 * arg.len())
        .set_skipping_quota(SKIPPING_QUOTA + 4 * arg.len())
        .set_full_error_message(false);
    candid::utils::decode_one_with_config(arg, &config).map_err(|_| {
        invalid("the argument does not have the type that the interface gives this method")
    })
}

fn invalid(why: &str) -> UserError {
    let text = format!("Error decoding candid: {why}");
    UserError::new(ErrorCode::InvalidManagementPayload, text)
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

#[cfg(test)]
mod tests {
    use super::*;
    use candid::Encode;

    /// An argument for `canister_status` with a second field that holds `value` within so many
    /// types, each an `opt` of the next. With `around`, the last is an `opt` of the first.
    fn nested(types: u8, depth: usize, around: bool) -> Vec<u8> {
        let mut arg = b"DIDL".to_vec();
        let fields = [0xb3, 0xc4, 0xb1, 0xf2, 0x04];
        arg.push(types + 1);
        // The number of `canister_id`, of type principal; then that of an unknown field.
        arg.extend([0x6c, 2]);
        arg.extend(fields);
        arg.push(0x68);
        arg.extend([0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        for next in 2..=types + 1 {
            arg.push(0x6e);
            arg.push(if next <= types { next } else { if around { 1 } else { 0x7d } });
        }
        arg.extend([1, 0, 1, 1, 7]);
        arg.extend(std::iter::repeat_n(1, depth));
        arg.push(0);
        arg
    }

    fn outcome(arg: &[u8], stack_bytes: usize) -> Result<Principal, UserError> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(stack_bytes);
            let decode = || decode::<AboutCanister>(arg).map(|about| about.canister_id);
            thread.spawn_scoped(scope, decode).unwrap().join().unwrap()
        })
    }

    /// The decoder would end a deep value where the stack of its thread ends.
    #[test]
    fn the_stack_of_the_thread_decides_nothing() {
        let expected = Ok(Principal::from_slice(&[7]));
        for types in [1, 30] {
            let arg = nested(types, usize::from(types), false);
            for stack in [128 << 10, 8 << 20] {
                assert_eq!(outcome(&arg, stack), expected, "{types} {stack}");
            }
        }
        for depth in [1_000, 3_000, 10_000] {
            let arg = nested(1, depth, true);
            for stack in [128 << 10, 8 << 20] {
                let error = outcome(&arg, stack).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "IC0408: Error decoding candid: the types of the message nest deeper than 32 \
                     levels, or contain themselves",
                    "{depth} {stack}"
                );
            }
        }
    }

    #[test]
    fn errors_have_the_same_text_with_every_decoder() {
        for arg in [Encode!(&5u8).unwrap(), Encode!().unwrap(), b"DIDL\0\x01\x68\x01\x3f".to_vec()]
        {
            let error = decode::<CanisterIdRecord>(&arg).unwrap_err();
            assert_eq!(
                error.message,
                "Error decoding candid: the argument does not have the type that the interface \
                 gives this method"
            );
        }
    }
}
