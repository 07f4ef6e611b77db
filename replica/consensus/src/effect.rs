//! Everything that consensus can do to the world.

use bytes::Bytes;
use types::{Batch, Height, NodeId, StateRoot};

use crate::traits::{Certification, StoredKey, Tape};

/// What the caller is to do, in the order given.
#[derive(Clone)]
pub enum Effect {
    /// Send to one member, best effort.
    Send {
        /// The receiver.
        to: NodeId,
        /// The bytes.
        message: Bytes,
    },
    /// Send to all other members, best effort.
    Broadcast {
        /// The bytes.
        message: Bytes,
    },
    /// The chain key is fixed: put it on disk, make the genesis state at its height, and report
    /// the root like that of any executed height.
    ChainKeyFixed(StoredKey),
    /// Execute next; heights come in order and without gaps.
    Execute(Batch),
    /// Keep this tape; see [`crate::ArtifactStore`].
    StoreTape(Tape),
    /// Keep this certification; see [`crate::ArtifactStore`].
    StoreCertification(Certification),
    /// The state of this height, which this node has executed to the same root, is certified.
    Certified(Certification),
    /// Ask again about the block to propose and the blocks to judge.
    Wake,
    /// Stop and do not start again by yourself.
    Halt(Halt),
}

/// Why the node must stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// For people.
    pub reason: String,
    /// The proof, if this node's state has left the subnet's.
    pub divergence: Option<Divergence>,
}

/// This node computed another state than the one that the subnet certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The height.
    pub height: Height,
    /// The root that this node computed.
    pub own_root: StateRoot,
    /// What the subnet certified; its signature has been verified.
    pub certified: Certification,
}
