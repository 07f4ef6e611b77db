//! Envelopes: a request with what authenticates its sender, as it comes over the wire.
//!
//! Rules followed here ("Authentication" and "CBOR encoding of requests and responses"):
//! - an envelope is a map of `content`, `sender_pubkey`, `sender_sig`, `sender_delegation`; the
//!   self-describing tag may be missing, since some agents leave it out, and an optional field may
//!   be null, since some agents write that for the anonymous sender;
//! - keys that are not defined, keys that come twice, floating-point numbers for integers and bytes
//!   behind the envelope are refused;
//! - lists are bounded while they are read ([`DecodeError::TooMany`]).
//!
//! The fields of a decoded envelope share the memory of the bytes it was read from.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::DecodeError;

use bytes::Bytes;
use replica_crypto::request_id::{Value, hash_of_map};
use types::{CanisterId, MessageId, Principal, Time};

/// Delegations in a chain.
pub const DELEGATION_COUNT_MAX: usize = 20;
/// Canisters that one delegation names.
pub const TARGET_COUNT_MAX: usize = 1000;
/// Bytes of a nonce.
pub const NONCE_BYTES_MAX: usize = 32;
/// Paths of a `read_state` request.
pub const PATH_COUNT_MAX: usize = 1000;
/// Labels of a path.
pub const LABEL_COUNT_MAX: usize = 127;

/// A request that has been read but not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<C> {
    /// What is asked for.
    pub content: C,
    /// The key that stands for the sender, in DER.
    pub sender_pubkey: Option<Bytes>,
    /// The chain from that key to the one that signed.
    pub sender_delegation: Option<Vec<SignedDelegation>>,
    /// The signature on the request id.
    pub sender_sig: Option<Bytes>,
}

/// What is asked for: one of [`CallContent`], [`QueryContent`], [`ReadStateContent`].
pub trait Content: decode::FromFields {
    /// The value of `request_type`.
    const REQUEST_TYPE: &'static str;

    /// The fields that all contents have.
    fn common(&self) -> &Common;

    /// The canister that is called; `None` for `read_state`.
    fn canister_id(&self) -> Option<CanisterId>;

    /// What a canister says about the sender.
    fn sender_info(&self) -> Option<&SenderInfo>;

    /// All fields, in the form in which they are hashed and written.
    fn fields(&self) -> Vec<(&'static str, Value<'_>)>;

    /// The request id: the representation-independent hash of the content.
    fn message_id(&self) -> MessageId {
        MessageId(hash_of_map(&self.fields()))
    }
}

/// The fields that all contents have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Who asks.
    pub sender: Principal,
    /// The last time at which the request is valid.
    pub ingress_expiry: Time,
    /// Makes two otherwise equal requests different.
    pub nonce: Option<Bytes>,
}

/// The content of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallContent {
    /// Sender, expiry, nonce.
    pub common: Common,
    /// The canister to call.
    pub canister_id: CanisterId,
    /// The method to call.
    pub method_name: String,
    /// The argument.
    pub arg: Bytes,
    /// What a canister says about the sender.
    pub sender_info: Option<SenderInfo>,
}

/// The content of a query; it has the same fields as a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryContent {
    /// Sender, expiry, nonce.
    pub common: Common,
    /// The canister to ask.
    pub canister_id: CanisterId,
    /// The method to call.
    pub method_name: String,
    /// The argument.
    pub arg: Bytes,
    /// What a canister says about the sender.
    pub sender_info: Option<SenderInfo>,
}

/// The content of a request for parts of the state tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadStateContent {
    /// Sender, expiry, nonce.
    pub common: Common,
    /// The paths asked for, each a list of labels.
    pub paths: Vec<Vec<Bytes>>,
}

/// What a canister says about a sender whose key is a canister signature key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// What it says.
    pub info: Bytes,
    /// The canister.
    pub signer: CanisterId,
    /// Its canister signature on `info`.
    pub sig: Bytes,
}

/// One key's word for another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDelegation {
    /// What is delegated.
    pub delegation: Delegation,
    /// By the preceding key, on the hash of the delegation.
    pub signature: Bytes,
}

/// What is delegated, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The key that may sign, in DER.
    pub pubkey: Bytes,
    /// The last time at which it may.
    pub expiration: Time,
    /// The only canisters that it may call; all if none are given.
    pub targets: Option<Vec<CanisterId>>,
    /// What kinds of request it may sign: `queries` or `all`; all if not given.
    pub permissions: Option<String>,
}

impl Delegation {
    /// The hash that the delegating key signs.
    pub fn hash(&self) -> [u8; 32] {
        hash_of_map(&self.fields())
    }

    fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
        let mut fields = vec![
            ("pubkey", Value::Bytes(&self.pubkey)),
            ("expiration", Value::Nat(self.expiration.0)),
        ];
        fields.extend(self.targets.as_ref().map(|ids| {
            let ids = ids.iter().map(|id| Value::Bytes(id.as_slice()));
            ("targets", Value::Array(ids.collect()))
        }));
        fields.extend(self.permissions.as_deref().map(|text| ("permissions", Value::Text(text))));
        fields
    }
}

impl SenderInfo {
    fn value(&self) -> Value<'_> {
        Value::Map(vec![
            ("info", Value::Bytes(&self.info)),
            ("signer", Value::Bytes(self.signer.as_slice())),
            ("sig", Value::Bytes(&self.sig)),
        ])
    }
}

impl Common {
    fn fields(&self, request_type: &'static str) -> Vec<(&'static str, Value<'_>)> {
        let mut fields = vec![
            ("request_type", Value::Text(request_type)),
            ("sender", Value::Bytes(self.sender.as_slice())),
            ("ingress_expiry", Value::Nat(self.ingress_expiry.0)),
        ];
        fields.extend(self.nonce.as_ref().map(|nonce| ("nonce", Value::Bytes(nonce))));
        fields
    }
}

macro_rules! call_like {
    ($name:ident, $request_type:literal) => {
        impl Content for $name {
            const REQUEST_TYPE: &'static str = $request_type;

            fn common(&self) -> &Common {
                &self.common
            }

            fn canister_id(&self) -> Option<CanisterId> {
                Some(self.canister_id)
            }

            fn sender_info(&self) -> Option<&SenderInfo> {
                self.sender_info.as_ref()
            }

            fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
                let mut fields = self.common.fields($request_type);
                fields.push(("canister_id", Value::Bytes(self.canister_id.as_slice())));
                fields.push(("method_name", Value::Text(&self.method_name)));
                fields.push(("arg", Value::Bytes(&self.arg)));
                fields.extend(self.sender_info.as_ref().map(|info| ("sender_info", info.value())));
                fields
            }
        }
    };
}

call_like!(CallContent, "call");
call_like!(QueryContent, "query");

impl Content for ReadStateContent {
    const REQUEST_TYPE: &'static str = "read_state";

    fn common(&self) -> &Common {
        &self.common
    }

    fn canister_id(&self) -> Option<CanisterId> {
        None
    }

    fn sender_info(&self) -> Option<&SenderInfo> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
        let paths = self
            .paths
            .iter()
            .map(|path| Value::Array(path.iter().map(|label| Value::Bytes(label)).collect()));
        let mut fields = self.common.fields(Self::REQUEST_TYPE);
        fields.push(("paths", Value::Array(paths.collect())));
        fields
    }
}

/// A message of a block that is final: it was checked by a quorum before, so only its form is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// The request id.
    pub id: MessageId,
    /// What is asked for.
    pub content: CallContent,
}

/// Reads a message of a block that is final. Nothing is verified.
pub fn decode_included(envelope: &Bytes) -> Result<Included, DecodeError> {
    let content = Envelope::<CallContent>::from_cbor(envelope)?.content;
    Ok(Included { id: content.message_id(), content })
}
