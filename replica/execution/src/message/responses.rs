//! Answers to a canister's own calls: reply, reject and cleanup callbacks.

use std::sync::Arc;

use replica_state::{CallContext, CallOrigin, Callback, CyclesUse, Response, ResponsePayload};
use types::{CanisterId, Cycles, MANAGEMENT_CANISTER};

use super::{apply, settle};
use crate::canister_error::CanisterError;
use crate::machine::{EntryPoint, Run};
use crate::round::Round;
use crate::system_api::{Context, Counters, MessageInput, MessageStart};
use crate::{Executor, LocalFailure};

/// The part of a callback's instructions that is kept for its cleanup, so that a callback that ran
/// out of instructions can still be cleaned up after.
const CLEANUP_SHARE: u64 = 20;

impl Executor {
    /// Executes the callback of a response, and its cleanup if it fails.
    pub(crate) fn execute_response(
        &self,
        round: &mut Round<'_>,
        id: CanisterId,
        response: &Response,
    ) -> Result<(), LocalFailure> {
        let Some((callback, mut context)) = take_callback(round, &id, response) else {
            return Ok(());
        };
        let empty = round.canister(&id).is_none_or(|canister| canister.execution.is_none());
        if context.deleted || empty {
            // The code that made the call is gone: only the cycles come home.
            if let Some(canister) = round.state.canister_mut(&id) {
                let system = &mut canister.system;
                system.balance = system.balance.plus(callback.prepaid_execution);
            }
            apply::respond(round, id, callback.context, None);
            return Ok(());
        }
        let mut run = self.run_callback(round, &id, &callback, &context, response)?;
        if let (Err(error), Some(_)) = (&run.result, callback.on_cleanup) {
            let (error, used) = (error.clone(), run.instructions);
            apply::write_log(round, &id, std::mem::take(&mut run.log));
            // For its counters the cleanup goes on where the callback ended.
            context.instructions = context.instructions.saturating_add(used);
            run = self.clean_up(round, &id, &callback, &context, response, error)?;
            run.instructions = run.instructions.saturating_add(used);
        }
        let instructions = run.instructions;
        apply::conclude(round, id, callback.context, run);
        settle(round, &id, callback.prepaid_execution, instructions);
        Ok(())
    }

    fn run_callback(
        &self,
        round: &Round<'_>,
        id: &CanisterId,
        callback: &Callback,
        context: &CallContext,
        response: &Response,
    ) -> Result<Run, LocalFailure> {
        let (kind, closure) = match &response.payload {
            ResponsePayload::Reply(_) => (Context::ReplyCallback, callback.on_reply),
            ResponsePayload::Reject(_) => (Context::RejectCallback, callback.on_reject),
        };
        let limit = round.subnet.config.limits.instructions_per_message_max;
        let limit = match callback.on_cleanup {
            Some(_) => limit - limit / CLEANUP_SHARE,
            None => limit,
        };
        let entry = EntryPoint::Callback(closure);
        self.run_in_context(round, id, kind, context, response, limit, &entry)
    }

    /// Runs the cleanup after `error`. Its changes are kept, and the call fails with `error` unless
    /// another callback can still answer it.
    fn clean_up(
        &self,
        round: &mut Round<'_>,
        id: &CanisterId,
        callback: &Callback,
        context: &CallContext,
        response: &Response,
        error: CanisterError,
    ) -> Result<Run, LocalFailure> {
        let Some(closure) = callback.on_cleanup else {
            return Ok(Run { instructions: 0, log: Default::default(), result: Err(error) });
        };
        let limit = round.subnet.config.limits.instructions_per_message_max / CLEANUP_SHARE;
        let entry = EntryPoint::Callback(closure);
        let run =
            self.run_in_context(round, id, Context::Cleanup, context, response, limit, &entry)?;
        let result = match run.result {
            Ok((changes, effects)) => {
                apply::keep_count(round, id, &changes, &effects);
                if let Some(canister) = round.state.canister_mut(id) {
                    apply::apply_changes(canister, changes, &effects);
                    apply::apply_settings(canister, &effects);
                    canister.system.balance = effects.balance;
                    canister.system.bump_version();
                }
                round.consumed_by(id, &effects);
                Err(error)
            }
            Err(second) => Err(CanisterError::Cleanup(Box::new(error), Box::new(second))),
        };
        Ok(Run { result, ..run })
    }

    #[expect(clippy::too_many_arguments, reason = "all of them describe one execution")]
    fn run_in_context(
        &self,
        round: &Round<'_>,
        id: &CanisterId,
        kind: Context,
        context: &CallContext,
        response: &Response,
        limit: u64,
        entry: &EntryPoint,
    ) -> Result<Run, LocalFailure> {
        let Some(canister) = round.state.canister_arc(id) else {
            let result = Err(CanisterError::NoModule);
            return Ok(Run { instructions: 0, log: Default::default(), result });
        };
        let start = MessageStart {
            context: kind,
            canister,
            subnet: Arc::clone(&round.subnet),
            now: round.now,
            input: input(context, response),
            counters: Counters {
                limit,
                before_in_message: 0,
                before_in_call: context.instructions,
            },
            memory_room: round.room.memory_bytes(),
        };
        self.machine.run(start, entry)
    }
}

/// Takes the callback that a response belongs to and settles the cycles that came with it. `None`
/// if the callback was answered before.
fn take_callback(
    round: &mut Round<'_>,
    id: &CanisterId,
    response: &Response,
) -> Option<(Arc<Callback>, CallContext)> {
    let subnet = Arc::clone(&round.subnet);
    let system = &mut round.state.canister_mut(id)?.system;
    system.balance = system.balance.plus(response.refund);
    let callback = system.calls.take(response.callback)?;
    let bytes = match &response.payload {
        ResponsePayload::Reply(reply) => reply.len(),
        ResponsePayload::Reject(reject) => reject.message.len(),
    };
    let price = subnet.prices.transmission(bytes as u64).min(callback.prepaid_transmission);
    system.balance = system.balance.plus(callback.prepaid_transmission.minus(price));
    let context = system.calls.context(callback.context)?.clone();
    round.consumed(id, CyclesUse::Transmission, price);
    Some((callback, context))
}

fn input(context: &CallContext, response: &Response) -> MessageInput {
    let (caller, deadline) = match &context.origin {
        CallOrigin::Ingress { sender, .. } => (*sender, None),
        CallOrigin::Canister { sender, deadline, .. } => (sender.0, *deadline),
        CallOrigin::SystemTask => (MANAGEMENT_CANISTER.0, None),
    };
    let (argument, reject) = match &response.payload {
        ResponsePayload::Reply(reply) => (reply.clone(), None),
        ResponsePayload::Reject(reject) => (Default::default(), Some(reject.clone())),
    };
    MessageInput {
        sender_info: context.sender_info.clone(),
        reject,
        deadline,
        available: match context.responded {
            true => Cycles::ZERO,
            false => context.available_cycles,
        },
        refunded: response.refund,
        responded: context.responded,
        ..MessageInput::new(caller, argument)
    }
}
