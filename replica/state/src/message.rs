//! Messages: what canisters and users send each other through the queues.
//!
//! ```text
//!  user ----Ingress----> canister A ----Request----> canister B
//!                             ^                          |
//!                             +--------Response----------+
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{CanisterId, Cycles, MessageId, PrincipalId, RejectCode, Time, UserError};

/// The number of a call that a canister made, unique among all calls it ever makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallbackId(pub u64);

/// The number of a call that a canister works on, unique among all that it ever receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallContextId(pub u64);

/// What an identity provider canister said about the sender (`sender_info` of an envelope).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderInfo {
    /// The statement.
    pub info: Bytes,
    /// The canister that signed it.
    pub signer: PrincipalId,
}

/// A user's call, admitted and ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingress {
    /// The request id: its name in the ingress history.
    pub message_id: MessageId,
    /// Who signed it.
    pub sender: PrincipalId,
    /// What the sender's identity provider says about it.
    pub sender_info: Option<Arc<SenderInfo>>,
    /// The canister that is called; the management canister for calls to the subnet.
    pub receiver: CanisterId,
    /// The canister that the call is about, if there is one: the receiver, or the canister that a
    /// management call names.
    pub effective_canister: Option<CanisterId>,
    /// The method's name.
    pub method: String,
    /// The argument.
    pub payload: Bytes,
    /// From this time on the call must not begin to execute.
    pub expiry: Time,
}

/// A call from one canister to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who is called: a canister, or the management canister.
    pub receiver: CanisterId,
    /// Who calls.
    pub sender: CanisterId,
    /// The sender's callback that waits for the response.
    pub callback: CallbackId,
    /// The method's name.
    pub method: String,
    /// The argument.
    pub payload: Bytes,
    /// Cycles that come along.
    pub cycles: Cycles,
    /// When a best-effort call times out; `None` for a call with a guaranteed response.
    pub deadline: Option<Time>,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponsePayload {
    /// It was answered with this.
    Reply(Bytes),
    /// It was rejected, by the canister or by the system.
    Reject(Reject),
}

/// Why a call was rejected, as a callback sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The coarse code.
    pub code: RejectCode,
    /// The text.
    pub message: String,
}

impl From<UserError> for Reject {
    fn from(error: UserError) -> Self {
        Reject { code: error.reject_code(), message: format!("{}: {}", error.code, error.message) }
    }
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Who called, and gets the response.
    pub originator: CanisterId,
    /// Who was called.
    pub respondent: CanisterId,
    /// The originator's callback.
    pub callback: CallbackId,
    /// The outcome.
    pub payload: ResponsePayload,
    /// The cycles that were not accepted.
    pub refund: Cycles,
    /// The deadline of the call.
    pub deadline: Option<Time>,
}

/// What goes from canister to canister.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CanisterMessage {
    /// A call.
    Request(Arc<Request>),
    /// Its answer.
    Response(Arc<Response>),
}

impl CanisterMessage {
    /// Who gets the message.
    pub fn receiver(&self) -> CanisterId {
        match self {
            CanisterMessage::Request(request) => request.receiver,
            CanisterMessage::Response(response) => response.originator,
        }
    }

    /// Who sent the message.
    pub fn sender(&self) -> CanisterId {
        match self {
            CanisterMessage::Request(request) => request.sender,
            CanisterMessage::Response(response) => response.respondent,
        }
    }

    /// The cycles that the message carries.
    pub fn cycles(&self) -> Cycles {
        match self {
            CanisterMessage::Request(request) => request.cycles,
            CanisterMessage::Response(response) => response.refund,
        }
    }

    /// The deadline of the call that the message belongs to; `None` if its response is guaranteed.
    pub fn deadline(&self) -> Option<Time> {
        match self {
            CanisterMessage::Request(request) => request.deadline,
            CanisterMessage::Response(response) => response.deadline,
        }
    }
}

/// What a canister executes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A call by a user.
    Ingress(Arc<Ingress>),
    /// A call by a canister, or the answer to a call.
    Canister(CanisterMessage),
}

impl Request {
    /// The answer to this request, with a refund of `refund`.
    pub fn respond(&self, payload: ResponsePayload, refund: Cycles) -> Response {
        Response {
            originator: self.sender,
            respondent: self.receiver,
            callback: self.callback,
            payload,
            refund,
            deadline: self.deadline,
        }
    }

    /// The system's rejection of this request, with all cycles refunded.
    pub fn reject(&self, error: UserError) -> Response {
        self.respond(ResponsePayload::Reject(error.into()), self.cycles)
    }
}
