//! The parts of a node, joined: the engine's application over consensus, the executor and the
//! disk.
//!
//! ```text
//!  engine --propose, validate, finalized, receive, tick--> Node --> Consensus (decides)
//!    ^                                                      |  effects
//!    |            Send, Broadcast, Wake, Halt               v
//!    +------------------------------------------------------+--> Disk (key, tapes, certifications)
//!                                                           +--> Executor (genesis, batches)
//!  HTTP --Ingress--> injector --> Node                      +--> Audience (certified states)
//!  Executor --Executed, Durable--> injector --> Node
//! ```
//!
//! The production node and the simulation use this very code; they differ in the executor (a
//! thread of its own, or inline) and the audience (the HTTP interface, or the checkers).

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use replica_consensus::{
    Ancestor, BlockContext, Certification, Consensus, Decision, Effect as Wish, IngressFacts,
    Standing, StoredKey,
};
use replica_crypto::chain_key::PublicKey;
use replica_engine::{Application, Effect, FinalizedBlock, Proposal, ProposalContext, Verdict};
use replica_ingress::Gate;
use replica_state::CertifiedSnapshot;
use types::{Batch, Height, MessageId, NodeId, SubnetConfig, Time};

use crate::disk::Disk;
use crate::ending::{Ending, EndingCell};
use crate::gate::SharedGate;

// The bounds of consensus are those that the engine carries.
const _: () = assert!(replica_consensus::PAYLOAD_BYTES_MAX == replica_engine::BLOCK_BYTES_MAX);
const _: () = assert!(replica_consensus::MESSAGE_BYTES_MAX == replica_engine::MESSAGE_BYTES_MAX);

/// What reaches the node from outside the engine.
pub enum NodeEvent {
    /// A call that the node's own endpoint has admitted.
    Ingress {
        /// Its envelope.
        envelope: Bytes,
        /// What is known of it.
        facts: IngressFacts,
    },
    /// The executor has computed a state.
    Executed(Executed),
    /// The state of this height is on disk.
    Durable(Height),
    /// The executor cannot go on.
    Failed(String),
}

/// A computed state.
pub struct Executed {
    /// The state; its height and root are those of the batch.
    pub snapshot: CertifiedSnapshot,
    /// The calls that are over in it and were not before.
    pub completed: Vec<MessageId>,
}

/// What turns batches into states.
pub trait Executor: Send + 'static {
    /// Makes the genesis state of a new chain key. Its result comes like that of a batch.
    fn genesis(&mut self, key: &StoredKey);

    /// Executes next. Results come in the same order, by [`Executor::poll`] or as events.
    fn execute(&mut self, batch: Batch);

    /// The state of this height, which it has computed, is certified.
    fn certified(&mut self, certification: &Certification);

    /// Results that are there. An executor that brings its results as events has none.
    fn poll(&mut self) -> Vec<NodeEvent>;
}

/// Who looks at what the node does.
pub trait Audience: Send + 'static {
    /// There is a chain key: after the start if it was kept, or when it is fixed.
    fn key(&mut self, key: &StoredKey);

    /// A block is final.
    fn finalized(&mut self, block: &FinalizedBlock, now: Time);

    /// A state has been computed.
    fn executed(&mut self, executed: &Executed, now: Time);

    /// A state is certified. `completed` are the calls that are over in it and were not in the
    /// last certified one.
    fn certified(
        &mut self,
        certification: &Certification,
        snapshot: CertifiedSnapshot,
        completed: &[MessageId],
        now: Time,
    );

    /// Where the node stands; told at each tick.
    fn standing(&mut self, standing: Standing);
}

/// What a node is made of.
pub struct Parts<X, A> {
    /// Decides.
    pub consensus: Consensus,
    /// Executes.
    pub executor: X,
    /// Looks on.
    pub audience: A,
    /// Keeps.
    pub disk: Disk,
    /// Lets ingress in.
    pub gate: SharedGate,
    /// The subnet.
    pub subnet: Arc<SubnetConfig>,
    /// Where evidence and dealings are kept.
    pub node_dir: PathBuf,
    /// Why the node ends, for whoever waits for it.
    pub ending: EndingCell,
}

/// A whole node, as the engine drives it.
pub struct Node<X, A> {
    parts: Parts<X, A>,
    uncertified: Uncertified,
    /// Effects from before the engine ran.
    early: Vec<Effect>,
}

impl<X: Executor, A: Audience> Node<X, A> {
    /// Joins the parts. `recovered` is the state that the node starts from, if it has one, and the
    /// key that belongs to it.
    pub fn new(
        mut parts: Parts<X, A>,
        recovered: Option<(StoredKey, CertifiedSnapshot)>,
        now: Time,
    ) -> Self {
        if let Some((key, _)) = &recovered {
            open_gate(&mut parts, key);
        }
        let mut node = Self { parts, uncertified: Uncertified::default(), early: Vec::new() };
        if let Some((_, snapshot)) = recovered {
            let executed = Executed { snapshot, completed: Vec::new() };
            node.early = node.on_event(NodeEvent::Executed(executed), now);
        }
        node
    }

    /// Carries out what consensus wants, and what follows from it.
    fn carry_out(&mut self, wishes: Vec<Wish>, now: Time) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut wishes = VecDeque::from(wishes);
        loop {
            while let Some(wish) = wishes.pop_front() {
                effects.extend(self.grant(wish, now));
            }
            for event in self.parts.executor.poll() {
                let (more, durable) = self.take(event, now);
                wishes.extend(more);
                effects.extend(durable);
            }
            if wishes.is_empty() {
                break;
            }
        }
        match self.parts.disk.failure() {
            // Nothing leaves a node that could not keep what it must remember of it.
            Some(failure) => vec![self.end(Ending::Failed(failure))],
            None => effects,
        }
    }

    fn grant(&mut self, wish: Wish, now: Time) -> Option<Effect> {
        match wish {
            Wish::Send { to, message } => return Some(Effect::Send { to, message }),
            Wish::Broadcast { message } => return Some(Effect::Broadcast { message }),
            Wish::Wake => return Some(Effect::Wake),
            Wish::ChainKeyFixed(key) => {
                self.parts.disk.save_key(&key);
                open_gate(&mut self.parts, &key);
                self.parts.executor.genesis(&key);
            }
            Wish::Execute(batch) => self.parts.executor.execute(batch),
            Wish::StoreTape(tape) => self.parts.disk.store_tape(&tape),
            Wish::StoreCertification(one) => self.parts.disk.store_certification(&one),
            Wish::Certified(certification) => self.publish(&certification, now),
            Wish::Halt(halt) => {
                let transcript = self.parts.disk.load_key().ok().flatten();
                let transcript = transcript.map(|key| key.transcript);
                let ending = Ending::halted(&self.parts.node_dir, &halt, transcript.as_ref());
                return Some(self.end(ending));
            }
        }
        None
    }

    fn take(&mut self, event: NodeEvent, now: Time) -> (Vec<Wish>, Option<Effect>) {
        match event {
            NodeEvent::Ingress { envelope, facts } => {
                match self.parts.consensus.ingress(envelope, facts, now) {
                    Ok(wishes) => (wishes, None),
                    Err(full) => {
                        // The endpoint looks at the load before it accepts a call, so this is rare;
                        // the client's call stays unknown and it sends it again.
                        log::warn!(error:% = full; "an admitted call is dropped");
                        (Vec::new(), None)
                    }
                }
            }
            NodeEvent::Executed(executed) => {
                let CertifiedSnapshot { height, root, .. } = executed.snapshot;
                self.parts.audience.executed(&executed, now);
                self.uncertified.add(executed);
                (self.parts.consensus.executed(height, root, now), None)
            }
            NodeEvent::Durable(height) => (Vec::new(), Some(Effect::Durable(height))),
            NodeEvent::Failed(reason) => {
                let executed = self.parts.consensus.standing().own.executed;
                let ending = Ending::failed(&self.parts.node_dir, executed, reason);
                (Vec::new(), Some(self.end(ending)))
            }
        }
    }

    fn on_event(&mut self, event: NodeEvent, now: Time) -> Vec<Effect> {
        let (wishes, effect) = self.take(event, now);
        let mut effects = self.carry_out(wishes, now);
        effects.extend(effect);
        effects
    }

    fn publish(&mut self, certification: &Certification, now: Time) {
        self.parts.executor.certified(certification);
        let Some((snapshot, completed)) = self.uncertified.take(certification) else { return };
        self.parts.audience.certified(certification, snapshot, &completed, now);
    }

    /// Says why the node ends; the first reason stays.
    fn end(&self, ending: Ending) -> Effect {
        let reason = ending.to_string();
        self.parts.ending.set(ending);
        Effect::Halt(reason)
    }
}

/// Computed states that are not certified, with the calls that ended in them.
#[derive(Default)]
struct Uncertified {
    snapshots: BTreeMap<Height, CertifiedSnapshot>,
    /// Calls by the height that they ended at, also of states that are not kept any more.
    completed: BTreeMap<Height, Vec<MessageId>>,
    completed_count: usize,
}

/// Calls remembered while no certification comes. Beyond that those of the lowest heights are
/// forgotten: their clients have been told long since to read the status themselves.
const COMPLETED_MAX: usize = 100_000;

/// States kept while no certification comes. Beyond that the oldest goes: a certification of a
/// later height serves clients as well.
const UNCERTIFIED_MAX: usize = 256;

impl Uncertified {
    fn add(&mut self, executed: Executed) {
        let Executed { snapshot, completed } = executed;
        self.completed_count += completed.len();
        if !completed.is_empty() {
            self.completed.insert(snapshot.height, completed);
        }
        while self.completed_count > COMPLETED_MAX {
            let Some((_, forgotten)) = self.completed.pop_first() else { break };
            self.completed_count -= forgotten.len();
        }
        self.snapshots.insert(snapshot.height, snapshot);
        if self.snapshots.len() > UNCERTIFIED_MAX {
            self.snapshots.pop_first();
        }
    }

    /// The state of a certified height, if it is still kept, with the calls of all heights since
    /// the last one.
    fn take(
        &mut self,
        certification: &Certification,
    ) -> Option<(CertifiedSnapshot, Vec<MessageId>)> {
        let height = certification.height;
        let above = self.snapshots.split_off(&height.next());
        let mut settled = std::mem::replace(&mut self.snapshots, above);
        let snapshot = settled.remove(&height)?;
        let above = self.completed.split_off(&height.next());
        let completed = std::mem::replace(&mut self.completed, above);
        self.completed_count = self.completed.values().map(Vec::len).sum();
        let signature = Bytes::copy_from_slice(&certification.signature.0);
        Some((snapshot.certified(signature), completed.into_values().flatten().collect()))
    }
}

/// Lets ingress in, now that there is a root key.
fn open_gate<X: Executor, A: Audience>(parts: &mut Parts<X, A>, key: &StoredKey) {
    let root = PublicKey::from_bytes(&key.transcript.public_key)
        .expect("consensus has checked the transcript");
    parts.gate.open(Gate::new(root, &parts.subnet.limits));
    parts.audience.key(key);
}

impl<X: Executor, A: Audience> Application for Node<X, A> {
    type Event = NodeEvent;

    fn propose(&mut self, ctx: &ProposalContext, now: Time) -> Proposal {
        match self.parts.consensus.propose(&context(ctx), now) {
            Decision::Block(block) => Proposal::Block(block),
            Decision::WaitUntil(time) => Proposal::WaitUntil(time),
        }
    }

    fn validate(&mut self, ctx: &ProposalContext, block: &[u8], now: Time) -> Verdict {
        match self.parts.consensus.validate(&context(ctx), block, now) {
            replica_consensus::Verdict::Valid => Verdict::Valid,
            replica_consensus::Verdict::Pending => Verdict::Pending,
            replica_consensus::Verdict::Invalid(reason) => {
                log::warn!(height = ctx.height.0, leader:% = ctx.leader, reason; "a block is invalid");
                Verdict::Invalid(reason)
            }
        }
    }

    fn finalized(&mut self, block: FinalizedBlock, now: Time) -> Vec<Effect> {
        self.parts.audience.finalized(&block, now);
        let wishes = self.parts.consensus.finalized(block.height, &block.payload, now);
        self.carry_out(wishes, now)
    }

    fn receive(&mut self, from: NodeId, message: Bytes, now: Time) -> Vec<Effect> {
        let wishes = self.parts.consensus.receive(from, &message, now);
        self.carry_out(wishes, now)
    }

    fn event(&mut self, event: NodeEvent, now: Time) -> Vec<Effect> {
        self.on_event(event, now)
    }

    fn tick(&mut self, now: Time) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.early);
        let wishes = self.parts.consensus.tick(now);
        effects.extend(self.carry_out(wishes, now));
        self.parts.audience.standing(self.parts.consensus.standing());
        effects
    }

    fn takes_block(&self) -> bool {
        self.parts.consensus.takes_block()
    }
}

/// The engine's words in those of consensus.
fn context(ctx: &ProposalContext) -> BlockContext {
    let ancestor = |one: &replica_engine::AncestorBlock| Ancestor {
        height: one.height,
        payload: one.payload.clone(),
    };
    BlockContext {
        height: ctx.height,
        view: ctx.view,
        parent: ctx.parent.clone(),
        ancestors: ctx.ancestors.iter().map(ancestor).collect(),
    }
}
