//! Execution: one round over the replicated state, and queries on snapshots of it.
//!
//! ```text
//!  Ingress --induct--> queues --execute_round--> state, outcomes of users' calls
//!                                  |
//!            scheduler: whose turn |        management: aaaaa-aa
//!            message:   one call, callback or task; effects apply only if it ended well
//!            system_api: what ic0.* means   sandbox: runs wasm   meter: counts instructions
//!
//!  snapshot --query, validate_ingress--> answers of this node alone
//! ```
//!
//! What comes out of a round depends on the state and the [`RoundInput`] alone: time, height and
//! randomness come from the batch, and neither caches nor threads can be seen in it. This part
//! knows nothing of consensus, HTTP or disks; only [`sandbox`] names wasmtime. What this computer
//! cannot do (a [`LocalFailure`]) ends a round without an outcome.
//!
//! A message runs to its end within its round: there is no time slicing yet.

pub mod canister_error;
mod capacity;
mod charges;
mod cycles;
mod executor;
mod ingress;
mod local_failure;
mod machine;
mod management;
mod message;
pub mod meter;
mod modules;
mod query;
mod round;
pub mod sandbox;
mod scheduler;
mod subnet;
mod system_api;

pub use executor::Executor;
pub use ingress::IngressCall;
pub use local_failure::LocalFailure;
pub use query::QueryRequest;
pub use round::{RoundCounters, RoundOutcome};
pub use scheduler::RoundInput;
