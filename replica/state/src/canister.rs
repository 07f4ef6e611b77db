//! One canister: what the system keeps about it, and its code with its memories.

use crate::calls::{CallOrigin, Calls};
use crate::canister_history::CanisterHistory;
use crate::canister_log::CanisterLog;
use crate::chunk_store::ChunkStore;
use crate::consumed::ConsumedCycles;
use crate::execution_state::{ExecutionState, SystemMethod};
use crate::message::{Reject, Response, ResponsePayload};
use crate::queues::CanisterQueues;
use crate::settings::CanisterSettings;
use bytes::Bytes;
use imbl::Vector;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{CanisterId, Cycles, ErrorCode, RejectCode, Time};

/// A canister.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanisterState {
    /// What the system keeps about it.
    pub system: SystemState,
    /// Its code and memories; `None` for an empty canister.
    pub execution: Option<ExecutionState>,
}

/// Whether a canister takes calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CanisterStatus {
    /// It takes calls.
    Running,
    /// It takes responses only, until all its calls are answered.
    Stopping {
        /// Who waits for the stop, oldest first.
        requests: Vec<StopRequest>,
    },
    /// It executes nothing.
    Stopped,
}

/// Somebody waits for a canister to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// Who.
    pub origin: CallOrigin,
    /// Cycles to refund with the answer.
    pub cycles: Cycles,
    /// Since when.
    pub since: Time,
}

/// Work that the system starts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Task {
    /// `canister_on_low_wasm_memory`; before all other work.
    OnLowWasmMemory,
    /// `canister_global_timer`
    GlobalTimer,
    /// `canister_heartbeat`
    Heartbeat,
}

/// Where the hook for low memory is (interface specification, "On low Wasm memory hook").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LowMemoryHook {
    /// Enough memory remains.
    #[default]
    ConditionNotSatisfied,
    /// Too little remains; the hook is to run.
    Ready,
    /// It ran since memory became low.
    Executed,
}

/// What the system keeps about a canister.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemState {
    /// The canister's id.
    pub canister_id: CanisterId,
    /// The settings.
    pub settings: Arc<CanisterSettings>,
    /// Cycles that the canister can spend.
    pub balance: Cycles,
    /// Cycles set aside for storage.
    pub reserved_balance: Cycles,
    /// Cycles spent since creation.
    pub consumed: ConsumedCycles,
    /// Until when storage and allocations are paid.
    pub charged_until: Time,
    /// Whether it takes calls.
    pub status: CanisterStatus,
    /// At most 32 bytes that the subnet certifies for the canister.
    pub certified_data: Bytes,
    /// Grows with every change of the canister.
    pub canister_version: u64,
    /// When the canister was made.
    pub created: Time,
    /// When code was last installed, re-installed or upgraded.
    pub last_install: Option<Time>,
    /// When `canister_global_timer` is to run.
    pub global_timer: Option<Time>,
    /// Where the hook for low memory is.
    pub low_memory_hook: LowMemoryHook,
    /// Work that the system scheduled and that was not done yet, in order.
    pub tasks: Vector<Task>,
    /// Messages from and to others.
    pub queues: CanisterQueues,
    /// Open calls in both directions.
    pub calls: Calls,
    /// What happened to the canister.
    pub history: CanisterHistory,
    /// What the canister printed.
    pub log: CanisterLog,
    /// Uploaded pieces of modules. Stored by their hash, apart from this record.
    #[serde(skip)]
    pub chunk_store: ChunkStore,
}

impl SystemState {
    /// A new canister: running, without code.
    pub fn new(
        canister_id: CanisterId,
        settings: CanisterSettings,
        balance: Cycles,
        now: Time,
    ) -> Self {
        Self {
            canister_id,
            settings: Arc::new(settings),
            balance,
            reserved_balance: Cycles::ZERO,
            consumed: ConsumedCycles::default(),
            charged_until: now,
            status: CanisterStatus::Running,
            certified_data: Bytes::new(),
            canister_version: 0,
            created: now,
            last_install: None,
            global_timer: None,
            low_memory_hook: LowMemoryHook::default(),
            tasks: Vector::new(),
            queues: CanisterQueues::default(),
            calls: Calls::default(),
            history: CanisterHistory::default(),
            log: CanisterLog::default(),
            chunk_store: ChunkStore::default(),
        }
    }

    /// The settings, to change them.
    pub fn settings_mut(&mut self) -> &mut CanisterSettings {
        Arc::make_mut(&mut self.settings)
    }

    /// Counts a change of the canister.
    pub fn bump_version(&mut self) {
        self.canister_version += 1;
    }

    /// Takes in the answer to one of the canister's calls. The answer to a best-effort call that
    /// timed out is dropped; its refund is credited all the same.
    pub fn accept_response(&mut self, response: Arc<Response>) {
        let in_time = match response.deadline {
            None => true,
            Some(_) => self.calls.disarm(response.callback),
        };
        match in_time {
            true => self.queues.push_input_response(response),
            false => self.balance = self.balance.plus(response.refund),
        }
    }

    /// Answers the best-effort calls whose deadline has come with the system's reject. Cycles sent
    /// along come back, if at all, with the late answer.
    pub fn time_out_calls(&mut self, now: Time) {
        let expired: Vec<_> = self.calls.expired(now).collect();
        for id in expired {
            let Some(callback) = self.calls.callback(id).cloned() else { continue };
            let reject = Reject {
                code: RejectCode::SysUnknown,
                message: format!("{}: Call deadline has expired.", ErrorCode::DeadlineExpired),
            };
            self.accept_response(Arc::new(Response {
                originator: self.canister_id,
                respondent: callback.callee,
                callback: id,
                payload: ResponsePayload::Reject(reject),
                refund: Cycles::ZERO,
                deadline: callback.deadline,
            }));
        }
    }

    /// Whether nothing is open: a stopping canister can become stopped.
    pub fn is_quiet(&self) -> bool {
        self.calls.context_count() == 0 && !self.queues.has_output()
    }
}

impl CanisterState {
    /// A new canister without code.
    pub fn new(system: SystemState) -> Self {
        Self { system, execution: None }
    }

    /// Whether the module has this entry point.
    pub fn has(&self, method: SystemMethod) -> bool {
        self.execution.as_ref().is_some_and(|execution| execution.info.has(method))
    }

    /// Bytes that the canister is charged for.
    pub fn memory_bytes(&self) -> u64 {
        let execution = self.execution.as_ref().map_or(0, ExecutionState::memory_bytes);
        let system = &self.system;
        execution.saturating_add(system.chunk_store.bytes()).saturating_add(system.log.bytes())
    }

    /// Whether a round may have anything to do for the canister, now or at a later time.
    pub fn may_have_work(&self) -> bool {
        let system = &self.system;
        system.queues.has_input()
            || system.queues.has_output()
            || !system.tasks.is_empty()
            || system.global_timer.is_some()
            || system.calls.has_deadlines()
            || matches!(system.status, CanisterStatus::Stopping { .. })
            || system.low_memory_hook == LowMemoryHook::Ready
            || self.has(SystemMethod::Heartbeat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{CallContext, Callback, Closure};
    use crate::message::{CallbackId, CanisterMessage, Input, Request};
    use std::collections::BTreeSet;

    fn caller_with_best_effort_call() -> (SystemState, Request) {
        let settings = CanisterSettings::of_new_canister(BTreeSet::new());
        let id = CanisterId::from_index(1);
        let mut system = SystemState::new(id, settings, Cycles(10), Time(1));
        let context = CallContext::new(CallOrigin::SystemTask, "".into(), Cycles::ZERO, Time(1));
        let context = system.calls.open(context);
        let closure = Closure { function: 0, env: 0 };
        let callback = system.calls.register(Callback {
            context,
            callee: CanisterId::from_index(2),
            caller_version: 0,
            cycles_sent: Cycles(5),
            prepaid_execution: Cycles::ZERO,
            prepaid_transmission: Cycles::ZERO,
            on_reply: closure,
            on_reject: closure,
            on_cleanup: None,
            deadline: Some(Time(100)),
        });
        let request = Request {
            receiver: CanisterId::from_index(2),
            sender: id,
            callback,
            method: "m".into(),
            payload: Bytes::new(),
            cycles: Cycles(5),
            deadline: Some(Time(100)),
        };
        system.queues.push_output_request(Arc::new(request.clone()), 5).unwrap();
        (system, request)
    }

    fn next_response(system: &mut SystemState) -> Option<(CallbackId, ResponsePayload)> {
        match system.queues.pop_input()? {
            Input::Canister(CanisterMessage::Response(response)) => {
                Some((response.callback, response.payload.clone()))
            }
            other => panic!("not a response: {other:?}"),
        }
    }

    #[test]
    fn a_best_effort_call_gets_exactly_one_answer() {
        let reply = ResponsePayload::Reply(Bytes::new());
        for answer_first in [true, false] {
            let (mut system, request) = caller_with_best_effort_call();
            let answer = Arc::new(request.respond(reply.clone(), Cycles(3)));
            if answer_first {
                system.accept_response(Arc::clone(&answer));
                system.time_out_calls(Time(100));
                assert_eq!(next_response(&mut system), Some((request.callback, reply.clone())));
                assert_eq!(system.balance, Cycles(10));
            } else {
                system.time_out_calls(Time(99));
                assert_eq!(next_response(&mut system), None);
                system.time_out_calls(Time(100));
                system.accept_response(answer);
                let (callback, payload) = next_response(&mut system).expect("the timeout");
                assert_eq!(callback, request.callback);
                assert!(
                    matches!(payload, ResponsePayload::Reject(r) if r.code == RejectCode::SysUnknown)
                );
                assert_eq!(system.balance, Cycles(13));
            }
            assert_eq!(next_response(&mut system), None);
        }
    }
}
