//! Executing the messages of canisters, one at a time.
//!
//! ```text
//!   check -> pay ahead -> run (sandbox, effects kept aside) -> refund -> apply or drop -> answer
//! ```

mod apply;
mod calls;
pub(crate) mod inspect;
mod responses;
pub(crate) mod tasks;

pub(crate) use apply::{apply_changes, apply_settings, changed_bytes, watch_memory, write_log};
pub(crate) use calls::expired;

use replica_state::{CanisterState, CanisterStatus, CyclesUse};
use types::{CanisterId, Cycles, ErrorCode, PrincipalId, UserError};

use crate::machine::is_wide;
use crate::round::Round;
use crate::subnet::Subnet;

/// Whether the canister takes calls.
pub(crate) fn check_running(canister: &CanisterState) -> Result<(), UserError> {
    let id = canister.system.canister_id;
    let (code, text) = match canister.system.status {
        CanisterStatus::Running => return Ok(()),
        CanisterStatus::Stopping { .. } => (ErrorCode::CanisterStopping, "stopping"),
        CanisterStatus::Stopped => (ErrorCode::CanisterStopped, "stopped"),
    };
    Err(UserError::new(code, format!("Canister {id} is {text}")))
}

/// Whether the canister can pay `cost` without being frozen. Its controllers learn what is missing.
pub(crate) fn check_can_pay(
    subnet: &Subnet,
    canister: &CanisterState,
    cost: Cycles,
    caller: &PrincipalId,
) -> Result<(), UserError> {
    let threshold = subnet.freezing_threshold(canister, canister.memory_bytes());
    let needed = threshold.plus(cost);
    let system = &canister.system;
    if system.balance >= needed {
        return Ok(());
    }
    let id = system.canister_id;
    let text = match system.settings.controllers.contains(caller) {
        true => format!(
            "Canister {id} is out of cycles: please top up the canister with at least {} \
             additional cycles",
            needed.minus(system.balance)
        ),
        false => format!("Canister {id} is out of cycles"),
    };
    Err(UserError::new(ErrorCode::CanisterOutOfCycles, text))
}

/// Takes the price of the longest message from the canister; what is not used comes back by
/// [`settle`].
pub(crate) fn pay_ahead(
    round: &mut Round<'_>,
    id: &CanisterId,
    limit: u64,
    caller: &PrincipalId,
) -> Result<Cycles, UserError> {
    let Some(canister) = round.state.canister(id) else { return Err(not_found(id)) };
    let cost = round.subnet.prices.message(limit, is_wide(canister));
    check_can_pay(&round.subnet, canister, cost, caller)?;
    if cost > Cycles::ZERO
        && let Some(canister) = round.state.canister_mut(id)
    {
        canister.system.balance = canister.system.balance.minus(cost);
    }
    Ok(cost)
}

/// Counts a message and gives back what was paid ahead beyond its price.
pub(crate) fn settle(round: &mut Round<'_>, id: &CanisterId, paid: Cycles, instructions: u64) {
    round.spend(instructions);
    round.outcome.counters.messages += 1;
    round.state.totals.update_transactions += 1;
    if paid == Cycles::ZERO {
        return;
    }
    let Some(canister) = round.state.canister_mut(id) else { return };
    let price = round.subnet.prices.message(instructions, is_wide(canister)).min(paid);
    canister.system.balance = canister.system.balance.plus(paid.minus(price));
    round.consumed(id, CyclesUse::Instructions, price);
}

/// The error for a canister that does not exist.
pub(crate) fn not_found(id: &CanisterId) -> UserError {
    UserError::new(ErrorCode::CanisterNotFound, format!("Canister {id} not found"))
}
