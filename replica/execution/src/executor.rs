//! The executor: the one value that a node keeps for executing messages and queries.

use types::Limits;

use crate::capacity::Capacity;
use crate::machine::{Machine, RESIDENT_BYTES_MAX};
use crate::sandbox::EngineError;

/// Executes rounds and queries. It keeps compiled modules and memories for speed alone: what comes
/// out depends on the state and the input, never on what ran before. `&self` everywhere, so that
/// query threads share it with the thread of the rounds.
pub struct Executor {
    pub(crate) machine: Machine,
    pub(crate) capacity: Capacity,
}

impl Executor {
    /// An executor for a subnet of these limits.
    ///
    /// # Errors
    /// The wasm machine does not work on this computer.
    pub fn new(limits: &Limits) -> Result<Self, EngineError> {
        Self::with_resident_bytes(limits, RESIDENT_BYTES_MAX)
    }

    /// The same, keeping memories of canisters of so many bytes for replicated execution, and as
    /// many again for queries. With less, messages wait longer for their pages.
    ///
    /// # Errors
    /// The wasm machine does not work on this computer.
    pub fn with_resident_bytes(
        limits: &Limits,
        resident_bytes_max: u64,
    ) -> Result<Self, EngineError> {
        let machine = Machine::new(limits, resident_bytes_max)?;
        Ok(Self { machine, capacity: Capacity::default() })
    }
}
