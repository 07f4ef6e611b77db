//! Ingress that waits to be ordered: first come, first served, bounded by source.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;
use types::{MessageId, NodeId, Time};

use crate::bounds::{POOL_BYTES_MAX, POOL_COUNT_MAX, POOL_PART_BYTES_MIN};
use crate::traits::IngressFacts;

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolLoad {
    /// Messages.
    pub count: usize,
    /// Bytes of their envelopes.
    pub bytes: usize,
}

impl PoolLoad {
    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.count -= 1;
        self.bytes -= bytes;
    }
}

/// The source has its part of the pool filled.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{} messages wait to be ordered already; try again later", .0.count)]
pub struct PoolFull(pub PoolLoad);

/// One waiting message.
#[derive(Clone, Debug)]
pub(crate) struct Pooled {
    pub(crate) envelope: Bytes,
    pub(crate) facts: IngressFacts,
    /// What checking its signatures costs; see [`crate::IngressCheck::signature_cost`].
    pub(crate) cost: u64,
    /// The member that sent it to us; `None` for our own endpoint.
    source: Option<NodeId>,
}

pub(crate) struct Pool {
    /// In order of arrival.
    entries: BTreeMap<u64, Pooled>,
    by_id: BTreeMap<MessageId, u64>,
    by_expiry: BTreeMap<(Time, MessageId), u64>,
    loads: BTreeMap<Option<NodeId>, PoolLoad>,
    total: PoolLoad,
    part_max: PoolLoad,
    arrivals: u64,
}

impl Pool {
    /// A pool with an equal part for each of `members`.
    pub(crate) fn new(members: usize) -> Self {
        let parts = members.max(1);
        Self {
            entries: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_expiry: BTreeMap::new(),
            loads: BTreeMap::new(),
            total: PoolLoad::default(),
            part_max: PoolLoad {
                count: POOL_COUNT_MAX / parts,
                bytes: (POOL_BYTES_MAX / parts).max(POOL_PART_BYTES_MIN),
            },
            arrivals: 0,
        }
    }

    /// Takes a message; whether it is new.
    pub(crate) fn insert(
        &mut self,
        source: Option<NodeId>,
        envelope: Bytes,
        facts: IngressFacts,
        cost: u64,
    ) -> Result<bool, PoolFull> {
        if self.by_id.contains_key(&facts.id) {
            return Ok(false);
        }
        if !self.has_room(source, envelope.len()) {
            return Err(PoolFull(self.load_of(source)));
        }
        self.loads.entry(source).or_default().add(envelope.len());
        self.total.add(envelope.len());
        self.by_id.insert(facts.id, self.arrivals);
        self.by_expiry.insert((facts.valid_to, facts.id), self.arrivals);
        self.entries.insert(self.arrivals, Pooled { envelope, facts, cost, source });
        self.arrivals += 1;
        Ok(true)
    }

    /// Whether the source may bring so many bytes.
    pub(crate) fn has_room(&self, source: Option<NodeId>, bytes: usize) -> bool {
        let load = self.load_of(source);
        load.count < self.part_max.count && load.bytes + bytes <= self.part_max.bytes
    }

    /// Whether this node's own part is at most three quarters full: calls are on their way while
    /// somebody looks.
    pub(crate) fn own_part_has_room(&self) -> bool {
        let PoolLoad { count, bytes } = self.load_of(None);
        4 * count <= 3 * self.part_max.count && 4 * bytes <= 3 * self.part_max.bytes
    }

    /// What waits of one source.
    pub(crate) fn load_of(&self, source: Option<NodeId>) -> PoolLoad {
        self.loads.get(&source).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> PoolLoad {
        self.total
    }

    pub(crate) fn get(&self, id: &MessageId) -> Option<&Pooled> {
        self.entries.get(self.by_id.get(id)?)
    }

    pub(crate) fn contains(&self, id: &MessageId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All that waits, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pooled> {
        self.entries.values()
    }

    pub(crate) fn remove(&mut self, id: &MessageId) {
        let Some(arrival) = self.by_id.remove(id) else { return };
        let entry = self.entries.remove(&arrival).expect("by_id points at entries");
        self.by_expiry.remove(&(entry.facts.valid_to, *id));
        self.total.remove(entry.envelope.len());
        let load = self.loads.get_mut(&entry.source).expect("each entry is counted");
        load.remove(entry.envelope.len());
    }

    /// Forgets what no block after `time` may order.
    pub(crate) fn expire(&mut self, time: Time) {
        while let Some((&(valid_to, id), _)) = self.by_expiry.first_key_value() {
            if valid_to >= time {
                return;
            }
            self.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use types::Principal;

    use super::*;

    fn facts(n: u8, valid_to: u64) -> IngressFacts {
        let valid_to = Time(valid_to);
        IngressFacts { id: MessageId([n; 32]), valid_from: Time(0), valid_to, expiry: valid_to }
    }

    fn envelope(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    #[test]
    fn one_source_cannot_crowd_out_another() {
        let mut pool = Pool::new(4);
        let peer = Some(NodeId(Principal::from_slice(&[1])));
        let part = POOL_BYTES_MAX / 4;
        assert_eq!(pool.insert(peer, envelope(part), facts(1, 9), 1), Ok(true));
        assert!(pool.own_part_has_room());
        let full = PoolFull(PoolLoad { count: 1, bytes: part });
        assert_eq!(pool.insert(peer, envelope(1), facts(2, 9), 1), Err(full));
        assert_eq!(pool.insert(None, envelope(1), facts(2, 9), 1), Ok(true));
        // Known already: no error, although the part is full.
        assert_eq!(pool.insert(peer, envelope(1), facts(2, 9), 1), Ok(false));
        pool.remove(&MessageId([1; 32]));
        assert_eq!(pool.insert(peer, envelope(1), facts(3, 9), 1), Ok(true));
        assert_eq!(pool.total(), PoolLoad { count: 2, bytes: 2 });
    }

    #[test]
    fn the_number_is_bounded_too() {
        let mut pool = Pool::new(1);
        for n in 0..POOL_COUNT_MAX as u64 {
            let mut facts = facts(0, 9);
            facts.id.0[..8].copy_from_slice(&n.to_be_bytes());
            assert_eq!(pool.insert(None, envelope(0), facts, 1), Ok(true));
        }
        assert!(pool.insert(None, envelope(0), facts(255, 9), 1).is_err());
        assert!(!pool.own_part_has_room());
    }

    #[test]
    fn keeps_the_order_of_arrival_and_forgets_the_expired() {
        let mut pool = Pool::new(1);
        for (n, valid_to) in [(3, 30), (1, 10), (2, 20)] {
            pool.insert(None, envelope(1), facts(n, valid_to), 1).expect("room");
        }
        let ids = |pool: &Pool| pool.iter().map(|entry| entry.facts.id.0[0]).collect::<Vec<_>>();
        assert_eq!(ids(&pool), [3, 1, 2]);
        pool.expire(Time(20));
        assert_eq!(ids(&pool), [3, 2]);
        assert!(!pool.contains(&MessageId([1; 32])));
        pool.expire(Time(31));
        assert_eq!(pool.total(), PoolLoad::default());
    }
}
