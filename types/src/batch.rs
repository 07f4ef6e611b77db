//! What consensus hands to the deterministic machine.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Height, Time};

/// Thirty-two bytes that nobody could know before the block of their height was final: the hash
/// of the chain key's signature on the height (the random tape).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Randomness(pub [u8; 32]);

/// The input of one round: everything that the state after the round depends on, besides the
/// state before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Height of the finalized block.
    pub height: Height,
    /// Block time: what `ic0.time` shows in the round; strictly increasing from block to block.
    pub time: Time,
    /// The random tape of the height.
    pub randomness: Randomness,
    /// Ingress messages in block order: envelopes as their senders signed them. Every one was
    /// checked by a quorum before the block was final.
    pub ingress: Vec<Bytes>,
}
