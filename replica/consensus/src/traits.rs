//! What consensus needs of other parts; `replica/node` joins them.

use std::collections::BTreeMap;

use bytes::Bytes;
use replica_crypto::Domain;
use replica_crypto::chain_key::{SecretShare, Signature, SignatureShare};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use types::{Height, MessageId, NodeId, Randomness, StateRoot, Time, Transcript};

/// What the random tape is signed under: the message is the height, eight bytes big-endian.
pub const TAPE_DOMAIN: Domain = Domain::new("plinth-random-tape");

/// Who may enter: checks ingress that another node put in a block or gossiped.
pub trait IngressCheck: Send {
    /// Checks the envelope as if it were ordered at time `at`: form, size, signature, delegations,
    /// expiry. All honest nodes must come to the same answer for the same envelope and time.
    fn check(&mut self, envelope: &Bytes, at: Time) -> Result<IngressFacts, IngressRefused>;

    /// The id and the time to remember it until, without checking anything: for the blocks of a
    /// quorum. `None` if the bytes are no envelope.
    fn identify(&self, envelope: &Bytes) -> Option<(MessageId, Time)>;

    /// How much work it is to check the envelope's signatures, in the units of
    /// [`types::INGRESS_SIGNATURE_COST_MAX`]: known from its form alone, and the same for all
    /// nodes. An implementation whose checks all cost the same need not say it.
    fn signature_cost(&self, _envelope: &Bytes) -> u64 {
        1
    }
}

/// What is known of an ingress message that passed the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngressFacts {
    /// The request id: the same content has the same id, whoever signed the envelope.
    pub id: MessageId,
    /// The earliest block time that may order it.
    pub valid_from: Time,
    /// The latest block time that may order it (expiry of the request and of all delegations).
    pub valid_to: Time,
    /// The request's expiry: no block after it can order the id, so it can be forgotten.
    pub expiry: Time,
}

impl IngressFacts {
    /// Whether a block of this time may order the message.
    pub fn valid_at(&self, time: Time) -> bool {
        self.valid_from <= time && time <= self.valid_to
    }
}

/// The message may not be ordered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct IngressRefused(pub String);

/// This node's part in the generation of the chain key, as bytes.
///
/// Each dealer sends a private dealing to every member (itself included, inside the ceremony),
/// collects acknowledgements, and publishes one signed log on the chain; everyone derives the
/// outcome from the logs. All methods are idempotent: messages come again after losses and
/// restarts. The dealing of this node must be the same after a restart, and a dealing that has
/// been acknowledged must be on disk before the acknowledgement is returned.
pub trait DkgCeremony: Send {
    /// The private dealing for `player`; `None` for a stranger or this node.
    fn dealing(&mut self, player: &NodeId) -> Option<Bytes>;

    /// Takes the dealing of another member; gives the acknowledgement if the dealing is good.
    fn take_dealing(&mut self, dealer: &NodeId, dealing: &[u8]) -> Option<Bytes>;

    /// Takes the acknowledgement of this node's dealing; whether it is good.
    fn take_acknowledgement(&mut self, player: &NodeId, acknowledgement: &[u8]) -> bool;

    /// This node's signed log with what has been acknowledged so far; shares of the others are
    /// revealed in it. No acknowledgement is taken afterwards.
    fn dealer_log(&mut self) -> Bytes;

    /// Who signed this log; `None` if it is not a member's well-formed log.
    fn log_dealer(&self, log: &[u8]) -> Option<NodeId>;

    /// The public outcome of a set of logs, the same for everyone; `None` if they do not suffice.
    fn outcome(&self, logs: &BTreeMap<NodeId, Bytes>) -> Option<Transcript>;

    /// This node's secret share of that outcome; `None` if it missed dealings that were not
    /// revealed: it then follows without signing.
    fn secret_share(&mut self, logs: &BTreeMap<NodeId, Bytes>) -> Option<SecretShare>;
}

/// Combined signatures of past heights, for members that were away.
///
/// What [`crate::Effect::StoreTape`] and [`crate::Effect::StoreCertification`] put in must be
/// readable as soon as the effects of that call have been carried out.
pub trait ArtifactStore: Send {
    /// The random tape of a height.
    fn tape(&self, height: Height) -> Option<Signature>;

    /// The certification of a height.
    fn certification(&self, height: Height) -> Option<Certification>;
}

/// The random tape of one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tape {
    /// The height.
    pub height: Height,
    /// The chain key's signature on the height under [`TAPE_DOMAIN`].
    pub signature: Signature,
}

impl Tape {
    /// What is signed.
    pub fn message(height: Height) -> [u8; 8] {
        height.0.to_be_bytes()
    }

    /// The randomness of the height: the hash of the signature, which nobody can choose.
    pub fn randomness(&self) -> Randomness {
        Randomness(Sha256::digest(self.signature.0).into())
    }
}

/// The subnet's signature on the state root of one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certification {
    /// The height.
    pub height: Height,
    /// The root of the canonical state tree after the height's batch.
    pub root: StateRoot,
    /// The chain key's signature on the root under `ic-state-root`.
    pub signature: Signature,
}

/// The chain key as a node keeps it over restarts.
#[derive(Clone)]
pub struct StoredKey {
    /// The height whose block ended the key generation; the genesis state stands at it.
    pub height: Height,
    /// The public part.
    pub transcript: Transcript,
    /// This node's secret; `None` if it follows without signing.
    pub share: Option<SecretShare>,
}

/// A share as it travels: whose it is comes from the connection.
pub(crate) type Share = SignatureShare;
