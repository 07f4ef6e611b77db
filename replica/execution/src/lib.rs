//! (being written)

mod canister_error;
mod charges;
mod cycles;
mod executor;
mod ingress;
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
pub use query::QueryRequest;
pub use round::{RoundCounters, RoundOutcome};
pub use scheduler::RoundInput;
