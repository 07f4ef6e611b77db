//! The signing key of a node, with which it signs its answers to queries.

use crate::domain::Domain;
use crate::request_id::{Value, hash_of_map};
use ed25519_zebra::SigningKey;
use types::{MessageId, NodeId, RejectCode, Time};
use zeroize::Zeroize as _;

/// A node's Ed25519 key. Wiped when dropped; cannot be printed.
pub struct NodeSigningKey(SigningKey);

/// An answer to a query, as far as it is signed.
#[derive(Clone, Copy, Debug)]
pub enum QueryAnswer<'a> {
    /// The canister replied with this argument.
    Replied(&'a [u8]),
    /// The query was rejected.
    Rejected {
        /// Why, as a class.
        code: RejectCode,
        /// Why, in words.
        message: &'a str,
        /// Why, as a code of this implementation, such as `IC0503`.
        error_code: Option<&'a str>,
    },
}

impl NodeSigningKey {
    /// From the seed of 32 bytes (RFC 8032).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from(*seed))
    }

    /// The public key, 32 bytes.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verification_key().into()
    }

    /// The node whose key this is.
    pub fn node_id(&self) -> NodeId {
        NodeId::from_public_key(&self.public_key())
    }

    /// Signs a message for a purpose: 64 bytes.
    pub fn sign(&self, domain: Domain, message: &[u8]) -> [u8; 64] {
        self.0.sign(&domain.payload(message)).to_bytes()
    }

    /// Signs the answer to a query ("Request: Query call", `verify_node_signatures`).
    pub fn sign_query_answer(
        &self,
        request_id: &MessageId,
        timestamp: Time,
        answer: QueryAnswer<'_>,
    ) -> [u8; 64] {
        self.sign(Domain::QUERY_RESPONSE, &answer.hash(request_id, timestamp))
    }
}

impl Drop for NodeSigningKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl QueryAnswer<'_> {
    /// The hash that the node signs.
    fn hash(&self, request_id: &MessageId, timestamp: Time) -> [u8; 32] {
        let mut fields = vec![
            ("request_id", Value::Bytes(&request_id.0)),
            ("timestamp", Value::Nat(timestamp.0)),
        ];
        match self {
            QueryAnswer::Replied(arg) => {
                fields.push(("status", Value::Text("replied")));
                fields.push(("reply", Value::Map(vec![("arg", Value::Bytes(arg))])));
            }
            QueryAnswer::Rejected { code, message, error_code } => {
                fields.push(("status", Value::Text("rejected")));
                fields.push(("reject_code", Value::Nat(*code as u64)));
                fields.push(("reject_message", Value::Text(message)));
                fields.extend(error_code.map(|text| ("error_code", Value::Text(text))));
            }
        }
        hash_of_map(&fields)
    }
}
