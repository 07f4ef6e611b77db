//! What the interface needs from the rest of the node: declared here, joined by the node.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use replica_crypto::signatures::NodeSigningKey;
use replica_ingress::{Admitted, CallContent, QueryContent};
use replica_state::ReplicatedState;
use types::{Height, NodeId, Principal, ReplicaVersion, SubnetConfig, SubnetId, Time, UserError};

use crate::CertifiedStates;

/// All that the router is built from.
#[derive(Clone)]
pub struct Api {
    /// What the subnet agreed on at genesis: members, limits, canister ids.
    pub subnet: Arc<SubnetConfig>,
    /// The bounds that this node chooses.
    pub limits: Limits,
    /// The version that runs.
    pub version: ReplicaVersion,
    /// SHA-256 of the program that runs, in hex, once it is known.
    pub program_hash: Arc<OnceLock<String>>,
    /// The latest certified state, and who waits for the next ones.
    pub certified: Arc<CertifiedStates>,
    /// Where admitted calls go.
    pub submit: Arc<dyn Submit>,
    /// What executes queries and inspects calls.
    pub execution: Arc<dyn Execution>,
    /// The key with which the node signs its answers to queries; its id is that of the node.
    pub node_key: Arc<NodeSigningKey>,
    /// How far the node is.
    pub node: Arc<dyn NodeView>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Threads for connections alone: reading, writing, waiting.
const CONNECTION_THREADS: usize = 2;

/// The bounds of one node's HTTP interface. Not agreed by the subnet: another node may choose
/// others.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls being checked at once; above, the answer is 429.
    pub calls_max: usize,
    /// Queries inside at once, running or waiting for a thread; above, the answer is 429.
    pub queries_max: usize,
    /// `read_state` requests inside at once; above, the answer is 429.
    pub read_states_max: usize,
    /// Calls being checked at a time, each on a thread of the runtime.
    pub call_threads: usize,
    /// Queries being executed at a time, each on a thread of the runtime.
    pub query_threads: usize,
    /// Certificates for `read_state` being made at a time, each on a thread of the runtime.
    pub read_state_threads: usize,
    /// Synchronous calls waiting for their certificate; above, a call is accepted all the same
    /// and answered with 202 at once. A place costs about 300 bytes and an open connection. The
    /// bound lets 2,000 calls a second wait out a full timeout.
    pub waiting_calls_max: usize,
    /// How long a synchronous call waits before it is answered with 202.
    pub sync_timeout: Duration,
    /// How long a body may take to arrive; after that the answer is 408.
    pub body_timeout: Duration,
    /// Bytes of all bodies that are being read or decoded; above, the answer is 429.
    pub body_bytes_in_flight_max: usize,
    /// Connections at once; above, new ones wait in the queue of the kernel. Each takes a file
    /// descriptor and up to 64 KiB.
    pub connections_max: usize,
    /// How long a new connection may take to send the head of its first request; after that it is
    /// closed.
    pub head_timeout: Duration,
    /// How long a connection may go without a request being answered, which is also how long a
    /// client may take to read an answer; after that it is closed. Clients keep connections in
    /// stock for 60 to 90 s.
    pub idle_timeout: Duration,
}

impl Limits {
    /// Threads of the runtime that serves the interface: as many as work may take, and some more
    /// for connections, so that no work keeps the others from being read and answered.
    pub fn worker_threads(&self) -> usize {
        self.call_threads + self.query_threads + self.read_state_threads + CONNECTION_THREADS
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A burst of every client at once; checking that many takes the threads some 100 ms.
            calls_max: 1_000,
            queries_max: 400,
            read_states_max: 100,
            call_threads: 2,
            query_threads: 4,
            read_state_threads: 2,
            waiting_calls_max: 20_000,
            sync_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            body_bytes_in_flight_max: 256 << 20,
            // Every waiting call has one, and some remain for those who query.
            connections_max: 24_000,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
        }
    }
}

/// Takes calls into the node, from where they reach a block.
pub trait Submit: Send + Sync + 'static {
    /// Hands over a call that was admitted and inspected. Handing over the same call again is
    /// harmless. Does not block.
    fn submit(&self, call: Admitted<CallContent>) -> Result<(), SubmitError>;
}

/// Why the node does not take a call now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many calls wait for a block.
    #[error("this node has too many calls waiting for a block; retry later or use another node")]
    PoolFull,
    /// The node is about to stop.
    #[error("this node is stopping; use another node of the subnet")]
    Stopping,
}

/// Executes what does not go through consensus.
pub trait Execution: Send + Sync + 'static {
    /// Executes a query against a certified state; `Ok` is the reply. `certificate` is what
    /// `ic0.data_certificate_copy` gives the canister that is asked: a certificate of its
    /// `certified_data`; `None` if there is no such canister. Blocks the thread.
    fn query(
        &self,
        state: &ReplicatedState,
        query: &Admitted<QueryContent>,
        certificate: Option<Bytes>,
    ) -> Result<Bytes, UserError>;

    /// Whether the subnet would take the call: the target is there, running, not frozen, and
    /// `canister_inspect_message` accepts; or it is a management call that the sender may make.
    /// Blocks the thread.
    fn inspect(
        &self,
        state: &ReplicatedState,
        call: &Admitted<CallContent>,
    ) -> Result<(), UserError>;
}

/// The node that answers, as far as it changes.
pub trait NodeView: Send + Sync + 'static {
    /// The chain's identity; `None` until the chain key exists.
    fn chain(&self) -> Option<Arc<Chain>>;

    /// How far the node is.
    fn progress(&self) -> Progress;
}

/// The identity of a chain, fixed with its chain key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The subnet that answers.
    pub subnet_id: SubnetId,
    /// The key of the root subnet in DER: what clients trust.
    pub root_key_der: Bytes,
}

impl Chain {
    /// The root subnet: the self-authenticating principal of the root key.
    pub(crate) fn root_subnet(&self) -> SubnetId {
        SubnetId(Principal::self_authenticating(&self.root_key_der))
    }
}

/// How far a node is, as it shows on its status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The highest final block.
    pub finalized: Height,
    /// The highest executed block.
    pub executed: Height,
    /// Whether it should get requests.
    pub health: Health,
}

/// Whether a node should get requests: `replica_health_status` of the status endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It should.
    Healthy,
    /// No chain key or no certified state is there yet.
    Starting,
    /// The certified state is older than that of the other nodes.
    CatchingUp,
    /// No state has been certified for a while, as far as the node knows nowhere.
    Stalled,
    /// It was away for so long that the other nodes do not have the blocks any more.
    LeftBehind,
    /// It ends its work.
    Stopping,
}

impl Health {
    /// The word that agents read.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Starting => "starting",
            Health::CatchingUp => "certified_state_behind",
            Health::Stalled => "stalled",
            Health::LeftBehind => "left_behind",
            Health::Stopping => "stopping",
        }
    }

    /// What an operator can do about it; `None` where it passes by itself.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Health::Healthy | Health::Starting | Health::CatchingUp | Health::Stopping => None,
            Health::Stalled => Some(
                "no state has been certified for a while: see that more than two thirds of the \
                 subnet's nodes run and reach each other, and read their logs",
            ),
            Health::LeftBehind => Some(
                "this node was away too long: the others have dropped the blocks that it needs, \
                 and this version cannot fetch a state. Stop it; the subnet goes on as long as at \
                 most a third of its nodes are missing. To have it back, start the subnet anew",
            ),
        }
    }
}

/// The time, as this node sees it: for expiries and for signatures of query responses.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Time;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 makes every request expire, which is the safe side.
        let nanoseconds = since.map_or(0, |since| since.as_nanos());
        Time(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

impl Api {
    /// Where the members answer, in the order of the configuration.
    pub(crate) fn member_apis(&self) -> impl Iterator<Item = (NodeId, SocketAddr)> + '_ {
        self.subnet.members.iter().map(|member| (member.node_id, member.api))
    }
}
