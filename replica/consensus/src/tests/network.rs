//! Some cores, a network between them, and an order of blocks that the test decides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use replica_crypto::chain_key::{SecretShare, Signature, dealt};
use sha2::{Digest as _, Sha256};
use types::{
    Batch, Fees, Height, INGRESS_SIGNATURE_COST_MAX, Limits, Member, MessageId, NodeId,
    ReplicaVersion, StateRoot, SubnetConfig, SubnetType, Time, Transcript,
};

use crate::{
    Ancestor, ArtifactStore, BlockContext, Certification, Consensus, Decision, DkgCeremony, Effect,
    Halt, IngressCheck, IngressFacts, IngressRefused, Parts, Payload, Recovered, StoredKey,
    Verdict,
};

pub(super) const GENESIS_S: u64 = 1_000;

pub(super) fn config(nodes: usize) -> Arc<SubnetConfig> {
    let member = |n: usize| {
        let public_key = [n as u8 + 1; 32];
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let node_id = NodeId::from_public_key(&public_key);
        Member { node_id, public_key, p2p: address, api: address }
    };
    let mut members: Vec<_> = (0..nodes).map(member).collect();
    members.sort_by_key(|member| member.node_id);
    Arc::new(SubnetConfig {
        name: "test".into(),
        subnet_type: SubnetType::Application,
        development: true,
        genesis_time: Time::from_secs(GENESIS_S),
        replica_version: ReplicaVersion("0".into()),
        members,
        canister_index_range: (0, 10),
        idle_block_interval_ms: 500,
        checkpoint_interval: 10,
        limits: Limits::default(),
        fees: Fees::default(),
    })
}

/// An envelope of the tests: its first byte says whether it is good, the next eight when it
/// expires (seconds), the rest is content.
pub(super) fn envelope(expiry_s: u64, content: &[u8]) -> Bytes {
    [&[1], &expiry_s.to_be_bytes()[..], content].concat().into()
}

/// The same content, wrongly signed.
pub(super) fn forged(envelope: &Bytes) -> Bytes {
    [&[0], &envelope[1..]].concat().into()
}

pub(super) struct TestIngress;

impl IngressCheck for TestIngress {
    fn check(&mut self, envelope: &Bytes, at: Time) -> Result<IngressFacts, IngressRefused> {
        let (id, expiry) =
            self.identify(envelope).ok_or_else(|| IngressRefused("no envelope".into()))?;
        let valid_from = Time(expiry.0.saturating_sub(330_000_000_000));
        let facts = IngressFacts { id, valid_from, valid_to: expiry, expiry };
        match envelope[0] == 1 && facts.valid_at(at) {
            true => Ok(facts),
            false => Err(IngressRefused("forged or not in time".into())),
        }
    }

    fn identify(&self, envelope: &Bytes) -> Option<(MessageId, Time)> {
        let expiry = u64::from_be_bytes(envelope.get(1..9)?.try_into().ok()?);
        Some((MessageId(Sha256::digest(&envelope[1..]).into()), Time::from_secs(expiry)))
    }

    fn signature_cost(&self, envelope: &Bytes) -> u64 {
        let is_costly = envelope.get(9..).is_some_and(|content| content.starts_with(COSTLY));
        if is_costly { INGRESS_SIGNATURE_COST_MAX } else { 1 }
    }
}

/// Content that begins with this costs as much to check as is allowed.
pub(super) const COSTLY: &[u8] = b"costly";

/// What a node has on disk.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) tapes: BTreeMap<Height, Signature>,
    pub(super) certifications: BTreeMap<Height, Certification>,
    pub(super) key: Option<(Transcript, Option<Vec<u8>>, Height)>,
    /// Dealers whose dealing was acknowledged.
    pub(super) dealings: BTreeSet<NodeId>,
}

#[derive(Clone, Default)]
pub(super) struct SharedDisk(pub(super) Arc<Mutex<Disk>>);

impl SharedDisk {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(&mut self.0.lock().expect("no test panics while it holds this"))
    }
}

impl ArtifactStore for SharedDisk {
    fn tape(&self, height: Height) -> Option<Signature> {
        self.with(|disk| disk.tapes.get(&height).copied())
    }

    fn certification(&self, height: Height) -> Option<Certification> {
        self.with(|disk| disk.certifications.get(&height).copied())
    }
}

/// A ceremony without cryptography: a log is the dealer's number and who acknowledged; the
/// outcome is a key dealt from the set of dealers, and those who miss a dealing that they did not
/// acknowledge get no share unless it was revealed (it always is).
pub(super) struct TestDkg {
    pub(super) me: NodeId,
    pub(super) config: Arc<SubnetConfig>,
    pub(super) disk: SharedDisk,
    pub(super) acknowledged: BTreeSet<NodeId>,
}

impl TestDkg {
    fn dealt(&self, logs: &BTreeMap<NodeId, Bytes>) -> Option<dealt::Dealt> {
        let good = logs.values().filter(|log| log[1] == 1).count();
        if good < self.config.quorum() {
            return None;
        }
        let seed = Sha256::digest(logs.values().flat_map(|log| log.to_vec()).collect::<Vec<_>>());
        let seed = u64::from_be_bytes(seed[..8].try_into().expect("eight bytes"));
        let members: Vec<_> = self.config.members.iter().map(|member| member.node_id).collect();
        Some(dealt::deal(seed, &members, self.config.quorum()))
    }
}

impl DkgCeremony for TestDkg {
    fn dealing(&mut self, player: &NodeId) -> Option<Bytes> {
        Some([self.me.as_slice(), player.as_slice()].concat().into())
    }

    fn take_dealing(&mut self, dealer: &NodeId, dealing: &[u8]) -> Option<Bytes> {
        if dealing != [dealer.as_slice(), self.me.as_slice()].concat() {
            return None;
        }
        self.disk.with(|disk| disk.dealings.insert(*dealer));
        Some(Bytes::copy_from_slice(self.me.as_slice()))
    }

    fn take_acknowledgement(&mut self, player: &NodeId, acknowledgement: &[u8]) -> bool {
        let good = acknowledgement == player.as_slice();
        if good {
            self.acknowledged.insert(*player);
        }
        good
    }

    fn dealer_log(&mut self) -> Bytes {
        let index = self.config.members.iter().position(|member| member.node_id == self.me);
        vec![index.expect("a member") as u8, 1, self.acknowledged.len() as u8].into()
    }

    fn log_dealer(&self, log: &[u8]) -> Option<NodeId> {
        let [index, _, _] = log else { return None };
        self.config.members.get(usize::from(*index)).map(|member| member.node_id)
    }

    fn outcome(&self, logs: &BTreeMap<NodeId, Bytes>) -> Option<Transcript> {
        self.dealt(logs).map(|dealt| dealt.transcript)
    }

    fn secret_share(&mut self, logs: &BTreeMap<NodeId, Bytes>) -> Option<SecretShare> {
        self.dealt(logs)?.shares.remove(&self.me)
    }
}

/// One node of the network.
pub(super) struct TestNode {
    pub(super) id: NodeId,
    pub(super) core: Consensus,
    pub(super) disk: SharedDisk,
    /// The chained hash of everything executed, by height; stands for the state.
    pub(super) roots: BTreeMap<Height, StateRoot>,
    pub(super) batches: BTreeMap<Height, Batch>,
    pub(super) certified: BTreeMap<Height, Certification>,
    pub(super) halt: Option<Halt>,
    pub(super) woken: u64,
    /// Whether messages reach it and blocks are delivered to it.
    pub(super) up: bool,
    /// Whether it computes wrong roots.
    pub(super) corrupt: bool,
    /// Whether it executes: if not, batches wait.
    pub(super) executes: bool,
    pub(super) to_execute: VecDeque<Batch>,
    delivered: Height,
}

type Filter = Box<dyn FnMut(usize, usize, &Bytes) -> Option<Bytes>>;

pub(super) struct Network {
    pub(super) config: Arc<SubnetConfig>,
    pub(super) nodes: Vec<TestNode>,
    pub(super) chain: Vec<Bytes>,
    pub(super) now: Time,
    pub(super) sent: u64,
    /// Sees each message from one node to another, and may change or drop it.
    pub(super) filter: Filter,
    view: u64,
    queue: VecDeque<(usize, usize, Bytes)>,
}

impl Network {
    /// Nodes with a dealt key, whose genesis state stands at height 1, on an empty block.
    pub(super) fn dealt(nodes: usize) -> Self {
        let mut network = Self::empty(nodes);
        let time = network.config.genesis_time.plus_ns(1);
        let block = Payload { time, dealer_logs: Vec::new(), ingress: Vec::new() };
        network.chain.push(block.encode());
        let members: Vec<_> = network.config.members.iter().map(|m| m.node_id).collect();
        let dealt = dealt::deal(7, &members, network.config.quorum());
        for member in &members {
            let disk = SharedDisk::default();
            let share = dealt.shares[member].expose_bytes().to_vec();
            disk.with(|disk| {
                disk.key = Some((dealt.transcript.clone(), Some(share), Height(1)));
            });
            network.add(*member, disk);
        }
        network.settle();
        network
    }

    /// Nodes without a key.
    pub(super) fn keyless(nodes: usize) -> Self {
        let mut network = Self::empty(nodes);
        let members: Vec<_> = network.config.members.iter().map(|m| m.node_id).collect();
        members.into_iter().for_each(|member| network.add(member, SharedDisk::default()));
        network
    }

    fn empty(nodes: usize) -> Self {
        let config = config(nodes);
        Self {
            now: config.genesis_time.plus_ms(1_000),
            config,
            nodes: Vec::new(),
            chain: Vec::new(),
            sent: 0,
            filter: Box::new(|_, _, message| Some(message.clone())),
            view: 0,
            queue: VecDeque::new(),
        }
    }

    fn add(&mut self, id: NodeId, disk: SharedDisk) {
        let node = TestNode {
            id,
            core: self.core(id, &disk, Recovered::Nothing),
            disk,
            roots: BTreeMap::new(),
            batches: BTreeMap::new(),
            certified: BTreeMap::new(),
            halt: None,
            woken: 0,
            up: true,
            corrupt: false,
            executes: true,
            to_execute: VecDeque::new(),
            delivered: Height(0),
        };
        self.nodes.push(node);
        let at = self.nodes.len() - 1;
        self.restart(at, None);
    }

    fn core(&self, me: NodeId, disk: &SharedDisk, recovered: Recovered) -> Consensus {
        let dkg = TestDkg {
            me,
            config: self.config.clone(),
            disk: disk.clone(),
            acknowledged: BTreeSet::new(),
        };
        let parts = Parts {
            ingress: Box::new(TestIngress),
            dkg: Box::new(dkg),
            artifacts: Box::new(disk.clone()),
        };
        Consensus::new(self.config.clone(), me, recovered, parts).expect("the key is good")
    }

    /// Starts the node from its disk and the state of `height`, or of the genesis.
    pub(super) fn restart(&mut self, at: usize, height: Option<Height>) {
        let disk = self.nodes[at].disk.clone();
        let Some((transcript, share, genesis)) = disk.with(|disk| disk.key.clone()) else {
            self.nodes[at].core = self.core(self.nodes[at].id, &disk, Recovered::Nothing);
            self.nodes[at].delivered = Height(0);
            return;
        };
        let share = share.map(|share| SecretShare::from_bytes(&share).expect("was one"));
        let height = height.unwrap_or(genesis);
        let key = StoredKey { height: genesis, transcript, share };
        let time = self.config.genesis_time;
        let recovered = Recovered::State { key, height, time, ordered: Vec::new() };
        let core = self.core(self.nodes[at].id, &disk, recovered);
        let node = &mut self.nodes[at];
        node.core = core;
        node.delivered = height;
        node.to_execute.clear();
        node.roots.retain(|at, _| *at <= height);
        node.batches.retain(|at, _| *at <= height);
        let root = *node.roots.entry(height).or_insert(StateRoot([9; 32]));
        let effects = node.core.executed(height, root, self.now);
        self.carry_out(at, effects);
    }

    pub(super) fn index(&self, id: &NodeId) -> usize {
        self.nodes.iter().position(|node| node.id == *id).expect("a node of the network")
    }

    fn carry_out(&mut self, at: usize, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Send { to, message } => {
                    let to = self.index(&to);
                    self.send(at, to, message);
                }
                Effect::Broadcast { message } => {
                    for to in (0..self.nodes.len()).filter(|to| *to != at) {
                        self.send(at, to, message.clone());
                    }
                }
                Effect::ChainKeyFixed(StoredKey { height, transcript, share }) => {
                    let share = share.map(|share| share.expose_bytes().to_vec());
                    let node = &mut self.nodes[at];
                    node.disk.with(|disk| disk.key = Some((transcript, share, height)));
                    let root = StateRoot([9; 32]);
                    node.roots.insert(height, root);
                    effects.extend(node.core.executed(height, root, self.now));
                }
                Effect::Execute(batch) => {
                    self.nodes[at].to_execute.push_back(batch);
                    effects.extend(self.execute(at));
                }
                Effect::StoreTape(tape) => {
                    let store = |disk: &mut Disk| disk.tapes.insert(tape.height, tape.signature);
                    self.nodes[at].disk.with(store);
                }
                Effect::StoreCertification(one) => {
                    self.nodes[at].disk.with(|disk| disk.certifications.insert(one.height, one));
                }
                Effect::Certified(one) => {
                    self.nodes[at].certified.insert(one.height, one);
                }
                Effect::Wake => self.nodes[at].woken += 1,
                Effect::Halt(halt) => self.nodes[at].halt = Some(halt),
            }
        }
    }

    fn execute(&mut self, at: usize) -> Vec<Effect> {
        let node = &mut self.nodes[at];
        let mut effects = Vec::new();
        while node.executes
            && let Some(batch) = node.to_execute.pop_front()
        {
            let below = node.roots[&Height(batch.height.0 - 1)];
            let mut hash = Sha256::new();
            hash.update(below.0);
            hash.update(batch.height.0.to_be_bytes());
            hash.update(batch.time.0.to_be_bytes());
            hash.update(batch.randomness.0);
            batch.ingress.iter().for_each(|one| hash.update(one));
            hash.update([u8::from(node.corrupt)]);
            let root = StateRoot(hash.finalize().into());
            node.roots.insert(batch.height, root);
            let height = batch.height;
            node.batches.insert(height, batch);
            effects.extend(node.core.executed(height, root, self.now));
        }
        effects
    }

    fn send(&mut self, from: usize, to: usize, message: Bytes) {
        self.sent += 1;
        if let Some(message) = (self.filter)(from, to, &message) {
            self.queue.push_back((from, to, message));
        }
    }

    /// Puts a message on the wire as if `from` had sent it.
    pub(super) fn inject(&mut self, from: usize, to: usize, message: Bytes) {
        self.queue.push_back((from, to, message));
        self.settle();
    }

    /// Delivers until nothing is on the wire.
    pub(super) fn settle(&mut self) {
        while let Some((from, to, message)) = self.queue.pop_front() {
            if self.nodes[to].up && self.nodes[from].up {
                let from = self.nodes[from].id;
                let effects = self.nodes[to].core.receive(from, &message, self.now);
                self.carry_out(to, effects);
            }
        }
    }

    /// Time passes in steps of 50 ms.
    pub(super) fn pass_ms(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(50) {
            self.now = self.now.plus_ms(50);
            for at in 0..self.nodes.len() {
                if self.nodes[at].up {
                    let mut effects = self.execute(at);
                    effects.extend(self.nodes[at].core.tick(self.now));
                    self.carry_out(at, effects);
                }
                self.deliver(at);
            }
            self.settle();
        }
    }

    /// Hands over the final blocks that the node lacks.
    fn deliver(&mut self, at: usize) {
        while self.nodes[at].up
            && self.nodes[at].core.takes_block()
            && let Some(block) = self.chain.get(self.nodes[at].delivered.0 as usize).cloned()
        {
            let height = self.nodes[at].delivered.next();
            self.nodes[at].delivered = height;
            let effects = self.nodes[at].core.finalized(height, &block, self.now);
            self.carry_out(at, effects);
        }
    }

    pub(super) fn ingress(&mut self, at: usize, envelope: &Bytes) {
        let facts = TestIngress.check(envelope, self.now).expect("a good envelope");
        let core = &mut self.nodes[at].core;
        let effects = core.ingress(envelope.clone(), facts, self.now).expect("room in the pool");
        self.carry_out(at, effects);
        self.settle();
    }

    /// Where the next block stands.
    pub(super) fn context(&self) -> BlockContext {
        BlockContext {
            height: Height(self.chain.len() as u64 + 1),
            view: self.view,
            parent: self.chain.last().cloned().unwrap_or_default(),
            ancestors: Vec::<Ancestor>::new(),
        }
    }

    /// Asks one node for a block; waits until it has one, at most two idle intervals.
    pub(super) fn propose(&mut self, leader: usize) -> Option<Bytes> {
        self.view += 1;
        let view_ends = self.now.plus_ms(2 * self.config.idle_block_interval_ms);
        while self.now < view_ends {
            let ctx = self.context();
            match self.nodes[leader].core.propose(&ctx, self.now) {
                Decision::Block(block) => return Some(block),
                Decision::WaitUntil(_) => self.pass_ms(50),
            }
        }
        None
    }

    /// The leader's block, judged by all others and final at once. `None` if there was none.
    pub(super) fn round(&mut self, leader: usize) -> Option<Height> {
        let block = self.propose(leader)?;
        let ctx = self.context();
        for at in (0..self.nodes.len()).filter(|at| *at != leader) {
            let node = &self.nodes[at];
            if node.up && node.halt.is_none() && node.delivered.0 + 1 == ctx.height.0 {
                let verdict = self.nodes[at].core.validate(&ctx, &block, self.now);
                assert_eq!(verdict, Verdict::Valid, "node {at} about the block of {leader}");
            }
        }
        Some(self.finalize(block))
    }

    /// Makes the block final without asking anyone.
    pub(super) fn finalize(&mut self, block: Bytes) -> Height {
        self.chain.push(block);
        (0..self.nodes.len()).for_each(|at| self.deliver(at));
        self.settle();
        Height(self.chain.len() as u64)
    }

    /// So many rounds, led by the nodes that are up, in turn.
    pub(super) fn rounds(&mut self, count: u64) {
        for _ in 0..count {
            let leader = loop {
                let leader = self.view as usize % self.nodes.len();
                match self.nodes[leader].up {
                    true => break leader,
                    false => self.view += 1,
                }
            };
            self.round(leader);
        }
    }

    pub(super) fn certified(&self, at: usize) -> Height {
        self.nodes[at].core.standing().own.certified
    }

    /// All that are up have executed and certified the whole chain, with equal batches and roots.
    pub(super) fn assert_agreement(&self) {
        let tip = Height(self.chain.len() as u64);
        let up = || self.nodes.iter().filter(|node| node.up);
        let first = up().next().expect("one is up");
        for node in up() {
            assert_eq!(node.halt, None, "{}", node.id);
            assert_eq!(node.core.standing().own.certified, tip, "{}", node.id);
            assert_eq!(node.roots.get(&tip), first.roots.get(&tip), "{}", node.id);
            for (height, batch) in &node.batches {
                assert_eq!(Some(batch), first.batches.get(height).or(Some(batch)), "{height}");
            }
        }
    }

    /// How often the envelope was executed at this node.
    pub(super) fn times_executed(&self, at: usize, envelope: &Bytes) -> usize {
        let batches = self.nodes[at].batches.values();
        batches.flat_map(|batch| &batch.ingress).filter(|one| *one == envelope).count()
    }
}
