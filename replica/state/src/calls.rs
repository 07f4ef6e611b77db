//! The calls that a canister works on (call contexts) and the calls that it made (callbacks).
//!
//! A call context lives from the moment a call begins to execute until it is answered and no
//! callback refers to it any more; a callback lives from the call until its response is taken
//! from the queue for execution.

use crate::message::{CallContextId, CallbackId, SenderInfo};
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{CanisterId, Cycles, MessageId, PrincipalId, Time};

/// Who waits for the answer to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallOrigin {
    /// A user, through the ingress history.
    Ingress {
        /// The user.
        sender: PrincipalId,
        /// The name in the ingress history.
        message_id: MessageId,
    },
    /// A canister.
    Canister {
        /// The caller.
        sender: CanisterId,
        /// The caller's callback.
        callback: CallbackId,
        /// When the caller stops waiting, if the call is best-effort.
        deadline: Option<Time>,
    },
    /// Nobody: a heartbeat, a timer, or another task of the system.
    SystemTask,
}

/// A call that a canister works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallContext {
    /// Who waits for the answer.
    pub origin: CallOrigin,
    /// What the sender's identity provider says about a user.
    pub sender_info: Option<Arc<SenderInfo>>,
    /// The method that was called, for messages about it.
    pub method: String,
    /// Whether the answer was given.
    pub responded: bool,
    /// Whether the code that began the call was uninstalled: its callbacks must not run.
    pub deleted: bool,
    /// Cycles that came with the call and were neither accepted nor refunded yet.
    pub available_cycles: Cycles,
    /// Instructions executed for the call so far (`ic0.performance_counter(1)`).
    pub instructions: u64,
    /// When the call began to execute.
    pub started: Time,
    /// Callbacks that refer to this context.
    pub outstanding_callbacks: u64,
}

impl CallContext {
    /// A call that begins now.
    pub fn new(origin: CallOrigin, method: String, cycles: Cycles, now: Time) -> Self {
        let responded = matches!(origin, CallOrigin::SystemTask);
        Self {
            origin,
            sender_info: None,
            method,
            responded,
            deleted: false,
            available_cycles: cycles,
            instructions: 0,
            started: now,
            outstanding_callbacks: 0,
        }
    }

    /// Whether nothing remains to be done: answered, and no callback will come.
    pub fn is_finished(&self) -> bool {
        self.responded && self.outstanding_callbacks == 0
    }
}

/// A function of the canister's table with its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// Index in the table.
    pub function: u64,
    /// What it is called with.
    pub env: u64,
}

/// A call that a canister made and whose answer it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// The call that this one was made for.
    pub context: CallContextId,
    /// Who was called.
    pub callee: CanisterId,
    /// The caller's version when it called, which management methods compare with the one that
    /// their argument names.
    pub caller_version: u64,
    /// Cycles sent along.
    pub cycles_sent: Cycles,
    /// Cycles paid ahead for executing the callback; what is not used is refunded.
    pub prepaid_execution: Cycles,
    /// Cycles paid ahead for transmitting the response; what is not used is refunded.
    pub prepaid_transmission: Cycles,
    /// What runs on a reply.
    pub on_reply: Closure,
    /// What runs on a reject.
    pub on_reject: Closure,
    /// What runs when the one of them that ran trapped.
    pub on_cleanup: Option<Closure>,
    /// When a best-effort call times out.
    pub deadline: Option<Time>,
}

/// All open calls of a canister, in both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    next_context: u64,
    next_callback: u64,
    #[serde(deserialize_with = "crate::ordered_map::deserialize")]
    contexts: OrdMap<CallContextId, CallContext>,
    #[serde(deserialize_with = "crate::ordered_map::deserialize")]
    callbacks: OrdMap<CallbackId, Arc<Callback>>,
    /// Best-effort callbacks by deadline.
    deadlines: OrdSet<(Time, CallbackId)>,
}

impl Calls {
    /// Opens a call context.
    pub fn open(&mut self, context: CallContext) -> CallContextId {
        let id = CallContextId(self.next_context);
        self.next_context += 1;
        self.contexts.insert(id, context);
        id
    }

    /// A call context.
    pub fn context(&self, id: CallContextId) -> Option<&CallContext> {
        self.contexts.get(&id)
    }

    /// A call context, to change it. The count of callbacks is kept by [`Calls::register`] and
    /// [`Calls::take`].
    pub fn context_mut(&mut self, id: CallContextId) -> Option<&mut CallContext> {
        self.contexts.get_mut(&id)
    }

    /// Removes the context if it is finished, and returns it then.
    pub fn close_if_finished(&mut self, id: CallContextId) -> Option<CallContext> {
        match self.contexts.get(&id)?.is_finished() {
            true => self.contexts.remove(&id),
            false => None,
        }
    }

    /// All open contexts, oldest first.
    pub fn contexts(&self) -> impl Iterator<Item = (CallContextId, &CallContext)> {
        self.contexts.iter().map(|(id, context)| (*id, context))
    }

    /// The number of open contexts.
    pub fn context_count(&self) -> usize {
        self.contexts.len()
    }

    /// The number that the next call will get.
    pub fn next_callback(&self) -> CallbackId {
        CallbackId(self.next_callback)
    }

    /// Registers a call and counts it in its context.
    ///
    /// # Panics
    /// When the callback's context is not open: only the work on an open call makes calls.
    pub fn register(&mut self, callback: Callback) -> CallbackId {
        let id = CallbackId(self.next_callback);
        self.next_callback += 1;
        let context = self.contexts.get_mut(&callback.context);
        context.expect("calls are made within an open call context").outstanding_callbacks += 1;
        if let Some(deadline) = callback.deadline {
            self.deadlines.insert((deadline, id));
        }
        self.callbacks.insert(id, Arc::new(callback));
        id
    }

    /// A call that waits for its answer.
    pub fn callback(&self, id: CallbackId) -> Option<&Arc<Callback>> {
        self.callbacks.get(&id)
    }

    /// Takes a callback because its response is about to be executed or dropped, and counts it
    /// off in its context, which is left open. `None` if it was taken before: a response to a
    /// best-effort call that came after its timeout.
    pub fn take(&mut self, id: CallbackId) -> Option<Arc<Callback>> {
        let callback = self.callbacks.remove(&id)?;
        if let Some(deadline) = callback.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        let context = self.contexts.get_mut(&callback.context);
        let context = context.expect("a context stays open while it has callbacks");
        context.outstanding_callbacks -= 1;
        Some(callback)
    }

    /// The number of calls that wait for an answer.
    pub fn callback_count(&self) -> usize {
        self.callbacks.len()
    }

    /// All calls that wait for an answer, oldest first.
    pub fn callbacks(&self) -> impl Iterator<Item = (CallbackId, &Arc<Callback>)> {
        self.callbacks.iter().map(|(id, callback)| (*id, callback))
    }

    /// The best-effort calls whose deadline is at or before `now`, in order of their deadlines.
    /// They stay registered; each is taken when its reject executes.
    pub fn expired(&self, now: Time) -> impl Iterator<Item = CallbackId> {
        self.deadlines.iter().take_while(move |(deadline, _)| *deadline <= now).map(|(_, id)| *id)
    }

    /// Whether a best-effort call waits for its answer.
    pub fn has_deadlines(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// Notes that a best-effort call got its answer, from the callee or by its timeout: it has no
    /// deadline any more. Returns whether this was its first answer.
    pub fn disarm(&mut self, id: CallbackId) -> bool {
        let deadline = self.callbacks.get(&id).and_then(|callback| callback.deadline);
        deadline.is_some_and(|deadline| self.deadlines.remove(&(deadline, id)).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> CallContext {
        let origin = CallOrigin::Ingress {
            sender: PrincipalId::anonymous(),
            message_id: MessageId([1; 32]),
        };
        CallContext::new(origin, "go".into(), Cycles(7), Time(3))
    }

    fn callback(context: CallContextId, deadline: Option<Time>) -> Callback {
        let closure = Closure { function: 1, env: 2 };
        Callback {
            context,
            callee: CanisterId::from_index(5),
            caller_version: 0,
            cycles_sent: Cycles::ZERO,
            prepaid_execution: Cycles::ZERO,
            prepaid_transmission: Cycles::ZERO,
            on_reply: closure,
            on_reject: closure,
            on_cleanup: None,
            deadline,
        }
    }

    #[test]
    fn a_context_closes_when_answered_and_without_callbacks() {
        let mut calls = Calls::default();
        let id = calls.open(context());
        let call = calls.register(callback(id, None));
        calls.context_mut(id).unwrap().responded = true;
        assert_eq!(calls.close_if_finished(id), None);
        assert!(calls.take(call).is_some());
        assert_eq!(calls.take(call), None);
        assert!(calls.close_if_finished(id).is_some());
        assert_eq!(calls.context_count(), 0);
        assert_ne!(calls.open(context()), id);
    }

    #[test]
    fn deadlines_are_in_order_and_end_with_the_callback() {
        let mut calls = Calls::default();
        let id = calls.open(context());
        let late = calls.register(callback(id, Some(Time(9))));
        let early = calls.register(callback(id, Some(Time(4))));
        calls.register(callback(id, None));
        let expired = |calls: &Calls, now| calls.expired(Time(now)).collect::<Vec<_>>();
        assert_eq!(expired(&calls, 3), []);
        assert_eq!(expired(&calls, 9), [early, late]);
        calls.take(early);
        assert_eq!(expired(&calls, 9), [late]);
        assert!(calls.disarm(late));
        assert!(!calls.disarm(late) && !calls.disarm(early));
        assert_eq!(expired(&calls, 9), []);
        assert_eq!(calls.callback_count(), 2);
    }
}
