//! What can be read about canisters and the subnet.

use replica_state::{
    CanisterChange, CanisterState, CanisterStatus, ChangeDetails as Details,
    ChangeOrigin as Origin, InstallMode, ReplicatedState, WASM_PAGE_BYTES,
};
use types::{CanisterId, ErrorCode, PrincipalId, UserError};

use super::types::{
    CanisterIdRange, CanisterIdRecord, CanisterInfoArgs, CanisterInfoResult, CanisterMetadataArgs,
    CanisterMetadataResult, CanisterMetricsResult, CanisterStatusResult, CanisterStatusType,
    Change, ChangeDetails, ChangeOrigin, CodeDeploymentMode, CodeDeploymentRecord,
    ControllersChangeRecord, CreationRecord, CyclesConsumed, FromCanisterRecord, FromUserRecord,
    ListCanistersResult, MemoryMetrics, QueryStats, SubnetInfoArgs, SubnetInfoResult, decode,
    encode,
};
use super::{
    Done, ManagementCall, Method, check_controller_or_admin, errors, find, reply, settings,
};
use crate::round::Round;
use crate::subnet::Subnet;

/// Bytes that an entry of a canister's history counts in its status.
const CHANGE_BYTES: u64 = 128;
/// The configuration of genesis is the only one that the subnet ever had.
const REGISTRY_VERSION: u64 = 0;

/// `canister_status`, `canister_metrics` or `canister_info`, replicated or as a query.
pub(super) fn read(
    state: &ReplicatedState,
    subnet: &Subnet,
    method: Method,
    caller: &PrincipalId,
    payload: &[u8],
) -> Result<Vec<u8>, UserError> {
    match method {
        Method::CanisterInfo => info(state, payload),
        Method::CanisterMetrics => metrics(state, subnet, caller, payload),
        _ => status(state, subnet, caller, payload),
    }
}

/// Whether the caller may read the status: controllers, those whom the settings name, subnet
/// admins, and the canister itself.
pub(super) fn check_status_visible(
    subnet: &Subnet,
    canister: &CanisterState,
    caller: &PrincipalId,
) -> Result<(), UserError> {
    let settings = &canister.system.settings;
    let visible = settings.may_see(&settings.status_visibility, caller)
        || subnet.is_admin(caller)
        || canister.system.canister_id.0 == *caller;
    match visible {
        true => Ok(()),
        false => Err(errors::invalid_controller(canister, caller)),
    }
}

fn status(
    state: &ReplicatedState,
    subnet: &Subnet,
    caller: &PrincipalId,
    payload: &[u8],
) -> Result<Vec<u8>, UserError> {
    let args: CanisterIdRecord = decode(payload)?;
    let canister = find(state, args.canister_id)?;
    check_status_visible(subnet, canister, caller)?;
    let system = &canister.system;
    let memory_bytes = canister.memory_bytes();
    let status = match system.status {
        CanisterStatus::Running => CanisterStatusType::Running,
        CanisterStatus::Stopping { .. } => CanisterStatusType::Stopping,
        CanisterStatus::Stopped => CanisterStatusType::Stopped,
    };
    Ok(encode(&CanisterStatusResult {
        ready_for_migration: system.status == CanisterStatus::Stopped && system.queues.is_idle(),
        status,
        version: system.canister_version,
        settings: settings::definite(&system.settings),
        module_hash: canister
            .execution
            .as_ref()
            .map(|execution| serde_bytes::ByteBuf::from(execution.module.hash)),
        memory_size: memory_bytes.into(),
        memory_metrics: memory_metrics(canister),
        cycles: system.balance.0.into(),
        reserved_cycles: system.reserved_balance.0.into(),
        idle_cycles_burned_per_day: subnet.idle_per_day(canister, memory_bytes).0.into(),
        query_stats: no_query_stats(),
    }))
}

fn metrics(
    state: &ReplicatedState,
    subnet: &Subnet,
    caller: &PrincipalId,
    payload: &[u8],
) -> Result<Vec<u8>, UserError> {
    let args: CanisterIdRecord = decode(payload)?;
    let canister = find(state, args.canister_id)?;
    check_controller_or_admin(subnet, canister, caller)?;
    let consumed = &canister.system.consumed;
    Ok(encode(&CanisterMetricsResult {
        cycles_consumed: CyclesConsumed {
            memory: consumed.memory.0.into(),
            compute_allocation: consumed.compute_allocation.0.into(),
            ingress_induction: consumed.ingress_induction.0.into(),
            instructions: consumed.instructions.0.into(),
            request_and_response_transmission: consumed.transmission.0.into(),
            uninstall: consumed.uninstall.0.into(),
            canister_creation: consumed.creation.0.into(),
            http_outcalls: 0u8.into(),
            burned_cycles: consumed.burned.0.into(),
        },
    }))
}

fn memory_metrics(canister: &CanisterState) -> MemoryMetrics {
    let system = &canister.system;
    let code = canister.execution.as_ref();
    let custom_sections = |code: &replica_state::ExecutionState| {
        code.info.metadata.values().map(|section| section.content.len() as u64).sum::<u64>()
    };
    MemoryMetrics {
        wasm_memory_size: code.map_or(0, |code| code.heap.size * WASM_PAGE_BYTES).into(),
        stable_memory_size: code.map_or(0, |code| code.stable.size * WASM_PAGE_BYTES).into(),
        global_memory_size: code.map_or(0, |code| code.globals.len() as u64 * 8).into(),
        wasm_binary_size: code.map_or(0, |code| code.module.bytes.len() as u64).into(),
        custom_sections_size: code.map_or(0, custom_sections).into(),
        canister_history_size: (system.history.changes().count() as u64 * CHANGE_BYTES).into(),
        wasm_chunk_store_size: system.chunk_store.bytes().into(),
        snapshots_size: 0u8.into(),
        log_memory_store_size: system.log.bytes().into(),
    }
}

/// Queries are not counted across nodes, so all counts are zero.
fn no_query_stats() -> QueryStats {
    QueryStats {
        num_calls_total: 0u8.into(),
        num_instructions_total: 0u8.into(),
        request_payload_bytes_total: 0u8.into(),
        response_payload_bytes_total: 0u8.into(),
    }
}

fn info(state: &ReplicatedState, payload: &[u8]) -> Result<Vec<u8>, UserError> {
    let args: CanisterInfoArgs = decode(payload)?;
    let canister = find(state, args.canister_id)?;
    let history = &canister.system.history;
    let wanted = usize::try_from(args.num_requested_changes.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut recent_changes: Vec<_> = history.changes().rev().take(wanted).map(change).collect();
    recent_changes.reverse();
    let execution = canister.execution.as_ref();
    Ok(encode(&CanisterInfoResult {
        total_num_changes: history.total(),
        recent_changes,
        module_hash: execution.map(|execution| execution.module.hash.to_vec()),
        controllers: canister.system.settings.controllers.iter().copied().collect(),
    }))
}

fn change(change: &CanisterChange) -> Change {
    let origin = match &change.origin {
        Origin::User(user_id) => ChangeOrigin::FromUser(FromUserRecord { user_id: *user_id }),
        Origin::Canister(id, version) => ChangeOrigin::FromCanister(FromCanisterRecord {
            canister_id: id.0,
            canister_version: *version,
        }),
    };
    let details = match &change.details {
        Details::Creation { controllers, environment_variables_hash } => {
            Some(ChangeDetails::Creation(CreationRecord {
                controllers: controllers.iter().copied().collect(),
                environment_variables_hash: environment_variables_hash.map(|hash| hash.to_vec()),
            }))
        }
        Details::CodeUninstall => Some(ChangeDetails::CodeUninstall),
        Details::CodeDeployment { mode, module_hash } => {
            let mode = match mode {
                InstallMode::Install => CodeDeploymentMode::Install,
                InstallMode::Reinstall => CodeDeploymentMode::Reinstall,
                InstallMode::Upgrade => CodeDeploymentMode::Upgrade,
            };
            let module_hash = module_hash.to_vec();
            Some(ChangeDetails::CodeDeployment(CodeDeploymentRecord { mode, module_hash }))
        }
        Details::SettingsChange { controllers, .. } => controllers.as_ref().map(|controllers| {
            let controllers = controllers.iter().copied().collect();
            ChangeDetails::ControllersChange(ControllersChangeRecord { controllers })
        }),
    };
    Change {
        timestamp_nanos: change.time.0,
        canister_version: change.canister_version,
        origin,
        details,
    }
}

/// `canister_metadata`: public sections for every canister, private ones for controllers.
pub(super) fn metadata(
    round: &mut Round<'_>,
    call: &mut ManagementCall,
) -> Result<Done, UserError> {
    let args: CanisterMetadataArgs = decode(&call.payload)?;
    let canister = find(round.state, args.canister_id)?;
    let controls = canister.system.settings.controllers.contains(&call.caller);
    let execution = canister.execution.as_ref();
    let section = execution.and_then(|execution| execution.info.metadata.get(&args.name));
    let section = section.filter(|section| section.public || controls).ok_or_else(|| {
        UserError::new(
            ErrorCode::CanisterRejectedMessage,
            format!(
                "Canister {} has no metadata section named '{}' that {} may read.",
                args.canister_id, args.name, call.caller
            ),
        )
    })?;
    reply(&CanisterMetadataResult { value: section.content.to_vec() })
}

/// `subnet_info`
pub(super) fn subnet(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: SubnetInfoArgs = decode(&call.payload)?;
    if args.subnet_id != round.subnet.id.0 {
        let text = format!("Subnet {} is not this subnet", args.subnet_id);
        return Err(UserError::new(ErrorCode::SubnetNotFound, text));
    }
    reply(&SubnetInfoResult {
        replica_version: round.subnet.config.replica_version.to_string(),
        registry_version: REGISTRY_VERSION,
    })
}

/// `list_canisters`: for subnet admins, in ranges of consecutive ids.
pub(super) fn list(
    state: &ReplicatedState,
    subnet: &Subnet,
    caller: &PrincipalId,
) -> Result<Vec<u8>, UserError> {
    if !subnet.is_admin(caller) {
        return Err(UserError::new(
            ErrorCode::CanisterRejectedMessage,
            format!("Only subnet admins can list the canisters of the subnet, not {caller}"),
        ));
    }
    let mut ranges: Vec<(CanisterId, CanisterId)> = Vec::new();
    for id in state.canister_ids() {
        let follows = |last: &CanisterId| {
            last.index().zip(id.index()).is_some_and(|(last, this)| last + 1 == this)
        };
        match ranges.last_mut() {
            Some((_, last)) if follows(last) => *last = id,
            _ => ranges.push((id, id)),
        }
    }
    let range =
        |(start, end): (CanisterId, CanisterId)| CanisterIdRange { start: start.0, end: end.0 };
    Ok(encode(&ListCanistersResult { canisters: ranges.into_iter().map(range).collect() }))
}
