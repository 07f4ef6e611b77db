//! What all canisters of the subnet occupy together, and what room is left.
//!
//! The sums are functions of the state alone. They are found from what changed since the last
//! round; what an executor remembers for that is not seen in the result. Within a round the room
//! only shrinks: what canisters free is there for others in the next round.

use std::sync::{Mutex, PoisonError};

use replica_state::{CanisterState, ReplicatedState};
use types::{Limits, UserError};

use crate::management::no_room;

/// What canisters occupy. Sums over a subnet fit: a canister's numbers have 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Occupied {
    /// Bytes of memory: used, or set aside by a memory allocation.
    memory: u128,
    /// Bytes of modules, chunks and logs, which nodes keep in RAM.
    code: u128,
    /// Percents of compute allocation.
    compute: u128,
}

impl Occupied {
    /// What one canister occupies.
    pub(crate) fn by(canister: &CanisterState) -> Self {
        let settings = &canister.system.settings;
        let module =
            canister.execution.as_ref().map_or(0, |execution| execution.module.bytes.len());
        Self {
            memory: canister.memory_bytes().max(settings.memory_allocation).into(),
            code: module as u128
                + u128::from(canister.system.chunk_store.bytes())
                + u128::from(canister.system.log.bytes()),
            compute: settings.compute_allocation.into(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            memory: self.memory + other.memory,
            code: self.code + other.code,
            compute: self.compute + other.compute,
        }
    }

    /// Nothing where the other has more.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            memory: self.memory.saturating_sub(other.memory),
            code: self.code.saturating_sub(other.code),
            compute: self.compute.saturating_sub(other.compute),
        }
    }

    fn of_all(state: &ReplicatedState) -> Self {
        state.canisters().map(Self::by).fold(Self::default(), Self::plus)
    }

    /// The sum over `state`, from the sum over an earlier one.
    fn since(self, before: &ReplicatedState, state: &ReplicatedState) -> Self {
        let of = |canister: Option<&CanisterState>| canister.map(Self::by).unwrap_or_default();
        state.changed_canisters(before).fold(self, |sum, difference| {
            sum.plus(of(difference.after)).minus(of(difference.before))
        })
    }
}

/// Room that is left on the subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room(Occupied);

impl Room {
    fn beside(occupied: Occupied, limits: &Limits) -> Self {
        let all = Occupied {
            memory: limits.subnet_memory_bytes_max.into(),
            code: limits.subnet_code_bytes_max.into(),
            compute: limits.subnet_compute_percent_max.into(),
        };
        Self(all.minus(occupied))
    }

    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        u64::try_from(self.0.memory).unwrap_or(u64::MAX)
    }

    /// Whether a canister may come to occupy `after` where it occupied `before`. Who does not grow
    /// always may.
    ///
    /// # Errors
    /// IC0101, with the published texts.
    pub(crate) fn check(&self, before: Occupied, after: Occupied) -> Result<(), UserError> {
        let (more, left) = (after.minus(before), self.0);
        if more.memory > left.memory {
            return Err(no_room::memory(more.memory, left.memory));
        }
        if more.code > left.code {
            return Err(no_room::code(more.code, left.code));
        }
        if more.compute > left.compute {
            return Err(no_room::compute(after.compute, left.compute));
        }
        Ok(())
    }

    /// Takes away what a canister grows by, beyond what it set aside.
    pub(crate) fn take_memory(&mut self, canister: &CanisterState, more: u64) {
        let used = canister.memory_bytes();
        let held = used.max(canister.system.settings.memory_allocation);
        let growth = used.saturating_add(more).saturating_sub(held);
        self.0.memory = self.0.memory.saturating_sub(growth.into());
    }

    /// Takes away what a canister has grown by.
    pub(crate) fn take(&mut self, before: Occupied, after: Occupied) {
        self.0 = self.0.minus(after.minus(before));
    }
}

/// Finds the room at the beginning of each round.
#[derive(Default)]
pub(crate) struct Capacity {
    known: Mutex<Option<(ReplicatedState, Occupied)>>,
}

impl Capacity {
    pub(crate) fn room(&self, state: &ReplicatedState) -> Room {
        // A panic elsewhere leaves nothing wrong behind: the entry is replaced as a whole.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let occupied = match &*known {
            Some((before, sum)) => sum.since(before, state),
            None => Occupied::of_all(state),
        };
        *known = Some((state.clone(), occupied));
        Room::beside(occupied, &state.config.limits)
    }
}
