//! Queries: calls that run on one node, on a snapshot, and leave no trace.
//!
//! A composite query may call queries of other canisters of the subnet:
//!
//! ```text
//!  query -> A.method --call--> B.method          each canister's changes live in its own
//!             ^                   |              frame and end with it
//!             +--- callback <-----+
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use replica_state::{
    CanisterState, Reject, ReplicatedState, ResponsePayload, SenderInfo, WasmMethod,
};
use types::{CanisterId, ErrorCode, PrincipalId, UserError};

use crate::Executor;
use crate::canister_error::{CanisterError, MethodKind};
use crate::machine::EntryPoint;
use crate::management;
use crate::message::{apply_changes, check_can_pay, check_running, not_found};
use crate::round::{CallOutcome, payload};
use crate::subnet::Subnet;
use crate::system_api::{Answer, Context, Counters, MessageInput, MessageStart, OutgoingCall};

/// A query by a user.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// Who signed it.
    pub sender: PrincipalId,
    /// What the sender's identity provider says about it.
    pub sender_info: Option<Arc<SenderInfo>>,
    /// Who is asked: a canister, or the management canister.
    pub canister: CanisterId,
    /// The method.
    pub method: String,
    /// The argument.
    pub arg: Bytes,
    /// The certificate for the canister's certified data, as `ic0.data_certificate_copy` gives it.
    pub certificate: Option<Bytes>,
}

/// Instructions that each call of a composite query counts besides those of the callee: the work
/// around it. They bound the calls of one query, which could otherwise be a million small ones.
const CALL_INSTRUCTIONS: u64 = 1_000_000;

/// One query with all that it calls.
struct Evaluation<'a> {
    executor: &'a Executor,
    state: &'a ReplicatedState,
    subnet: Arc<Subnet>,
    /// For the whole tree of calls.
    instructions_left: u64,
}

/// One call of a query method.
struct Frame {
    canister: Arc<CanisterState>,
    caller: PrincipalId,
    sender_info: Option<Arc<SenderInfo>>,
    /// Calls of the user and of composite queries, counted from 0.
    depth: u64,
    /// Instructions that this frame used itself.
    instructions: u64,
    answer: Option<Answer>,
}

/// What is called, and by whom.
struct Ask {
    canister: CanisterId,
    method: String,
    arg: Bytes,
    caller: PrincipalId,
    sender_info: Option<Arc<SenderInfo>>,
    certificate: Option<Bytes>,
    depth: u64,
}

impl Executor {
    /// Answers a query from a snapshot. Several threads may ask at the same time; nothing is kept.
    ///
    /// # Errors
    /// What the user is told; a reject by the canister itself has the code IC0406.
    pub fn query(
        &self,
        snapshot: &ReplicatedState,
        request: QueryRequest,
    ) -> Result<Bytes, UserError> {
        let subnet = Subnet::of(snapshot);
        if snapshot.is_management(&request.canister) {
            let QueryRequest { sender, method, arg, .. } = &request;
            return management::query(snapshot, &subnet, sender, method, arg).map(Bytes::from);
        }
        let instructions_left = subnet.config.limits.instructions_per_composite_query_max;
        let mut evaluation =
            Evaluation { executor: self, state: snapshot, subnet, instructions_left };
        let outcome = evaluation.ask(Ask {
            canister: request.canister,
            method: request.method,
            arg: request.arg,
            caller: request.sender,
            sender_info: request.sender_info,
            certificate: request.certificate,
            depth: 0,
        })?;
        match outcome {
            CallOutcome::Reply(reply) => Ok(reply),
            CallOutcome::Reject(message) => {
                Err(UserError::new(ErrorCode::CanisterRejectedMessage, message))
            }
            CallOutcome::Failed(error) => Err(error),
        }
    }
}

/// Why a call of a query came to nothing.
enum Failure {
    /// The call failed; its caller gets a reject.
    Call(UserError),
    /// The query as a whole ends: its calls go too deep, or use too many instructions.
    Query(UserError),
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        Self::Call(error)
    }
}

impl Evaluation<'_> {
    /// # Errors
    /// What ends the query as a whole.
    fn ask(&mut self, ask: Ask) -> Result<CallOutcome, UserError> {
        match self.try_ask(ask) {
            Ok(Answer::Reply(reply)) => Ok(CallOutcome::Reply(reply)),
            Ok(Answer::Reject(message)) => Ok(CallOutcome::Reject(message)),
            Err(Failure::Call(error)) => Ok(CallOutcome::Failed(error)),
            Err(Failure::Query(error)) => Err(error),
        }
    }

    fn try_ask(&mut self, ask: Ask) -> Result<Answer, Failure> {
        let id = ask.canister;
        let canister = self.state.canister_arc(&id).ok_or_else(|| not_found(&id))?;
        check_running(&canister).map_err(|error| for_query(&canister, error))?;
        check_can_pay(&self.subnet, &canister, types::Cycles::ZERO, &ask.caller)?;
        let (context, export) = entry(&canister, &ask.method)?;
        let mut frame = Frame {
            canister,
            caller: ask.caller,
            sender_info: ask.sender_info,
            depth: ask.depth,
            instructions: 0,
            answer: None,
        };
        let input = MessageInput { certificate: ask.certificate, ..frame.input(ask.arg) };
        let calls = self
            .run(&mut frame, context, &EntryPoint::Export(export), input)
            .map_err(|error| error.into_user_error(id))?;
        self.call_all(&mut frame, calls)?;
        frame.answer.ok_or_else(|| {
            let text = format!("Canister {id} did not reply to the call");
            UserError::new(ErrorCode::CanisterDidNotReply, text).into()
        })
    }

    /// Makes the calls of a frame and runs their callbacks, which may make further calls, until the
    /// frame has its answer or nothing is left to do.
    fn call_all(&mut self, frame: &mut Frame, calls: Vec<OutgoingCall>) -> Result<(), Failure> {
        let mut waiting: VecDeque<_> = calls.into();
        while let Some(call) = waiting.pop_front() {
            if frame.answer.is_some() {
                return Ok(());
            }
            self.check_instructions()?;
            let outcome = self.call(frame, &call).map_err(Failure::Query)?;
            let response = payload(outcome);
            self.check_instructions()?;
            match self.callback(frame, &call, response) {
                Ok(calls) => waiting.extend(calls),
                // Another call of this frame can still lead to an answer.
                Err(_) if !waiting.is_empty() => {}
                Err(error) => {
                    return Err(error.into_user_error(frame.canister.system.canister_id).into());
                }
            }
        }
        Ok(())
    }

    /// Ends the whole query when its calls have used up what it has: no callback could run any more.
    fn check_instructions(&self) -> Result<(), Failure> {
        match self.instructions_left {
            0 => Err(Failure::Query(UserError::new(
                ErrorCode::QueryCallGraphTotalInstructionLimitExceeded,
                "Composite query calls exceeded the instruction limit.",
            ))),
            _ => Ok(()),
        }
    }

    /// One call. An error ends the whole query; a failure of the callee is its outcome.
    fn call(&mut self, frame: &Frame, call: &OutgoingCall) -> Result<CallOutcome, UserError> {
        let caller = frame.canister.system.canister_id;
        let depth = frame.depth + 1;
        if depth > self.subnet.config.limits.composite_query_depth_max {
            return Err(UserError::new(
                ErrorCode::QueryCallGraphTooDeep,
                "Composite query calls exceeded the maximum call depth.",
            ));
        }
        if self.state.is_management(&call.callee) {
            let answer =
                management::query(self.state, &self.subnet, &caller.0, &call.method, &call.payload);
            return Ok(match answer {
                Ok(reply) => CallOutcome::Reply(reply.into()),
                Err(error) => CallOutcome::Failed(error),
            });
        }
        self.instructions_left = self.instructions_left.saturating_sub(CALL_INSTRUCTIONS);
        self.ask(Ask {
            canister: call.callee,
            method: call.method.clone(),
            arg: call.payload.clone(),
            caller: caller.0,
            sender_info: None,
            certificate: None,
            depth,
        })
    }

    fn callback(
        &mut self,
        frame: &mut Frame,
        call: &OutgoingCall,
        response: ResponsePayload,
    ) -> Result<Vec<OutgoingCall>, CanisterError> {
        let (context, closure, argument, reject) = match response {
            ResponsePayload::Reply(reply) => {
                (Context::CompositeReplyCallback, call.on_reply, reply, None)
            }
            ResponsePayload::Reject(reject) => {
                (Context::CompositeRejectCallback, call.on_reject, Bytes::new(), Some(reject))
            }
        };
        let input = |frame: &Frame, argument, reject: Option<Reject>| MessageInput {
            reject,
            ..frame.input(argument)
        };
        let start = input(frame, argument, reject.clone());
        let result = self.run(frame, context, &EntryPoint::Callback(closure), start);
        let (Err(error), Some(cleanup)) = (&result, call.on_cleanup) else { return result };
        let start = input(frame, Bytes::new(), reject);
        let cleaned =
            self.run(frame, Context::CompositeCleanup, &EntryPoint::Callback(cleanup), start);
        match cleaned {
            Ok(_) => Err(error.clone()),
            Err(second) => Err(CanisterError::Cleanup(Box::new(error.clone()), Box::new(second))),
        }
    }

    /// Runs one entry point of a frame. Changes of a composite query stay with the frame.
    fn run(
        &mut self,
        frame: &mut Frame,
        context: Context,
        entry: &EntryPoint,
        input: MessageInput,
    ) -> Result<Vec<OutgoingCall>, CanisterError> {
        let per_query = self.subnet.config.limits.instructions_per_query_max;
        let limit = per_query.min(self.instructions_left);
        let start = MessageStart {
            context,
            canister: Arc::clone(&frame.canister),
            subnet: Arc::clone(&self.subnet),
            now: self.state.time,
            input,
            counters: Counters { limit, before_in_message: 0, before_in_call: frame.instructions },
            memory_room: u64::MAX,
        };
        let run = self.executor.machine.run(start, entry)?;
        self.instructions_left = self.instructions_left.saturating_sub(run.instructions);
        frame.instructions = frame.instructions.saturating_add(run.instructions);
        let (changes, effects) = run.result?;
        if context.is_composite() {
            apply_changes(Arc::make_mut(&mut frame.canister), changes, &effects);
        }
        if effects.answer.is_some() {
            frame.answer = effects.answer;
        }
        Ok(effects.calls)
    }
}

impl Frame {
    fn input(&self, argument: Bytes) -> MessageInput {
        MessageInput {
            sender_info: self.sender_info.clone(),
            responded: self.answer.is_some(),
            ..MessageInput::new(self.caller, argument)
        }
    }
}

/// What users of queries are told of a canister that takes no calls.
fn for_query(canister: &CanisterState, error: UserError) -> UserError {
    match error.code {
        ErrorCode::CanisterStopped => {
            let id = canister.system.canister_id;
            let text = format!(
                "Canister {id} is stopped and therefore does not have a CallContextManager"
            );
            UserError::new(error.code, text)
        }
        _ => error,
    }
}

/// The query method of this name.
fn entry(canister: &CanisterState, method: &str) -> Result<(Context, String), UserError> {
    let id = canister.system.canister_id;
    let execution = canister.execution.as_ref();
    let info = &execution.ok_or_else(|| CanisterError::NoModule.into_user_error(id))?.info;
    if info.methods.contains(&WasmMethod::Query(method.into())) {
        return Ok((Context::Query, format!("canister_query {method}")));
    }
    if info.methods.contains(&WasmMethod::CompositeQuery(method.into())) {
        return Ok((Context::CompositeQuery, format!("canister_composite_query {method}")));
    }
    let error = CanisterError::MethodNotFound(MethodKind::Query, method.into());
    Err(error.into_user_error(id))
}
