//! What a message does besides changing its memories. All of it is kept aside while the message
//! runs, and takes place only if it ends well.

use bytes::Bytes;
use replica_state::{Closure, Memory};
use types::{CanisterId, Cycles, Time};

/// A call that the message made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingCall {
    /// Who is called.
    pub callee: CanisterId,
    /// The method.
    pub method: String,
    /// The argument.
    pub payload: Bytes,
    /// Cycles sent along, already taken from the balance.
    pub cycles: Cycles,
    /// Set aside for the callback, already taken from the balance.
    pub prepaid_execution: Cycles,
    /// Set aside for the response's transmission, already taken from the balance.
    pub prepaid_transmission: Cycles,
    /// What runs on a reply.
    pub on_reply: Closure,
    /// What runs on a reject.
    pub on_reject: Closure,
    /// What runs if the one of them that ran trapped.
    pub on_cleanup: Option<Closure>,
    /// When the call times out, if it is best-effort.
    pub deadline: Option<Time>,
}

/// The message's answer to the call that it works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `ic0.msg_reply`
    Reply(Bytes),
    /// `ic0.msg_reject`
    Reject(String),
}

/// The effects of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemEffects {
    /// The calls made, in order.
    pub calls: Vec<OutgoingCall>,
    /// The answer given, if any.
    pub answer: Option<Answer>,
    /// The balance afterwards.
    pub balance: Cycles,
    /// Cycles that came with the call and were taken.
    pub accepted: Cycles,
    /// Cycles spent on making calls.
    pub transmission: Cycles,
    /// Cycles burned on purpose.
    pub burned: Cycles,
    /// New certified data.
    pub certified_data: Option<Bytes>,
    /// New setting of the global timer; `Some(None)` switches it off.
    pub global_timer: Option<Option<Time>>,
    /// The stable memory, if it changed.
    pub stable: Option<Memory>,
    /// Pages of 4 KiB of it that were written.
    pub stable_pages_changed: u64,
    /// Whether `canister_inspect_message` accepted.
    pub message_accepted: bool,
}
