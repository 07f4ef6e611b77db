//! Starting, emptying and deleting canisters.

use replica_state::{
    CallContextId, CanisterChange, CanisterMessage, CanisterStatus, ChangeDetails, ChangeOrigin,
    Input, LowMemoryHook,
};
use types::{CanisterId, Cycles, ErrorCode, UserError};

use super::types::{CanisterIdRecord, UninstallCodeArgs, decode};
use super::{
    Done, ManagementCall, check_controller_or_admin, errors, find, find_mut, nothing, now, stopping,
};
use crate::message::{check_running, not_found};
use crate::round::{CallOutcome, Round};

/// `start_canister`: those who wait for the canister to stop are told that it will not.
pub(super) fn start(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: CanisterIdRecord = decode(&call.payload)?;
    check_controller_or_admin(&round.subnet, find(round.state, args.canister_id)?, &call.caller)?;
    let canister = find_mut(round, args.canister_id)?;
    let before = std::mem::replace(&mut canister.system.status, CanisterStatus::Running);
    // Also of a canister that runs already: each successful call counts.
    canister.system.bump_version();
    if let CanisterStatus::Stopping { requests } = before {
        let text = format!("Canister {}'s stop request was cancelled.", args.canister_id);
        let error = UserError::new(ErrorCode::CanisterStoppingCancelled, text);
        stopping::answer_all(round, requests, || CallOutcome::Failed(error.clone()));
    }
    nothing()
}

/// `uninstall_code`
pub(super) fn uninstall(
    round: &mut Round<'_>,
    call: &mut ManagementCall,
) -> Result<Done, UserError> {
    let args: UninstallCodeArgs = decode(&call.payload)?;
    call.check_version(round, args.sender_canister_version)?;
    check_controller_or_admin(&round.subnet, find(round.state, args.canister_id)?, &call.caller)?;
    let origin = call.change_origin(args.sender_canister_version);
    empty(round, CanisterId(args.canister_id));
    let canister = find_mut(round, args.canister_id)?;
    let version = canister.system.canister_version;
    record(round, CanisterId(args.canister_id), version, origin, ChangeDetails::CodeUninstall);
    nothing()
}

/// A canister that cannot pay for its memory loses it, and its history with it.
pub(crate) fn uninstall_for_lack_of_cycles(round: &mut Round<'_>, id: CanisterId) {
    empty(round, id);
    if let Some(canister) = round.state.canister_mut(&id) {
        canister.system.history.clear();
        canister.system.settings_mut().compute_allocation = 0;
        canister.system.settings_mut().memory_allocation = 0;
    }
}

/// Adds to a canister's history.
pub(super) fn record(
    round: &mut Round<'_>,
    id: CanisterId,
    canister_version: u64,
    origin: ChangeOrigin,
    details: ChangeDetails,
) {
    let (time, most) = (now(round), round.subnet.config.limits.canister_history_changes_max);
    if let Some(canister) = round.state.canister_mut(&id) {
        let change = CanisterChange { time, canister_version, origin, details };
        canister.system.history.push(change, most);
    }
}

/// Removes code and memories. Calls that the canister works on are rejected; answers to its own
/// calls will find nobody, and only bring their cycles home.
fn empty(round: &mut Round<'_>, id: CanisterId) {
    let Some(canister) = round.state.canister_mut(&id) else { return };
    canister.execution = None;
    let system = &mut canister.system;
    system.certified_data = Default::default();
    system.global_timer = None;
    system.low_memory_hook = LowMemoryHook::default();
    system.tasks.clear();
    system.log.clear();
    system.chunk_store.clear();
    system.bump_version();
    let open: Vec<CallContextId> = system.calls.contexts().map(|(id, _)| id).collect();
    for context in open {
        reject_deleted(round, id, context);
    }
}

fn reject_deleted(round: &mut Round<'_>, id: CanisterId, context_id: CallContextId) {
    let Some(canister) = round.state.canister_mut(&id) else { return };
    let calls = &mut canister.system.calls;
    let Some(context) = calls.context_mut(context_id) else { return };
    let waits = !context.responded;
    context.deleted = true;
    context.responded = true;
    let refund = std::mem::replace(&mut context.available_cycles, Cycles::ZERO);
    let origin = context.origin.clone();
    calls.close_if_finished(context_id);
    if waits {
        let outcome = CallOutcome::Reject("Canister has been uninstalled.".into());
        round.answer(id, &origin, outcome, refund);
    }
}

/// `delete_canister`
pub(super) fn delete(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: CanisterIdRecord = decode(&call.payload)?;
    let id = CanisterId(args.canister_id);
    let canister = find(round.state, args.canister_id)?;
    if id.0 == call.caller {
        return Err(errors::delete_self(id));
    }
    check_controller_or_admin(&round.subnet, canister, &call.caller)?;
    if canister.system.status != CanisterStatus::Stopped {
        return Err(errors::delete_not_stopped(id));
    }
    reject_waiting(round, id);
    round.state.deliver_output_of(&id);
    round.state.remove_canister(&id);
    nothing()
}

/// Answers what still waits in the queues of a stopped canister that is about to go.
fn reject_waiting(round: &mut Round<'_>, id: CanisterId) {
    let Some(canister) = round.state.canister_mut(&id) else { return };
    let error = check_running(canister).err().unwrap_or_else(|| not_found(&id));
    for input in canister.system.queues.take_input() {
        match input {
            Input::Ingress(ingress) => {
                let outcome = CallOutcome::Failed(error.clone());
                round.answer_ingress(&ingress.message_id, outcome);
            }
            Input::Canister(CanisterMessage::Request(request)) => {
                if let Some(canister) = round.state.canister_mut(&id) {
                    let response = request.reject(error.clone()).into();
                    canister.system.queues.push_output_response(response);
                }
            }
            // A stopped canister has no open calls, so nothing answers it.
            Input::Canister(CanisterMessage::Response(_)) => {}
        }
    }
}
