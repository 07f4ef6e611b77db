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

#[cfg(test)]
mod tests;

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
    #[serde(deserialize_with = "crate::ordered_map::deserialize")]
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
    /// response. A capacity of 0 has no room for anybody, also not for who was never called.
    pub fn can_call(&self, receiver: &CanisterId, capacity: u64) -> bool {
        let (requests, responses) = self.peers.get(receiver).map_or((0, 0), |peer| {
            (peer.output_requests, peer.awaited_responses + peer.input_responses())
        });
        requests < capacity && responses < capacity
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
