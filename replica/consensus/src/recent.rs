//! Which ids are in the chain already, for as long as a block could order them again.

use std::collections::{BTreeMap, BTreeSet};

use types::{MessageId, Time};

use crate::bounds::ORDERED_IDS_MAX;

/// Ids of final blocks by expiry, at most [`ORDERED_IDS_MAX`]. It serves to avoid repetitions and
/// decides about no block: after a restart it is made of the state, which knows less than the
/// chain, so nodes differ in it.
#[derive(Default)]
pub(crate) struct OrderedIds {
    expiry: BTreeMap<MessageId, Time>,
    by_expiry: BTreeSet<(Time, MessageId)>,
}

impl OrderedIds {
    pub(crate) fn insert(&mut self, id: MessageId, expiry: Time) {
        if self.expiry.insert(id, expiry).is_none() {
            self.by_expiry.insert((expiry, id));
        }
        self.keep(ORDERED_IDS_MAX);
    }

    /// Forgets those that expire next while there are more than so many.
    fn keep(&mut self, count_max: usize) {
        while self.expiry.len() > count_max {
            let Some((_, id)) = self.by_expiry.pop_first() else { return };
            self.expiry.remove(&id);
        }
    }

    pub(crate) fn contains(&self, id: &MessageId) -> bool {
        self.expiry.contains_key(id)
    }

    /// Forgets the ids that no block of this time or a later one may order.
    pub(crate) fn expire(&mut self, time: Time) {
        while let Some((expiry, id)) = self.by_expiry.first().copied() {
            if expiry >= time {
                return;
            }
            self.by_expiry.remove(&(expiry, id));
            self.expiry.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_until_no_block_can_repeat_the_id() {
        let mut ids = OrderedIds::default();
        let id = MessageId([7; 32]);
        ids.insert(id, Time(100));
        ids.insert(id, Time(100));
        ids.expire(Time(100));
        assert!(ids.contains(&id));
        ids.expire(Time(101));
        assert!(!ids.contains(&id));
    }

    #[test]
    fn forgets_what_expires_next_when_there_is_too_much() {
        let mut ids = OrderedIds::default();
        for n in [30, 10, 20] {
            ids.insert(MessageId([n; 32]), Time(u64::from(n)));
        }
        ids.keep(2);
        let known = [10, 20, 30].map(|n| ids.contains(&MessageId([n; 32])));
        assert_eq!((known, ids.by_expiry.len()), ([false, true, true], 2));
    }
}
