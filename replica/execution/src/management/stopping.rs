//! Stopping canisters: who asked, who is answered, and what becomes of those that never stop.

use replica_state::{CallOrigin, CanisterState, CanisterStatus, StopRequest};
use types::{CanisterId, Cycles, ErrorCode, MANAGEMENT_CANISTER, UserError};

use super::types::{CanisterIdRecord, decode, encode_nothing};
use super::{Done, ManagementCall, check_controller_or_admin, find, find_mut, nothing, now};
use crate::round::{CallOutcome, Round};

/// `stop_canister`: answered when all calls of the canister are, see [`finish_stops`].
pub(super) fn stop(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: CanisterIdRecord = decode(&call.payload)?;
    check_controller_or_admin(&round.subnet, find(round.state, args.canister_id)?, &call.caller)?;
    let since = now(round);
    let canister = find_mut(round, args.canister_id)?;
    let request = StopRequest {
        origin: call.origin.clone(),
        cycles: std::mem::replace(&mut call.cycles, Cycles::ZERO),
        since,
    };
    match &mut canister.system.status {
        CanisterStatus::Stopped => {
            call.cycles = request.cycles;
            canister.system.bump_version();
            return nothing();
        }
        CanisterStatus::Stopping { requests } => requests.push(request),
        status @ CanisterStatus::Running => {
            *status = CanisterStatus::Stopping { requests: vec![request] };
            canister.system.bump_version();
        }
    }
    Ok(Done::Later)
}

/// Makes the stopping canisters among these stopped if nothing is open any more, and answers those
/// who wait for it.
pub(crate) fn finish_stops(round: &mut Round<'_>, ids: &[CanisterId]) {
    for id in ids {
        let quiet = |canister: &CanisterState| {
            matches!(canister.system.status, CanisterStatus::Stopping { .. })
                && canister.system.is_quiet()
        };
        if !round.canister(id).is_some_and(quiet) {
            continue;
        }
        let Some(canister) = round.state.canister_mut(id) else { continue };
        let before = std::mem::replace(&mut canister.system.status, CanisterStatus::Stopped);
        canister.system.bump_version();
        if let CanisterStatus::Stopping { requests } = before {
            answer_all(round, requests, || CallOutcome::Reply(encode_nothing().into()));
        }
    }
}

/// Tells those who waited for too long; the canister goes on stopping.
pub(crate) fn time_out_stops(round: &mut Round<'_>, id: &CanisterId) {
    let timeout_ms = round.subnet.config.limits.stop_timeout_seconds.saturating_mul(1_000);
    let now = round.now;
    let is_late = |request: &StopRequest| now.ms_since(request.since) >= timeout_ms;
    let CanisterStatus::Stopping { requests } = (match round.canister(id) {
        Some(canister) => &canister.system.status,
        None => return,
    }) else {
        return;
    };
    if !requests.iter().any(is_late) {
        return;
    }
    let Some(canister) = round.state.canister_mut(id) else { return };
    let CanisterStatus::Stopping { requests } = &mut canister.system.status else { return };
    let (late, waiting) = std::mem::take(requests).into_iter().partition(is_late);
    *requests = waiting;
    let error =
        UserError::new(ErrorCode::StopCanisterRequestTimeout, "Stop canister request timed out");
    answer_all(round, late, || CallOutcome::Failed(error.clone()));
}

/// Gives every waiting request its answer.
pub(super) fn answer_all(
    round: &mut Round<'_>,
    requests: Vec<StopRequest>,
    outcome: impl Fn() -> CallOutcome,
) {
    for request in requests {
        let respondent = respondent(round, &request.origin);
        round.answer(respondent, &request.origin, outcome(), request.cycles);
    }
}

/// The name under which the caller called the management canister: its callback knows.
fn respondent(round: &Round<'_>, origin: &CallOrigin) -> CanisterId {
    let CallOrigin::Canister { sender, callback, .. } = origin else { return MANAGEMENT_CANISTER };
    let caller = round.canister(sender);
    let callback = caller.and_then(|caller| caller.system.calls.callback(*callback));
    callback.map_or(MANAGEMENT_CANISTER, |callback| callback.callee)
}
