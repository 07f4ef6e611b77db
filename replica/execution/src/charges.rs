//! Charging canisters for what they occupy: memory and compute allocation.

use replica_state::CyclesUse;
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
    let prices = &round.subnet.prices;
    let memory = prices.idle(bytes, 0, seconds);
    let due = memory.plus(prices.idle(0, settings.compute_allocation.into(), seconds));
    let Some(canister) = round.state.canister_mut(&id) else { return };
    let system = &mut canister.system;
    system.charged_until = now;
    if due == Cycles::ZERO {
        return;
    }
    let has = system.balance.plus(system.reserved_balance);
    if has < due {
        system.balance = Cycles::ZERO;
        system.reserved_balance = Cycles::ZERO;
        let has_code = canister.execution.is_some();
        round.consumed(&id, CyclesUse::Uninstall, has);
        if has_code {
            uninstall_for_lack_of_cycles(round, id);
            round.state.deliver_output_of(&id);
        }
        return;
    }
    // Cycles set aside for storage go first.
    let reserved = system.reserved_balance.min(due);
    system.reserved_balance = system.reserved_balance.minus(reserved);
    system.balance = system.balance.minus(due.minus(reserved));
    round.consumed(&id, CyclesUse::Memory, memory);
    round.consumed(&id, CyclesUse::ComputeAllocation, due.minus(memory));
}
