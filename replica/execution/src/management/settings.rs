//! Settings: what may be set, and to what.

use std::collections::{BTreeMap, BTreeSet};

use candid::Nat;
use replica_crypto::request_id::{Value, hash_of_map};
use replica_state::{CanisterChange, CanisterSettings as Settings, ChangeDetails, Visibility};
use types::{CanisterId, Cycles, ErrorCode, Limits, PrincipalId, UserError};

use super::types::{
    CanisterSettings, DefiniteCanisterSettings, EnvironmentVariable, UpdateSettingsArgs,
    Visibility as WireVisibility, decode,
};
use super::{Done, ManagementCall, check_controller, errors, find, find_mut, nothing, now};
use crate::capacity::Occupied;
use crate::message::{check_can_pay, watch_memory};
use crate::round::Round;

/// The most that the limits of the heap can be set to: 2^48 bytes.
const HEAP_LIMIT_MAX: u128 = 1 << 48;
/// Principals in a list of viewers.
const VIEWERS_MAX: usize = 10;
/// The limits of `log_memory_limit`, besides 0.
const LOG_BYTES: std::ops::RangeInclusive<u64> = 4_096..=2_097_152;

/// `update_settings`
pub(super) fn update(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: UpdateSettingsArgs = decode(&call.payload)?;
    call.check_version(round, args.sender_canister_version)?;
    let canister = find(round.state, args.canister_id)?;
    check_controller(canister, &call.caller)?;
    let limits = &round.subnet.config.limits;
    let settings = changed(&canister.system.settings, &args.settings, limits)?;
    let changes_controllers = args.settings.controllers.is_some();
    let allocates = settings.compute_allocation > canister.system.settings.compute_allocation
        || settings.memory_allocation > canister.system.settings.memory_allocation;

    let mut after = canister.clone();
    *after.system.settings_mut() = settings;
    let before = Occupied::by(canister);
    if allocates {
        round.room.check(before, Occupied::by(&after))?;
        check_can_pay(&round.subnet, &after, Cycles::ZERO, &call.caller)?;
    }
    after.system.bump_version();
    let log_bytes_max = after.system.settings.log_memory_limit;
    after.system.log.trim(log_bytes_max);
    watch_memory(&mut after, limits);
    if changes_controllers {
        let details = ChangeDetails::SettingsChange {
            controllers: Some(after.system.settings.controllers.clone()),
            environment_variables_hash: None,
        };
        let change = CanisterChange {
            time: now(round),
            canister_version: after.system.canister_version,
            origin: call.change_origin(args.sender_canister_version),
            details,
        };
        after.system.history.push(change, limits.canister_history_changes_max);
    }
    *find_mut(round, args.canister_id)? = after;
    round.resized(before, &CanisterId(args.canister_id));
    nothing()
}

/// The settings of a canister that `caller` makes.
pub(super) fn of_new_canister(
    wanted: Option<&CanisterSettings>,
    caller: PrincipalId,
    limits: &Limits,
) -> Result<Settings, UserError> {
    let mut settings = Settings::of_new_canister(BTreeSet::from([caller]));
    settings.log_memory_limit = limits.canister_log_bytes_max;
    wanted.map_or(Ok(settings.clone()), |wanted| changed(&settings, wanted, limits))
}

/// The settings with the wanted ones changed; one that cannot be accepted leaves all as they were.
fn changed(
    before: &Settings,
    wanted: &CanisterSettings,
    limits: &Limits,
) -> Result<Settings, UserError> {
    let mut settings = before.clone();
    if let Some(controllers) = &wanted.controllers {
        settings.controllers = check_controllers(controllers, limits)?;
    }
    let number = |name, nat: &Option<Nat>, most| {
        nat.as_ref().map(|nat| at_most(name, nat, most)).transpose()
    };
    if let Some(percent) = number("compute_allocation", &wanted.compute_allocation, 100)? {
        settings.compute_allocation = percent as u8;
    }
    let u64_max = u128::from(u64::MAX);
    if let Some(bytes) = number("memory_allocation", &wanted.memory_allocation, u64_max)? {
        settings.memory_allocation = bytes as u64;
    }
    if let Some(seconds) = number("freezing_threshold", &wanted.freezing_threshold, u64_max)? {
        settings.freezing_threshold_seconds = seconds as u64;
    }
    let cycles = number("reserved_cycles_limit", &wanted.reserved_cycles_limit, u128::MAX)?;
    if let Some(cycles) = cycles {
        settings.reserved_cycles_limit = Cycles(cycles);
    }
    let least = &wanted.minimum_incoming_canister_call_cycles;
    if let Some(cycles) = number("minimum_incoming_canister_call_cycles", least, u128::MAX)? {
        settings.minimum_incoming_call_cycles = Cycles(cycles);
    }
    let limit = number("wasm_memory_limit", &wanted.wasm_memory_limit, HEAP_LIMIT_MAX)?;
    if let Some(bytes) = limit {
        settings.wasm_memory_limit = bytes as u64;
    }
    let threshold = number("wasm_memory_threshold", &wanted.wasm_memory_threshold, HEAP_LIMIT_MAX)?;
    if let Some(bytes) = threshold {
        settings.wasm_memory_threshold = bytes as u64;
    }
    if let Some(limit) = &wanted.log_memory_limit {
        settings.log_memory_limit = check_log_limit(limit)?;
    }
    let visibility = [
        (&wanted.log_visibility, &mut settings.log_visibility),
        (&wanted.snapshot_visibility, &mut settings.snapshot_visibility),
        (&wanted.status_visibility, &mut settings.status_visibility),
    ];
    for (wanted, setting) in visibility {
        if let Some(wanted) = wanted {
            *setting = check_visibility(wanted)?;
        }
    }
    if let Some(variables) = &wanted.environment_variables {
        settings.environment_variables = check_variables(variables, limits)?;
    }
    Ok(settings)
}

fn at_most(name: &str, nat: &Nat, most: u128) -> Result<u128, UserError> {
    match u128::try_from(nat.0.clone()) {
        Ok(value) if value <= most => Ok(value),
        _ => Err(errors::invalid_settings(&format!("{name} must be at most {most}, not {nat}"))),
    }
}

fn check_log_limit(nat: &Nat) -> Result<u64, UserError> {
    match u64::try_from(&nat.0) {
        Ok(bytes) if bytes == 0 || LOG_BYTES.contains(&bytes) => Ok(bytes),
        _ => Err(errors::invalid_settings(&format!(
            "log_memory_limit must be 0 or from {} to {}, not {nat}",
            LOG_BYTES.start(),
            LOG_BYTES.end()
        ))),
    }
}

fn check_controllers(
    wanted: &[PrincipalId],
    limits: &Limits,
) -> Result<BTreeSet<PrincipalId>, UserError> {
    if wanted.len() as u64 > limits.controllers_max {
        return Err(UserError::new(
            ErrorCode::InvalidManagementPayload,
            format!(
                "Error decoding candid: Deserialize error: The number of elements exceeds maximum \
                 allowed {}",
                limits.controllers_max
            ),
        ));
    }
    Ok(wanted.iter().copied().collect())
}

fn check_visibility(wanted: &WireVisibility) -> Result<Visibility, UserError> {
    Ok(match wanted {
        WireVisibility::Controllers => Visibility::Controllers,
        WireVisibility::Public => Visibility::Public,
        WireVisibility::AllowedViewers(viewers) if viewers.len() <= VIEWERS_MAX => {
            Visibility::AllowedViewers(viewers.iter().copied().collect())
        }
        WireVisibility::AllowedViewers(viewers) => {
            return Err(errors::invalid_settings(&format!(
                "a list of viewers has at most {VIEWERS_MAX} principals, not {}",
                viewers.len()
            )));
        }
    })
}

fn check_variables(
    wanted: &[EnvironmentVariable],
    limits: &Limits,
) -> Result<BTreeMap<String, String>, UserError> {
    let invalid = |text| UserError::new(ErrorCode::InvalidManagementPayload, text);
    let (count, most) = (wanted.len() as u64, limits.environment_variables_max);
    if count > most {
        return Err(invalid(format!("Too many environment variables: {count} (max: {most})")));
    }
    let longest = limits.environment_variable_bytes_max;
    let mut variables = BTreeMap::new();
    for EnvironmentVariable { name, value } in wanted {
        if name.len() as u64 > longest {
            return Err(invalid(format!(
                "Environment variable name \"{name}\" exceeds the maximum allowed length of \
                 {longest}."
            )));
        }
        if value.len() as u64 > longest {
            return Err(invalid(format!(
                "Environment variable value \"{value}\" exceeds the maximum allowed length of \
                 {longest}."
            )));
        }
        if variables.insert(name.clone(), value.clone()).is_some() {
            return Err(errors::invalid_settings(&format!(
                "the environment variable \"{name}\" is given twice"
            )));
        }
    }
    Ok(variables)
}

/// The hash of the variables as a map (interface specification, "Hash of map").
pub(super) fn variables_hash(settings: &Settings) -> [u8; 32] {
    let variables = settings.environment_variables.iter();
    let fields: Vec<_> =
        variables.map(|(name, value)| (name.as_str(), Value::Text(value.as_str()))).collect();
    hash_of_map(&fields)
}

/// The settings as the interface shows them.
pub(super) fn definite(settings: &Settings) -> DefiniteCanisterSettings {
    let visibility = |visibility: &Visibility| match visibility {
        Visibility::Controllers => WireVisibility::Controllers,
        Visibility::Public => WireVisibility::Public,
        Visibility::AllowedViewers(viewers) => {
            WireVisibility::AllowedViewers(viewers.iter().copied().collect())
        }
    };
    let variable = |(name, value): (&String, &String)| EnvironmentVariable {
        name: name.clone(),
        value: value.clone(),
    };
    DefiniteCanisterSettings {
        controllers: settings.controllers.iter().copied().collect(),
        compute_allocation: settings.compute_allocation.into(),
        memory_allocation: settings.memory_allocation.into(),
        freezing_threshold: settings.freezing_threshold_seconds.into(),
        reserved_cycles_limit: settings.reserved_cycles_limit.0.into(),
        minimum_incoming_canister_call_cycles: settings.minimum_incoming_call_cycles.0.into(),
        log_visibility: visibility(&settings.log_visibility),
        log_memory_limit: settings.log_memory_limit.into(),
        snapshot_visibility: visibility(&settings.snapshot_visibility),
        status_visibility: visibility(&settings.status_visibility),
        wasm_memory_limit: settings.wasm_memory_limit.into(),
        wasm_memory_threshold: settings.wasm_memory_threshold.into(),
        environment_variables: settings.environment_variables.iter().map(variable).collect(),
    }
}
