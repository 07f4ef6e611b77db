//! Generation of a subnet's chain key, as a state machine over bytes.
//!
//! Joint Feldman key generation on BLS12-381 with signatures in G1 and keys in G2: each member
//! deals a random secret to all members; the sum of the dealt secrets is the group's, and nobody
//! knows it. A dealer publishes one signed log: the commitment to its polynomial and, for each
//! member, either the member's signed acknowledgement or the member's share in the clear.
//!
//! ```text
//!  dealer                                   player
//!    | dealing (private) -------------------> | checks it against the commitment
//!    | <----------------------- acknowledgement
//!    v
//!  log (public, ordered by the chain) ------> outcome: the same for everyone
//!                                             secret_share: each member's own
//! ```
//!
//! The threshold is n - f for n members with f = (n - 1) / 3. The outcome takes the first n - f
//! usable logs in the order of the dealers' keys, so all must feed in the same set of logs.
//!
//! Everything that this node sends is derived from its secret and the session: after a restart it
//! deals the same. What it received is not: the caller keeps each accepted dealing on disk before
//! it sends the acknowledgement, and feeds it in again after a restart. Otherwise the node may end
//! without a share, since its acknowledgement tells the dealer not to publish it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use bytes::{Bytes, BytesMut};
use commonware_codec::{Buf as CodecBuf, Read, ReadExt as _, Write as _};
use commonware_codec::{Copying, Decode as _, DecodeExt as _, Encode as _, Error as CodecError};
use commonware_cryptography::bls12381::dkg::feldman_desmedt::{
    self as feldman, DealerPrivMsg, DealerPubMsg, Info, Logs, PlayerAck, Reveal, SignedDealerLog,
};
use commonware_cryptography::bls12381::primitives::sharing::Mode;
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_cryptography::transcript::{self, Version};
use commonware_parallel::Sequential;
use commonware_utils::{N3f1, Participant};
use rand::CryptoRng;
use thiserror::Error;
use types::{NodeId, Transcript, TranscriptMember};
use zeroize::Zeroizing;

use crate::config::{ConfigError, Member, NodeSecret};
use crate::identity::Committee;

#[cfg(test)]
mod tests;

/// Separates this ceremony's signatures from all others of the node keys.
const DOMAIN: &[u8] = b"plinth chain key";
/// Separates the randomness that is derived from a node's secret.
const RANDOMNESS_DOMAIN: &[u8] = b"plinth chain key randomness";

/// The first ceremony of a session; a repeated one would be a session of its own.
const ROUND: u64 = 0;

type PublicPart = DealerPubMsg<MinSig>;
type SignedLog = SignedDealerLog<MinSig, PublicKey>;

/// Why bytes of a ceremony were not accepted, or why there is no outcome.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DkgError {
    /// The members or the secret cannot be used.
    #[error("the members of the key generation are wrong")]
    Config(#[from] ConfigError),
    /// The members cannot hold a ceremony.
    #[error("there can be no key generation among these members: {0}")]
    Members(String),
    /// Not a member.
    #[error("{0} is no member of the key generation")]
    Stranger(NodeId),
    /// Bytes that do not decode.
    #[error("the {what} does not decode: {reason}")]
    Malformed {
        /// What they should have been.
        what: &'static str,
        /// What is wrong with them.
        reason: String,
    },
    /// A dealing that does not fit its commitment.
    #[error("the dealing of {dealer} is wrong: {reason}")]
    Dealing {
        /// Who dealt.
        dealer: NodeId,
        /// What is wrong.
        reason: String,
    },
    /// An acknowledgement that was not signed over this node's dealing.
    #[error("the acknowledgement of {0} does not fit this node's dealing")]
    Acknowledgement(NodeId),
    /// An acknowledgement after the log was made.
    #[error("the own log is made already; the acknowledgement of {0} is too late")]
    Sealed(NodeId),
    /// A log whose signature is wrong or whose signer is no member.
    #[error("the dealer log is not signed by a member")]
    LogSigner,
    /// A log under the name of another dealer.
    #[error("the log given for {given} is the one of {signer}")]
    LogDealer {
        /// Whose log it should be.
        given: NodeId,
        /// Whose it is.
        signer: NodeId,
    },
    /// The logs do not suffice.
    #[error("the dealer logs make no key: {0}; wait for the logs of more dealers")]
    NoOutcome(String),
    /// This node acknowledged a dealing that it does not have any more.
    #[error("this node has no share of the key: {0}; it can follow the chain but not sign")]
    NoShare(String),
}

/// One member's part in the generation of a chain key.
pub struct Ceremony {
    committee: Committee,
    info: Info<MinSig, PublicKey>,
    size: NonZeroU32,
    noise: transcript::Transcript,
    dealings: BTreeMap<NodeId, Bytes>,
    /// Collects acknowledgements until the log is made.
    dealer: Option<feldman::Dealer<MinSig, PrivateKey>>,
    log: Bytes,
    player: feldman::Player<MinSig, PrivateKey>,
    /// The accepted dealings and our acknowledgements of them.
    received: BTreeMap<PublicKey, Received>,
}

struct Received {
    public: PublicPart,
    private: DealerPrivMsg,
    acknowledgement: Bytes,
}

impl Ceremony {
    /// Begins, or begins again after a restart: this node's dealing is the same each time.
    ///
    /// `members` are in ascending order of node id; `session` tells this ceremony apart from all
    /// others, and is usually the digest of the genesis configuration.
    pub fn new(
        me: NodeId,
        secret: &NodeSecret,
        members: &[Member],
        session: [u8; 32],
    ) -> Result<Self, DkgError> {
        let committee = Committee::new(&me, secret, members)?;
        let info = info(&committee, &session)?;
        let size = u32::try_from(committee.len()).ok().and_then(NonZeroU32::new);
        let size = size.ok_or_else(|| DkgError::Members("too many".into()))?;
        let noise = noise(secret, &session, &committee);
        let (dealer, public, private) = feldman::Dealer::start::<N3f1>(
            noise.noise(b"dealing"),
            info.clone(),
            committee.signer.clone(),
            None,
        )
        .map_err(|error| DkgError::Members(error.to_string()))?;
        let player = feldman::Player::new(info.clone(), committee.signer.clone())
            .map_err(|error| DkgError::Members(error.to_string()))?;
        let dealings = private.into_iter().filter_map(|(key, private)| {
            Some((committee.node(&key)?, encode_dealing(&public, &private)))
        });
        let dealings: BTreeMap<_, _> = dealings.collect();
        let mut ceremony = Self {
            committee,
            info,
            size,
            noise,
            dealings,
            dealer: Some(dealer),
            log: Bytes::new(),
            player,
            received: BTreeMap::new(),
        };
        ceremony.deal_to_self(me)?;
        Ok(ceremony)
    }

    fn deal_to_self(&mut self, me: NodeId) -> Result<(), DkgError> {
        let own = self.dealings.remove(&me).ok_or(DkgError::Stranger(me))?;
        let acknowledgement = self.take_dealing(&me, &own)?;
        self.take_acknowledgement(&me, &acknowledgement)
    }

    /// The private dealing for another member; `None` for a stranger and for this node. It must
    /// travel encrypted.
    pub fn dealing(&self, player: &NodeId) -> Option<Bytes> {
        self.dealings.get(player).cloned()
    }

    /// Takes the dealing of a member and gives the acknowledgement to send back. A dealer's later
    /// dealings change nothing: the answer is the acknowledgement of the first.
    pub fn take_dealing(&mut self, dealer: &NodeId, dealing: &[u8]) -> Result<Bytes, DkgError> {
        let key = self.committee.key(dealer).ok_or(DkgError::Stranger(*dealer))?.clone();
        if let Some(received) = self.received.get(&key) {
            return Ok(received.acknowledgement.clone());
        }
        let Dealing { public, private } = Dealing::decode_cfg(Copying(dealing), &self.size)
            .map_err(|error| malformed("dealing", &error))?;
        let wrong = |reason: String| DkgError::Dealing { dealer: *dealer, reason };
        let acknowledgement = self
            .player
            .dealer_message::<N3f1>(key.clone(), public.clone(), private.clone())
            .map_err(|error| wrong(error.to_string()))?
            .ok_or_else(|| wrong("there was another before".into()))?
            .encode();
        let answer = acknowledgement.clone();
        self.received.insert(key, Received { public, private, acknowledgement });
        Ok(answer)
    }

    /// Takes a member's acknowledgement of this node's dealing.
    pub fn take_acknowledgement(
        &mut self,
        player: &NodeId,
        acknowledgement: &[u8],
    ) -> Result<(), DkgError> {
        let key = self.committee.key(player).ok_or(DkgError::Stranger(*player))?.clone();
        let dealer = self.dealer.as_mut().ok_or(DkgError::Sealed(*player))?;
        let acknowledgement = PlayerAck::<PublicKey>::decode(Copying(acknowledgement))
            .map_err(|error| malformed("acknowledgement", &error))?;
        dealer
            .receive_player_ack(key, acknowledgement)
            .map_err(|_| DkgError::Acknowledgement(*player))
    }

    /// This node's signed log, with what was acknowledged when it is first asked for; the shares of
    /// all others are public in it. Where more than f have not acknowledged, the log reveals
    /// nothing and is of no use to the outcome.
    pub fn dealer_log(&mut self) -> Bytes {
        if let Some(dealer) = self.dealer.take() {
            self.log = dealer.finalize::<N3f1>().encode();
        }
        self.log.clone()
    }

    /// Who signed a log. Whether it is of use shows in the outcome only.
    pub fn log_dealer(&self, log: &[u8]) -> Result<NodeId, DkgError> {
        self.check_log(log).map(|(dealer, _, _)| dealer)
    }

    /// The public outcome of a set of logs: the same for everyone who has the same set.
    pub fn outcome(&self, logs: &BTreeMap<NodeId, Bytes>) -> Result<Transcript, DkgError> {
        let output = feldman::observe(&mut self.checks(), self.collect(logs)?, &Sequential)
            .map_err(|failure| DkgError::NoOutcome(failure.to_string()))?;
        self.transcript(&output)
    }

    /// This node's secret share of the outcome: a scalar, 32 bytes big-endian.
    pub fn secret_share(
        &self,
        logs: &BTreeMap<NodeId, Bytes>,
    ) -> Result<Zeroizing<[u8; 32]>, DkgError> {
        let no_share = |error: &dyn std::fmt::Display| DkgError::NoShare(error.to_string());
        let mut player =
            feldman::Player::<MinSig, _>::new(self.info.clone(), self.committee.signer.clone())
                .map_err(|error| no_share(&error))?;
        for (dealer, received) in &self.received {
            let (public, private) = (received.public.clone(), received.private.clone());
            player
                .dealer_message::<N3f1>(dealer.clone(), public, private)
                .map_err(|error| no_share(&error))?;
        }
        let (_, share) = player
            .finalize::<N3f1>(&mut self.checks(), self.collect(logs)?, &Sequential)
            .map_err(|error| no_share(&error))?;
        let mut bytes = Zeroizing::new([0; 32]);
        share.private.write(&mut &mut bytes[..]);
        Ok(bytes)
    }

    /// Randomness for the batch checks of signatures: nobody else can know it beforehand.
    fn checks(&self) -> impl CryptoRng + use<> {
        self.noise.noise(b"checks")
    }

    fn collect(
        &self,
        logs: &BTreeMap<NodeId, Bytes>,
    ) -> Result<Logs<MinSig, PublicKey, N3f1>, DkgError> {
        let mut collected = Logs::new(self.info.clone());
        for (given, bytes) in logs {
            let (signer, key, log) = self.check_log(bytes)?;
            if signer != *given {
                return Err(DkgError::LogDealer { given: *given, signer });
            }
            collected.record(key, log);
        }
        Ok(collected)
    }

    fn check_log(
        &self,
        bytes: &[u8],
    ) -> Result<(NodeId, PublicKey, feldman::DealerLog<MinSig, PublicKey>), DkgError> {
        let log = SignedLog::decode_cfg(Copying(bytes), &self.size)
            .map_err(|error| malformed("dealer log", &error))?;
        let (key, log) = log.check(&self.info).ok_or(DkgError::LogSigner)?;
        let dealer = self.committee.node(&key).ok_or(DkgError::LogSigner)?;
        Ok((dealer, key, log))
    }

    fn transcript(
        &self,
        output: &feldman::Output<MinSig, PublicKey>,
    ) -> Result<Transcript, DkgError> {
        let sharing = output.public();
        let member = |(at, key): (usize, &PublicKey)| {
            let index = Participant::from_usize(at);
            let share = sharing.partial_public(index).ok()?;
            Some(TranscriptMember {
                node_id: self.committee.node(key)?,
                point: point(index),
                public_share: share.encode().to_vec(),
            })
        };
        let members: Option<Vec<_>> = output.players().iter().enumerate().map(member).collect();
        let mut members =
            members.ok_or_else(|| DkgError::NoOutcome("a player is no member".into()))?;
        members.sort_by_key(|member| member.node_id);
        Ok(Transcript {
            public_key: sharing.public().encode().to_vec(),
            threshold: sharing.required(),
            members,
        })
    }
}

/// What all members must agree on before they begin.
fn info(committee: &Committee, session: &[u8; 32]) -> Result<Info<MinSig, PublicKey>, DkgError> {
    Info::new::<N3f1>(
        &[DOMAIN, session].concat(),
        ROUND,
        None,
        Mode::NonZeroCounter,
        Reveal::V1,
        committee.keys.clone(),
        committee.keys.clone(),
    )
    .map_err(|error| DkgError::Members(error.to_string()))
}

/// The source of all randomness of this node in this ceremony. The members are part of it, so that
/// no polynomial is ever used for two sets of them.
fn noise(secret: &NodeSecret, session: &[u8; 32], committee: &Committee) -> transcript::Transcript {
    let mut noise = transcript::Transcript::new(RANDOMNESS_DOMAIN, Version::V1);
    noise.commit(&secret.expose()[..]).commit(&session[..]).commit(committee.keys.encode());
    noise
}

/// The point at which the sharing polynomial is evaluated for the member of this index: one more
/// than the index, since the polynomial holds the secret at zero.
fn point(index: Participant) -> [u8; 32] {
    let mut point = [0; 32];
    point[24..].copy_from_slice(&(u64::from(index.get()) + 1).to_be_bytes());
    point
}

fn malformed(what: &'static str, error: &CodecError) -> DkgError {
    DkgError::Malformed { what, reason: error.to_string() }
}

/// A dealing as it travels: the public commitment, then the private share.
struct Dealing {
    public: PublicPart,
    private: DealerPrivMsg,
}

impl Read for Dealing {
    type Cfg = NonZeroU32;

    fn read_cfg(buf: &mut impl CodecBuf, size: &NonZeroU32) -> Result<Self, CodecError> {
        let public = PublicPart::read_cfg(buf, size)?;
        let private = DealerPrivMsg::read(buf)?;
        Ok(Self { public, private })
    }
}

fn encode_dealing(public: &PublicPart, private: &DealerPrivMsg) -> Bytes {
    let mut bytes = BytesMut::new();
    public.write(&mut bytes);
    private.write(&mut bytes);
    bytes.freeze()
}
