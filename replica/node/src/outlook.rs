//! What the world outside the engine may know of a running node: the HTTP interface, the
//! operator's endpoints and the metrics look at it from their own threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use replica_consensus::{Certification, Payload, PeerStatus, Standing, StoredKey};
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

/// How long no state may be certified before the node calls itself stalled, beside ten times the
/// idle interval: a dead leader costs about one interval and two seconds, and of several in turn
/// the engine skips those that it knows to be silent.
const STALLED_AFTER: Duration = Duration::from_secs(15);

/// How many heights the others must be ahead of a node that gets no blocks for it to call itself
/// left behind: what they keep of the history in any case (see `HISTORY_BYTES_MAX`).
const LEFT_BEHIND_HEIGHTS: u64 = 4_096;

/// How long it must get no blocks: longer than its own execution holds them back.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(120);

/// Heights remembered until they are certified, to measure how long that takes.
const BLOCK_TIMES_MAX: usize = 1_024;

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
    /// When the certified and the final height moved last, by this node's own clock. A clock that
    /// only goes forward: a wall clock that is set would say anything.
    certified_at: Option<Instant>,
    finalized_at: Option<Instant>,
}

impl Recent {
    /// How far the others are, for certain: one of f + 1 others is honest.
    fn others(&self, faults_max: usize, height: fn(&PeerStatus) -> Height) -> Height {
        let peers = self.standing.iter().flat_map(|standing| &standing.peers);
        let mut heights: Vec<Height> = peers.map(|(_, peer)| height(peer)).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.get(faults_max).copied().unwrap_or_default()
    }

    /// Whether clients should use the node, unless it is about to stop.
    fn health(&self, subnet: &SubnetConfig, now: Instant) -> Health {
        let Some(standing) = &self.standing else { return Health::Starting };
        let faults_max = subnet.faults_max();
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let others_finalized = self.others(faults_max, |peer| peer.finalized);
        let gets_nothing = since(self.finalized_at) >= Some(LEFT_BEHIND_AFTER);
        if gets_nothing && standing.own.finalized.0 + LEFT_BEHIND_HEIGHTS < others_finalized.0 {
            return Health::LeftBehind;
        }
        if self.certification.is_none() {
            return Health::Starting;
        }
        let others_certified = self.others(faults_max, |peer| peer.certified);
        if standing.own.certified.0.saturating_add(BEHIND_HEIGHTS_MAX) < others_certified.0 {
            return Health::CatchingUp;
        }
        let idle = Duration::from_millis(subnet.idle_block_interval_ms);
        match since(self.certified_at) >= Some(STALLED_AFTER + 10 * idle) {
            true => Health::Stalled,
            false => Health::Healthy,
        }
    }
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
    /// The same in a word: `healthy`, `starting`, `certified_state_behind`, `stalled`,
    /// `left_behind`, `stopping`.
    pub health: &'static str,
    /// What to do about it, if something must be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
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
            advice: health.advice(),
        }
    }

    /// Whether clients should use the node.
    pub fn health(&self) -> Health {
        match self.is_stopping() {
            true => Health::Stopping,
            false => self.recent().health(&self.subnet, Instant::now()),
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
    block_times: VecDeque<(Height, Time)>,
    /// What was logged last.
    health: Health,
}

impl Reporter {
    /// Of an outlook.
    pub fn new(outlook: Arc<Outlook>) -> Self {
        Self { outlook, block_times: VecDeque::new(), health: Health::Starting }
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
        self.block_times.push_back((state.height, state.time));
        if self.block_times.len() > BLOCK_TIMES_MAX {
            self.block_times.pop_front();
        }
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
        {
            let mut recent = self.outlook.recent();
            recent.certification = Some(*certification);
            recent.certified_at = Some(Instant::now());
        }
        if let Err(error) = self.outlook.states.publish(snapshot, completed, now) {
            log::error!(error:% = error; "a certified state is not shown");
        }
    }

    fn standing(&mut self, standing: Standing) {
        let mut recent = self.outlook.recent();
        self.outlook.metrics.standing(recent.standing.as_ref(), &standing);
        let last = recent.standing.as_ref().map(|last| last.own.finalized);
        if last != Some(standing.own.finalized) {
            recent.finalized_at = Some(Instant::now());
        }
        recent.standing = Some(standing);
        drop(recent);
        self.log_health();
    }
}

impl Reporter {
    /// Says when the node gets into trouble, and when it gets out.
    fn log_health(&mut self) {
        let health = self.outlook.health();
        let before = std::mem::replace(&mut self.health, health);
        match health.advice() {
            _ if health == before => {}
            Some(advice) => {
                log::error!(health = health.as_str(); "the node is in trouble: {advice}")
            }
            None => log::info!(health = health.as_str(); "the health of the node has changed"),
        }
    }
}

fn seconds(from: Time, to: Time) -> f64 {
    to.0.saturating_sub(from.0) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use replica_consensus::{Counters, PoolLoad};
    use replica_crypto::chain_key::Signature;
    use types::{Fees, Limits, Member, ReplicaVersion, StateRoot, SubnetType};

    use super::*;

    fn subnet() -> SubnetConfig {
        let member = |n: u8| {
            let (public_key, address) = ([n; 32], SocketAddr::from(([127, 0, 0, n], 1)));
            let node_id = NodeId::from_public_key(&public_key);
            Member { node_id, public_key, p2p: address, api: address }
        };
        SubnetConfig {
            name: "test".into(),
            subnet_type: SubnetType::CloudEngine,
            development: true,
            genesis_time: Time::from_secs(1),
            replica_version: ReplicaVersion("0.1.0".into()),
            members: (1..=4).map(member).collect(),
            canister_index_range: (0, 10),
            idle_block_interval_ms: 500,
            checkpoint_interval: 10,
            limits: Limits::default(),
            fees: Fees::default(),
        }
    }

    fn at(height: u64) -> PeerStatus {
        let height = Height(height);
        PeerStatus { finalized: height, executed: height, certified: height }
    }

    /// A node at a height, which it reached now, and three others.
    fn recent(own: u64, others: [u64; 3], now: Instant) -> Recent {
        let peer = |(n, height): (usize, u64)| (subnet().members[n + 1].node_id, at(height));
        let standing = Standing {
            own: at(own),
            peers: others.into_iter().enumerate().map(peer).collect(),
            pool: PoolLoad::default(),
            own_pool_has_room: true,
            tapes_missing: 0,
            has_key: true,
            has_share: true,
            counters: Counters::default(),
        };
        let (root, signature) = (StateRoot([1; 32]), Signature([1; 48]));
        Recent {
            standing: Some(standing),
            certification: Some(Certification { height: Height(own), root, signature }),
            certified_at: Some(now),
            finalized_at: Some(now),
        }
    }

    #[test]
    fn a_node_whose_heights_stand_still_is_stalled_even_if_all_do() {
        let now = Instant::now();
        let recent = recent(50, [50, 51, 50], now);
        let health = |seconds| recent.health(&subnet(), now + Duration::from_secs(seconds));
        assert_eq!([0, 19, 20, 500].map(health), {
            use Health::{Healthy, Stalled};
            [Healthy, Healthy, Stalled, Stalled]
        });
    }

    #[test]
    fn a_node_behind_catches_up_unless_it_gets_nothing() {
        let now = Instant::now();
        let health = |own, others, seconds| {
            recent(own, others, now).health(&subnet(), now + Duration::from_secs(seconds))
        };
        assert_eq!(health(50, [71, 71, 50], 0), Health::CatchingUp);
        assert_eq!(health(50, [9_000, 71, 9_000], 119), Health::CatchingUp);
        assert_eq!(health(50, [9_000, 71, 9_000], 120), Health::LeftBehind);
        // One liar among the others is not believed.
        assert_eq!(health(50, [9_000, 50, 50], 120), Health::Stalled);
        assert!(Health::LeftBehind.advice().is_some());
    }

    #[test]
    fn a_node_that_certified_nothing_can_be_left_behind_too() {
        let now = Instant::now();
        let recent = Recent { certification: None, ..recent(50, [9_000; 3], now) };
        let health = |seconds| recent.health(&subnet(), now + Duration::from_secs(seconds));
        assert_eq!([0, 120].map(health), [Health::Starting, Health::LeftBehind]);
    }
}
