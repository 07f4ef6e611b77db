//! A whole subnet in one process, in virtual time, from one seed.
//!
//! The same wiring and the same application as in production run on a deterministic runtime: one
//! thread, time that jumps to the next event, memory for a disk, and a network whose delays and
//! losses are drawn from the seed. The same simulation gives the same trace.
//!
//! ```text
//!  Simulation (plain data) --> timeline of changes --+
//!                                                    v
//!  factory(birth) -> application --> nodes over one simulated network --> trace, end
//!                                                    ^
//!  step(progress) -> go on or be done ---------------+
//! ```
//!
//! A crash loses what was in memory; the engine's disk is kept as it was at that instant. It does
//! not lose writes that were not synced yet, and it does not model a dishonest transport: the
//! handshake and the encryption of production are not in here.

use std::collections::BTreeSet;

use thiserror::Error;
use types::{Height, Time};

use crate::application::TICK_MS;
use crate::config::{Member, NodeSecret};
use crate::erased::ErasedApplication;
use crate::identity::public_key;

mod network;
mod run;
mod timeline;
mod trace;

pub use trace::Trace;

/// Virtual milliseconds between two calls of the step function.
pub const STEP_MS: u64 = 4 * TICK_MS;

/// A subnet and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// All chance comes from here.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// As in [`crate::EngineConfig::idle_interval_ms`].
    pub idle_interval_ms: u64,
    /// As in [`crate::EngineConfig::history_blocks`].
    pub history_blocks: u64,
    /// As in [`crate::EngineConfig::namespace`].
    pub namespace: Vec<u8>,
    /// The time at which the simulation starts.
    pub start: Time,
    /// How messages travel while no fault says otherwise.
    pub link: LinkQuality,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// How messages travel from one node to another. They stay in order on each link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkQuality {
    /// Mean delay.
    pub delay_ms: u64,
    /// Standard deviation of the delay.
    pub jitter_ms: u64,
    /// How many of a thousand messages are lost.
    pub loss_per_mille: u16,
}

impl LinkQuality {
    /// Nodes in one data centre.
    pub const GOOD: Self = Self { delay_ms: 5, jitter_ms: 1, loss_per_mille: 0 };
}

/// Something that goes wrong. Times are milliseconds since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// All links have another quality for a while; the last fault in the list wins.
    Links {
        /// From when.
        from_ms: u64,
        /// Until when.
        until_ms: u64,
        /// The quality.
        quality: LinkQuality,
    },
    /// Nodes of different groups cannot reach each other for a while. A node in no group reaches
    /// nobody.
    Partition {
        /// From when.
        from_ms: u64,
        /// Until when.
        until_ms: u64,
        /// The groups.
        groups: Vec<BTreeSet<usize>>,
    },
    /// A node stops at an instant and comes back later, or never.
    Crash {
        /// Which one.
        node: usize,
        /// When it stops.
        at_ms: u64,
        /// When it starts again, at least [`STEP_MS`] later.
        restart_ms: Option<u64>,
    },
    /// A node is dishonest all the time.
    Byzantine {
        /// Which one.
        node: usize,
        /// How.
        kind: Byzantine,
    },
}

/// How a node is dishonest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Byzantine {
    /// It plays double: two engines with one key, each with a disk and an application of its own,
    /// each talking to one half of the other nodes. Both propose in the node's views and both vote.
    Equivocate,
    /// It never sends anything.
    Silent,
}

/// The beginning of one life of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    /// Which node, 0 for the one with the lowest node id.
    pub node: usize,
    /// 0 for the first life, one more after each restart.
    pub life: u32,
    /// Whether this is the second engine of a node that equivocates.
    pub twin: bool,
    /// The highest height that earlier lives have reported as durable.
    pub durable: Height,
}

/// What a life begins with.
pub struct Life {
    /// The application.
    pub application: Box<dyn ErasedApplication>,
    /// The height its state stands at: not above what it will never need again.
    pub resume_after: Height,
}

/// What the step function sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Virtual milliseconds since the start.
    pub elapsed_ms: u64,
    /// The virtual time.
    pub now: Time,
    /// The height of the last block handed to each node's application, over all lives.
    pub delivered: Vec<Height>,
    /// Why a node's engine ended by itself, if it did.
    pub ended: Vec<Option<String>>,
}

/// What to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Go on.
    Continue,
    /// The simulation has shown what it should.
    Done,
}

/// Why a simulation cannot be run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SimulationError {
    /// No nodes, or more than keys can be made for.
    #[error("a simulation has 1 to 255 nodes, not {0}")]
    Nodes(usize),
    /// A fault names a node that is not there.
    #[error("fault {fault} names node {node}, but there are only {nodes}")]
    Node {
        /// The position in the list of faults.
        fault: usize,
        /// The node it names.
        node: usize,
        /// How many there are.
        nodes: usize,
    },
    /// A fault ends before it begins.
    #[error("fault {0} ends before it begins, or restarts a node within {STEP_MS} ms")]
    Order(usize),
    /// More than a thousand of a thousand.
    #[error("a loss of {0} per mille is more than all messages")]
    Loss(u16),
    /// The idle interval is zero.
    #[error("the idle interval must be above zero")]
    IdleInterval,
}

impl Simulation {
    /// A subnet of good links and no faults.
    pub fn new(seed: u64, nodes: usize) -> Self {
        Self {
            seed,
            nodes,
            idle_interval_ms: 250,
            history_blocks: crate::HISTORY_BLOCKS_DEFAULT,
            namespace: b"simulation".to_vec(),
            // 2026-01-01: certificates and requests in tests carry times of that age.
            start: Time::from_secs(1_767_225_600),
            link: LinkQuality::GOOD,
            faults: Vec::new(),
        }
    }

    /// The secrets of the nodes, in the order of their numbers. They depend on the number of nodes
    /// alone.
    pub fn secrets(nodes: usize) -> Vec<NodeSecret> {
        let mut secrets: Vec<_> = (0..nodes)
            .map(|node| {
                let mut seed = [0x51; 32];
                seed[..8].copy_from_slice(&(node as u64).to_be_bytes());
                NodeSecret::new(seed)
            })
            .collect();
        secrets.sort_by_key(|secret| types::NodeId::from_public_key(&public_key(secret)));
        secrets
    }

    /// The nodes as members, in the order of their numbers, which is that of their ids. The
    /// addresses mean nothing here.
    pub fn members(nodes: usize) -> Vec<Member> {
        let member = |secret: &NodeSecret| {
            let public_key = public_key(secret);
            Member {
                node_id: types::NodeId::from_public_key(&public_key),
                public_key,
                address: std::net::SocketAddr::from(([127, 0, 0, 1], 1)),
            }
        };
        Self::secrets(nodes).iter().map(member).collect()
    }

    /// Runs until `step` is done. `factory` makes the application of each life; both are called on
    /// this thread, between the steps of the nodes.
    ///
    /// A panic of an application ends the simulation with that panic.
    pub fn run(
        &self,
        mut factory: impl FnMut(&Birth) -> Life,
        mut step: impl FnMut(&Progress) -> Step,
    ) -> Result<Trace, SimulationError> {
        let timeline = timeline::Timeline::new(self)?;
        Ok(run::run(self, timeline, &mut factory, &mut step))
    }
}
