//! What the checkers know of the whole subnet, and the first thing that was wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use replica_consensus::{Certification, StoredKey};
use replica_crypto::Domain;
use replica_crypto::chain_key::PublicKey;
use replica_engine::{FinalizedBlock, Injector};
use replica_ingress::Gate;
use replica_node::gate::facts;
use replica_node::wiring::{Executed, NodeEvent};
use replica_state::{CertifiedSnapshot, IngressStatus};
use sha2::{Digest as _, Sha256};
use types::{Height, MessageId, StateRoot, SubnetConfig, Time};

use crate::calls::Call;

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Replied(Bytes),
    Rejected(String),
}

/// The shared view of all checkers. Everything happens on one thread; the lock is for the types.
#[derive(Clone)]
pub(crate) struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    pub(crate) fn new(nodes: usize, subnet: Arc<SubnetConfig>) -> Self {
        Self(Arc::new(Mutex::new(World {
            subnet,
            key: None,
            blocks: BTreeMap::new(),
            roots: BTreeMap::new(),
            certified: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            certified_heights: vec![Height(0); nodes],
            injectors: (0..nodes).map(|_| None).collect(),
            violation: None,
            trace: Sha256::new(),
            now: Time(0),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct World {
    subnet: Arc<SubnetConfig>,
    key: Option<(Height, PublicKey)>,
    blocks: BTreeMap<Height, [u8; 32]>,
    roots: BTreeMap<Height, StateRoot>,
    /// The heights that somebody has certified.
    certified: BTreeMap<Height, Certification>,
    /// Outcomes in certified states.
    pub(crate) outcomes: BTreeMap<MessageId, Outcome>,
    /// The highest certified height of each honest node, over its lives.
    pub(crate) certified_heights: Vec<Height>,
    /// Where calls to a node go; none while it is down or before its first life.
    pub(crate) injectors: Vec<Option<Injector<NodeEvent>>>,
    violation: Option<String>,
    trace: Sha256,
    pub(crate) now: Time,
}

impl World {
    /// The first thing that was wrong.
    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(crate) fn violated(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// The hash over everything that was seen, in order.
    pub(crate) fn trace(&self) -> [u8; 32] {
        self.trace.clone().finalize().into()
    }

    /// The highest height of the chain that a node has executed.
    pub(crate) fn height(&self) -> Height {
        self.roots.last_key_value().map(|(height, _)| *height).unwrap_or_default()
    }

    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    fn note(&mut self, kind: u8, node: usize, height: Height, content: &[u8]) {
        self.trace.update([kind, node as u8]);
        self.trace.update(height.0.to_be_bytes());
        self.trace.update(content);
    }

    pub(crate) fn on_key(&mut self, node: usize, key: &StoredKey) {
        self.note(0, node, key.height, &key.transcript.public_key);
        let Ok(public) = PublicKey::from_bytes(&key.transcript.public_key) else {
            return self.violated(format!("node {node} has a chain key that is no key"));
        };
        match &self.key {
            None => self.key = Some((key.height, public)),
            Some(first) if *first == (key.height, public) => {}
            Some(_) => self.violated(format!("node {node} has another chain key")),
        }
    }

    pub(crate) fn on_block(&mut self, node: usize, block: &FinalizedBlock) {
        self.note(1, node, block.height, &block.digest);
        let first = *self.blocks.entry(block.height).or_insert(block.digest);
        if first != block.digest {
            self.violated(format!("node {node} has another block at height {}", block.height));
        }
    }

    pub(crate) fn on_state(&mut self, node: usize, executed: &Executed) {
        let CertifiedSnapshot { height, root, .. } = executed.snapshot;
        self.note(2, node, height, &root.0);
        let first = *self.roots.entry(height).or_insert(root);
        if first != root {
            self.violated(format!("node {node} has another state root at height {height}"));
        }
    }

    pub(crate) fn on_certified(
        &mut self,
        node: usize,
        certification: &Certification,
        snapshot: &CertifiedSnapshot,
        completed: &[MessageId],
    ) {
        let Certification { height, root, signature } = *certification;
        self.note(3, node, height, &signature.0);
        let Some((_, key)) = &self.key else {
            return self.violated(format!("node {node} certifies height {height} without a key"));
        };
        if key.verify(Domain::STATE_ROOT, &root.0, &signature).is_err() {
            self.violated(format!("the certification of height {height} does not verify"));
        }
        if self.roots.get(&height) != Some(&root) || snapshot.root != root {
            self.violated(format!("height {height} is certified with a root that it has not"));
        }
        // The signature is unique, so all nodes have the same one.
        if *self.certified.entry(height).or_insert(*certification) != *certification {
            self.violated(format!("height {height} has two certifications"));
        }
        self.certified_heights[node] = self.certified_heights[node].max(height);
        for id in completed {
            let status = snapshot.state.ingress_history.get(id).map(|entry| &entry.status);
            self.on_outcome(node, *id, status);
        }
    }

    fn on_outcome(&mut self, node: usize, id: MessageId, status: Option<&IngressStatus>) {
        let outcome = match status {
            Some(IngressStatus::Replied(reply)) => Outcome::Replied(reply.clone()),
            Some(IngressStatus::Rejected(error)) => Outcome::Rejected(error.message.clone()),
            other => {
                let text = format!("call {id} is over at node {node} with the status {other:?}");
                return self.violated(text);
            }
        };
        let first = self.outcomes.entry(id).or_insert_with(|| outcome.clone());
        if *first != outcome {
            self.violated(format!("call {id} has another outcome at node {node}"));
        }
    }

    /// Sends a call to a node as its HTTP endpoint would; whether the node took it.
    pub(crate) fn submit(&self, node: usize, call: &Call) -> bool {
        let (Some((_, root)), Some(Some(injector))) = (&self.key, self.injectors.get(node)) else {
            return false;
        };
        let gate = Gate::new(*root, &self.subnet.limits);
        let admitted = gate.admit_call(&call.envelope, self.now);
        let Ok(admitted) = admitted else { return false };
        let event = NodeEvent::Ingress { envelope: call.envelope.clone(), facts: facts(&admitted) };
        injector.try_inject(event, call.envelope.len()).is_ok()
    }
}
