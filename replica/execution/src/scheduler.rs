//! One round: in which order messages execute, and when it ends.
//!
//! ```text
//!  expired ingress, timeouts, charges, raw_rand, tasks fall due
//!  repeat until nothing is left or the instructions are used up:
//!      management calls
//!      each canister in turn: tasks, then inputs; what it sent is delivered at once
//!  stopping canisters stop; old outcomes are forgotten
//! ```
//!
//! A message runs to its end within its round: there is no time slicing, so a round may exceed its
//! instructions by one message.

use replica_state::{CanisterMessage, Input, ReplicatedState};
use types::{CanisterId, Height, Randomness, Time};

use crate::round::{Round, RoundCounters, RoundOutcome};
use crate::sandbox::on_large_stack;
use crate::subnet::Subnet;
use crate::{Executor, LocalFailure, charges, management, message};

/// What a round begins with, besides the state.
#[derive(Clone, Copy, Debug)]
pub struct RoundInput {
    /// The height of the block.
    pub height: Height,
    /// Its time.
    pub time: Time,
    /// Its random tape.
    pub randomness: Randomness,
}

/// Messages that one canister executes before the next one's turn comes.
const TURN_MESSAGES_MAX: u64 = 50;

impl Executor {
    /// Executes what waits in the queues, in an order that depends on the state alone. The state
    /// gets the height, time and randomness of the round.
    ///
    /// Ingress enters the queues before, by [`Executor::induct`].
    ///
    /// # Errors
    /// This computer cannot execute it. The state is then of no use: drop it, and stop the node.
    pub fn execute_round(
        &self,
        state: &mut ReplicatedState,
        input: RoundInput,
    ) -> Result<RoundOutcome, LocalFailure> {
        // Once for the whole round, not for each message.
        on_large_stack(|| self.execute_round_here(state, input))?
    }

    fn execute_round_here(
        &self,
        state: &mut ReplicatedState,
        input: RoundInput,
    ) -> Result<RoundOutcome, LocalFailure> {
        let (before, before_height) = (state.time, state.height);
        state.height = input.height;
        state.time = input.time;
        state.randomness = input.randomness;
        // Of the last height there is a checkpoint: what changed before is on disk.
        if before_height.0.is_multiple_of(state.config.checkpoint_interval) {
            state.totals.heap_delta_bytes = 0;
        }
        let subnet = Subnet::of(state);
        let mut round = Round {
            instructions_left: subnet.config.limits.instructions_per_round_max,
            room: self.capacity.room(state),
            subnet,
            height: input.height,
            now: input.time,
            outcome: RoundOutcome { completed: Vec::new(), counters: RoundCounters::default() },
            state,
        };
        begin(&mut round, before);
        self.execute_messages(&mut round)?;
        end(&mut round);
        Ok(round.outcome)
    }

    fn execute_messages(&self, round: &mut Round<'_>) -> Result<(), LocalFailure> {
        // Installing code is expensive; half of the round is left to the canisters.
        let reserve = round.instructions_left / 2;
        loop {
            let mut progress = false;
            while round.instructions_left > reserve
                && round.has_budget()
                && self.execute_management(round)?
            {
                progress = true;
            }
            round.state.deliver_output_of_subnet();
            for id in turns(round) {
                if !round.has_budget() {
                    round.state.next_scheduled = Some(id);
                    round.outcome.counters.cut_short = true;
                    return Ok(());
                }
                progress |= self.execute_turn(round, id)?;
            }
            if !progress {
                round.state.next_scheduled = None;
                return Ok(());
            }
        }
    }

    /// Some messages of one canister. Returns whether it executed or sent something.
    fn execute_turn(&self, round: &mut Round<'_>, id: CanisterId) -> Result<bool, LocalFailure> {
        let mut count = 0;
        while count < TURN_MESSAGES_MAX && round.has_budget() && self.execute_next(round, id)? {
            count += 1;
        }
        let sends = round.canister(&id).is_some_and(|canister| canister.system.queues.has_output());
        round.state.deliver_output_of(&id);
        Ok(count > 0 || sends)
    }

    /// The canister's next task or message.
    fn execute_next(&self, round: &mut Round<'_>, id: CanisterId) -> Result<bool, LocalFailure> {
        let Some(canister) = round.canister(&id) else { return Ok(false) };
        let system = &canister.system;
        if system.tasks.is_empty() && !system.queues.has_input() {
            return Ok(false);
        }
        let Some(canister) = round.state.canister_mut(&id) else { return Ok(false) };
        if let Some(task) = canister.system.tasks.pop_front() {
            self.execute_task(round, id, task)?;
            return Ok(true);
        }
        match canister.system.queues.pop_input() {
            None => return Ok(false),
            Some(Input::Ingress(ingress)) => self.execute_ingress(round, id, &ingress)?,
            Some(Input::Canister(CanisterMessage::Request(request))) => {
                self.execute_request(round, id, &request)?;
            }
            Some(Input::Canister(CanisterMessage::Response(response))) => {
                self.execute_response(round, id, &response)?;
            }
        }
        Ok(true)
    }
}

/// What happens before messages execute.
fn begin(round: &mut Round<'_>, before: Time) {
    expire_ingress(round);
    charges::charge_resources(round, before);
    for id in round.state.canisters_with_work() {
        let now = round.now;
        if let Some(canister) = round.canister(&id)
            && canister.system.calls.expired(now).next().is_some()
            && let Some(canister) = round.state.canister_mut(&id)
        {
            canister.system.time_out_calls(now);
        }
        management::time_out_stops(round, &id);
        message::tasks::schedule(round, &id);
    }
    management::answer_raw_rand(round);
    round.state.deliver_output_of_subnet();
}

/// What happens after them.
fn end(round: &mut Round<'_>) {
    let working = round.state.canisters_with_work();
    management::finish_stops(round, &working);
    round.state.deliver_output_of_subnet();
    let now = round.now;
    round.state.ingress_history.prune(now);
}

/// The canisters with work, beginning with the one where the last round was cut short, or else
/// with one that changes from height to height.
fn turns(round: &mut Round<'_>) -> Vec<CanisterId> {
    let mut ids = round.state.canisters_with_work();
    if ids.is_empty() {
        return ids;
    }
    let first = match round.state.next_scheduled {
        Some(next) => ids.partition_point(|id| *id < next) % ids.len(),
        None => (round.height.0 % ids.len() as u64) as usize,
    };
    ids.rotate_left(first);
    ids
}

/// Rejects users' calls that waited beyond their expiry.
fn expire_ingress(round: &mut Round<'_>) {
    let now = round.now;
    let expired = round.state.ingress_history.expired_waiting(now);
    let receivers: std::collections::BTreeSet<_> = expired
        .iter()
        .filter_map(|id| round.state.ingress_history.get(id)?.effective_canister)
        .collect();
    let mut late = match expired.is_empty() {
        true => return,
        false => round.state.subnet_queues.take_expired_ingress(now),
    };
    for id in receivers {
        if let Some(canister) = round.state.canister_mut(&id) {
            late.extend(canister.system.queues.take_expired_ingress(now));
        }
    }
    for ingress in late {
        round.answer_ingress(&ingress.message_id, message::expired(&ingress));
    }
}
