//! What members send to each other: messages and block payloads as bytes, and a whole consensus
//! that takes them in any order.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use replica_consensus::{
    ArtifactStore, BlockContext, Certification, Consensus, Decision, DkgCeremony, Effect,
    IngressCheck, IngressFacts, IngressRefused, Message, Parts, Payload, Recovered, StoredKey,
    Tape, Verdict,
};
use replica_crypto::chain_key::dealt::{Dealt, deal};
use replica_crypto::chain_key::{SecretShare, Signature, SignatureShare};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use types::{Height, MessageId, NodeId, StateRoot, SubnetConfig, Time, Transcript};

use crate::configuration::subnet_of_four;

/// Messages of members: there is one encoding of each.
pub fn peer_message(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(message) = Message::decode(&bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// Payloads of blocks: there is one encoding of each.
pub fn payload(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(payload) = Payload::decode(&bytes) {
        assert_eq!(payload.encode(), bytes);
    }
}

/// The consensus of one of four members, with the chain key or still without: three others say
/// what they like. None of them has a share of the key, so nothing may be certified.
pub fn consensus(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let Ok(has_key) = from.arbitrary() else { return };
    let mut node = Node::new(has_key);
    while !from.is_empty() && node.step(&mut from).is_ok() {}
}

fn config() -> &'static Arc<SubnetConfig> {
    static CONFIG: OnceLock<Arc<SubnetConfig>> = OnceLock::new();
    CONFIG.get_or_init(|| Arc::new(subnet_of_four()))
}

fn dealt() -> &'static Dealt {
    static DEALT: OnceLock<Dealt> = OnceLock::new();
    DEALT.get_or_init(|| {
        let members: Vec<_> = config().members.iter().map(|member| member.node_id).collect();
        deal(7, &members, config().quorum())
    })
}

struct Node {
    core: Consensus,
    now: Time,
    finalized: Height,
    parent: Bytes,
}

impl Node {
    fn new(has_key: bool) -> Self {
        let me = config().members[0].node_id;
        let start = config().genesis_time;
        let key = StoredKey {
            height: Height(1),
            transcript: dealt().transcript.clone(),
            share: Some(copy(&dealt().shares[&me])),
        };
        let recovered = match has_key {
            false => Recovered::Nothing,
            true => Recovered::State { key, height: Height(1), time: start, ordered: Vec::new() },
        };
        let parts = Parts {
            ingress: Box::new(FirstByte),
            dkg: Box::new(Numbers),
            artifacts: Box::new(Nothing),
        };
        let core = Consensus::new(Arc::clone(config()), me, recovered, parts);
        let mut node = Self {
            core: core.expect("a dealt key is good"),
            now: start.plus_ms(1_000),
            finalized: Height(u64::from(has_key)),
            parent: block(start, Vec::new(), Vec::new()).encode(),
        };
        if has_key {
            let effects = node.core.executed(Height(1), StateRoot([1; 32]), node.now);
            node.carry_out(effects);
        }
        node
    }

    fn step(&mut self, from: &mut Unstructured<'_>) -> Result<()> {
        match from.int_in_range(0..=5)? {
            0 => {
                let message = Bytes::from(from.arbitrary::<Vec<u8>>()?);
                self.receive(from, &message)?;
            }
            1 | 2 => {
                let message = message(from)?.encode();
                self.receive(from, &message)?;
            }
            3 => self.judge(from)?,
            4 => self.finalize(from)?,
            _ => {
                self.now = self.now.plus_ms(from.int_in_range(0..=2_000)?);
                let effects = self.core.tick(self.now);
                self.carry_out(effects);
                if let Decision::Block(own) = self.core.propose(&self.context(), self.now) {
                    let verdict = self.core.validate(&self.context(), &own, self.now);
                    assert_eq!(verdict, Verdict::Valid, "a node votes for its own block");
                }
            }
        }
        Ok(())
    }

    fn context(&self) -> BlockContext {
        BlockContext {
            height: self.finalized.next(),
            view: self.finalized.0,
            parent: match self.finalized {
                Height(0) => Bytes::new(),
                _ => self.parent.clone(),
            },
            ancestors: Vec::new(),
        }
    }

    fn receive(&mut self, from: &mut Unstructured<'_>, message: &Bytes) -> Result<()> {
        let sender = config().members[from.int_in_range(1..=3)?].node_id;
        let effects = self.core.receive(sender, message, self.now);
        if Message::decode(message).is_err() {
            assert!(effects.is_empty(), "bytes that are no message have no effect");
        }
        self.carry_out(effects);
        Ok(())
    }

    fn judge(&mut self, from: &mut Unstructured<'_>) -> Result<()> {
        let bytes = match from.arbitrary()? {
            true => from.arbitrary::<Vec<u8>>()?.into(),
            false => self.payload(from)?.encode(),
        };
        if self.core.validate(&self.context(), &bytes, self.now) == Verdict::Valid {
            let payload = Payload::decode(&bytes).expect("what is valid can be read");
            assert!(payload.ingress.iter().all(|one| one.first() == Some(&1)));
            assert!(payload.dealer_logs.is_empty() || payload.ingress.is_empty());
        }
        Ok(())
    }

    /// A block that this node would vote for becomes final.
    fn finalize(&mut self, from: &mut Unstructured<'_>) -> Result<()> {
        let block = self.payload(from)?.encode();
        if self.core.validate(&self.context(), &block, self.now) == Verdict::Valid {
            self.finalized = self.finalized.next();
            self.parent = block;
            let effects = self.core.finalized(self.finalized, &self.parent, self.now);
            self.carry_out(effects);
        }
        Ok(())
    }

    fn payload(&self, from: &mut Unstructured<'_>) -> Result<Payload> {
        let time = self.now.plus_ms(from.int_in_range(0..=10)?);
        let logs = (0..from.int_in_range(0..=2)?).map(|_| bytes(from)).collect::<Result<_>>()?;
        let ingress = (0..from.int_in_range(0..=3)?).map(|_| bytes(from)).collect::<Result<_>>()?;
        Ok(block(time, logs, ingress))
    }

    /// What is sent can be read, and nothing is certified or executed without the others' shares.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { message, .. } | Effect::Broadcast { message } => {
                    Message::decode(&message).expect("what is sent can be read");
                }
                Effect::Wake => {}
                Effect::ChainKeyFixed(_) => panic!("there is a chain key without its ceremony"),
                Effect::Halt(halt) => panic!("foreign bytes halt the node: {}", halt.reason),
                Effect::Execute(_)
                | Effect::StoreTape(_)
                | Effect::StoreCertification(_)
                | Effect::Certified(_) => panic!("one member's share has made a signature"),
            }
        }
    }
}

fn copy(share: &SecretShare) -> SecretShare {
    SecretShare::from_bytes(&share.expose_bytes()[..]).expect("it is one")
}

fn block(time: Time, dealer_logs: Vec<Bytes>, ingress: Vec<Bytes>) -> Payload {
    Payload { time, dealer_logs, ingress }
}

fn message(from: &mut Unstructured<'_>) -> Result<Message> {
    Ok(match from.int_in_range(0..=10)? {
        0 => Message::Ingress(list(from, bytes)?),
        1 => Message::IngressOffer(list(from, |from| Ok(MessageId(hash(from)?)))?),
        2 => Message::IngressWanted(list(from, |from| Ok(MessageId(hash(from)?)))?),
        3 => Message::TapeShare { height: height(from)?, share: SignatureShare(point(from)?) },
        4 => Message::CertificationShare {
            height: height(from)?,
            root: StateRoot(hash(from)?),
            share: SignatureShare(point(from)?),
        },
        5 => Message::ArtifactsWanted {
            tapes_from: optional(from, height)?,
            certification_from: optional(from, height)?,
        },
        6 => Message::Artifacts {
            tapes: list(from, |from| {
                Ok(Tape { height: height(from)?, signature: Signature(point(from)?) })
            })?,
            certification: optional(from, |from| {
                let (height, root) = (height(from)?, StateRoot(hash(from)?));
                Ok(Certification { height, root, signature: Signature(point(from)?) })
            })?,
        },
        7 => Message::Status {
            finalized: height(from)?,
            executed: height(from)?,
            certified: height(from)?,
        },
        8 => Message::Dealing(bytes(from)?),
        9 => Message::DealingAcknowledged(bytes(from)?),
        _ => Message::DealerLog(bytes(from)?),
    })
}

fn list<T>(
    from: &mut Unstructured<'_>,
    read: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..from.int_in_range(0..=3)?).map(|_| read(from)).collect()
}

fn optional<T>(
    from: &mut Unstructured<'_>,
    read: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    from.arbitrary::<bool>()?.then(|| read(from)).transpose()
}

/// Near the heights of a short chain, near the end of all heights, or anywhere.
fn height(from: &mut Unstructured<'_>) -> Result<Height> {
    Ok(Height(match from.int_in_range(0..=3)? {
        0 => from.arbitrary()?,
        1 => u64::MAX - u64::from(from.arbitrary::<u8>()?),
        _ => from.int_in_range(0..=80)?,
    }))
}

fn hash(from: &mut Unstructured<'_>) -> Result<[u8; 32]> {
    Ok([from.arbitrary()?; 32])
}

/// The point at infinity, the generator of the group, or no point.
fn point(from: &mut Unstructured<'_>) -> Result<[u8; 48]> {
    let mut point = [0; 48];
    match from.int_in_range(0..=3)? {
        0 => point[0] = 0xc0,
        1 => {
            hex::decode_to_slice(crate::chain_key::GENERATOR, &mut point).expect("hexadecimal");
        }
        _ => point[..4].copy_from_slice(&from.arbitrary::<[u8; 4]>()?),
    }
    Ok(point)
}

fn bytes(from: &mut Unstructured<'_>) -> Result<Bytes> {
    let length = from.int_in_range(0..=12)?;
    Ok(Bytes::copy_from_slice(from.bytes(length)?))
}

/// Envelopes that begin with 1 are good; the second byte says which message it is.
struct FirstByte;

impl IngressCheck for FirstByte {
    fn check(
        &mut self,
        envelope: &Bytes,
        _: Time,
    ) -> std::result::Result<IngressFacts, IngressRefused> {
        let found = self.identify(envelope).filter(|_| envelope[0] == 1);
        let (id, expiry) = found.ok_or_else(|| IngressRefused("not good".into()))?;
        Ok(IngressFacts { id, valid_from: Time(0), valid_to: expiry, expiry })
    }

    fn identify(&self, envelope: &Bytes) -> Option<(MessageId, Time)> {
        let expiry = config().genesis_time.plus_ms(1_000_000);
        Some((MessageId([*envelope.get(1)?; 32]), expiry))
    }
}

/// A ceremony in which a log is one byte, its dealer's number, and that never has an outcome.
struct Numbers;

impl DkgCeremony for Numbers {
    fn dealing(&mut self, _: &NodeId) -> Option<Bytes> {
        Some(Bytes::from_static(b"dealing"))
    }

    fn take_dealing(&mut self, _: &NodeId, dealing: &[u8]) -> Option<Bytes> {
        (dealing.first() == Some(&1)).then(|| Bytes::from_static(b"taken"))
    }

    fn take_acknowledgement(&mut self, _: &NodeId, acknowledgement: &[u8]) -> bool {
        acknowledgement.first() == Some(&1)
    }

    fn dealer_log(&mut self) -> Bytes {
        Bytes::from_static(&[0])
    }

    fn log_dealer(&self, log: &[u8]) -> Option<NodeId> {
        let [number] = log else { return None };
        // The last of the four never deals: the logs of all would have to have an outcome.
        config().members[..3].get(usize::from(*number)).map(|member| member.node_id)
    }

    fn outcome(&self, _: &BTreeMap<NodeId, Bytes>) -> Option<Transcript> {
        None
    }

    fn secret_share(&mut self, _: &BTreeMap<NodeId, Bytes>) -> Option<SecretShare> {
        None
    }
}

/// A node that has kept nothing.
struct Nothing;

impl ArtifactStore for Nothing {
    fn tape(&self, _: Height) -> Option<Signature> {
        None
    }

    fn certification(&self, _: Height) -> Option<Certification> {
        None
    }
}
