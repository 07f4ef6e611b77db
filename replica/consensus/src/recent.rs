//! Which ids are in the chain already, for as long as a block could order them again.

use std::collections::{BTreeMap, BTreeSet};

use types::{MessageId, Time};

/// Ids of final blocks by expiry. What it holds depends on the chain alone, so all nodes agree on
/// which block repeats a message.
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
}
