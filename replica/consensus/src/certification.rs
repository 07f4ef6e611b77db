//! Certification: the subnet's signature on the state root of each height.
//!
//! The signature is over the root alone, as clients want it: it does not say of which height. So
//! - a certification of the root that this node computed is taken from anyone;
//! - shares say a height, each by its own member: a quorum of them speaks for height and root;
//! - a combined certification of another root, sent by a peer, may be a true one under a wrong
//!   height. It counts only when so many members vouch for it that one of them is honest.
//!
//! A member whose root differs from the certified one has left the subnet's state: it must stop
//! and show both.

use std::collections::BTreeMap;

use replica_crypto::Domain;
use types::{Height, NodeId, StateRoot};

use crate::bounds::{OWN_ROOTS_MAX, SHARE_WINDOW};
use crate::effect::Divergence;
use crate::peers::Peers;
use crate::shares::{Shares, Signed};
use crate::tape::Keyed;
use crate::traits::{Certification, Share};

/// What became of a certification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is the highest now, and this node has the same root.
    Certified(Certification),
    /// This node has not executed the height yet, or knows a higher one.
    Kept,
    /// This node has another root.
    Diverged(Divergence),
}

pub(crate) struct Certifier {
    me: NodeId,
    executed: Height,
    certified: Height,
    /// Own roots of executed heights above the certified one.
    own_roots: BTreeMap<Height, StateRoot>,
    /// Shares for heights above the certified one, by the root they are for.
    shares: BTreeMap<Height, BTreeMap<StateRoot, Shares>>,
    /// The last certification with a right signature of each member that does not match an own
    /// root (yet).
    vouched: BTreeMap<NodeId, Certification>,
    /// How many members must say the same for one of them to be honest.
    vouchers_min: usize,
}

impl Certifier {
    /// The height above `executed` is reported next.
    pub(crate) fn new(me: NodeId, executed: Height, faults_max: usize) -> Self {
        Self {
            me,
            executed,
            certified: Height(0),
            own_roots: BTreeMap::new(),
            shares: BTreeMap::new(),
            vouched: BTreeMap::new(),
            vouchers_min: faults_max + 1,
        }
    }

    pub(crate) fn executed(&self) -> Height {
        self.executed
    }

    pub(crate) fn certified_height(&self) -> Height {
        self.certified
    }

    /// The highest executed height, if it is not certified.
    pub(crate) fn missing(&self) -> Option<Height> {
        self.own_roots.last_key_value().map(|(height, _)| *height)
    }

    /// The next height has been executed. Compares with what is known of it already.
    pub(crate) fn executed_height(&mut self, height: Height, root: StateRoot) -> Outcome {
        assert_eq!(height, self.executed.next(), "heights are executed in order");
        self.executed = height;
        self.own_roots.insert(height, root);
        if self.own_roots.len() > OWN_ROOTS_MAX {
            // Only the newest can become the next certified state, so the oldest is forgotten.
            self.own_roots.pop_first();
            // Shares of a height whose root is forgotten can certify nothing any more.
            let lowest = self.own_roots.first_key_value().map_or(height, |(lowest, _)| *lowest);
            self.shares = self.shares.split_off(&lowest);
        }
        self.judge(height)
    }

    /// This node's share for an executed height: made on demand.
    pub(crate) fn own_share(
        &mut self,
        height: Height,
        keyed: &Keyed,
        peers: &mut Peers,
    ) -> Option<(StateRoot, Share)> {
        let root = *self.own_roots.get(&height)?;
        let shares = self.shares.entry(height).or_default().entry(root).or_default();
        if let Some(share) = shares.get(&self.me) {
            return Some((root, *share));
        }
        let share = keyed.stored.share.as_ref()?.sign(Domain::STATE_ROOT, &root.0);
        shares.insert(self.me, share, signed(keyed, &root), peers);
        Some((root, share))
    }

    /// A share of another member; `false` if its height is out of the window.
    pub(crate) fn add_share(
        &mut self,
        from: NodeId,
        (height, root): (Height, StateRoot),
        share: Share,
        keyed: &Keyed,
        peers: &mut Peers,
    ) -> bool {
        if height <= self.certified {
            return true;
        }
        let lowest = self.own_roots.first_key_value().map_or(self.executed.next(), |(low, _)| *low);
        if height < lowest || height.0 > self.executed.0.saturating_add(SHARE_WINDOW) {
            return false;
        }
        let by_root = self.shares.entry(height).or_default();
        // One member has one root at a height, so there are at most as many roots as members.
        if by_root.values().any(|shares| shares.get(&from).is_some()) {
            return true;
        }
        by_root.entry(root).or_default().insert(from, share, signed(keyed, &root), peers);
        true
    }

    /// The certification of an executed height, if the shares make one.
    pub(crate) fn combine(
        &mut self,
        height: Height,
        keyed: &Keyed,
        peers: &mut Peers,
    ) -> Option<Certification> {
        if height > self.executed {
            return None;
        }
        let by_root = self.shares.get_mut(&height)?;
        by_root.iter_mut().find_map(|(root, shares)| {
            let signature = shares.combine(signed(keyed, root), peers)?;
            Some(Certification { height, root: *root, signature })
        })
    }

    /// Whether a certification sent by this member could tell us something.
    pub(crate) fn wants(&self, from: &NodeId, certification: &Certification) -> bool {
        certification.height > self.certified && self.vouched.get(from) != Some(certification)
    }

    /// Whether its signature is right.
    pub(crate) fn verify(&self, certification: &Certification, keyed: &Keyed) -> bool {
        let key = keyed.chain_key.public_key();
        key.verify(Domain::STATE_ROOT, &certification.root.0, &certification.signature).is_ok()
    }

    /// Whether members vouch for another root than this node's.
    pub(crate) fn is_disputed(&self) -> bool {
        self.vouched.values().any(|certification| certification.height <= self.executed)
    }

    /// Takes a certification from a member; its signature has been verified.
    pub(crate) fn vouch(&mut self, from: NodeId, certification: Certification) -> Outcome {
        self.vouched.insert(from, certification);
        self.judge(certification.height)
    }

    /// Takes a certification made of a quorum's shares, or kept by this node.
    pub(crate) fn settle(&mut self, certification: Certification) -> Outcome {
        let height = certification.height;
        let Some(own_root) = self.own_roots.get(&height).copied() else { return Outcome::Kept };
        if own_root != certification.root {
            return Outcome::Diverged(Divergence { height, own_root, certified: certification });
        }
        // The root is over the whole state, so this settles all lower heights too.
        self.certified = height;
        self.own_roots = self.own_roots.split_off(&height.next());
        self.shares = self.shares.split_off(&height.next());
        self.vouched.retain(|_, vouched| vouched.height > height);
        Outcome::Certified(certification)
    }

    #[cfg(test)]
    pub(crate) fn shares_held(&self) -> usize {
        self.shares.values().flat_map(BTreeMap::values).map(Shares::len).sum()
    }

    /// Compares what members vouch for with the own root of the height.
    fn judge(&mut self, height: Height) -> Outcome {
        let Some(own_root) = self.own_roots.get(&height).copied() else { return Outcome::Kept };
        let vouched = || self.vouched.values().copied().filter(|one| one.height == height);
        if let Some(same) = vouched().find(|one| one.root == own_root) {
            return self.settle(same);
        }
        let by_enough = vouched().find(|one| {
            vouched().filter(|other| other.root == one.root).count() >= self.vouchers_min
        });
        by_enough.map_or(Outcome::Kept, |certification| self.settle(certification))
    }
}

fn signed<'a>(keyed: &'a Keyed, root: &'a StateRoot) -> Signed<'a> {
    Signed { key: &keyed.chain_key, domain: Domain::STATE_ROOT, message: &root.0 }
}
