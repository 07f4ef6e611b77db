//! The `plinth` command: starts, shows and stops a network of nodes on this machine.
//!
//! It knows directories, processes and the nodes' status endpoints; it knows nothing of consensus
//! or canisters. Each node is an orchestrator process that supervises a replica process.
//!
//! ```text
//!   arguments ──> layout (what is on disk) ──> nodes (processes) ──> status (what they say)
//! ```

// Both panic when nobody reads; see `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod attest;
mod audit;
mod create;
pub mod drill;
mod error;
mod expected;
mod image;
mod interrupt;
mod launcher;
mod layout;
mod machine;
mod measure;
mod nodes;
mod output;
mod ports;
mod release;
mod run;
mod spec;
mod status;
mod system_canisters;
mod up;

pub use error::Error;
pub use interrupt::Interrupts;
pub use run::{main, parse};
