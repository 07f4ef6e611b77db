//! What canisters spent their cycles on (management canister, `canister_metrics`).

use serde::{Deserialize, Serialize};
use types::Cycles;

/// What cycles are spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CyclesUse {
    /// Keeping memory.
    Memory,
    /// Keeping a compute allocation.
    ComputeAllocation,
    /// Receiving users' calls.
    IngressInduction,
    /// Executing messages, and installing code.
    Instructions,
    /// Sending calls, and receiving their answers.
    Transmission,
    /// What was left when the code went for lack of cycles.
    Uninstall,
    /// Being created.
    Creation,
    /// Burned by the canister itself.
    Burned,
}

/// Cycles that a canister spent since it was made, by what they were spent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumedCycles {
    /// See [`CyclesUse::Memory`].
    pub memory: Cycles,
    /// See [`CyclesUse::ComputeAllocation`].
    pub compute_allocation: Cycles,
    /// See [`CyclesUse::IngressInduction`].
    pub ingress_induction: Cycles,
    /// See [`CyclesUse::Instructions`].
    pub instructions: Cycles,
    /// See [`CyclesUse::Transmission`].
    pub transmission: Cycles,
    /// See [`CyclesUse::Uninstall`].
    pub uninstall: Cycles,
    /// See [`CyclesUse::Creation`].
    pub creation: Cycles,
    /// See [`CyclesUse::Burned`].
    pub burned: Cycles,
}

impl ConsumedCycles {
    /// Counts cycles that were taken from the balance.
    pub fn add(&mut self, spent_on: CyclesUse, amount: Cycles) {
        let sum = match spent_on {
            CyclesUse::Memory => &mut self.memory,
            CyclesUse::ComputeAllocation => &mut self.compute_allocation,
            CyclesUse::IngressInduction => &mut self.ingress_induction,
            CyclesUse::Instructions => &mut self.instructions,
            CyclesUse::Transmission => &mut self.transmission,
            CyclesUse::Uninstall => &mut self.uninstall,
            CyclesUse::Creation => &mut self.creation,
            CyclesUse::Burned => &mut self.burned,
        };
        *sum = sum.plus(amount);
    }

    /// All of them.
    pub fn total(&self) -> Cycles {
        [
            self.memory,
            self.compute_allocation,
            self.ingress_induction,
            self.instructions,
            self.transmission,
            self.uninstall,
            self.creation,
            self.burned,
        ]
        .into_iter()
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_its_own_sum() {
        let uses = [
            CyclesUse::Memory,
            CyclesUse::ComputeAllocation,
            CyclesUse::IngressInduction,
            CyclesUse::Instructions,
            CyclesUse::Transmission,
            CyclesUse::Uninstall,
            CyclesUse::Creation,
            CyclesUse::Burned,
        ];
        let mut all = ConsumedCycles::default();
        for (n, spent_on) in uses.into_iter().enumerate() {
            all.add(spent_on, Cycles(1 << n));
            all.add(spent_on, Cycles(1 << n));
        }
        assert_eq!((all.memory, all.creation, all.burned), (Cycles(2), Cycles(128), Cycles(256)));
        assert_eq!(all.total(), Cycles(510));
    }
}
