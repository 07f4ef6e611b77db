//! Charging canisters for what they occupy: memory and compute allocation.

use types::{Cycles, Time};

use crate::management::uninstall_for_lack_of_cycles;
use crate::round::Round;

/// Seconds between two charges.
const INTERVAL_SECONDS: u64 = 10;

/// Charges every canister whenever block time passes a multiple of the interval. A canister that
/// cannot pay loses its code.
pub(crate) fn charge_resources(round: &mut Round<'_>, before: Time) {
    let intervals = |time: Time| time.as_secs() / INTERVAL_SECONDS;
    if round.subnet.prices.free() || intervals(before) == intervals(round.now) {
        return;
    }
    let ids: Vec<_> = round.state.canister_ids().collect();
    for id in ids {
        charge(round, id);
    }
}

fn charge(round: &mut Round<'_>, id: types::CanisterId) {
    let now = round.now;
    let Some(canister) = round.canister(&id) else { return };
    let seconds = now.as_secs().saturating_sub(canister.system.charged_until.as_secs());
    let settings = &canister.system.settings;
    let bytes = canister.memory_bytes().max(settings.memory_allocation);
    let due = round.subnet.prices.idle(bytes, settings.compute_allocation.into(), seconds);
    let Some(canister) = round.state.canister_mut(&id) else { return };
    let system = &mut canister.system;
    system.charged_until = now;
    if due == Cycles::ZERO {
        return;
    }
    // Cycles set aside for storage go first.
    let reserved = system.reserved_balance.min(due);
    system.reserved_balance = system.reserved_balance.minus(reserved);
    let rest = due.minus(reserved);
    let can_pay = system.balance >= rest;
    let paid = rest.min(system.balance);
    system.balance = system.balance.minus(paid);
    let has_code = canister.execution.is_some();
    round.consumed(&id, reserved.plus(paid));
    if !can_pay && has_code {
        uninstall_for_lack_of_cycles(round, id);
        round.state.deliver_output_of(&id);
    }
}
