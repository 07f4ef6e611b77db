//! Delivery of messages between the canisters of the subnet.

use crate::canister::CanisterStatus;
use crate::message::{CanisterMessage, Request, Response};
use crate::state::ReplicatedState;
use std::sync::Arc;
use types::{CanisterId, ErrorCode, UserError};

impl ReplicatedState {
    /// Delivers all that a canister has sent, in order. A request that cannot be delivered is
    /// answered with a reject at once, so a call always gets its answer. The time is O(messages).
    pub fn deliver_output_of(&mut self, sender: &CanisterId) {
        let Some(canister) = self.canister(sender) else { return };
        if !canister.system.queues.has_output() {
            return;
        }
        let Some(canister) = self.canister_mut(sender) else { return };
        for message in canister.system.queues.take_output() {
            self.deliver(message);
        }
    }

    /// Delivers all answers of the management canister.
    pub fn deliver_output_of_subnet(&mut self) {
        for message in self.subnet_queues.take_output() {
            self.deliver(message);
        }
    }

    fn deliver(&mut self, message: CanisterMessage) {
        match message {
            CanisterMessage::Response(response) => self.deliver_response(response),
            CanisterMessage::Request(request) => {
                if let Err(error) = self.deliver_request(&request) {
                    self.deliver_response(Arc::new(request.reject(error)));
                }
            }
        }
    }

    /// A response to a canister that was deleted meanwhile is dropped with its cycles, as the
    /// canister's own were.
    fn deliver_response(&mut self, response: Arc<Response>) {
        if let Some(canister) = self.canister_mut(&response.originator) {
            canister.system.accept_response(response);
        }
    }

    fn deliver_request(&mut self, request: &Arc<Request>) -> Result<(), UserError> {
        let capacity = self.config.limits.queue_messages_max;
        let receiver = request.receiver;
        let queues = match self.is_management(&receiver) {
            true => &mut self.subnet_queues,
            false => {
                self.check_takes_calls(&receiver)?;
                let canister = self.canister_mut(&receiver);
                &mut canister.ok_or_else(|| not_found(&receiver))?.system.queues
            }
        };
        queues
            .push_input_request(Arc::clone(request), capacity)
            .map_err(|full| UserError::new(ErrorCode::CanisterQueueFull, full.to_string()))
    }

    /// Whether a canister exists and is running.
    pub fn check_takes_calls(&self, id: &CanisterId) -> Result<(), UserError> {
        let canister = self.canister(id).ok_or_else(|| not_found(id))?;
        match canister.system.status {
            CanisterStatus::Running => Ok(()),
            CanisterStatus::Stopping { .. } => Err(UserError::new(
                ErrorCode::CanisterStopping,
                format!("Canister {id} is stopping"),
            )),
            CanisterStatus::Stopped => {
                Err(UserError::new(ErrorCode::CanisterStopped, format!("Canister {id} is stopped")))
            }
        }
    }
}

fn not_found(id: &CanisterId) -> UserError {
    UserError::new(ErrorCode::CanisterNotFound, format!("Canister {id} not found"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{CallbackId, Input, ResponsePayload};
    use crate::test_state::{add_canister, empty_state};
    use bytes::Bytes;
    use types::{Cycles, MANAGEMENT_CANISTER, RejectCode};

    fn call(state: &mut ReplicatedState, sender: CanisterId, receiver: CanisterId) {
        let request = Request {
            receiver,
            sender,
            callback: CallbackId(7),
            method: "m".into(),
            payload: Bytes::new(),
            cycles: Cycles(5),
            deadline: None,
        };
        let queues = &mut state.canister_mut(&sender).unwrap().system.queues;
        queues.push_output_request(Arc::new(request), 500).unwrap();
        state.deliver_output_of(&sender);
    }

    fn answer(state: &mut ReplicatedState, to: CanisterId) -> Option<(RejectCode, String)> {
        match state.canister_mut(&to).unwrap().system.queues.pop_input()? {
            Input::Canister(CanisterMessage::Response(response)) => match &response.payload {
                ResponsePayload::Reject(reject) => {
                    assert_eq!(response.refund, Cycles(5));
                    Some((reject.code, reject.message.clone()))
                }
                ResponsePayload::Reply(_) => None,
            },
            other => panic!("not a response: {other:?}"),
        }
    }

    #[test]
    fn requests_arrive_or_are_rejected() {
        let mut state = empty_state();
        let [a, b] = [add_canister(&mut state), add_canister(&mut state)];
        call(&mut state, a, b);
        assert_eq!(state.canister(&b).unwrap().system.queues.input_count(), 1);
        call(&mut state, a, MANAGEMENT_CANISTER);
        let subnet = CanisterId(state.subnet_id.0);
        call(&mut state, b, subnet);
        assert_eq!(state.subnet_queues.input_count(), 2);
        assert_eq!(answer(&mut state, a), None);

        let missing = CanisterId::from_index(99);
        call(&mut state, a, missing);
        let expected = format!("IC0301: Canister {missing} not found");
        assert_eq!(answer(&mut state, a), Some((RejectCode::DestinationInvalid, expected)));

        state.canister_mut(&b).unwrap().system.status = CanisterStatus::Stopped;
        call(&mut state, a, b);
        let expected = format!("IC0508: Canister {b} is stopped");
        assert_eq!(answer(&mut state, a), Some((RejectCode::CanisterError, expected)));
    }

    #[test]
    fn a_full_queue_rejects_and_loses_nothing() {
        let mut state = empty_state();
        Arc::make_mut(&mut state.config).limits.queue_messages_max = 2;
        let [a, b] = [add_canister(&mut state), add_canister(&mut state)];
        for _ in 0..2 {
            call(&mut state, a, b);
        }
        call(&mut state, a, b);
        let (code, message) = answer(&mut state, a).unwrap();
        assert_eq!(code, RejectCode::SysTransient);
        assert!(message.starts_with("IC0201: maximum queue capacity 2"), "{message}");
        assert_eq!(state.canister(&b).unwrap().system.queues.input_count(), 2);
    }

    #[test]
    fn the_response_to_a_deleted_canister_is_dropped() {
        let mut state = empty_state();
        let a = add_canister(&mut state);
        call(&mut state, a, MANAGEMENT_CANISTER);
        let Some(Input::Canister(CanisterMessage::Request(request))) =
            state.subnet_queues.pop_input()
        else {
            panic!("the call is there");
        };
        state.remove_canister(&a);
        let reply = request.respond(ResponsePayload::Reply(Bytes::new()), Cycles::ZERO);
        state.subnet_queues.push_output_response(Arc::new(reply));
        state.deliver_output_of_subnet();
        assert!(state.subnet_queues.is_idle());
    }
}
