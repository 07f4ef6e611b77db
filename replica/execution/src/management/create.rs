//! Creating canisters and giving them cycles.

use candid::Nat;
use replica_state::{CanisterChange, CanisterState, ChangeDetails, CyclesUse, SystemState};
use types::{CanisterId, Cycles, ErrorCode, PrincipalId, UserError};

use super::types::{
    CanisterIdRecord, CanisterSettings, CreateCanisterArgs, ProvisionalCreateCanisterArgs,
    ProvisionalTopUpCanisterArgs, decode,
};
use super::{
    Done, ManagementCall, check_provisional, errors, find_mut, nothing, now, reply, settings,
};
use crate::capacity::Occupied;
use crate::round::Round;

/// The balance of a canister that is made without saying which: 100 T cycles.
const PROVISIONAL_CYCLES: Cycles = Cycles(100_000_000_000_000);

/// `create_canister`: the cycles that come along, less the fee, are the first balance. A subnet
/// admin pays no fee.
pub(super) fn create(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args = decode_or_default::<CreateCanisterArgs>(&call.payload)?;
    call.check_version(round, args.sender_canister_version)?;
    let fee = match round.subnet.is_admin(&call.caller) {
        true => Cycles::ZERO,
        false => round.subnet.prices.creation(),
    };
    let is_user = matches!(call.origin, replica_state::CallOrigin::Ingress { .. });
    if is_user && !round.subnet.is_admin(&call.caller) {
        return Err(errors::only_canisters(&call.name));
    }
    let Some(balance) = call.cycles.checked_minus(fee) else {
        return Err(errors::creation_needs_cycles(call.cycles, fee));
    };
    let id = next_id(round)?;
    let created = add(round, call, id, args.settings, args.sender_canister_version, balance)?;
    call.cycles = Cycles::ZERO;
    round.consumed(&id, CyclesUse::Creation, fee);
    Ok(created)
}

/// `provisional_create_canister_with_cycles`: cycles from nowhere, on development subnets.
pub(super) fn provisional_create(
    round: &mut Round<'_>,
    call: &mut ManagementCall,
) -> Result<Done, UserError> {
    check_provisional(&round.subnet, call)?;
    let args = decode_or_default::<ProvisionalCreateCanisterArgs>(&call.payload)?;
    call.check_version(round, args.sender_canister_version)?;
    let balance = args.amount.as_ref().map_or(PROVISIONAL_CYCLES, amount);
    let id = match args.specified_id {
        None => next_id(round)?,
        Some(wanted) => specified_id(round, wanted)?,
    };
    add(round, call, id, args.settings, args.sender_canister_version, balance)
}

/// `provisional_top_up_canister`: the same for a canister that exists.
pub(super) fn provisional_top_up(
    round: &mut Round<'_>,
    call: &mut ManagementCall,
) -> Result<Done, UserError> {
    check_provisional(&round.subnet, call)?;
    let args: ProvisionalTopUpCanisterArgs = decode(&call.payload)?;
    let more = amount(&args.amount);
    let canister = find_mut(round, args.canister_id)?;
    canister.system.balance = canister.system.balance.plus(more);
    nothing()
}

/// `deposit_cycles`: all cycles of the call go to the canister.
pub(super) fn deposit(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: CanisterIdRecord = decode(&call.payload)?;
    let canister = find_mut(round, args.canister_id)?;
    canister.system.balance = canister.system.balance.plus(call.cycles);
    call.cycles = Cycles::ZERO;
    nothing()
}

/// Some tools send no argument where all of it is optional.
fn decode_or_default<'a, T>(payload: &'a [u8]) -> Result<T, UserError>
where
    T: candid::CandidType + serde::Deserialize<'a> + Default,
{
    match payload.is_empty() || payload == b"DIDL\0\0" {
        true => Ok(T::default()),
        false => decode(payload),
    }
}

/// An amount of cycles from nowhere; what no balance can hold is cut.
fn amount(nat: &Nat) -> Cycles {
    Cycles(u128::try_from(&nat.0).unwrap_or(u128::MAX))
}

/// The next id of the subnet's range; ids are given out in order and never twice.
fn next_id(round: &Round<'_>) -> Result<CanisterId, UserError> {
    let index = round.state.next_canister_index;
    match index <= round.subnet.config.canister_index_range.1 {
        true => Ok(CanisterId::from_index(index)),
        false => Err(errors::out_of_ids()),
    }
}

/// Notes that an id was given out; afterwards the next index is free again.
fn take_id(round: &mut Round<'_>, id: CanisterId) {
    let index = id.index().expect("ids are made from indices");
    let state = &mut round.state;
    state.specified_indices.insert(index);
    while state.specified_indices.remove(&state.next_canister_index).is_some() {
        state.next_canister_index = state.next_canister_index.saturating_add(1);
    }
}

/// A wanted id must lie in the subnet's range, and must never have been given out: it may belong to
/// a deleted canister, whose id is never used again.
fn specified_id(round: &Round<'_>, wanted: PrincipalId) -> Result<CanisterId, UserError> {
    let id = CanisterId(wanted);
    let (first, last) = round.subnet.config.canister_index_range;
    let index = id.index().filter(|index| (first..=last).contains(index)).ok_or_else(|| {
        UserError::new(
            ErrorCode::CanisterNotHostedBySubnet,
            format!(
                "Unsuccessful validation of specified ID: Specified CanisterId {id} is not hosted \
                 by subnet {}.",
                round.subnet.id
            ),
        )
    })?;
    let state = &round.state;
    let in_order = round.subnet.config.first_allotted_index()..state.next_canister_index;
    match in_order.contains(&index) || state.specified_indices.contains(&index) {
        true => Err(errors::already_installed(id)),
        false => Ok(id),
    }
}

fn add(
    round: &mut Round<'_>,
    call: &ManagementCall,
    id: CanisterId,
    wanted: Option<CanisterSettings>,
    sender_canister_version: Option<u64>,
    balance: Cycles,
) -> Result<Done, UserError> {
    let limits = &round.subnet.config.limits;
    if round.state.canister_count() as u64 >= limits.canisters_max {
        return Err(errors::too_many_canisters(&round.subnet.id, limits.canisters_max));
    }
    let settings = settings::of_new_canister(wanted.as_ref(), call.caller, limits)?;
    let hash = wanted
        .and_then(|wanted| wanted.environment_variables)
        .map(|_| settings::variables_hash(&settings));
    let details = ChangeDetails::creation(&settings, hash);
    let now = now(round);
    let mut system = SystemState::new(id, settings, balance, now);
    system.history.push(
        CanisterChange {
            time: now,
            canister_version: 0,
            origin: call.change_origin(sender_canister_version),
            details,
        },
        limits.canister_history_changes_max,
    );
    let canister = CanisterState::new(system);
    round.room.check(Occupied::default(), Occupied::by(&canister))?;
    round.state.put_canister(canister);
    round.resized(Occupied::default(), &id);
    take_id(round, id);
    reply(&CanisterIdRecord { canister_id: id.0 })
}
