//! What happens after a message ran: its changes and effects take place, its call is answered.

use std::collections::VecDeque;
use std::sync::Arc;

use replica_state::{
    CallContextId, Callback, CanisterState, CanisterStatus, LowMemoryHook, Memory, PAGE_BYTES,
    Request, SystemMethod, Task, WASM_PAGE_BYTES,
};
use types::{CanisterId, Cycles, ErrorCode, Limits, UserError};

use crate::canister_error::CanisterError;
use crate::machine::Run;
use crate::round::{CallOutcome, Round};
use crate::sandbox::Changes;
use crate::system_api::{Answer, OutgoingCall, SystemEffects};

/// Writes what a message logged into the canister's log.
pub(crate) fn write_log(round: &mut Round<'_>, id: &CanisterId, log: VecDeque<Vec<u8>>) {
    if log.is_empty() {
        return;
    }
    let now = round.now;
    if let Some(canister) = round.state.canister_mut(id) {
        let bytes_max = canister.system.settings.log_memory_limit;
        for content in log {
            canister.system.log.push(now, &content, bytes_max);
        }
    }
}

/// Applies a run of the call context, or notes its failure, and answers the call if it is time.
pub(super) fn conclude(round: &mut Round<'_>, id: CanisterId, context: CallContextId, run: Run) {
    write_log(round, &id, run.log);
    let Some(canister) = round.state.canister_mut(&id) else { return };
    if let Some(context) = canister.system.calls.context_mut(context) {
        context.instructions = context.instructions.saturating_add(run.instructions);
    }
    match run.result {
        Ok((changes, effects)) => {
            let answer = apply(round, id, context, changes, effects);
            conclude_call(round, id, context, answer);
        }
        Err(error) => {
            round.outcome.counters.traps += 1;
            conclude_failure(round, id, context, error);
        }
    }
}

/// Makes changes and effects real. Returns the answer that the message gave.
fn apply(
    round: &mut Round<'_>,
    id: CanisterId,
    context: CallContextId,
    changes: Changes,
    effects: SystemEffects,
) -> Option<Answer> {
    let subnet = Arc::clone(&round.subnet);
    let limits = &subnet.config.limits;
    keep_count(round, &id, &changes, &effects);
    round.consumed_by(&id, &effects);
    let canister = round.state.canister_mut(&id)?;
    apply_changes(canister, changes, &effects);
    apply_settings(canister, &effects);
    canister.system.balance = effects.balance;
    if let Some(context) = canister.system.calls.context_mut(context) {
        context.available_cycles = context.available_cycles.minus(effects.accepted);
    }
    for call in effects.calls {
        send(canister, context, call, limits);
    }
    canister.system.bump_version();
    watch_memory(canister, limits);
    effects.answer
}

/// Counts what changes of memories take, for the round. To be called before they take place.
pub(super) fn keep_count(
    round: &mut Round<'_>,
    id: &CanisterId,
    changes: &Changes,
    effects: &SystemEffects,
) {
    round.changed(changed_bytes(changes, effects));
    let Some(canister) = round.state.canister(id) else { return };
    let Some(execution) = &canister.execution else { return };
    let heap = changes.heap.bytes().saturating_sub(execution.heap.bytes());
    let stable = effects.stable.as_ref().map_or(0, Memory::bytes);
    let more = heap.saturating_add(stable.saturating_sub(execution.stable.bytes()));
    if more > 0 {
        round.room.take_memory(canister, more);
    }
}

/// Bytes of the pages that a message changed.
pub(crate) fn changed_bytes(changes: &Changes, effects: &SystemEffects) -> u64 {
    changes.pages_changed.saturating_add(effects.stable_pages_changed) * PAGE_BYTES as u64
}

/// The part of the effects that is plain data of the canister.
pub(crate) fn apply_settings(canister: &mut CanisterState, effects: &SystemEffects) {
    if let Some(data) = &effects.certified_data {
        canister.system.certified_data = data.clone();
    }
    if let Some(timer) = effects.global_timer {
        canister.system.global_timer = timer;
    }
}

/// The part that concerns memories and globals.
pub(crate) fn apply_changes(
    canister: &mut CanisterState,
    changes: Changes,
    effects: &SystemEffects,
) {
    if let Some(execution) = &mut canister.execution {
        execution.heap = changes.heap;
        execution.globals = changes.globals;
        if let Some(stable) = &effects.stable {
            execution.stable = stable.clone();
        }
    }
}

/// Registers a call and queues its request.
fn send(canister: &mut CanisterState, context: CallContextId, call: OutgoingCall, limits: &Limits) {
    let system = &mut canister.system;
    let callback = system.calls.register(Callback {
        context,
        callee: call.callee,
        caller_version: system.canister_version,
        cycles_sent: call.cycles,
        prepaid_execution: call.prepaid_execution,
        prepaid_transmission: call.prepaid_transmission,
        on_reply: call.on_reply,
        on_reject: call.on_reject,
        on_cleanup: call.on_cleanup,
        deadline: call.deadline,
    });
    let request = Request {
        receiver: call.callee,
        sender: system.canister_id,
        callback,
        method: call.method,
        payload: call.payload,
        cycles: call.cycles,
        deadline: call.deadline,
    };
    system
        .queues
        .push_output_request(Arc::new(request), limits.queue_messages_max)
        .expect("ic0.call_perform made sure of a free slot");
}

/// Notes whether the hook for low memory is due, and puts it before all other work as soon as it is.
pub(crate) fn watch_memory(canister: &mut CanisterState, limits: &Limits) {
    let Some(execution) = &canister.execution else { return };
    let settings = &canister.system.settings;
    let most = match execution.info.memory_is_64 {
        true => limits.wasm64_memory_bytes_max,
        false => limits.wasm32_memory_bytes_max,
    };
    let capacity = match settings.wasm_memory_limit {
        0 => most,
        limit => limit.min(most),
    };
    let used = execution.heap.size.saturating_mul(WASM_PAGE_BYTES);
    let is_low = capacity.saturating_sub(used) < settings.wasm_memory_threshold;
    let can_run = canister.has(SystemMethod::OnLowWasmMemory);
    let system = &mut canister.system;
    match (is_low, system.low_memory_hook) {
        (false, _) => {
            system.low_memory_hook = LowMemoryHook::ConditionNotSatisfied;
            system.tasks.retain(|task| *task != Task::OnLowWasmMemory);
        }
        (true, LowMemoryHook::ConditionNotSatisfied) => {
            system.low_memory_hook = LowMemoryHook::Ready;
            if can_run && system.status == CanisterStatus::Running {
                system.tasks.push_front(Task::OnLowWasmMemory);
            }
        }
        (true, _) => {}
    }
}

/// Answers the call if the message did, or if nothing can answer it any more.
fn conclude_call(
    round: &mut Round<'_>,
    id: CanisterId,
    context: CallContextId,
    answer: Option<Answer>,
) {
    let outcome = match answer {
        Some(Answer::Reply(reply)) => Some(CallOutcome::Reply(reply)),
        Some(Answer::Reject(message)) => Some(CallOutcome::Reject(message)),
        None => {
            let error = || {
                let text = format!("Canister {id} did not reply to the call");
                CallOutcome::Failed(UserError::new(ErrorCode::CanisterDidNotReply, text))
            };
            is_stuck(round, &id, context).then(error)
        }
    };
    respond(round, id, context, outcome);
}

/// A message that failed gave no answer. The failure is the call's answer if no other message can
/// give one.
fn conclude_failure(
    round: &mut Round<'_>,
    id: CanisterId,
    context: CallContextId,
    error: CanisterError,
) {
    let outcome =
        is_stuck(round, &id, context).then(|| CallOutcome::Failed(error.into_user_error(id)));
    respond(round, id, context, outcome);
}

/// Whether a call waits for an answer that cannot come.
fn is_stuck(round: &Round<'_>, id: &CanisterId, context: CallContextId) -> bool {
    let context = round.canister(id).and_then(|canister| canister.system.calls.context(context));
    context.is_some_and(|context| !context.responded && context.outstanding_callbacks == 0)
}

/// Sends the answer, if there is one, with the cycles that were not accepted, and closes the
/// context if it is finished.
pub(super) fn respond(
    round: &mut Round<'_>,
    id: CanisterId,
    context: CallContextId,
    outcome: Option<CallOutcome>,
) {
    let Some(canister) = round.state.canister_mut(&id) else { return };
    let calls = &mut canister.system.calls;
    let answer = outcome.and_then(|outcome| {
        let context = calls.context_mut(context)?;
        context.responded = true;
        let refund = std::mem::replace(&mut context.available_cycles, Cycles::ZERO);
        Some((context.origin.clone(), outcome, refund))
    });
    calls.close_if_finished(context);
    if let Some((origin, outcome, refund)) = answer {
        round.answer(id, &origin, outcome, refund);
    }
}
