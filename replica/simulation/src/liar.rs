//! A member whose engine is honest and whose words are not.
//!
//! It runs the ordinary node and changes what that node says: so its lies look like the truth but
//! for one thing each, which is what a check is most likely to miss.

use std::sync::Arc;

use bytes::Bytes;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use replica_consensus::{Certification, Message, Payload, Tape};
use replica_crypto::chain_key::{Signature, SignatureShare};
use replica_engine::{Application, Effect, FinalizedBlock, Proposal, ProposalContext, Verdict};
use types::{Height, NodeId, StateRoot, SubnetConfig, Time};

/// How many ordered calls it remembers to propose again.
const REMEMBERED_MAX: usize = 64;

/// An honest application, and lies.
pub(crate) struct Liar<A> {
    honest: A,
    dice: ChaCha8Rng,
    subnet: Arc<SubnetConfig>,
    /// Calls that are in the chain already.
    ordered: Vec<Bytes>,
    /// Signatures of other messages, to be put where they do not belong.
    shares: Vec<SignatureShare>,
    signatures: Vec<Signature>,
}

impl<A> Liar<A> {
    pub(crate) fn new(honest: A, seed: u64, subnet: Arc<SubnetConfig>) -> Self {
        let dice = ChaCha8Rng::seed_from_u64(!seed);
        let (ordered, shares, signatures) = (Vec::new(), Vec::new(), Vec::new());
        Self { honest, dice, subnet, ordered, shares, signatures }
    }

    fn lie(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        effects.into_iter().map(|effect| self.lie_about(effect)).collect()
    }

    fn lie_about(&mut self, effect: Effect) -> Effect {
        match effect {
            Effect::Send { to, message } => Effect::Send { to, message: self.change(message) },
            Effect::Broadcast { message } => Effect::Broadcast { message: self.change(message) },
            other => other,
        }
    }

    /// Half of the messages are true: a liar that is never believed is no danger.
    fn change(&mut self, bytes: Bytes) -> Bytes {
        if self.dice.random() {
            return bytes;
        }
        let Ok(message) = Message::decode(&bytes) else { return bytes };
        if self.dice.random_range(0..20) == 0 {
            return self.garbage(bytes.len());
        }
        self.changed(message).encode()
    }

    fn changed(&mut self, message: Message) -> Message {
        match message {
            Message::TapeShare { height, share } => {
                let height = self.other_height(height);
                Message::TapeShare { height, share: self.other_share(share) }
            }
            Message::CertificationShare { height, root, share } => {
                let (height, root) = (self.other_height(height), self.other_root(root));
                Message::CertificationShare { height, root, share: self.other_share(share) }
            }
            Message::Artifacts { tapes, certification } => Message::Artifacts {
                tapes: tapes.into_iter().map(|tape| self.other_tape(tape)).collect(),
                certification: certification.map(|one| self.other_certification(one)),
            },
            Message::Status { finalized, executed, certified } => {
                let [finalized, executed, certified] =
                    [finalized, executed, certified].map(|height| self.other_height(height));
                Message::Status { finalized, executed, certified }
            }
            Message::Ingress(mut envelopes) => {
                envelopes.extend(self.ordered.last().cloned());
                envelopes.push(self.garbage(100));
                Message::Ingress(envelopes)
            }
            Message::ArtifactsWanted { .. } => {
                let wanted = Height(self.dice.next_u64());
                let wanted = Some(wanted);
                Message::ArtifactsWanted { tapes_from: wanted, certification_from: wanted }
            }
            other => other,
        }
    }

    fn other_height(&mut self, height: Height) -> Height {
        match self.dice.random_range(0..4) {
            0 => Height(height.0 + 1),
            1 => Height(height.0.saturating_sub(1)),
            2 => Height(self.dice.next_u64()),
            _ => height,
        }
    }

    fn other_root(&mut self, root: StateRoot) -> StateRoot {
        match self.dice.random() {
            true => root,
            false => StateRoot(self.dice.random()),
        }
    }

    fn other_share(&mut self, share: SignatureShare) -> SignatureShare {
        self.shares.push(share);
        self.shares[self.dice.random_range(0..self.shares.len())]
    }

    fn other_tape(&mut self, tape: Tape) -> Tape {
        self.signatures.push(tape.signature);
        let signature = self.signatures[self.dice.random_range(0..self.signatures.len())];
        Tape { signature, ..tape }
    }

    /// Mostly a certification that verifies, of another height than it says.
    fn other_certification(&mut self, one: Certification) -> Certification {
        Certification { height: self.other_height(one.height), ..one }
    }

    fn garbage(&mut self, length: usize) -> Bytes {
        let mut bytes = vec![0; length];
        self.dice.fill_bytes(&mut bytes);
        bytes.into()
    }

    /// A block that the others must refuse, or one that is valid and odd.
    fn false_block(&mut self, ctx: &ProposalContext, now: Time) -> Option<Bytes> {
        let parent_time = match ctx.parent.is_empty() {
            true => self.subnet.genesis_time,
            false => Payload::decode(&ctx.parent).ok()?.time,
        };
        let time = now.max(parent_time.plus_ns(1));
        let empty = |time| Payload { time, dealer_logs: Vec::new(), ingress: Vec::new() };
        Some(match self.dice.random_range(0..6) {
            0 => self.garbage(64),
            1 => empty(parent_time).encode(),
            2 => empty(time.plus_ms(3_600_000)).encode(),
            3 => empty(parent_time.plus_ns(1)).encode(),
            4 => {
                let ingress = self.ordered.last()?.clone();
                Payload { ingress: vec![ingress], ..empty(time) }.encode()
            }
            _ => Payload { ingress: vec![self.garbage(40)], ..empty(time) }.encode(),
        })
    }
}

impl<A: Application> Application for Liar<A> {
    type Event = A::Event;

    fn propose(&mut self, ctx: &ProposalContext, now: Time) -> Proposal {
        let honest = self.honest.propose(ctx, now);
        if self.dice.random_range(0..3) > 0 {
            return honest;
        }
        self.false_block(ctx, now).map_or(honest, Proposal::Block)
    }

    fn validate(&mut self, ctx: &ProposalContext, block: &[u8], now: Time) -> Verdict {
        match self.dice.random_range(0..8) {
            0 => Verdict::Valid,
            _ => self.honest.validate(ctx, block, now),
        }
    }

    fn finalized(&mut self, block: FinalizedBlock, now: Time) -> Vec<Effect> {
        if let Ok(payload) = Payload::decode(&block.payload) {
            self.ordered.extend(payload.ingress);
            let surplus = self.ordered.len().saturating_sub(REMEMBERED_MAX);
            self.ordered.drain(..surplus);
        }
        let effects = self.honest.finalized(block, now);
        self.lie(effects)
    }

    fn receive(&mut self, from: NodeId, message: Bytes, now: Time) -> Vec<Effect> {
        let effects = self.honest.receive(from, message, now);
        self.lie(effects)
    }

    fn event(&mut self, event: A::Event, now: Time) -> Vec<Effect> {
        let effects = self.honest.event(event, now);
        self.lie(effects)
    }

    fn tick(&mut self, now: Time) -> Vec<Effect> {
        let effects = self.honest.tick(now);
        self.lie(effects)
    }

    fn takes_block(&self) -> bool {
        self.honest.takes_block()
    }
}
