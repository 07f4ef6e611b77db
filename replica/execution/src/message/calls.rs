//! Calls of update and query methods, by users and by canisters.

use std::sync::Arc;

use bytes::Bytes;
use replica_state::{
    CallContext, CallOrigin, CanisterState, Ingress, Request, SenderInfo, WasmMethod,
};
use types::{CanisterId, Cycles, ErrorCode, PrincipalId, Time, UserError};

use super::{apply, check_running, not_found, pay_ahead, settle};
use crate::canister_error::{CanisterError, MethodKind};
use crate::machine::EntryPoint;
use crate::round::{CallOutcome, Round};
use crate::system_api::{Answer, Context, Counters, MessageInput, MessageStart};
use crate::{Executor, LocalFailure};

/// A call, whoever made it.
pub(crate) struct Call {
    caller: PrincipalId,
    sender_info: Option<Arc<SenderInfo>>,
    method: String,
    payload: Bytes,
    cycles: Cycles,
    deadline: Option<Time>,
    origin: CallOrigin,
}

impl From<&Ingress> for Call {
    fn from(ingress: &Ingress) -> Self {
        let sender = ingress.sender;
        Self {
            caller: sender,
            sender_info: ingress.sender_info.clone(),
            method: ingress.method.clone(),
            payload: ingress.payload.clone(),
            cycles: Cycles::ZERO,
            deadline: None,
            origin: CallOrigin::Ingress { sender, message_id: ingress.message_id },
        }
    }
}

impl From<&Request> for Call {
    fn from(request: &Request) -> Self {
        let &Request { sender, callback, deadline, cycles, .. } = request;
        Self {
            caller: sender.0,
            sender_info: None,
            method: request.method.clone(),
            payload: request.payload.clone(),
            cycles,
            deadline,
            origin: CallOrigin::Canister { sender, callback, deadline },
        }
    }
}

/// How a method executes.
enum Mode {
    Update,
    Query,
}

impl Executor {
    /// Executes a user's call; a call that waited too long is rejected instead.
    pub(crate) fn execute_ingress(
        &self,
        round: &mut Round<'_>,
        id: CanisterId,
        ingress: &Ingress,
    ) -> Result<(), LocalFailure> {
        if ingress.expiry < round.now {
            round.answer_ingress(&ingress.message_id, expired(ingress));
            return Ok(());
        }
        self.execute_call(round, id, Call::from(ingress))
    }

    /// Executes a canister's call. One whose caller stopped waiting is answered, and the answer is
    /// dropped on arrival: that frees the slot that is reserved for it.
    pub(crate) fn execute_request(
        &self,
        round: &mut Round<'_>,
        id: CanisterId,
        request: &Request,
    ) -> Result<(), LocalFailure> {
        let call = Call::from(request);
        if request.deadline.is_some_and(|deadline| deadline <= round.now) {
            let error = UserError::new(ErrorCode::DeadlineExpired, "Call deadline has expired.");
            let outcome = CallOutcome::Failed(error);
            round.answer(id, &call.origin, outcome, call.cycles);
            return Ok(());
        }
        self.execute_call(round, id, call)
    }

    fn execute_call(
        &self,
        round: &mut Round<'_>,
        id: CanisterId,
        call: Call,
    ) -> Result<(), LocalFailure> {
        let begun = begin(round, &id, &call).and_then(|mode| {
            let limit = match mode {
                Mode::Update => round.subnet.config.limits.instructions_per_message_max,
                Mode::Query => round.subnet.config.limits.instructions_per_query_max,
            };
            Ok((mode, limit, pay_ahead(round, &id, limit, &call.caller)?))
        });
        match begun {
            Err(error) => {
                round.answer(id, &call.origin, CallOutcome::Failed(error), call.cycles);
                Ok(())
            }
            Ok((Mode::Update, limit, paid)) => self.execute_update(round, id, call, limit, paid),
            Ok((Mode::Query, limit, paid)) => self.execute_query(round, id, call, limit, paid),
        }
    }

    fn execute_update(
        &self,
        round: &mut Round<'_>,
        id: CanisterId,
        call: Call,
        limit: u64,
        paid: Cycles,
    ) -> Result<(), LocalFailure> {
        let Some(canister) = round.state.canister_mut(&id) else { return Ok(()) };
        let mut context =
            CallContext::new(call.origin.clone(), call.method.clone(), call.cycles, round.now);
        context.sender_info = call.sender_info.clone();
        let context = canister.system.calls.open(context);
        let entry = EntryPoint::Export(format!("canister_update {}", call.method));
        let Some(start) = start(round, &id, Context::Update, &call, limit) else { return Ok(()) };
        let run = self.machine.run(start, &entry)?;
        let instructions = run.instructions;
        apply::conclude(round, id, context, run);
        settle(round, &id, paid, instructions);
        if let CallOrigin::Ingress { message_id, .. } = &call.origin
            && is_open(round, &id, context)
        {
            let begun = round.state.ingress_history.begin(message_id);
            begun.expect("a call that executes is open in the ingress history");
        }
        Ok(())
    }

    /// A query method called as part of an update: its changes are dropped, cycles that it
    /// accepted are kept.
    fn execute_query(
        &self,
        round: &mut Round<'_>,
        id: CanisterId,
        call: Call,
        limit: u64,
        paid: Cycles,
    ) -> Result<(), LocalFailure> {
        let entry = EntryPoint::Export(format!("canister_query {}", call.method));
        let start = start(round, &id, Context::ReplicatedQuery, &call, limit);
        let Some(start) = start else { return Ok(()) };
        let run = self.machine.run(start, &entry)?;
        let mut refund = call.cycles;
        let outcome = match run.result {
            Err(error) => {
                round.outcome.counters.traps += 1;
                CallOutcome::Failed(error.into_user_error(id))
            }
            Ok((_, effects)) => {
                refund = refund.minus(effects.accepted);
                if let Some(canister) = round.state.canister_mut(&id) {
                    canister.system.balance = effects.balance;
                    canister.system.bump_version();
                }
                round.consumed_by(&id, &effects);
                query_outcome(id, effects.answer)
            }
        };
        apply::write_log(round, &id, run.log);
        settle(round, &id, paid, run.instructions);
        round.answer(id, &call.origin, outcome, refund);
        Ok(())
    }
}

fn query_outcome(id: CanisterId, answer: Option<Answer>) -> CallOutcome {
    match answer {
        Some(Answer::Reply(reply)) => CallOutcome::Reply(reply),
        Some(Answer::Reject(message)) => CallOutcome::Reject(message),
        None => {
            let text = format!("Canister {id} did not reply to the call");
            CallOutcome::Failed(UserError::new(ErrorCode::CanisterDidNotReply, text))
        }
    }
}

/// The answer to a user's call that waited beyond its expiry.
pub(crate) fn expired(ingress: &Ingress) -> CallOutcome {
    CallOutcome::Failed(UserError::new(
        ErrorCode::IngressMessageTimeout,
        format!("Ingress message {} timed out waiting to start executing.", ingress.message_id),
    ))
}

/// Everything that a call needs before it may cost anything.
fn begin(round: &Round<'_>, id: &CanisterId, call: &Call) -> Result<Mode, UserError> {
    let canister = round.canister(id).ok_or_else(|| not_found(id))?;
    check_running(canister)?;
    check_attached_cycles(canister, call)?;
    method_mode(canister, &call.method)
}

/// Canisters other than the callee itself must attach what its settings ask for.
fn check_attached_cycles(canister: &CanisterState, call: &Call) -> Result<(), UserError> {
    let system = &canister.system;
    let CallOrigin::Canister { sender, .. } = &call.origin else { return Ok(()) };
    let least = system.settings.minimum_incoming_call_cycles;
    if *sender == system.canister_id || call.cycles >= least {
        return Ok(());
    }
    Err(UserError::new(
        ErrorCode::InsufficientCyclesInCall,
        format!(
            "Canister {} requires at least {least} cycles to be attached to a call, but {} were \
             attached",
            system.canister_id, call.cycles
        ),
    ))
}

fn method_mode(canister: &CanisterState, method: &str) -> Result<Mode, UserError> {
    let id = canister.system.canister_id;
    let execution = canister.execution.as_ref();
    let info = &execution.ok_or_else(|| CanisterError::NoModule.into_user_error(id))?.info;
    if info.methods.contains(&WasmMethod::Update(method.into())) {
        return Ok(Mode::Update);
    }
    if info.methods.contains(&WasmMethod::Query(method.into())) {
        return Ok(Mode::Query);
    }
    if info.methods.contains(&WasmMethod::CompositeQuery(method.into())) {
        return Err(UserError::new(
            ErrorCode::CompositeQueryCalledInReplicatedMode,
            "Composite query cannot be called in replicated mode",
        ));
    }
    let error = CanisterError::MethodNotFound(MethodKind::Update, method.into());
    Err(error.into_user_error(id))
}

fn start(
    round: &Round<'_>,
    id: &CanisterId,
    context: Context,
    call: &Call,
    limit: u64,
) -> Option<MessageStart> {
    let input = MessageInput {
        sender_info: call.sender_info.clone(),
        deadline: call.deadline.filter(|_| context == Context::Update),
        available: call.cycles,
        ..MessageInput::new(call.caller, call.payload.clone())
    };
    Some(MessageStart {
        context,
        canister: round.state.canister_arc(id)?,
        subnet: Arc::clone(&round.subnet),
        now: round.now,
        input,
        counters: Counters { limit, before_in_message: 0, before_in_call: 0 },
        memory_room: round.room.memory_bytes(),
    })
}

fn is_open(round: &Round<'_>, id: &CanisterId, context: replica_state::CallContextId) -> bool {
    let context = round.canister(id).and_then(|canister| canister.system.calls.context(context));
    context.is_some_and(|context| !context.responded)
}
