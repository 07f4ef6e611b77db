//! Admission: who is the sender of a request, and is it valid now.
//!
//! Rules followed here ("Authentication"):
//! - the anonymous sender comes without key, signature and delegations; every other sender with a
//!   key whose self-authenticating principal it is, and with a signature on the request id;
//! - a chain of at most 20 delegations leads from that key to the one that signs; no key appears
//!   twice, none has expired; the canisters that may be called are those which all delegations
//!   allow, and so are the kinds of request (`queries`, `all`, nothing for any other word);
//! - a request is valid up to its expiry, which lies at most the subnet's limit plus a tolerance
//!   for clocks ahead; the anonymous sender may query and read with any expiry;
//! - the signatures together cost at most [`INGRESS_SIGNATURE_COST_MAX`] to check. The specification
//!   has no such bound; it leaves room for 20 delegations except by RSA and canister keys;
//! - `sender_info` needs a sender with a canister signature key, is signed by that canister under
//!   that key, and names it.
//!
//! A pure function of the envelope and the time: nodes that agree on both agree on the outcome.

mod cost;
mod delegations;
#[cfg(test)]
pub(crate) mod tests;

pub use cost::signature_cost;
pub use delegations::{DelegationError, Targets};

use crate::envelope::{CallContent, Content, DecodeError, Envelope};
use bytes::Bytes;
use delegations::{Authority, Permission};
use replica_crypto::Domain;
use replica_crypto::chain_key::PublicKey as RootKey;
use replica_crypto::signatures::{SignatureError, UserKey, UserKeyError};
use types::{CanisterId, INGRESS_SIGNATURE_COST_MAX, Limits, MessageId, Principal, Time};

/// Decides who may enter: the only maker of [`Admitted`] requests.
#[derive(Clone, Debug)]
pub struct Gate {
    root_key: RootKey,
    expiry_ahead_ms_max: u64,
    envelope_bytes_max: u64,
}

/// A request whose sender and validity have been checked by a [`Gate`].
#[derive(Clone, Debug)]
pub struct Admitted<C> {
    content: C,
    raw: Bytes,
    id: MessageId,
    valid_from: Time,
    valid_until: Time,
    targets: Targets,
}

/// Why a request is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The bytes are not an envelope of this kind.
    #[error("the request cannot be read")]
    Decode(#[from] DecodeError),
    /// The envelope is too large.
    #[error("the envelope has {bytes} bytes; the subnet takes up to {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is allowed.
        bytes_max: u64,
    },
    /// The request is no longer valid.
    #[error("ingress_expiry {expiry} ns lies before the time {now} ns: sign the request anew")]
    Expired {
        /// Nanoseconds since 1970.
        expiry: u64,
        /// Nanoseconds since 1970.
        now: u64,
    },
    /// The expiry lies too far ahead.
    #[error(
        "ingress_expiry {expiry} ns lies more than {ahead_ms_max} ms after the time {now} ns: choose an earlier one, or set the clock"
    )]
    ExpiryTooFar {
        /// Nanoseconds since 1970.
        expiry: u64,
        /// Nanoseconds since 1970.
        now: u64,
        /// Milliseconds allowed.
        ahead_ms_max: u64,
    },
    /// The anonymous sender with a key, a signature or delegations.
    #[error("the anonymous sender must not send sender_pubkey, sender_sig or sender_delegation")]
    AnonymousSigned,
    /// Another sender without a key or a signature.
    #[error("sender {0} must send sender_pubkey and sender_sig")]
    NotSigned(Principal),
    /// The sender's key cannot be read.
    #[error("sender_pubkey is not usable")]
    SenderKey(#[source] UserKeyError),
    /// The sender is not the one whose key is sent.
    #[error("sender {sender} is not the principal {of_key} of sender_pubkey")]
    OtherSender {
        /// As the request says.
        sender: Principal,
        /// As the key says.
        of_key: Principal,
    },
    /// The chain of delegations is not good.
    #[error("sender_delegation is not good")]
    Delegation(#[from] DelegationError),
    /// Too much work.
    #[error(
        "the signatures of the request cost {0} units to check, above \
         {INGRESS_SIGNATURE_COST_MAX}; use fewer delegations by RSA or canister keys"
    )]
    TooCostly(u64),
    /// The request is not signed by the sender's key or the last delegate.
    #[error("sender_sig is not a signature on the request id by the last key of the chain")]
    Signature(#[source] SignatureError),
    /// The delegations do not reach to this canister.
    #[error("the delegations' targets do not include canister {0}")]
    NotATarget(CanisterId),
    /// The delegations do not reach to this kind of request.
    #[error("the delegations' permissions do not allow requests of type {0:?}")]
    NotPermitted(&'static str),
    /// Information about a sender that no canister stands for.
    #[error("sender_info needs a sender_pubkey for canister signatures")]
    SenderInfoWithoutCanister,
    /// Information by another canister than the one that stands for the sender.
    #[error("sender_info is by canister {signer}, but sender_pubkey is of canister {of_key}")]
    SenderInfoSigner {
        /// As the information says.
        signer: CanisterId,
        /// As the key says.
        of_key: CanisterId,
    },
    /// The information is not signed.
    #[error("sender_info is not signed by its canister under sender_pubkey")]
    SenderInfoSignature(#[source] SignatureError),
}

impl AdmissionError {
    /// Whether the request would be admitted at another time: its expiry is out of bounds.
    pub fn is_expiry(&self) -> bool {
        matches!(self, AdmissionError::Expired { .. } | AdmissionError::ExpiryTooFar { .. })
    }
}

impl Gate {
    /// A gate for a subnet. Canister signatures rest on the root key; `limits` bounds the size of
    /// calls and how far ahead an expiry may lie.
    pub fn new(root_key: RootKey, limits: &Limits) -> Self {
        Self {
            root_key,
            expiry_ahead_ms_max: limits
                .ingress_ttl_ms_max
                .saturating_add(limits.ingress_drift_ms_max),
            envelope_bytes_max: limits.ingress_bytes_max,
        }
    }

    /// Reads and admits a call as if it were ordered at `now`. The one way for calls from users
    /// and for those that other nodes send or propose.
    pub fn admit_call(
        &self,
        raw: &Bytes,
        now: Time,
    ) -> Result<Admitted<CallContent>, AdmissionError> {
        let (bytes, bytes_max) = (raw.len(), self.envelope_bytes_max);
        if bytes as u64 > bytes_max {
            return Err(AdmissionError::TooLarge { bytes, bytes_max });
        }
        self.admit(raw, now)
    }

    /// Reads and admits a request of any kind at the time `now`. The caller bounds its size.
    pub fn admit<C: Content>(&self, raw: &Bytes, now: Time) -> Result<Admitted<C>, AdmissionError> {
        let envelope = Envelope::<C>::from_cbor(raw)?;
        self.check_expiry(&envelope.content, now)?;
        let id = envelope.content.message_id();
        let authority = self.authenticate(&envelope, &id, now)?;
        if !authority.permission.allows(C::REQUEST_TYPE) {
            return Err(AdmissionError::NotPermitted(C::REQUEST_TYPE));
        }
        if let Some(canister) = envelope.content.canister_id()
            && !authority.targets.include(&canister)
        {
            return Err(AdmissionError::NotATarget(canister));
        }
        let expiry = envelope.content.common().ingress_expiry;
        let ahead_ns = self.expiry_ahead_ms_max.saturating_mul(1_000_000);
        Ok(Admitted {
            raw: raw.clone(),
            id,
            valid_from: Time(expiry.0.saturating_sub(ahead_ns)),
            valid_until: expiry.min(authority.valid_until),
            targets: authority.targets,
            content: envelope.content,
        })
    }

    fn check_expiry<C: Content>(&self, content: &C, now: Time) -> Result<(), AdmissionError> {
        let common = content.common();
        let any_expiry =
            common.sender == Principal::anonymous() && C::REQUEST_TYPE != CallContent::REQUEST_TYPE;
        if any_expiry {
            return Ok(());
        }
        let (expiry, now_ns, ahead_ms_max) =
            (common.ingress_expiry.0, now.0, self.expiry_ahead_ms_max);
        if expiry < now_ns {
            return Err(AdmissionError::Expired { expiry, now: now_ns });
        }
        if common.ingress_expiry > now.plus_ms(ahead_ms_max) {
            return Err(AdmissionError::ExpiryTooFar { expiry, now: now_ns, ahead_ms_max });
        }
        Ok(())
    }

    fn authenticate<C: Content>(
        &self,
        envelope: &Envelope<C>,
        id: &MessageId,
        now: Time,
    ) -> Result<Authority, AdmissionError> {
        let sender = envelope.content.common().sender;
        if sender == Principal::anonymous() {
            return check_anonymous(envelope);
        }
        let (Some(key), Some(signature)) = (&envelope.sender_pubkey, &envelope.sender_sig) else {
            return Err(AdmissionError::NotSigned(sender));
        };
        let key = UserKey::from_der(key).map_err(AdmissionError::SenderKey)?;
        if key.principal() != sender {
            return Err(AdmissionError::OtherSender { sender, of_key: key.principal() });
        }
        let chain = envelope.sender_delegation.as_deref().unwrap_or_default();
        // What costs nothing is checked before the first signature is.
        let (authority, delegates) = delegations::check_form(&key, chain, now)?;
        let with_info = envelope.content.sender_info().is_some();
        let cost = cost::of_chain([&key].into_iter().chain(&delegates), with_info);
        if cost > INGRESS_SIGNATURE_COST_MAX {
            return Err(AdmissionError::TooCostly(cost));
        }
        delegates
            .last()
            .unwrap_or(&key)
            .verify(Domain::REQUEST, &id.0, signature, &self.root_key)
            .map_err(AdmissionError::Signature)?;
        delegations::check_signatures(&key, chain, &delegates, &self.root_key)?;
        self.check_sender_info(&envelope.content, &key)?;
        Ok(authority)
    }

    fn check_sender_info<C: Content>(
        &self,
        content: &C,
        key: &UserKey,
    ) -> Result<(), AdmissionError> {
        let Some(info) = content.sender_info() else { return Ok(()) };
        let canister_key =
            key.as_canister_key().ok_or(AdmissionError::SenderInfoWithoutCanister)?;
        if info.signer != canister_key.canister_id {
            let (signer, of_key) = (info.signer, canister_key.canister_id);
            return Err(AdmissionError::SenderInfoSigner { signer, of_key });
        }
        key.verify(Domain::SENDER_INFO, &info.info, &info.sig, &self.root_key)
            .map_err(AdmissionError::SenderInfoSignature)
    }
}

fn check_anonymous<C: Content>(envelope: &Envelope<C>) -> Result<Authority, AdmissionError> {
    let is_signed = envelope.sender_pubkey.is_some()
        || envelope.sender_sig.is_some()
        || envelope.sender_delegation.is_some();
    if is_signed {
        return Err(AdmissionError::AnonymousSigned);
    }
    if envelope.content.sender_info().is_some() {
        return Err(AdmissionError::SenderInfoWithoutCanister);
    }
    Ok(Authority {
        targets: Targets::All,
        permission: Permission::All,
        valid_until: Time(u64::MAX),
    })
}

impl<C: Content> Admitted<C> {
    /// What is asked for.
    pub fn content(&self) -> &C {
        &self.content
    }

    /// The bytes that were admitted: what goes to other nodes and into blocks.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The request id.
    pub fn message_id(&self) -> MessageId {
        self.id
    }

    /// Who asks.
    pub fn sender(&self) -> Principal {
        self.content.common().sender
    }

    /// The expiry that the request says: after it the id can be forgotten.
    pub fn expiry(&self) -> Time {
        self.content.common().ingress_expiry
    }

    /// The first time at which the request may be ordered: its expiry is not too far ahead.
    pub fn valid_from(&self) -> Time {
        self.valid_from
    }

    /// The last time at which the request may be ordered: neither it nor a delegation has expired.
    pub fn valid_until(&self) -> Time {
        self.valid_until
    }

    /// The canisters that the sender's delegations reach to. For calls and queries that has been
    /// checked; for `read_state` it is the reader of the paths who checks it.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }
}
