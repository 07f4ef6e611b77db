//! The queues of one canister (or of the subnet itself, which answers management calls).
//!
//! Rules kept here:
//! - messages between two canisters keep their order in each direction;
//! - at most `capacity` requests wait from one canister to another, and at most `capacity`
//!   responses are owed or waiting; a slot for the response is reserved before a request goes
//!   out (by its sender) and when it comes in (by its receiver), so a response always has room;
//! - senders take turns: ingress and canisters alternate, and canisters go round.
//!
//! ```text
//!   A                                          B
//!   push_output_request: reserves input slot
//!   output[B] ----------- Request ----------> push_input: reserves output slot
//!                                             pop_input, execute
//!   push_input: uses input slot <--Response-- push_output_response: uses output slot
//! ```

use crate::message::{CanisterMessage, Ingress, Input, Request, Response};
use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{CanisterId, Cycles, Time};

/// A queue between two canisters has no room for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("maximum queue capacity {capacity} reached; wait for open calls to finish")]
pub struct QueueFull {
    /// The capacity.
    pub capacity: u64,
}

/// Both directions between the owner of the queues and one other canister.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Peer {
    input: Vector<CanisterMessage>,
    input_requests: u64,
    output: Vector<CanisterMessage>,
    output_requests: u64,
    /// Responses that the peer owes us and that are not in `input` yet.
    awaited_responses: u64,
    /// Responses that we owe the peer and that are not in `output` yet.
    owed_responses: u64,
}

impl Peer {
    fn input_responses(&self) -> u64 {
        self.input.len() as u64 - self.input_requests
    }

    fn output_responses(&self) -> u64 {
        self.output.len() as u64 - self.output_requests
    }

    fn is_idle(&self) -> bool {
        self.input.is_empty()
            && self.output.is_empty()
            && self.awaited_responses == 0
            && self.owed_responses == 0
    }
}

/// The queues; see the module's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanisterQueues {
    ingress: Vector<Arc<Ingress>>,
    peers: OrdMap<CanisterId, Arc<Peer>>,
    /// Peers with input, in the order in which their turn comes.
    turns: Vector<CanisterId>,
    /// Peers with output.
    sending: OrdSet<CanisterId>,
    /// Whether it is the turn of canisters, not of ingress.
    canisters_next: bool,
    /// Messages in all inputs, ingress aside.
    input_count: u64,
}

impl CanisterQueues {
    /// Whether something waits to be executed.
    pub fn has_input(&self) -> bool {
        !self.ingress.is_empty() || self.input_count > 0
    }

    /// Messages that wait to be executed.
    pub fn input_count(&self) -> u64 {
        self.input_count + self.ingress.len() as u64
    }

    /// Ingress messages that wait to be executed.
    pub fn ingress_count(&self) -> usize {
        self.ingress.len()
    }

    /// Whether something waits to be sent.
    pub fn has_output(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Whether the queues hold no message and no reservation.
    pub fn is_idle(&self) -> bool {
        self.ingress.is_empty() && self.peers.is_empty()
    }

    /// Appends an ingress message. The block's limits bound how many there can be.
    pub fn push_ingress(&mut self, ingress: Arc<Ingress>) {
        self.ingress.push_back(ingress);
    }

    /// Whether a request to `receiver` would find room: both its own slot and the one of its
    /// response.
    pub fn can_call(&self, receiver: &CanisterId, capacity: u64) -> bool {
        self.peers.get(receiver).is_none_or(|peer| {
            peer.output_requests < capacity
                && peer.awaited_responses + peer.input_responses() < capacity
        })
    }

    /// Queues a request to another canister and reserves the slot of its response.
    pub fn push_output_request(
        &mut self,
        request: Arc<Request>,
        capacity: u64,
    ) -> Result<(), QueueFull> {
        let receiver = request.receiver;
        if !self.can_call(&receiver, capacity) {
            return Err(QueueFull { capacity });
        }
        let peer = self.peer_mut(receiver);
        peer.output.push_back(CanisterMessage::Request(request));
        peer.output_requests += 1;
        peer.awaited_responses += 1;
        self.sending.insert(receiver);
        Ok(())
    }

    /// Queues a response in the slot that its request reserved.
    ///
    /// # Panics
    /// When no slot is reserved: a canister answered what it was not asked, or twice.
    pub fn push_output_response(&mut self, response: Arc<Response>) {
        let originator = response.originator;
        let peer = self.peer_mut(originator);
        assert!(peer.owed_responses > 0, "a response to {originator} has no reserved slot");
        peer.owed_responses -= 1;
        peer.output.push_back(CanisterMessage::Response(response));
        self.sending.insert(originator);
    }

    /// Takes in a request of another canister and reserves the slot of our response.
    pub fn push_input_request(
        &mut self,
        request: Arc<Request>,
        capacity: u64,
    ) -> Result<(), QueueFull> {
        let full = self.peers.get(&request.sender).is_some_and(|peer| {
            peer.input_requests >= capacity
                || peer.owed_responses + peer.output_responses() >= capacity
        });
        if full {
            return Err(QueueFull { capacity });
        }
        let sender = request.sender;
        let peer = self.peer_mut(sender);
        peer.input_requests += 1;
        peer.owed_responses += 1;
        self.push_input(sender, CanisterMessage::Request(request));
        Ok(())
    }

    /// Takes in the response to one of our requests, in the slot that the request reserved.
    ///
    /// # Panics
    /// When no slot is reserved: a response came to what was not asked, or twice.
    pub fn push_input_response(&mut self, response: Arc<Response>) {
        let respondent = response.respondent;
        let peer = self.peer_mut(respondent);
        assert!(peer.awaited_responses > 0, "a response of {respondent} has no reserved slot");
        peer.awaited_responses -= 1;
        self.push_input(respondent, CanisterMessage::Response(response));
    }

    /// The message whose turn it is, taken out.
    pub fn pop_input(&mut self) -> Option<Input> {
        let from_canister = match (self.ingress.is_empty(), self.input_count == 0) {
            (true, true) => return None,
            (true, false) => true,
            (false, true) => false,
            (false, false) => self.canisters_next,
        };
        self.canisters_next = !from_canister;
        match from_canister {
            true => self.pop_canister_message().map(Input::Canister),
            false => self.ingress.pop_front().map(Input::Ingress),
        }
    }

    /// All messages to others, taken out: in order of the receivers' ids, and for each receiver in
    /// the order in which they were sent.
    pub fn take_output(&mut self) -> Vec<CanisterMessage> {
        let mut messages = Vec::new();
        for receiver in std::mem::take(&mut self.sending) {
            let peer = self.peer_mut(receiver);
            messages.extend(std::mem::take(&mut peer.output));
            peer.output_requests = 0;
            self.forget_if_idle(receiver);
        }
        messages
    }

    /// All messages that wait to be executed, taken out (for a canister that is deleted). The
    /// slots that they reserved for responses stay reserved.
    pub fn take_input(&mut self) -> Vec<Input> {
        std::iter::from_fn(|| self.pop_input()).collect()
    }

    /// Takes out the ingress messages that expired before `now`, in their order.
    pub fn take_expired_ingress(&mut self, now: Time) -> Vec<Arc<Ingress>> {
        let (expired, kept) =
            std::mem::take(&mut self.ingress).into_iter().partition(|m: &Arc<_>| m.expiry < now);
        self.ingress = Vector::from(Vec::<Arc<Ingress>>::from_iter(kept));
        expired
    }

    /// The cycles in all messages here.
    pub fn cycles(&self) -> Cycles {
        let messages = self.peers.values().flat_map(|peer| peer.input.iter().chain(&peer.output));
        messages.map(CanisterMessage::cycles).sum()
    }

    fn pop_canister_message(&mut self) -> Option<CanisterMessage> {
        let sender = self.turns.pop_front()?;
        let peer = self.peer_mut(sender);
        let message = peer.input.pop_front()?;
        if matches!(message, CanisterMessage::Request(_)) {
            peer.input_requests -= 1;
        }
        let more = !peer.input.is_empty();
        self.input_count -= 1;
        if more {
            self.turns.push_back(sender);
        } else {
            self.forget_if_idle(sender);
        }
        Some(message)
    }

    fn push_input(&mut self, sender: CanisterId, message: CanisterMessage) {
        let peer = self.peer_mut(sender);
        let was_empty = peer.input.is_empty();
        peer.input.push_back(message);
        self.input_count += 1;
        if was_empty {
            self.turns.push_back(sender);
        }
    }

    fn peer_mut(&mut self, id: CanisterId) -> &mut Peer {
        Arc::make_mut(self.peers.entry(id).or_default())
    }

    fn forget_if_idle(&mut self, id: CanisterId) {
        if self.peers.get(&id).is_some_and(|peer| peer.is_idle()) {
            self.peers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{CallbackId, ResponsePayload};
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, VecDeque};
    use types::{MessageId, PrincipalId};

    const CAPACITY: u64 = 3;

    fn id(n: u64) -> CanisterId {
        CanisterId::from_index(n)
    }

    fn request(sender: u64, receiver: u64, callback: u64) -> Arc<Request> {
        Arc::new(Request {
            receiver: id(receiver),
            sender: id(sender),
            callback: CallbackId(callback),
            method: "m".into(),
            payload: Bytes::new(),
            cycles: Cycles(1),
            deadline: None,
        })
    }

    fn response(request: &Request) -> Arc<Response> {
        Arc::new(request.respond(ResponsePayload::Reply(Bytes::new()), Cycles::ZERO))
    }

    fn ingress(n: u8, expiry: u64) -> Arc<Ingress> {
        Arc::new(Ingress {
            message_id: MessageId([n; 32]),
            sender: PrincipalId::anonymous(),
            sender_info: None,
            receiver: id(0),
            effective_canister: Some(id(0)),
            method: "m".into(),
            payload: Bytes::new(),
            expiry: Time(expiry),
        })
    }

    /// The callback numbers of canister messages, 1000 and more for ingress.
    fn number(input: Input) -> u64 {
        match input {
            Input::Ingress(ingress) => 1000 + u64::from(ingress.message_id.0[0]),
            Input::Canister(CanisterMessage::Request(request)) => request.callback.0,
            Input::Canister(CanisterMessage::Response(response)) => 100 + response.callback.0,
        }
    }

    #[test]
    fn senders_take_turns_and_keep_their_order() {
        let mut queues = CanisterQueues::default();
        for (sender, callback) in [(1, 1), (1, 2), (2, 3), (1, 4), (2, 5)] {
            queues.push_input_request(request(sender, 0, callback), CAPACITY).unwrap();
        }
        for n in 0..3 {
            queues.push_ingress(ingress(n, 9));
        }
        assert_eq!(queues.input_count(), 8);
        let order: Vec<_> = std::iter::from_fn(|| queues.pop_input()).map(number).collect();
        assert_eq!(order, [1000, 1, 1001, 3, 1002, 2, 5, 4]);
        assert!(!queues.has_input());
    }

    #[test]
    fn requests_are_bounded_in_both_directions() {
        let mut queues = CanisterQueues::default();
        for callback in 0..CAPACITY {
            queues.push_output_request(request(0, 1, callback), CAPACITY).unwrap();
        }
        let full = Err(QueueFull { capacity: CAPACITY });
        assert_eq!(queues.push_output_request(request(0, 1, 9), CAPACITY), full);
        assert_eq!(queues.push_output_request(request(0, 2, 9), CAPACITY), Ok(()));
        assert_eq!(queues.take_output().len(), 4);
        // The requests are gone, but their responses are still owed.
        assert_eq!(queues.push_output_request(request(0, 1, 9), CAPACITY), full);
        queues.push_input_response(response(&request(0, 1, 0)));
        assert_eq!(queues.push_output_request(request(0, 1, 9), CAPACITY), full);
        assert_eq!(queues.pop_input().map(number), Some(100));
        assert_eq!(queues.push_output_request(request(0, 1, 9), CAPACITY), Ok(()));
    }

    #[test]
    fn a_receiver_takes_no_more_than_it_can_answer() {
        let mut queues = CanisterQueues::default();
        for callback in 0..CAPACITY {
            queues.push_input_request(request(1, 0, callback), CAPACITY).unwrap();
            queues.pop_input().unwrap();
        }
        let next = request(1, 0, 9);
        assert!(queues.push_input_request(next.clone(), CAPACITY).is_err());
        queues.push_output_response(response(&request(1, 0, 0)));
        assert!(queues.push_input_request(next.clone(), CAPACITY).is_err());
        assert_eq!(queues.take_output().len(), 1);
        assert!(queues.push_input_request(next, CAPACITY).is_ok());
    }

    #[test]
    #[should_panic(expected = "no reserved slot")]
    fn a_second_response_is_our_bug() {
        let mut queues = CanisterQueues::default();
        let question = request(1, 0, 1);
        queues.push_input_request(question.clone(), CAPACITY).unwrap();
        queues.push_output_response(response(&question));
        queues.push_output_response(response(&question));
    }

    #[test]
    fn expired_ingress_is_taken_out() {
        let mut queues = CanisterQueues::default();
        for (n, expiry) in [(1, 5), (2, 7), (3, 4)] {
            queues.push_ingress(ingress(n, expiry));
        }
        let expired: Vec<_> =
            queues.take_expired_ingress(Time(6)).iter().map(|m| m.message_id.0[0]).collect();
        assert_eq!(expired, [1, 3]);
        assert_eq!(queues.ingress_count(), 1);
        assert!(queues.take_expired_ingress(Time(7)).is_empty());
    }

    #[test]
    fn queues_are_idle_again_when_all_is_answered() {
        let mut queues = CanisterQueues::default();
        let question = request(1, 0, 1);
        queues.push_input_request(question.clone(), CAPACITY).unwrap();
        queues.pop_input().unwrap();
        assert!(!queues.is_idle());
        queues.push_output_response(response(&question));
        assert_eq!(queues.take_output().len(), 1);
        assert!(queues.is_idle());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Call { from: u64, to: u64 },
        Deliver { from: u64 },
        Execute { at: u64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => (0..3u64, 0..3u64).prop_map(|(from, to)| Step::Call { from, to }),
            2 => (0..3u64).prop_map(|from| Step::Deliver { from }),
            3 => (0..3u64).prop_map(|at| Step::Execute { at }),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Three canisters call each other at random: every call is answered once, and every pair
        /// sees its requests in order, whatever the interleaving.
        #[test]
        fn every_call_is_answered_once_and_in_order(steps in steps()) {
            let mut all: Vec<_> = (0..3).map(|_| CanisterQueues::default()).collect();
            let mut sent: BTreeMap<(CanisterId, CanisterId), VecDeque<u64>> = BTreeMap::new();
            let (mut next, mut open) = (0, std::collections::BTreeSet::new());
            let index = |canister: CanisterId| canister.index().unwrap() as usize;
            let drain = (0..40).flat_map(|_| {
                (0..3).flat_map(|n| [Step::Deliver { from: n }, Step::Execute { at: n }])
            });
            for step in steps.into_iter().chain(drain) {
                match step {
                    Step::Call { from, to } => {
                        let call = request(from, to, next);
                        if all[from as usize].push_output_request(call, CAPACITY).is_ok() {
                            sent.entry((id(from), id(to))).or_default().push_back(next);
                            open.insert(next);
                        }
                        next += 1;
                    }
                    Step::Deliver { from } => {
                        for message in all[from as usize].take_output() {
                            let receiver = index(message.receiver());
                            match message {
                                CanisterMessage::Request(request) => {
                                    all[receiver].push_input_request(request, CAPACITY).unwrap();
                                }
                                CanisterMessage::Response(response) => {
                                    all[receiver].push_input_response(response);
                                }
                            }
                        }
                    }
                    Step::Execute { at } => match all[at as usize].pop_input() {
                        Some(Input::Canister(CanisterMessage::Request(call))) => {
                            let expected = sent.get_mut(&(call.sender, call.receiver)).unwrap();
                            prop_assert_eq!(expected.pop_front(), Some(call.callback.0));
                            all[at as usize].push_output_response(response(&call));
                        }
                        Some(Input::Canister(CanisterMessage::Response(answer))) => {
                            prop_assert!(open.remove(&answer.callback.0));
                        }
                        _ => {}
                    },
                }
            }
            prop_assert!(open.is_empty());
            prop_assert!(all.iter().all(CanisterQueues::is_idle));
        }
    }
}
