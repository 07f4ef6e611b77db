//! The machine; see the text of the crate.

use crate::induction::{Inducted, induct};
use crate::snapshots::Snapshots;
use bytes::Bytes;
use replica_crypto::chain_key::{PublicKey, PublicKeyError};
use replica_execution::{Executor, LocalFailure, RoundCounters, RoundInput};
use replica_state::{
    CertifiedSnapshot, Checkpoint, CheckpointSize, ReplicatedState, StateTree, Store, StoreError,
};
use std::sync::Arc;
use types::{Batch, Height, MessageId, PrincipalId, StateRoot, SubnetConfig, SubnetId, Time};

/// Why the machine cannot go on. All of these stop the node.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A batch was left out or came twice: a bug of ours, or damaged data.
    #[error(
        "a batch of height {found} came after height {last}; the node stops because its state \
         would differ from the subnet's: start it again, and report it if it happens again"
    )]
    Height {
        /// The last height that was processed.
        last: Height,
        /// The height of the batch.
        found: Height,
    },
    /// The time of a batch is before the time of the one before.
    #[error(
        "the batch of height {height} has the time {found:?}, before {last:?}; the node stops: \
         report it, with the data directory as evidence"
    )]
    Time {
        /// The height of the batch.
        height: Height,
        /// The last time.
        last: Time,
        /// The time of the batch.
        found: Time,
    },
    /// The chain key is no key.
    #[error(
        "the chain key in the genesis transcript is unusable; remove the directory and join anew"
    )]
    ChainKey(#[from] PublicKeyError),
    /// A state was there where a genesis state should be made.
    #[error("the directory holds a state of height {0} already; open it instead of beginning anew")]
    NotEmpty(Height),
    /// This computer could not execute the batch, which says nothing about it.
    #[error("this computer cannot execute height {height}; the node stops")]
    Local {
        /// The height.
        height: Height,
        /// Why.
        #[source]
        failure: LocalFailure,
    },
    /// The store failed.
    #[error("the state cannot be kept on disk")]
    Store(#[from] StoreError),
}

/// What a batch came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processed {
    /// Its height.
    pub height: Height,
    /// The root of the state after it: what is to be certified.
    pub root: StateRoot,
    /// The calls that are over since, in the order in which that happened.
    pub completed: Vec<MessageId>,
    /// What became of the block's messages.
    pub inducted: Inducted,
    /// What was executed.
    pub counters: RoundCounters,
    /// Whether [`StateMachine::checkpoint`] is to be called before the next batch.
    pub checkpoint_due: bool,
}

/// A checkpoint that is still to be written, on any thread.
#[derive(Clone)]
pub struct PendingCheckpoint {
    store: Arc<Store>,
    state: Arc<ReplicatedState>,
    root: StateRoot,
}

impl PendingCheckpoint {
    /// Its height.
    pub fn height(&self) -> Height {
        self.state.height
    }

    /// Writes it; returns when it is on disk. One after the other, in order of their heights: the
    /// result is to reach [`StateMachine::finish_checkpoint`] before the next one begins.
    pub fn write(&self) -> Result<Checkpoint, MachineError> {
        Ok(self.store.checkpoint(&self.state, self.root)?)
    }
}

/// The machine of one subnet on one node. It belongs to the thread that executes.
pub struct StateMachine {
    store: Arc<Store>,
    executor: Arc<Executor>,
    tree: StateTree,
    snapshots: Snapshots,
    checkpointed: Height,
}

impl StateMachine {
    /// Makes the state before the first batch: of a new chain key (a compressed point of G2, 96
    /// bytes) whose generation ended with the block of this height. It is on disk when this
    /// returns.
    pub fn genesis(
        store: Arc<Store>,
        executor: Arc<Executor>,
        config: Arc<SubnetConfig>,
        chain_key: &[u8],
        height: Height,
    ) -> Result<Self, MachineError> {
        if let Some(last) = store.checkpoint_heights()?.last() {
            return Err(MachineError::NotEmpty(*last));
        }
        let der = Bytes::from(PublicKey::from_bytes(chain_key)?.to_der());
        let subnet_id = SubnetId(PrincipalId::self_authenticating(&der));
        let state = ReplicatedState::genesis(config, subnet_id, der, height);
        let tree = StateTree::build(Arc::new(state));
        store.checkpoint(tree.state(), tree.root())?;
        Ok(Self::open(store, executor, tree))
    }

    /// Goes on from the state of the last checkpoint, as opening the store gives it.
    pub fn open(store: Arc<Store>, executor: Arc<Executor>, latest: StateTree) -> Self {
        let checkpointed = latest.state().height;
        let mut snapshots = Snapshots::default();
        snapshots.push(CertifiedSnapshot::uncertified(&latest));
        Self { store, executor, tree: latest, snapshots, checkpointed }
    }

    /// The last height that was processed.
    pub fn height(&self) -> Height {
        self.state().height
    }

    /// The height of the last checkpoint: after a crash, the batches above it are needed again.
    pub fn checkpointed_height(&self) -> Height {
        self.checkpointed
    }

    /// The state after the last batch.
    pub fn state(&self) -> &Arc<ReplicatedState> {
        self.tree.state()
    }

    /// The root of the state after the last batch.
    pub fn root(&self) -> StateRoot {
        self.tree.root()
    }

    /// Executes a batch. Batches come in order, each once.
    pub fn process(&mut self, batch: &Batch) -> Result<Processed, MachineError> {
        let before = self.tree.state();
        if batch.height != before.height.next() {
            return Err(MachineError::Height { last: before.height, found: batch.height });
        }
        if batch.time < before.time {
            let (height, last, found) = (batch.height, before.time, batch.time);
            return Err(MachineError::Time { height, last, found });
        }
        let mut state = ReplicatedState::clone(before);
        let (inducted, mut completed) =
            induct(&self.executor, &mut state, &batch.ingress, batch.time);
        let input =
            RoundInput { height: batch.height, time: batch.time, randomness: batch.randomness };
        let outcome = self.executor.execute_round(&mut state, input).map_err(|failure| {
            let height = batch.height;
            MachineError::Local { height, failure }
        })?;
        completed.extend(outcome.completed);
        self.tree = self.tree.next(Arc::new(state));
        self.snapshots.push(CertifiedSnapshot::uncertified(&self.tree));
        Ok(Processed {
            height: batch.height,
            root: self.tree.root(),
            completed,
            inducted,
            counters: outcome.counters,
            checkpoint_due: self.checkpoint_is_due(),
        })
    }

    /// Whether the configuration wants a checkpoint of this height.
    fn checkpoint_is_due(&self) -> bool {
        let height = self.height();
        height > self.checkpointed
            && height.0.is_multiple_of(self.state().config.checkpoint_interval)
    }

    /// Writes a checkpoint of the state after the last batch; returns when it is on disk. Apart
    /// from [`StateMachine::process`], so that the root can be sent for certification before. Does
    /// nothing if the state has been written already.
    pub fn checkpoint(&mut self) -> Result<Option<CheckpointSize>, MachineError> {
        let Some(pending) = self.begin_checkpoint() else { return Ok(None) };
        let written = pending.write()?;
        let size = written.size;
        self.finish_checkpoint(written);
        Ok(Some(size))
    }

    /// What a checkpoint of the state after the last batch writes: a frozen copy, made in O(1), so
    /// that batches can go on while it is written. `None` if the state has been written already.
    pub fn begin_checkpoint(&self) -> Option<PendingCheckpoint> {
        if self.height() == self.checkpointed {
            return None;
        }
        let (store, state) = (Arc::clone(&self.store), Arc::clone(self.state()));
        Some(PendingCheckpoint { store, state, root: self.tree.root() })
    }

    /// Takes note of a checkpoint that is on disk: pages that did not change since are read from
    /// there from now on. No root changes by it.
    pub fn finish_checkpoint(&mut self, written: Checkpoint) {
        self.checkpointed = written.height;
        let mut state = ReplicatedState::clone(self.state());
        written.move_pages(&mut state);
        self.tree = self.tree.next(Arc::new(state));
    }

    /// The state of a height that is not certified yet; `None` if it was certified or dropped, or
    /// is still to come.
    pub fn snapshot(&self, height: Height) -> Option<&CertifiedSnapshot> {
        self.snapshots.get(height)
    }

    /// Takes out the snapshot of a height with the chain key's signature on its root, which the
    /// caller has checked. Snapshots of lower heights are dropped. `None` if there is none: the
    /// height is still to come, or one at or above it was taken out before.
    pub fn certify(&mut self, height: Height, signature: Bytes) -> Option<CertifiedSnapshot> {
        self.snapshots.certify(height, signature)
    }
}
