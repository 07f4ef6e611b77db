//! The state machine: inputs in, effects out.

use std::sync::Arc;

use bytes::Bytes;
use replica_crypto::chain_key::{ChainKey, ChainKeyError};
use types::{Height, MessageId, NodeId, StateRoot, SubnetConfig, Time};

use crate::bounds::STATUS_INTERVAL_MS;
use crate::catch_up::CatchUp;
use crate::certification::{Certifier, Outcome};
use crate::effect::{Effect, Halt};
use crate::gossip::Gossip;
use crate::key_generation::KeyGeneration;
use crate::message::Message;
use crate::payload::Payload;
use crate::peers::{Counters, PeerStatus, Peers};
use crate::pool::{Pool, PoolFull, PoolLoad};
use crate::proposal::{BlockIds, Leading};
use crate::recent::OrderedIds;
use crate::tape::{Keyed, Tapes};
use crate::traits::{ArtifactStore, DkgCeremony, IngressCheck, IngressFacts, StoredKey, Tape};

/// The other parts that consensus works with.
pub struct Parts {
    /// Who may enter.
    pub ingress: Box<dyn IngressCheck>,
    /// This node's part in the key generation.
    pub dkg: Box<dyn DkgCeremony>,
    /// What this node keeps for members that were away.
    pub artifacts: Box<dyn ArtifactStore>,
}

/// What a node knows when it starts.
pub enum Recovered {
    /// No chain key yet: the chain is read from its first block.
    Nothing,
    /// A chain key and a state. The caller reports the state's root by
    /// [`Consensus::executed`] before anything else, and the block above it comes next.
    State {
        /// The chain key.
        key: StoredKey,
        /// The height of the state; that of the key for the genesis state.
        height: Height,
        /// The block time of that height.
        time: Time,
        /// Ids that blocks up to that height have ordered, with their expiry.
        ordered: Vec<(MessageId, Time)>,
    },
}

/// Where this node stands, for people and metrics.
#[derive(Clone, Debug)]
pub struct Standing {
    /// This node's heights.
    pub own: PeerStatus,
    /// What the others say about theirs.
    pub peers: Vec<(NodeId, PeerStatus)>,
    /// Ingress that waits.
    pub pool: PoolLoad,
    /// Whether this node's own part of the pool takes more.
    pub own_pool_has_room: bool,
    /// Final heights that wait for a random tape.
    pub tapes_missing: u64,
    /// Whether the chain key is fixed.
    pub has_key: bool,
    /// Whether this node has a share of the chain key.
    pub has_share: bool,
    /// What was refused.
    pub counters: Counters,
}

/// The consensus of one node. See the crate's documentation.
pub struct Consensus {
    pub(crate) config: Arc<SubnetConfig>,
    pub(crate) me: NodeId,
    pub(crate) parts: Parts,
    pub(crate) peers: Peers,
    pub(crate) pool: Pool,
    pub(crate) ordered: OrderedIds,
    pub(crate) gossip: Gossip,
    pub(crate) phase: Phase,
    pub(crate) finalized: Height,
    pub(crate) chain_time: Time,
    pub(crate) block_ids: BlockIds,
    pub(crate) leading: Leading,
    pub(crate) catch_up: CatchUp,
    status_sent: Option<Time>,
    pub(crate) halted: bool,
}

/// What the chain is busy with.
pub(crate) enum Phase {
    /// It generates the chain key.
    Generating(Box<KeyGeneration>),
    /// It orders ingress.
    Running(Box<Running>),
}

/// What there is once the chain key is fixed.
pub(crate) struct Running {
    pub(crate) keyed: Keyed,
    pub(crate) tapes: Tapes,
    pub(crate) certifier: Certifier,
}

impl Running {
    /// The state of `height` is to be reported next.
    fn new(
        config: &SubnetConfig,
        me: NodeId,
        key: StoredKey,
        height: Height,
    ) -> Result<Box<Self>, ChainKeyError> {
        let chain_key = ChainKey::new(&key.transcript)?;
        let below = Height(height.0.saturating_sub(1));
        Ok(Box::new(Self {
            keyed: Keyed { stored: key, chain_key },
            tapes: Tapes::new(me, height),
            certifier: Certifier::new(me, below, config.faults_max()),
        }))
    }
}

impl Consensus {
    /// The consensus of member `me`. Fails only if the kept chain key is damaged.
    pub fn new(
        config: Arc<SubnetConfig>,
        me: NodeId,
        recovered: Recovered,
        parts: Parts,
    ) -> Result<Self, ChainKeyError> {
        let mut ids = OrderedIds::default();
        let (phase, finalized, chain_time) = match recovered {
            Recovered::Nothing => {
                let generation = KeyGeneration::new(&config, me);
                (Phase::Generating(Box::new(generation)), Height(0), config.genesis_time)
            }
            Recovered::State { key, height, time, ordered } => {
                ordered.into_iter().for_each(|(id, expiry)| ids.insert(id, expiry));
                (Phase::Running(Running::new(&config, me, key, height)?), height, time)
            }
        };
        Ok(Self {
            peers: Peers::new(&config, &me),
            pool: Pool::new(config.members.len()),
            ordered: ids,
            gossip: Gossip::default(),
            phase,
            finalized,
            chain_time,
            block_ids: BlockIds::default(),
            leading: Leading::default(),
            catch_up: CatchUp::default(),
            status_sent: None,
            halted: false,
            config,
            me,
            parts,
        })
    }

    /// Takes a message that this node's own endpoint has admitted; it is gossiped and proposed.
    pub fn ingress(
        &mut self,
        envelope: Bytes,
        facts: IngressFacts,
        now: Time,
    ) -> Result<Vec<Effect>, PoolFull> {
        if self.halted || self.ordered.contains(&facts.id) {
            return Ok(Vec::new());
        }
        let cost = self.parts.ingress.signature_cost(&envelope);
        if !self.pool.insert(None, envelope.clone(), facts, cost)? {
            return Ok(Vec::new());
        }
        self.gossip.add(facts.id, &envelope);
        let mut effects = self.gossip.flush(now);
        effects.push(Effect::Wake);
        Ok(effects)
    }

    /// Takes the next final block.
    ///
    /// # Panics
    /// When a height is left out: the engine delivers without gaps.
    pub fn finalized(&mut self, height: Height, block: &Bytes, now: Time) -> Vec<Effect> {
        if self.halted || height <= self.finalized {
            return Vec::new();
        }
        assert_eq!(height, self.finalized.next(), "final blocks come in order");
        let payload = match Payload::decode(block) {
            Ok(payload) => payload,
            Err(error) => return self.halt(format!("final block {height} is no payload: {error}")),
        };
        self.finalized = height;
        self.chain_time = payload.time;
        match &mut self.phase {
            Phase::Generating(generation) => {
                let dkg = self.parts.dkg.as_mut();
                match generation.finalized(height, &payload.dealer_logs, dkg) {
                    Ok(None) => Vec::new(),
                    Ok(Some(key)) => self.fix_key(key),
                    Err(reason) => self.halt(reason),
                }
            }
            Phase::Running(_) => self.finalized_batch(height, block, payload, now),
        }
    }

    /// The state of this height has been computed; the effect [`Effect::Execute`] or
    /// [`Effect::ChainKeyFixed`] asked for it, or the node has recovered it.
    ///
    /// # Panics
    /// When a height is left out, or there is no chain key.
    pub fn executed(&mut self, height: Height, root: StateRoot, now: Time) -> Vec<Effect> {
        if self.halted {
            return Vec::new();
        }
        let Phase::Running(running) = &mut self.phase else {
            panic!("height {height} executed before there is a chain key");
        };
        running.tapes.batch_done();
        let outcome = running.certifier.executed_height(height, root);
        let mut effects = self.settled(outcome, true, now);
        if self.halted || self.certified_height() >= height {
            effects.extend(self.execute_next());
            return effects;
        }
        if let Some(kept) = self.parts.artifacts.certification(height) {
            let outcome = self.running().certifier.settle(kept);
            effects.extend(self.settled(outcome, false, now));
        } else {
            effects.extend(self.share_root(height));
            effects.extend(self.advance_certification(height, now));
        }
        effects.extend(self.execute_next());
        effects
    }

    /// Takes a message of another member; the sender is authenticated, the bytes are foreign.
    pub fn receive(&mut self, from: NodeId, message: &Bytes, now: Time) -> Vec<Effect> {
        if self.halted {
            return Vec::new();
        }
        if !self.peers.contains(&from) {
            self.peers.counters.strangers += 1;
            return Vec::new();
        }
        self.peers.heard(&from, now);
        match Message::decode(message) {
            Ok(message) => self.on_message(from, message, now),
            Err(error) => {
                log::debug!(from:% = from, error:% = error; "a message does not decode");
                self.peers.counters.malformed += 1;
                Vec::new()
            }
        }
    }

    /// Time passes: to be called every few tens of milliseconds.
    pub fn tick(&mut self, now: Time) -> Vec<Effect> {
        if self.halted {
            return Vec::new();
        }
        self.pool.expire(now);
        let mut effects = self.gossip.flush(now);
        if let Phase::Generating(generation) = &mut self.phase {
            effects.extend(generation.tick(self.parts.dkg.as_mut(), now));
        }
        effects.extend(self.ask_if_due(now));
        if self.status_sent.is_none_or(|sent| now.ms_since(sent) >= STATUS_INTERVAL_MS) {
            self.status_sent = Some(now);
            let PeerStatus { finalized, executed, certified } = self.own_status();
            let message = Message::Status { finalized, executed, certified }.encode();
            effects.push(Effect::Broadcast { message });
        }
        effects
    }

    /// Whether there is room for another final block; while not, the engine is to hold it back.
    pub fn takes_block(&self) -> bool {
        match &self.phase {
            Phase::Generating(_) => true,
            Phase::Running(running) => running.tapes.has_room(),
        }
    }

    /// Where this node stands.
    pub fn standing(&self) -> Standing {
        let running = match &self.phase {
            Phase::Generating(_) => None,
            Phase::Running(running) => Some(running),
        };
        Standing {
            own: self.own_status(),
            peers: self.peers.statuses().collect(),
            pool: self.pool.total(),
            own_pool_has_room: self.pool.own_part_has_room(),
            tapes_missing: running.map_or(0, |running| running.tapes.missing_count()),
            has_key: running.is_some(),
            has_share: running.is_some_and(|running| running.keyed.stored.share.is_some()),
            counters: self.peers.counters,
        }
    }

    fn on_message(&mut self, from: NodeId, message: Message, now: Time) -> Vec<Effect> {
        match message {
            Message::Ingress(envelopes) => self.on_gossip(from, envelopes, now),
            Message::IngressOffer(ids) => self.on_offer(from, ids, now),
            Message::IngressWanted(ids) => self.on_ingress_wanted(from, &ids, now),
            Message::TapeShare { height, share } => {
                let Phase::Running(running) = &mut self.phase else { return Vec::new() };
                let Running { keyed, tapes, .. } = &mut **running;
                match tapes.add_share(from, height, share, keyed, &mut self.peers) {
                    true => self.advance_tape(height, now),
                    false => self.out_of_window(),
                }
            }
            Message::CertificationShare { height, root, share } => {
                // Who signs the root of a height has executed it.
                let claim = PeerStatus { finalized: height, executed: height, ..<_>::default() };
                self.peers.claim(&from, claim);
                let mut effects = self.wake_if_unthrottled();
                let Phase::Running(running) = &mut self.phase else { return effects };
                let Running { keyed, certifier, .. } = &mut **running;
                effects.extend(
                    match certifier.add_share(from, (height, root), share, keyed, &mut self.peers) {
                        true => self.advance_certification(height, now),
                        false => self.out_of_window(),
                    },
                );
                effects
            }
            Message::ArtifactsWanted { tapes_from, certification_from } => {
                self.on_artifacts_wanted(from, tapes_from, certification_from, now)
            }
            Message::Artifacts { tapes, certification } => {
                self.on_artifacts(from, tapes, certification, now)
            }
            Message::Status { finalized, executed, certified } => {
                self.peers.claim(&from, PeerStatus { finalized, executed, certified });
                self.wake_if_unthrottled()
            }
            Message::Dealing(bytes) => self.in_generation(|generation, dkg, _| {
                generation.on_dealing(from, &bytes, dkg).map(|effect| vec![effect])
            }),
            Message::DealingAcknowledged(bytes) => self.in_generation(|generation, dkg, _| {
                generation.on_acknowledgement(from, &bytes, dkg, now)
            }),
            Message::DealerLog(bytes) => self.in_generation(|generation, dkg, _| {
                generation.on_log(from, bytes, dkg).then(|| vec![Effect::Wake])
            }),
        }
    }

    /// Runs a step of the key generation; `None` says that the message was wrong.
    fn in_generation(
        &mut self,
        step: impl FnOnce(&mut KeyGeneration, &mut dyn DkgCeremony, &mut Peers) -> Option<Vec<Effect>>,
    ) -> Vec<Effect> {
        let Phase::Generating(generation) = &mut self.phase else { return Vec::new() };
        match step(generation, self.parts.dkg.as_mut(), &mut self.peers) {
            Some(effects) => effects,
            None => {
                self.peers.counters.malformed += 1;
                Vec::new()
            }
        }
    }

    fn on_gossip(&mut self, from: NodeId, envelopes: Vec<Bytes>, now: Time) -> Vec<Effect> {
        if matches!(self.phase, Phase::Generating(_)) {
            return Vec::new();
        }
        // A block made now has this time at least.
        let at = now.max(self.chain_time);
        let mut fresh = false;
        for envelope in envelopes {
            match self.take_gossiped(from, envelope, at) {
                Some(is_fresh) => fresh |= is_fresh,
                None => self.peers.counters.ingress_refused += 1,
            }
        }
        if fresh { vec![Effect::Wake] } else { Vec::new() }
    }

    /// Whether the envelope is new; `None` if it is refused.
    fn take_gossiped(&mut self, from: NodeId, envelope: Bytes, at: Time) -> Option<bool> {
        // Reading an envelope is work too.
        let too_large = envelope.len() as u64 > self.config.limits.ingress_bytes_max;
        if too_large || !self.peers.may_gossip(&from, 1) {
            return None;
        }
        let (id, _) = self.parts.ingress.identify(&envelope)?;
        self.gossip.came(&id);
        if self.pool.contains(&id) || self.ordered.contains(&id) {
            return Some(false);
        }
        // Before the costly check, so that a full part costs nothing more.
        if !self.pool.has_room(Some(from), envelope.len()) {
            return None;
        }
        let cost = self.parts.ingress.signature_cost(&envelope);
        if !self.peers.may_gossip(&from, cost) {
            return None;
        }
        let facts = self.parts.ingress.check(&envelope, at).ok()?;
        self.pool.insert(Some(from), envelope, facts, cost).ok()
    }

    fn on_offer(&mut self, from: NodeId, ids: Vec<MessageId>, now: Time) -> Vec<Effect> {
        let lacking = |id: &MessageId| !self.pool.contains(id) && !self.ordered.contains(id);
        let ids: Vec<_> = ids.into_iter().filter(lacking).collect();
        if matches!(self.phase, Phase::Generating(_)) || !self.pool.has_room(Some(from), 0) {
            return Vec::new();
        }
        // One question each: an answer holds one large envelope.
        let wanted = self.gossip.want(from, ids, now).into_iter();
        wanted
            .map(|id| Message::IngressWanted(vec![id]).encode())
            .map(|message| Effect::Send { to: from, message })
            .collect()
    }

    fn on_ingress_wanted(&mut self, from: NodeId, ids: &[MessageId], now: Time) -> Vec<Effect> {
        let envelope = ids.first().and_then(|id| self.pool.get(id)).map(|one| one.envelope.clone());
        match envelope {
            Some(envelope) if self.peers.may_answer(&from, now) => {
                vec![Effect::Send { to: from, message: Message::Ingress(vec![envelope]).encode() }]
            }
            _ => Vec::new(),
        }
    }

    fn fix_key(&mut self, key: StoredKey) -> Vec<Effect> {
        log::info!(height = key.height.0, share = key.share.is_some(); "the chain key is fixed");
        match Running::new(&self.config, self.me, key.clone(), key.height) {
            Ok(running) => self.phase = Phase::Running(running),
            Err(error) => return self.halt(format!("the generated chain key is damaged: {error}")),
        }
        vec![Effect::ChainKeyFixed(key), Effect::Wake]
    }

    fn finalized_batch(
        &mut self,
        height: Height,
        block: &Bytes,
        payload: Payload,
        now: Time,
    ) -> Vec<Effect> {
        let ids = self.block_ids.take(height, block, &payload, self.parts.ingress.as_ref());
        for (id, expiry) in ids.iter() {
            self.pool.remove(id);
            self.gossip.came(id);
            self.ordered.insert(*id, *expiry);
        }
        self.pool.expire(payload.time);
        self.ordered.expire(payload.time);
        self.running().tapes.add_block(height, payload.time, payload.ingress);
        if let Some(signature) = self.parts.artifacts.tape(height) {
            self.running().tapes.add_tape(Tape { height, signature });
            return self.execute_next();
        }
        let mut effects = self.share_tape(height);
        effects.extend(self.advance_tape(height, now));
        effects
    }

    /// Signs the tape of a final height and tells the others, unless they have it already.
    fn share_tape(&mut self, height: Height) -> Vec<Effect> {
        let known_by_some = self.peers.executed_by_some();
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        let Running { keyed, tapes, .. } = &mut **running;
        if height <= known_by_some {
            return Vec::new();
        }
        match tapes.own_share(height, keyed, &mut self.peers) {
            Some(share) => {
                let message = Message::TapeShare { height, share }.encode();
                vec![Effect::Broadcast { message }]
            }
            None => Vec::new(),
        }
    }

    /// Makes the tape of a height if it can be made now.
    pub(crate) fn advance_tape(&mut self, height: Height, now: Time) -> Vec<Effect> {
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        let Running { keyed, tapes, .. } = &mut **running;
        if !tapes.lacks(height) {
            return Vec::new();
        }
        // Made here and not only at finalization: while far behind, own shares are not needed.
        tapes.own_share(height, keyed, &mut self.peers);
        let Some(tape) = tapes.combine(height, keyed, &mut self.peers) else { return Vec::new() };
        tapes.add_tape(tape);
        self.catch_up.tape_came(now);
        let mut effects = vec![Effect::StoreTape(tape)];
        effects.extend(self.execute_next());
        effects
    }

    /// Hands over the batches whose turn it is.
    pub(crate) fn execute_next(&mut self) -> Vec<Effect> {
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        std::iter::from_fn(|| running.tapes.next_batch()).map(Effect::Execute).collect()
    }

    /// Signs the root of an executed height and tells the others, unless they have certified it.
    fn share_root(&mut self, height: Height) -> Vec<Effect> {
        if height <= self.peers.certified_by_some() {
            return Vec::new();
        }
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        let Running { keyed, certifier, .. } = &mut **running;
        match certifier.own_share(height, keyed, &mut self.peers) {
            Some((root, share)) => {
                let message = Message::CertificationShare { height, root, share }.encode();
                vec![Effect::Broadcast { message }]
            }
            None => Vec::new(),
        }
    }

    /// Makes the certification of a height if it can be made now.
    pub(crate) fn advance_certification(&mut self, height: Height, now: Time) -> Vec<Effect> {
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        let Running { keyed, certifier, .. } = &mut **running;
        if height > certifier.executed() || height <= certifier.certified_height() {
            return Vec::new();
        }
        certifier.own_share(height, keyed, &mut self.peers);
        let Some(certification) = certifier.combine(height, keyed, &mut self.peers) else {
            return Vec::new();
        };
        let outcome = certifier.settle(certification);
        self.settled(outcome, true, now)
    }

    /// What follows from a certification. `is_new` says that it is not on disk yet.
    pub(crate) fn settled(&mut self, outcome: Outcome, is_new: bool, now: Time) -> Vec<Effect> {
        match outcome {
            Outcome::Kept => Vec::new(),
            Outcome::Certified(certification) => {
                self.catch_up.certification_came(now);
                let mut effects = Vec::new();
                if is_new {
                    effects.push(Effect::StoreCertification(certification));
                }
                effects.push(Effect::Certified(certification));
                effects.extend(self.wake_if_unthrottled());
                effects
            }
            Outcome::Diverged(divergence) => {
                self.halted = true;
                let reason = format!(
                    "this node computed the state root {} at height {}, the subnet certified {}",
                    divergence.own_root, divergence.height, divergence.certified.root
                );
                vec![Effect::Halt(Halt { reason, divergence: Some(divergence) })]
            }
        }
    }

    /// The caller has seen that the chain key is fixed.
    pub(crate) fn running(&mut self) -> &mut Running {
        match &mut self.phase {
            Phase::Running(running) => running,
            Phase::Generating(_) => panic!("called before the chain key is fixed"),
        }
    }

    fn own_status(&self) -> PeerStatus {
        let finalized = self.finalized;
        match &self.phase {
            Phase::Generating(_) => PeerStatus { finalized, ..<_>::default() },
            Phase::Running(running) => PeerStatus {
                finalized,
                executed: running.certifier.executed(),
                certified: running.certifier.certified_height(),
            },
        }
    }

    fn certified_height(&self) -> Height {
        self.own_status().certified
    }

    fn out_of_window(&mut self) -> Vec<Effect> {
        self.peers.counters.out_of_window += 1;
        Vec::new()
    }

    fn halt(&mut self, reason: String) -> Vec<Effect> {
        self.halted = true;
        vec![Effect::Halt(Halt { reason, divergence: None })]
    }
}
