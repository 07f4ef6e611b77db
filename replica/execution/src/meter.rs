//! Modules on their way in: decompression, validation against the rules of the interface, and
//! instrumentation that counts instructions.
//!
//! ```text
//!  bytes --decode--> module --scan, rules--> what it is --instrument--> module that counts
//! ```
//!
//! Everything here is a pure function of the bytes and the limits. It does not know the machine
//! that runs the result, nor what the system functions do.

mod body;
mod charges;
mod constant;
mod decode;
mod error;
mod ic0;
mod instrument;
mod rules;
mod scan;
#[cfg(test)]
mod tests;
mod weights;

pub use decode::decode;
pub use error::{ModuleError, TABLE_ELEMENTS_MAX};
pub use ic0::{Ic0, Kind, Width};
pub use instrument::names;
pub use scan::FEATURES;
pub use weights::{BULK, MEMORY_GROW, weight};

use replica_state::{GlobalValue, Memory, ModuleInfo};
use types::Limits;

/// A module that passed all checks, with what is known of it and its instrumented form.
#[derive(Clone, Debug)]
pub struct Metered {
    /// The instrumented module. It has no start section and no active data segments: those belong
    /// to installation, and this module is instantiated anew for each message.
    pub wasm: Vec<u8>,
    /// What is kept of the module in the replicated state.
    pub info: ModuleInfo,
    /// The width of its addresses.
    pub width: Width,
    /// The memory, if it has one: minimum and maximum in wasm pages.
    pub memory: Option<MemoryLimits>,
    /// The heap as installation makes it, with the active data segments in place.
    pub initial_heap: Memory,
    /// The mutable globals as installation makes them, in order of their index.
    pub initial_globals: Vec<GlobalValue>,
    /// The indices of those globals.
    pub mutable_globals: Vec<u32>,
    /// Exported functions without parameters and results.
    pub entry_points: Vec<String>,
    /// Whether there is a `(start)` function.
    pub has_start: bool,
    /// Whether there is a table 0 of functions.
    pub has_table: bool,
    /// Operators in all function bodies; compiling is charged by it.
    pub operators: u64,
    /// Bytes of the module as it was given, decompressed.
    pub bytes: u64,
    /// Charged for making an instance, which is done for each message.
    pub instantiation_instructions: u64,
}

/// How large a memory is and may become, in wasm pages of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// At instantiation.
    pub minimum: u64,
    /// As the module itself allows, and the limits.
    pub maximum: u64,
}

/// Instructions charged for each entry of an element segment that is applied whenever an instance
/// is made, which is once for each message. The first few are part of what any message costs.
const ENTRY_INSTRUCTIONS: u64 = 40;
const FREE_ENTRIES: u64 = 64;

/// Instructions charged for each full piece of so many elements of a new table: two pages of memory.
/// The small tables of usual canisters cost nothing.
const TABLE_PIECE_INSTRUCTIONS: u64 = 2_000;
const TABLE_PIECE_ELEMENTS: u64 = 1_024;

/// Checks a module as it was given (compressed or not) and instruments it.
pub fn prepare(bytes: &[u8], limits: &Limits) -> Result<Metered, ModuleError> {
    instrument(&decode(bytes, limits.module_bytes_max)?, limits)
}

/// Checks a module that is not compressed and instruments it.
pub fn instrument(module: &[u8], limits: &Limits) -> Result<Metered, ModuleError> {
    let scan = scan::scan(module)?;
    let checked = rules::check(&scan, limits)?;
    let instrumented = instrument::instrument(module, &scan)?;
    rules::check_function_sizes(&scan, &instrumented.operators, limits)?;
    Ok(Metered {
        wasm: instrumented.wasm,
        info: checked.info,
        width: scan.width(),
        memory: checked.memory,
        initial_heap: scan.initial_heap()?,
        initial_globals: scan.initial_mutable_globals()?,
        mutable_globals: scan.mutable_globals(),
        entry_points: checked.entry_points,
        has_start: scan.start.is_some(),
        has_table: scan.has_function_table(),
        operators: instrumented.operators.iter().sum(),
        bytes: module.len() as u64,
        instantiation_instructions: scan.applied_entries().saturating_sub(FREE_ENTRIES)
            * ENTRY_INSTRUCTIONS
            + scan.table_elements() / TABLE_PIECE_ELEMENTS * TABLE_PIECE_INSTRUCTIONS,
    })
}
