//! Ingress on its way to the other members' pools.
//!
//! The node that admitted a message sends it to all others once: small ones by their bytes,
//! collected into batches while they come in quickly; large ones by id, and who lacks it asks.
//! Losses are not repaired: the node that admitted the message can propose it itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use types::{MessageId, NodeId, Time};

use crate::bounds::{
    INGRESS_PER_MESSAGE_MAX, INGRESS_PUSH_BATCH_BYTES, INGRESS_PUSH_BYTES_MAX,
    INGRESS_PUSH_INTERVAL_MS, INGRESS_WANTED_MAX, INGRESS_WANTED_RETRY_MS,
};
use crate::effect::Effect;
use crate::message::Message;

#[derive(Default)]
pub(crate) struct Gossip {
    to_push: Vec<Bytes>,
    to_push_bytes: usize,
    to_offer: Vec<MessageId>,
    pushed_at: Option<Time>,
    /// Offered messages that were asked for: of whom and when.
    wanted: BTreeMap<MessageId, (NodeId, Time)>,
}

impl Gossip {
    /// Takes an admitted message of this node's own endpoint.
    pub(crate) fn add(&mut self, id: MessageId, envelope: &Bytes) {
        if envelope.len() > INGRESS_PUSH_BYTES_MAX {
            self.to_offer.push(id);
        } else {
            self.to_push_bytes += envelope.len();
            self.to_push.push(envelope.clone());
        }
    }

    /// Sends what has been collected, if it is enough or has waited long enough.
    pub(crate) fn flush(&mut self, now: Time) -> Vec<Effect> {
        if self.to_push.is_empty() && self.to_offer.is_empty() {
            return Vec::new();
        }
        let quick = self.pushed_at.is_some_and(|at| now.ms_since(at) < INGRESS_PUSH_INTERVAL_MS);
        let full = self.to_push_bytes >= INGRESS_PUSH_BATCH_BYTES
            || self.to_push.len() as u64 >= INGRESS_PER_MESSAGE_MAX;
        if quick && !full {
            return Vec::new();
        }
        self.pushed_at = Some(now);
        self.to_push_bytes = 0;
        let pushes = batches(std::mem::take(&mut self.to_push)).into_iter().map(Message::Ingress);
        let offers = std::mem::take(&mut self.to_offer);
        let offers = offers.chunks(INGRESS_PER_MESSAGE_MAX as usize).map(<[_]>::to_vec);
        pushes
            .chain(offers.map(Message::IngressOffer))
            .map(|message| Effect::Broadcast { message: message.encode() })
            .collect()
    }

    /// The ids out of a member's offer to ask it for.
    pub(crate) fn want(&mut self, from: NodeId, ids: Vec<MessageId>, now: Time) -> Vec<MessageId> {
        self.wanted.retain(|_, (_, at)| now.ms_since(*at) < INGRESS_WANTED_RETRY_MS);
        let room = INGRESS_WANTED_MAX.saturating_sub(self.wanted.len());
        let fresh = ids.into_iter().filter(|id| !self.wanted.contains_key(id)).take(room);
        let fresh: Vec<_> = fresh.collect();
        self.wanted.extend(fresh.iter().map(|id| (*id, (from, now))));
        fresh
    }

    /// A wanted message has come.
    pub(crate) fn came(&mut self, id: &MessageId) {
        self.wanted.remove(id);
    }
}

/// Splits envelopes into messages of bounded count and bytes.
fn batches(envelopes: Vec<Bytes>) -> Vec<Vec<Bytes>> {
    let mut batches: Vec<Vec<Bytes>> = Vec::new();
    let mut bytes = 0;
    for envelope in envelopes {
        let full = batches.last().is_none_or(|batch| {
            batch.len() as u64 >= INGRESS_PER_MESSAGE_MAX
                || bytes + envelope.len() > INGRESS_PUSH_BATCH_BYTES
        });
        if full {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += envelope.len();
        batches.last_mut().expect("one was pushed if there was none").push(envelope);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(effects: Vec<Effect>) -> Vec<Message> {
        let messages = effects.into_iter().map(|effect| match effect {
            Effect::Broadcast { message } => Message::decode(&message).expect("own encoding"),
            _ => panic!("gossip broadcasts"),
        });
        messages.collect()
    }

    fn id(n: u8) -> MessageId {
        MessageId([n; 32])
    }

    #[test]
    fn the_first_goes_at_once_and_the_next_ones_together() {
        let mut gossip = Gossip::default();
        let small = Bytes::from_static(b"small");
        let at = |ms| Time(0).plus_ms(1_000 + ms);
        gossip.add(id(1), &small);
        assert_eq!(sent(gossip.flush(at(0))), [Message::Ingress(vec![small.clone()])]);
        gossip.add(id(2), &small);
        gossip.add(id(3), &small);
        assert_eq!(sent(gossip.flush(at(1))), []);
        let both = Message::Ingress(vec![small.clone(), small.clone()]);
        assert_eq!(sent(gossip.flush(at(INGRESS_PUSH_INTERVAL_MS))), [both]);
        assert_eq!(sent(gossip.flush(at(1_000))), []);
    }

    #[test]
    fn large_ones_are_offered_and_asked_for_once() {
        let mut gossip = Gossip::default();
        gossip.add(id(1), &Bytes::from(vec![0; INGRESS_PUSH_BYTES_MAX + 1]));
        assert_eq!(sent(gossip.flush(Time(0))), [Message::IngressOffer(vec![id(1)])]);
        let peer = NodeId(types::Principal::from_slice(&[1]));
        assert_eq!(gossip.want(peer, vec![id(1), id(2)], Time(0)), [id(1), id(2)]);
        assert_eq!(gossip.want(peer, vec![id(1), id(3)], Time(0)), [id(3)]);
        gossip.came(&id(1));
        let later = Time(0).plus_ms(INGRESS_WANTED_RETRY_MS);
        assert_eq!(gossip.want(peer, vec![id(2)], later), [id(2)]);
    }

    #[test]
    fn messages_are_bounded() {
        let envelope = Bytes::from(vec![0; INGRESS_PUSH_BYTES_MAX]);
        let split = batches(vec![envelope; 9]);
        assert_eq!(split.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1]);
        let split = batches(vec![Bytes::new(); INGRESS_PER_MESSAGE_MAX as usize + 1]);
        assert_eq!(split.len(), 2);
    }
}
