//! What the other members say about themselves, what they may ask for, and what they did wrong.

use std::collections::BTreeMap;

use types::{Height, INGRESS_SIGNATURE_COST_MAX, NodeId, SubnetConfig, Time};

use crate::bounds::{ANSWERS_PER_SECOND_MAX, GOSSIP_COST_PER_SECOND, WRONG_SIGNATURES_MAX};

/// How far a member says it is. Believed only in numbers: a liar moves its own place alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// The highest finalized height.
    pub finalized: Height,
    /// The highest executed height.
    pub executed: Height,
    /// The highest certified height.
    pub certified: Height,
}

/// What was refused since the start, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that do not decode.
    pub malformed: u64,
    /// Messages of nodes that are not members.
    pub strangers: u64,
    /// Shares and combined signatures that are wrong.
    pub bad_signatures: u64,
    /// Gossiped ingress that may not enter, or found its sender's part of the pool full.
    pub ingress_refused: u64,
    /// Answers that were not asked for, and questions above the rate.
    pub unsolicited: u64,
    /// Shares for heights out of the window; some are normal while a member is away.
    pub out_of_window: u64,
}

/// An allowance that fills up with time.
#[derive(Clone, Copy)]
struct Allowance {
    left: u64,
    left_max: u64,
    per_second: u64,
    filled: Time,
}

impl Allowance {
    /// Full.
    fn new(left_max: u64, per_second: u64) -> Self {
        Self { left: left_max, left_max, per_second, filled: Time(0) }
    }

    fn fill(&mut self, now: Time) {
        let fresh = now.ms_since(self.filled).saturating_mul(self.per_second) / 1_000;
        if fresh > 0 {
            self.left = self.left.saturating_add(fresh).min(self.left_max);
            self.filled = now;
        }
    }

    /// Takes so much if there is as much.
    fn take(&mut self, amount: u64) -> bool {
        match self.left.checked_sub(amount) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

struct Peer {
    status: PeerStatus,
    /// What checking its gossip may cost.
    gossip: Allowance,
    /// How many wrong signatures it may send.
    wrong: Allowance,
    was_ignored: bool,
    /// It sent a wrong share: from now on each share of it is checked alone before it is used, so
    /// that it costs one check and not a failed combination with a check of all.
    suspect: bool,
    answers_since: Time,
    answers: u32,
}

impl Peer {
    fn new(members: usize) -> Self {
        let others = members.saturating_sub(1).max(1) as u64;
        // One envelope of the most costly kind must pass on the largest subnet too.
        let part = (GOSSIP_COST_PER_SECOND / others).max(INGRESS_SIGNATURE_COST_MAX + 1);
        Self {
            status: PeerStatus::default(),
            gossip: Allowance::new(part, part),
            wrong: Allowance::new(WRONG_SIGNATURES_MAX, 1),
            suspect: false,
            was_ignored: false,
            answers_since: Time(0),
            answers: 0,
        }
    }
}

pub(crate) struct Peers {
    peers: BTreeMap<NodeId, Peer>,
    faults_max: usize,
    quorum: usize,
    pub(crate) counters: Counters,
}

impl Peers {
    pub(crate) fn new(config: &SubnetConfig, me: &NodeId) -> Self {
        let others = config.members.iter().map(|m| m.node_id).filter(|node| node != me);
        Self {
            peers: others.map(|node| (node, Peer::new(config.members.len()))).collect(),
            faults_max: config.faults_max(),
            quorum: config.quorum(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        self.peers.contains_key(node)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.peers.keys().copied()
    }

    pub(crate) fn statuses(&self) -> impl Iterator<Item = (NodeId, PeerStatus)> {
        self.peers.iter().map(|(node, peer)| (*node, peer.status))
    }

    /// The member claims at least this.
    pub(crate) fn claim(&mut self, node: &NodeId, status: PeerStatus) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        let known = &mut peer.status;
        known.finalized = known.finalized.max(status.finalized);
        known.executed = known.executed.max(status.executed);
        known.certified = known.certified.max(status.certified);
    }

    /// The highest height that a quorum, this node included, says it has executed.
    pub(crate) fn executed_by_quorum(&self, own: Height) -> Height {
        let claims = self.peers.values().map(|peer| peer.status.executed).chain([own]);
        nth_highest(claims, self.quorum - 1)
    }

    /// The highest height that so many others say they have executed that one of them is honest.
    pub(crate) fn executed_by_some(&self) -> Height {
        nth_highest(self.peers.values().map(|peer| peer.status.executed), self.faults_max)
    }

    /// As [`Self::executed_by_some`], for certified heights.
    pub(crate) fn certified_by_some(&self) -> Height {
        nth_highest(self.peers.values().map(|peer| peer.status.certified), self.faults_max)
    }

    /// The `turn`-th of the members that say they have executed `height`, or of all if none does.
    pub(crate) fn holder_of(&self, height: Height, turn: usize) -> Option<NodeId> {
        let holders = |wanted: Height| {
            let found = self.peers.iter().filter(move |(_, peer)| peer.status.executed >= wanted);
            found.map(|(node, _)| *node).collect::<Vec<_>>()
        };
        let holders = Some(holders(height)).filter(|found| !found.is_empty());
        let holders = holders.unwrap_or_else(|| self.ids().collect());
        holders.get(turn.checked_rem(holders.len())?).copied()
    }

    pub(crate) fn suspect(&mut self, node: &NodeId) {
        self.counters.bad_signatures += 1;
        if let Some(peer) = self.peers.get_mut(node).filter(|peer| !peer.suspect) {
            peer.suspect = true;
            log::warn!(node:% = node; "a member sent a wrong signature; its shares are checked one by one");
        }
        if let Some(peer) = self.peers.get_mut(node)
            && peer.wrong.take(1)
            && peer.wrong.left == 0
            && !std::mem::replace(&mut peer.was_ignored, true)
        {
            log::warn!(node:% = node; "a member sends many wrong signatures; most of its shares are not looked at");
        }
    }

    /// Whether the member has sent so many wrong signatures that its shares are not worth a look.
    pub(crate) fn is_ignored(&self, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.wrong.left == 0)
    }

    /// A message of the member has come: its allowances fill up.
    pub(crate) fn heard(&mut self, node: &NodeId, now: Time) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.gossip.fill(now);
            peer.wrong.fill(now);
        }
    }

    /// Whether so much work for the member's gossip is within its part; if so, it is spent.
    pub(crate) fn may_gossip(&mut self, node: &NodeId, cost: u64) -> bool {
        self.peers.get_mut(node).is_some_and(|peer| peer.gossip.take(cost))
    }

    pub(crate) fn is_suspect(&self, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.suspect)
    }

    /// Whether the member may have one more answer now.
    pub(crate) fn may_answer(&mut self, node: &NodeId, now: Time) -> bool {
        let Some(peer) = self.peers.get_mut(node) else { return false };
        if now.ms_since(peer.answers_since) >= 1_000 {
            (peer.answers_since, peer.answers) = (now, 0);
        }
        peer.answers += 1;
        let within = peer.answers <= ANSWERS_PER_SECOND_MAX;
        self.counters.unsolicited += u64::from(!within);
        within
    }
}

/// The `n`-th highest, counted from 0; genesis if there are fewer.
fn nth_highest(heights: impl Iterator<Item = Height>, n: usize) -> Height {
    let mut heights: Vec<Height> = heights.collect();
    heights.sort_unstable_by(|a, b| b.cmp(a));
    heights.get(n).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_fills_up_with_time_to_its_bound() {
        let mut allowance = Allowance::new(10, 2);
        allowance.fill(Time::from_secs(1_000));
        assert!(allowance.take(10) && !allowance.take(1));
        // Less than one: kept for later, not lost.
        allowance.fill(Time::from_secs(1_000).plus_ms(400));
        assert!(!allowance.take(1));
        allowance.fill(Time::from_secs(1_000).plus_ms(500));
        assert!(allowance.take(1) && !allowance.take(1));
        allowance.fill(Time::from_secs(2_000));
        assert_eq!(allowance.left, 10);
    }

    #[test]
    fn a_liar_moves_nobody() {
        let heights = || [5, 9, 1_000_000].map(Height).into_iter();
        // Of three others one may lie: the second highest is backed by an honest one.
        assert_eq!(nth_highest(heights(), 1), Height(9));
        // A quorum of three of four.
        assert_eq!(nth_highest(heights().chain([Height(7)]), 2), Height(7));
        assert_eq!(nth_highest([].into_iter(), 0), Height(0));
    }
}
