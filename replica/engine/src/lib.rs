//! The ordering engine: blocks in, the same blocks in the same order out on every member.
//!
//! An [`Application`] says what to propose and what to accept; the engine runs a Byzantine
//! fault-tolerant agreement (simplex) among the members and hands back each block once it is
//! final. It also carries the application's messages over authenticated connections. This is the
//! one crate that names the `commonware` crates: only plain types and bytes cross the door.
//!
//! ```text
//!            Effect::{Send, Broadcast, Durable, Wake, Halt}
//!          +------------------------------------------------+
//!          v                                                |
//!   +--------------+  propose / validate / finalized  +-------------+   Injector
//!   |    driver    | -------------------------------> | Application | <---------- events
//!   +--------------+  receive / event / tick          +-------------+
//!     ^     ^    ^
//!     |     |    +--- application messages ---------------+
//!     |     +-------- final blocks <--- marshal (archive) | p2p
//!     +-------------- propose, verify <--- simplex -------+
//! ```
//!
//! Shells around one application trait:
//! - [`tokio`]: real sockets, disk and clock, on a thread of its own;
//! - [`simulated`]: a whole subnet in virtual time from one seed;
//! - [`instant`]: one node whose proposals are final at once, stepped by hand.
//!
//! It must not know what a payload means, nor the chain key (consensus here runs on node keys).
//! [`dkg`](mod@dkg) lends the key generation of the same crates as a state machine over bytes.

mod application;
mod block;
mod bridge;
mod config;
#[cfg(test)]
#[path = "../../../types/conformance.rs"]
mod conformance;
pub mod dkg;
mod driver;
mod erased;
mod history;
mod identity;
mod inbox;
pub mod instant;
#[cfg(test)]
#[path = "../../../fuzz/mutations.rs"]
mod mutations;
pub mod simulated;
pub mod tokio;
mod tuning;
mod wiring;

pub use application::{
    AncestorBlock, Application, BLOCK_BYTES_MAX, Effect, FinalizedBlock, MESSAGE_BYTES_MAX,
    Proposal, ProposalContext, TICK_MS, Verdict,
};
pub use config::{
    ConfigError, EngineConfig, HISTORY_BLOCKS_DEFAULT, HISTORY_BYTES_MAX, IDLE_INTERVAL_MS_MAX,
    Member, NodeSecret,
};
pub use erased::{EVENTS_QUEUED_MAX, ErasedApplication, InjectError, Injector, erase};
pub use identity::public_key;
