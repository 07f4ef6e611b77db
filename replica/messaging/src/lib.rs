//! The deterministic machine of a subnet: batch in, state and root out.
//!
//! ```text
//!  Batch --decode, skip what is late or known--> induct --> execute round --> tree --> root
//!                                                                |
//!                              StateMachine::checkpoint <--------+----> CertifiedSnapshot
//! ```
//!
//! Two machines that are given the same batches have the same roots, whether or not one of them
//! was restarted from a checkpoint in between. The machine knows nothing of how batches are
//! ordered, nor of who reads its snapshots.

mod induction;
mod machine;
mod snapshots;
#[cfg(test)]
mod tests;

pub use induction::Inducted;
pub use machine::{MachineError, PendingCheckpoint, Processed, StateMachine};
pub use snapshots::SNAPSHOTS_MAX;
