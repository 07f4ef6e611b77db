//! One round in progress: the state that it changes and what it has come to so far.

use std::sync::Arc;

use bytes::Bytes;
use replica_state::{
    CallOrigin, CanisterState, CyclesUse, Reject, ReplicatedState, Response, ResponsePayload,
};
use types::{CanisterId, Cycles, ErrorCode, Height, MessageId, RejectCode, Time, UserError};

use crate::capacity::{Occupied, Room};
use crate::subnet::Subnet;
use crate::system_api::SystemEffects;

/// What a round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundOutcome {
    /// The calls of users that were answered or rejected, in the order in which that happened.
    pub completed: Vec<MessageId>,
    /// What was executed.
    pub counters: RoundCounters,
}

/// Counts of one round, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundCounters {
    /// Messages executed: calls, responses and tasks.
    pub messages: u64,
    /// Calls of the management canister.
    pub management_messages: u64,
    /// Instructions used.
    pub instructions: u64,
    /// Messages that trapped.
    pub traps: u64,
    /// Whether messages were left for the next round because the instructions were used up.
    pub cut_short: bool,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// The canister's reply.
    Reply(Bytes),
    /// The canister's own reject.
    Reject(String),
    /// The system's reject.
    Failed(UserError),
}

/// See the text of the module.
pub(crate) struct Round<'a> {
    pub(crate) state: &'a mut ReplicatedState,
    pub(crate) subnet: Arc<Subnet>,
    pub(crate) height: Height,
    pub(crate) now: Time,
    /// Instructions until no further message begins.
    pub(crate) instructions_left: u64,
    /// Room on the subnet for canisters to grow.
    pub(crate) room: Room,
    pub(crate) outcome: RoundOutcome,
}

/// Instructions that each message counts for the round besides its own: the work around it.
const MESSAGE_OVERHEAD_INSTRUCTIONS: u64 = 50_000;

impl Round<'_> {
    /// A canister that the round works on.
    pub(crate) fn canister(&self, id: &CanisterId) -> Option<&CanisterState> {
        self.state.canister(id)
    }

    /// Counts an executed message.
    pub(crate) fn spend(&mut self, instructions: u64) {
        let counters = &mut self.outcome.counters;
        counters.instructions = counters.instructions.saturating_add(instructions);
        let spent = instructions.saturating_add(MESSAGE_OVERHEAD_INSTRUCTIONS);
        self.instructions_left = self.instructions_left.saturating_sub(spent);
    }

    /// Whether another message may begin: instructions are left, and pages may change before the
    /// next checkpoint takes them out of memory.
    pub(crate) fn has_budget(&self) -> bool {
        let delta_max = self.subnet.config.limits.heap_delta_bytes_max;
        self.instructions_left > 0 && self.state.totals.heap_delta_bytes < delta_max
    }

    /// Counts bytes that every node keeps in memory until the next checkpoint.
    pub(crate) fn changed(&mut self, bytes: u64) {
        let delta = &mut self.state.totals.heap_delta_bytes;
        *delta = delta.saturating_add(bytes);
    }

    /// Notes that a canister has come to occupy more, or less.
    pub(crate) fn resized(&mut self, before: Occupied, id: &CanisterId) {
        if let Some(canister) = self.state.canister(id) {
            self.room.take(before, Occupied::by(canister));
        }
    }

    /// What a canister occupies; nothing if there is none.
    pub(crate) fn occupied_by(&self, id: &CanisterId) -> Occupied {
        self.state.canister(id).map(Occupied::by).unwrap_or_default()
    }

    /// Notes cycles that a canister spent; they were taken from its balance before.
    pub(crate) fn consumed(&mut self, id: &CanisterId, spent_on: CyclesUse, amount: Cycles) {
        if amount == Cycles::ZERO {
            return;
        }
        self.state.totals.consumed_cycles = self.state.totals.consumed_cycles.plus(amount);
        if let Some(canister) = self.state.canister_mut(id) {
            canister.system.consumed.add(spent_on, amount);
        }
    }

    /// Notes what a message spent besides its instructions.
    pub(crate) fn consumed_by(&mut self, id: &CanisterId, effects: &SystemEffects) {
        self.consumed(id, CyclesUse::Transmission, effects.transmission);
        self.consumed(id, CyclesUse::Burned, effects.burned);
    }

    /// Gives a call its answer on behalf of the canister that was called.
    pub(crate) fn answer(
        &mut self,
        respondent: CanisterId,
        origin: &CallOrigin,
        outcome: CallOutcome,
        refund: Cycles,
    ) {
        match origin {
            CallOrigin::SystemTask => {}
            CallOrigin::Ingress { message_id, .. } => self.answer_ingress(message_id, outcome),
            CallOrigin::Canister { sender, callback, deadline } => {
                let response = Arc::new(Response {
                    originator: *sender,
                    respondent,
                    callback: *callback,
                    payload: payload(outcome),
                    refund,
                    deadline: *deadline,
                });
                match self.state.is_management(&respondent) {
                    true => self.state.subnet_queues.push_output_response(response),
                    false => {
                        if let Some(canister) = self.state.canister_mut(&respondent) {
                            canister.system.queues.push_output_response(response);
                        }
                    }
                }
            }
        }
    }

    /// Writes the outcome of a user's call into the history.
    pub(crate) fn answer_ingress(&mut self, id: &MessageId, outcome: CallOutcome) {
        let history = &mut self.state.ingress_history;
        let written = match outcome {
            CallOutcome::Reply(reply) => history.reply(id, reply, self.now),
            CallOutcome::Reject(message) => {
                let error = UserError::new(ErrorCode::CanisterRejectedMessage, message);
                history.reject(id, error, self.now)
            }
            CallOutcome::Failed(error) => history.reject(id, error, self.now),
        };
        written.expect("a call that executes is open in the ingress history");
        self.outcome.completed.push(*id);
    }
}

/// The outcome as a calling canister sees it.
pub(crate) fn payload(outcome: CallOutcome) -> ResponsePayload {
    match outcome {
        CallOutcome::Reply(reply) => ResponsePayload::Reply(reply),
        CallOutcome::Reject(message) => {
            ResponsePayload::Reject(Reject { code: RejectCode::CanisterReject, message })
        }
        CallOutcome::Failed(error) => ResponsePayload::Reject(error.into()),
    }
}
