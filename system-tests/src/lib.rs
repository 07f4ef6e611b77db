//! Tests of the real programs by real clients: each starts a local network with `plinth` as a user would
//! and drives it with `icp`, ic-agent, or `@icp-sdk/core`.
//!
//! ```text
//! tests/ic_agent.rs -- ic-agent --------------+
//! tests/icp_connected.rs, icp_managed.rs      |      LocalNetwork
//!                 -- icp (a child process) ---+--HTTP--> plinth up: orchestrators, replicas
//! tests/icp_sdk_core.rs -- node clients/*.mjs +
//! ```
//!
//! This library is what the tests share. It is for tests only, so it panics where something fails, with
//! what a person needs to find the cause. It knows the network by its command line and its HTTP
//! interface, and names no crate of the replica.

pub mod certificate;
pub mod development;
pub mod icp;
pub mod network;
pub mod node_script;
pub mod provided;
pub mod waiting;

pub use network::LocalNetwork;
