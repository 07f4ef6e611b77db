//! What the world outside the engine may know of a running node: the HTTP interface, the
//! operator's endpoints and the metrics look at it from their own threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use replica_consensus::{Certification, Payload, Standing, StoredKey};
use replica_crypto::chain_key::PublicKey;
use replica_engine::FinalizedBlock;
use replica_http_api::{CertifiedStates, Chain, Health, NodeView, Progress};
use replica_state::CertifiedSnapshot;
use serde::Serialize;
use types::{Height, MessageId, NodeId, Principal, SubnetConfig, SubnetId, Time};

use crate::metrics::{Metrics, signed};
use crate::wiring::{Audience, Executed};

/// How far the certified height may be behind that of the others before clients are sent
/// elsewhere: some seconds at the idle pace.
const BEHIND_HEIGHTS_MAX: u64 = 20;

/// A block older than this when it comes is one that the node missed.
const REPLAYED_AFTER_SECONDS: f64 = 60.0;

/// The shared view.
pub struct Outlook {
    node_id: NodeId,
    subnet: Arc<SubnetConfig>,
    metrics: Metrics,
    states: Arc<CertifiedStates>,
    chain: OnceLock<Arc<Chain>>,
    stopping: AtomicBool,
    recent: Mutex<Recent>,
}

/// What changes.
#[derive(Default)]
struct Recent {
    standing: Option<Standing>,
    certification: Option<Certification>,
}

/// The answer of the operator's `/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The node.
    pub node_id: String,
    /// Its last final height.
    pub height: u64,
    /// Its last executed height.
    pub executed_height: u64,
    /// Its last certified height.
    pub certified_height: u64,
    /// The state root at the certified height, hexadecimal; empty if there is none.
    pub state_root: String,
    /// The version that runs.
    pub replica_version: String,
    /// The subnet, once its key is there.
    pub subnet_id: Option<String>,
    /// The chain key in DER, hexadecimal, once it is there.
    pub root_key: Option<String>,
    /// Whether this node has a share of the chain key.
    pub has_share: bool,
    /// Whether clients should use the node.
    pub healthy: bool,
    /// The same in a word: `healthy`, `starting`, `certified_state_behind`, `stopping`.
    pub health: &'static str,
}

impl Outlook {
    /// Nothing has happened yet.
    pub fn new(
        node_id: NodeId,
        subnet: Arc<SubnetConfig>,
        metrics: Metrics,
        states: Arc<CertifiedStates>,
    ) -> Self {
        let (chain, recent) = (OnceLock::new(), Mutex::default());
        let stopping = AtomicBool::new(false);
        Self { node_id, subnet, metrics, states, chain, stopping, recent }
    }

    /// The node ends its work.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the node ends its work.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether the part of the pool for this node's own calls has room.
    pub fn pool_has_room(&self) -> bool {
        self.recent().standing.as_ref().is_none_or(|standing| standing.own_pool_has_room)
    }

    /// For the operator.
    pub fn status(&self) -> Status {
        let (chain, health) = (self.chain.get(), self.health());
        let recent = self.recent();
        let own = recent.standing.as_ref().map(|standing| standing.own).unwrap_or_default();
        let root = recent.certification.map(|certification| certification.root.to_string());
        Status {
            node_id: self.node_id.to_string(),
            height: own.finalized.0,
            executed_height: own.executed.0,
            certified_height: recent.certification.map_or(0, |one| one.height.0),
            state_root: root.unwrap_or_default(),
            replica_version: self.subnet.replica_version.to_string(),
            subnet_id: chain.map(|chain| chain.subnet_id.to_string()),
            root_key: chain.map(|chain| hex::encode(&chain.root_key_der)),
            has_share: recent.standing.as_ref().is_some_and(|standing| standing.has_share),
            healthy: health == Health::Healthy,
            health: health.as_str(),
        }
    }

    /// Whether clients should use the node.
    pub fn health(&self) -> Health {
        let recent = self.recent();
        let (Some(standing), true) = (&recent.standing, recent.certification.is_some()) else {
            return if self.is_stopping() { Health::Stopping } else { Health::Starting };
        };
        // One of f + 1 others is honest.
        let mut certified: Vec<Height> =
            standing.peers.iter().map(|(_, peer)| peer.certified).collect();
        certified.sort_unstable_by(|a, b| b.cmp(a));
        let others = certified.get(self.subnet.faults_max()).copied().unwrap_or_default();
        match standing.own.certified.0.saturating_add(BEHIND_HEIGHTS_MAX) < others.0 {
            _ if self.is_stopping() => Health::Stopping,
            true => Health::CatchingUp,
            false => Health::Healthy,
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeView for Outlook {
    fn chain(&self) -> Option<Arc<Chain>> {
        self.chain.get().cloned()
    }

    fn progress(&self) -> Progress {
        let health = self.health();
        let recent = self.recent();
        let own = recent.standing.as_ref().map(|standing| standing.own).unwrap_or_default();
        Progress { finalized: own.finalized, executed: own.executed, health }
    }
}

/// Brings the outlook up to date from the engine's thread.
pub struct Reporter {
    outlook: Arc<Outlook>,
    /// Block times of heights that are not certified yet.
    block_times: Vec<(Height, Time)>,
}

impl Reporter {
    /// Of an outlook.
    pub fn new(outlook: Arc<Outlook>) -> Self {
        Self { outlook, block_times: Vec::new() }
    }
}

impl Audience for Reporter {
    fn key(&mut self, key: &StoredKey) {
        let root = PublicKey::from_bytes(&key.transcript.public_key)
            .expect("consensus has checked the transcript");
        let root_key_der = Bytes::from(root.to_der());
        let subnet_id = SubnetId(Principal::self_authenticating(&root_key_der));
        log::info!(subnet:% = subnet_id; "the subnet has its chain key");
        // After a restart the same key may come again; it is the same chain.
        let _first_stays = self.outlook.chain.set(Arc::new(Chain { subnet_id, root_key_der }));
    }

    fn finalized(&mut self, block: &FinalizedBlock, now: Time) {
        let metrics = &self.outlook.metrics;
        if let Ok(payload) = Payload::decode(&block.payload) {
            let seconds = seconds(payload.time, now);
            // What a node that was away is told later is no measure of the subnet.
            if seconds < REPLAYED_AFTER_SECONDS {
                metrics.finality_seconds.observe(seconds);
            }
            metrics.ordered_messages.inc_by(payload.ingress.len() as u64);
        }
    }

    fn executed(&mut self, executed: &Executed, _now: Time) {
        let metrics = &self.outlook.metrics;
        let state = &executed.snapshot.state;
        metrics.executed_updates.set(signed(state.totals.update_transactions));
        metrics.canisters.set(signed(state.canister_count() as u64));
        self.block_times.push((state.height, state.time));
    }

    fn certified(
        &mut self,
        certification: &Certification,
        snapshot: CertifiedSnapshot,
        completed: &[MessageId],
        now: Time,
    ) {
        let metrics = &self.outlook.metrics;
        self.block_times.retain(|(height, time)| {
            let settled = *height <= certification.height;
            if settled {
                metrics.certification_seconds.observe(seconds(*time, now));
            }
            !settled
        });
        self.outlook.recent().certification = Some(*certification);
        if let Err(error) = self.outlook.states.publish(snapshot, completed, now) {
            log::error!(error:% = error; "a certified state is not shown");
        }
    }

    fn standing(&mut self, standing: Standing) {
        let mut recent = self.outlook.recent();
        self.outlook.metrics.standing(recent.standing.as_ref(), &standing);
        recent.standing = Some(standing);
    }
}

fn seconds(from: Time, to: Time) -> f64 {
    to.0.saturating_sub(from.0) as f64 / 1e9
}
