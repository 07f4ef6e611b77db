//! The random tape, and the final blocks that wait for theirs.
//!
//! A member signs a height only after the height's block is final for it. A quorum must sign, so
//! nobody can know the randomness of a block that could still be replaced.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use types::{Batch, Height, NodeId, Time};

use crate::bounds::{
    BATCHES_UNDER_WAY_MAX, BLOCKS_WAITING_BYTES_MAX, BLOCKS_WAITING_MAX, SHARE_WINDOW,
};
use crate::peers::Peers;
use crate::shares::{Shares, Signed};
use crate::traits::{Share, StoredKey, TAPE_DOMAIN, Tape};
use replica_crypto::chain_key::ChainKey;

/// A final block, not yet handed to the executor.
struct WaitingBlock {
    height: Height,
    time: Time,
    ingress: Vec<Bytes>,
    bytes: usize,
}

/// The chain key, ready for use.
pub(crate) struct Keyed {
    pub(crate) stored: StoredKey,
    pub(crate) chain_key: ChainKey,
}

impl Keyed {
    /// This node's share of the tape of `height`. To be called for final heights only.
    fn tape_share(&self, height: Height) -> Option<Share> {
        Some(self.stored.share.as_ref()?.sign(TAPE_DOMAIN, &Tape::message(height)))
    }
}

pub(crate) struct Tapes {
    me: NodeId,
    waiting: VecDeque<WaitingBlock>,
    waiting_bytes: usize,
    known: BTreeMap<Height, Tape>,
    /// The lowest height whose tape is not known: no height below waits for one.
    missing: Height,
    /// The highest final height.
    finalized: Height,
    shares: BTreeMap<Height, Shares>,
    batches_under_way: usize,
}

impl Tapes {
    /// Nothing waits; the block above `finalized` comes next.
    pub(crate) fn new(me: NodeId, finalized: Height) -> Self {
        Self {
            me,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            known: BTreeMap::new(),
            missing: finalized.next(),
            finalized,
            shares: BTreeMap::new(),
            batches_under_way: 0,
        }
    }

    /// The lowest final height without a tape.
    pub(crate) fn missing(&self) -> Option<Height> {
        (self.missing <= self.finalized).then_some(self.missing)
    }

    /// How many final heights wait for a tape.
    pub(crate) fn missing_count(&self) -> u64 {
        self.finalized.next().0 - self.missing.0
    }

    /// Whether another final block can be taken without filling the memory.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < BLOCKS_WAITING_MAX && self.waiting_bytes < BLOCKS_WAITING_BYTES_MAX
    }

    /// The next final block.
    pub(crate) fn add_block(&mut self, height: Height, time: Time, ingress: Vec<Bytes>) {
        assert_eq!(height, self.finalized.next(), "final blocks come in order");
        let bytes = ingress.iter().map(Bytes::len).sum();
        self.finalized = height;
        self.waiting_bytes += bytes;
        self.waiting.push_back(WaitingBlock { height, time, ingress, bytes });
    }

    /// This node's share of a final height without a tape: made on demand, and its own first.
    pub(crate) fn own_share(
        &mut self,
        height: Height,
        keyed: &Keyed,
        peers: &mut Peers,
    ) -> Option<Share> {
        // Not where the tape is known: nothing would drop the shares again.
        if !self.lacks(height) || !self.in_window(height) {
            return None;
        }
        let shares = self.shares.entry(height).or_default();
        if let Some(share) = shares.get(&self.me) {
            return Some(*share);
        }
        let share = keyed.tape_share(height)?;
        shares.insert(self.me, share, signed(keyed, &Tape::message(height)), peers);
        Some(share)
    }

    /// A share of another member; `false` if its height is out of the window.
    pub(crate) fn add_share(
        &mut self,
        from: NodeId,
        height: Height,
        share: Share,
        keyed: &Keyed,
        peers: &mut Peers,
    ) -> bool {
        // A share of a height that is done is normal: a quorum does not wait for the last member.
        if height < self.missing || self.known.contains_key(&height) {
            return true;
        }
        if !self.in_window(height) {
            return false;
        }
        let message = Tape::message(height);
        self.shares.entry(height).or_default().insert(from, share, signed(keyed, &message), peers);
        true
    }

    /// The tape of a final height, if the shares make one.
    pub(crate) fn combine(
        &mut self,
        height: Height,
        keyed: &Keyed,
        peers: &mut Peers,
    ) -> Option<Tape> {
        if height > self.finalized {
            return None;
        }
        let message = Tape::message(height);
        let signature = self.shares.get_mut(&height)?.combine(signed(keyed, &message), peers)?;
        Some(Tape { height, signature })
    }

    /// Whether `tape` is one that is lacking, and right.
    pub(crate) fn verify(&self, tape: &Tape, keyed: &Keyed) -> bool {
        let message = Tape::message(tape.height);
        keyed.chain_key.public_key().verify(TAPE_DOMAIN, &message, &tape.signature).is_ok()
    }

    /// Whether the tape of this final height is lacking.
    pub(crate) fn lacks(&self, height: Height) -> bool {
        self.missing <= height && height <= self.finalized && !self.known.contains_key(&height)
    }

    /// A tape that has been verified or was kept by this node.
    pub(crate) fn add_tape(&mut self, tape: Tape) {
        if !self.lacks(tape.height) {
            return;
        }
        self.known.insert(tape.height, tape);
        self.shares.remove(&tape.height);
        while self.known.contains_key(&self.missing) {
            self.missing = self.missing.next();
        }
    }

    /// The next batch, if its tape is known and the executor has room.
    pub(crate) fn next_batch(&mut self) -> Option<Batch> {
        let height = self.waiting.front()?.height;
        if self.batches_under_way >= BATCHES_UNDER_WAY_MAX {
            return None;
        }
        let tape = self.known.remove(&height)?;
        let block = self.waiting.pop_front().expect("there is a front");
        self.waiting_bytes -= block.bytes;
        self.batches_under_way += 1;
        let WaitingBlock { height, time, ingress, .. } = block;
        Some(Batch { height, time, randomness: tape.randomness(), ingress })
    }

    /// A batch has been executed.
    pub(crate) fn batch_done(&mut self) {
        self.batches_under_way = self.batches_under_way.saturating_sub(1);
    }

    #[cfg(test)]
    pub(crate) fn shares_held(&self) -> usize {
        self.shares.values().map(Shares::len).sum()
    }

    fn in_window(&self, height: Height) -> bool {
        height.0 < self.missing.0.saturating_add(SHARE_WINDOW)
    }
}

fn signed<'a>(keyed: &'a Keyed, message: &'a [u8]) -> Signed<'a> {
    Signed { key: &keyed.chain_key, domain: TAPE_DOMAIN, message }
}
