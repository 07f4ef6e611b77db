//! A node: the parts of the replica joined, and the process around them.
//!
//! - [`wiring`] joins consensus, execution, disk and audience behind the engine, on one page; the
//!   simulation uses the same code.
//! - [`opening`] makes consensus and execution of what is on disk.
//! - [`node`] starts a whole node from its configuration and ends it in order; [`descriptors`]
//!   says how many connections it may take, [`program`] which program runs.
//! - [`config`] and [`node_key`] are what the operator gives; [`outlook`], [`metrics`] and
//!   [`operator`] what the operator gets.
//!
//! Exit codes of the `replica` process: 0 asked to stop, 1 something failed and a restart may help,
//! 2 the configuration is wrong, 3 a restart does not help: the node has halted, or its directory
//! lacks what somebody must put back.
//!
//! Nothing here decides anything about the protocol: that is in the parts.

pub mod ceremony;
pub mod config;
pub mod descriptors;
pub mod disk;
pub mod ending;
pub mod endpoint;
pub mod execution;
pub mod gate;
pub mod guarded;
pub mod identity;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod node_key;
pub mod opening;
pub mod operator;
pub mod outlook;
pub mod program;
pub mod wiring;
