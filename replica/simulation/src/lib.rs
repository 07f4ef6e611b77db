//! Whole subnets in one process, from one seed: the engine's simulated shell, and on each node the
//! very code that runs in production — consensus, messaging, execution, and a state with a real
//! store on disk. Only the sockets, the clock and the threads are not real.
//!
//! ```text
//!  seed --> Scenario (faults, adversary, load) --> engine::simulated --> nodes
//!                                                                         |
//!          Workload <--- outcomes --- World (checkers, trace) <--- Checker (audience of a node)
//!             |  envelopes to several nodes                    \--> first violation
//!             v
//!          injectors of the nodes that are up
//! ```
//!
//! Checked at every height: all honest nodes have the same block and the same state root; every
//! certification verifies under the chain key and is of that root. Checked over the whole run:
//! each call is executed once and has one outcome everywhere; after the faults have ended, calls
//! sent to every node are answered by all nodes in bounded time, and no honest node has stopped.
//!
//! The same seed gives the same [`Report`], trace included. A failing seed is replayed by
//! `cargo xtask sim --seed S`.

mod calls;
mod checker;
mod executor;
mod liar;
mod run;
mod scenario;
mod workload;
mod world;

pub use run::{Failure, Report, run};
pub use scenario::{Adversary, Scenario};
