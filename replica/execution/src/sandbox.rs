//! The machine that runs canister code: the only place that names wasmtime.
//!
//! It knows instructions, memory and calls of `ic0`; what those calls mean, what an execution
//! costs, and what becomes of its effects is decided by others.
//!
//! ```text
//!  module --Engine::compile--> CompiledModule
//!
//!  Execution (module, heap, globals, entry, limit)
//!      |                 ResidentMemories: memory of the canister, brought up to date
//!      v                        |
//!  Engine::execute: fresh instance over that memory <--calls--> SystemApi
//!      |
//!      v
//!  Outcome: new heap and globals, or a Trap with all undone
//! ```
//!
//! Heaps are page maps: snapshots cost nothing, and an outcome shares all unchanged pages with
//! what it started from.

mod api;
pub mod baseline;
mod bitmap;
mod engine;
mod execute;
mod fault;
mod link;
mod memory;
mod outcome;
mod region;
mod resident;
mod stack;
#[cfg(test)]
mod tests;
mod trap;

pub use api::{ApiError, Growth, Guest, SystemApi, check_range};
pub use engine::{CompileError, CompiledModule, Engine, EngineError};
pub use execute::Keep;
pub use outcome::{Changes, Entry, Execution, Outcome, Trap};
pub use resident::ResidentMemories;
pub(crate) use stack::on_large_stack;
pub use stack::{THREAD_STACK_BYTES, spawn};
