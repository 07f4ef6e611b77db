//! Opening a node's directory: what is on disk becomes consensus and execution, ready to join.

use std::path::PathBuf;
use std::sync::Arc;

use replica_consensus::{Consensus, Recovered, StoredKey};
use replica_crypto::chain_key::ChainKeyError;
use replica_engine::NodeSecret;
use replica_execution::Executor;
use replica_messaging::MachineError;
use replica_state::{CertifiedSnapshot, Opened, Store, StoreError};
use thiserror::Error;
use types::{Height, NodeId, SubnetConfig, Time};

use crate::ceremony::{CeremonyError, KeptCeremony, forget_dealings};
use crate::disk::{Disk, KeyLoadError, chain};
use crate::ending::EndingCell;
use crate::execution::Execution;
use crate::gate::SharedGate;
use crate::identity::{Identity, IdentityError};
use crate::wiring::{self, Audience, Node, Parts};

/// Why a node's directory cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The store.
    #[error("the node's store cannot be used")]
    Store(#[from] StoreError),
    /// The chain key cannot be read.
    #[error("the node's chain key cannot be read")]
    Key(#[from] KeyLoadError),
    /// The chain key is damaged.
    #[error("the node's chain key is damaged; restore its directory or start it anew")]
    ChainKey(#[from] ChainKeyError),
    /// The genesis state.
    #[error("the node's state cannot be made")]
    Machine(#[from] MachineError),
    /// The key generation.
    #[error("the key generation cannot be joined")]
    Ceremony(#[from] CeremonyError),
    /// The wasm machine.
    #[error("WebAssembly cannot be executed on this machine: {0}")]
    Wasm(String),
    /// The state and the key do not belong together.
    #[error("the node's directory holds a state but no chain key; restore it or start it anew")]
    StateWithoutKey,
    /// The state and the votes do not belong together.
    #[error("the node's directories cannot be used together")]
    Identity(#[from] IdentityError),
}

impl OpenError {
    /// Whether starting again cannot help: somebody must put back what is missing.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            OpenError::Identity(IdentityError::WithoutJournal { .. })
                | OpenError::Key(KeyLoadError::ShareLost(_))
                | OpenError::StateWithoutKey
                | OpenError::Ceremony(CeremonyError::OwnLog { .. })
        )
    }
}

/// Which node of which subnet, and where it lives.
pub struct Site {
    /// The subnet.
    pub subnet: Arc<SubnetConfig>,
    /// The node.
    pub me: NodeId,
    /// Its key.
    pub secret: NodeSecret,
    /// Its directory.
    pub node_dir: PathBuf,
}

/// A node that has been read from disk and is not joined to an engine yet.
pub struct OpenedNode {
    site: Site,
    disk: Disk,
    consensus: Consensus,
    gate: SharedGate,
    recovered: Option<(StoredKey, CertifiedSnapshot)>,
}

/// An opened node with the part of it that executes.
pub struct Opening {
    /// The node.
    pub node: OpenedNode,
    /// Its machine, for the executor.
    pub execution: Execution,
    /// What executes, for queries.
    pub executor: Arc<Executor>,
}

/// Opens the directory of a node, or makes it.
pub fn open(site: Site) -> Result<Opening, OpenError> {
    let identity = Identity::check(&site.node_dir)?;
    let Opened { store, latest } = Store::open(&site.node_dir.join("state"))?;
    identity.keep()?;
    let store = Arc::new(store);
    let disk = Disk::new(Arc::clone(&store));
    let key = disk.load_key()?;
    let executor =
        Executor::new(&site.subnet.limits).map_err(|error| OpenError::Wasm(chain(&error)))?;
    let executor = Arc::new(executor);
    let mut execution =
        Execution::new(Arc::clone(&site.subnet), Arc::clone(&executor), store, latest);
    let recovered = recover(&mut execution, key)?;
    let gate = SharedGate::default();
    let consensus = consensus(&site, &disk, &gate, recovered.as_ref())?;
    let node = OpenedNode { site, disk, consensus, gate, recovered };
    Ok(Opening { node, execution, executor })
}

impl OpenedNode {
    /// The height of the state that the node starts from.
    pub fn resume_after(&self) -> Height {
        self.recovered.as_ref().map_or(Height(0), |(_, state)| state.height)
    }

    /// The node as the engine drives it.
    pub fn join<X: wiring::Executor, A: Audience>(
        self,
        executor: X,
        audience: A,
        ending: EndingCell,
        now: Time,
    ) -> Node<X, A> {
        let Self { site, disk, consensus, gate, recovered } = self;
        let Site { subnet, node_dir, .. } = site;
        let parts = Parts { consensus, executor, audience, disk, gate, subnet, node_dir, ending };
        Node::new(parts, recovered, now)
    }
}

/// The state that the node starts from, with its key: the last checkpoint, or the genesis if the
/// node stopped between the two.
fn recover(
    execution: &mut Execution,
    key: Option<StoredKey>,
) -> Result<Option<(StoredKey, CertifiedSnapshot)>, OpenError> {
    match (key, execution.snapshot()) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(OpenError::StateWithoutKey),
        (Some(key), Some(state)) => {
            log::info!(height = state.height.0; "the last checkpoint is read");
            Ok(Some((key, state)))
        }
        (Some(key), None) => {
            let genesis = execution.genesis(&key)?.snapshot;
            Ok(Some((key, genesis)))
        }
    }
}

fn consensus(
    site: &Site,
    disk: &Disk,
    gate: &SharedGate,
    recovered: Option<&(StoredKey, CertifiedSnapshot)>,
) -> Result<Consensus, OpenError> {
    if recovered.is_some() {
        forget_dealings(&site.node_dir);
    }
    let Site { subnet, me, secret, node_dir } = site;
    let parts = replica_consensus::Parts {
        ingress: Box::new(gate.clone()),
        dkg: Box::new(KeptCeremony::new(*me, secret, subnet, node_dir, disk.clone())?),
        artifacts: Box::new(disk.clone()),
    };
    let recovered =
        recovered.map_or(Recovered::Nothing, |(key, state)| recovered_state(key, state));
    Ok(Consensus::new(Arc::clone(subnet), *me, recovered, parts)?)
}

/// What consensus is told about the state that it goes on from.
fn recovered_state(key: &StoredKey, state: &CertifiedSnapshot) -> Recovered {
    let history = state.state.ingress_history.iter();
    Recovered::State {
        key: key.clone(),
        height: state.height,
        time: state.state.time,
        // What a block could order again has not left the history.
        ordered: history.map(|(id, entry)| (*id, entry.expiry)).collect(),
    }
}
