//! Who may enter, for consensus: the ingress gate once the root key is there.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use replica_consensus::{IngressCheck, IngressFacts, IngressRefused};
use replica_ingress::{Admitted, CallContent, Gate, decode_included, signature_cost};
use types::{MessageId, Time};

use crate::disk::chain;

/// The gate, set when the chain key is fixed: canister signatures rest on it.
#[derive(Clone, Default)]
pub struct SharedGate(Arc<OnceLock<Gate>>);

impl SharedGate {
    /// Opens the gate; the first one stays.
    pub fn open(&self, gate: Gate) {
        // It can be there already after a restart, made of the same key.
        let _first_stays = self.0.set(gate);
    }
}

impl IngressCheck for SharedGate {
    fn check(&mut self, envelope: &Bytes, at: Time) -> Result<IngressFacts, IngressRefused> {
        let closed = || IngressRefused("there is no chain key yet".into());
        let gate = self.0.get().ok_or_else(closed)?;
        let admitted = gate.admit_call(envelope, at);
        admitted.map(|call| facts(&call)).map_err(|error| IngressRefused(chain(&error)))
    }

    fn identify(&self, envelope: &Bytes) -> Option<(MessageId, Time)> {
        let included = decode_included(envelope).ok()?;
        Some((included.id, included.content.common.ingress_expiry))
    }

    fn signature_cost(&self, envelope: &Bytes) -> u64 {
        signature_cost(envelope)
    }
}

/// What consensus needs to know of an admitted call.
pub fn facts(call: &Admitted<CallContent>) -> IngressFacts {
    IngressFacts {
        id: call.message_id(),
        valid_from: call.valid_from(),
        valid_to: call.valid_until(),
        expiry: call.expiry(),
    }
}
