//! A state that is kept for readers, with its tree and, once there is one, its certificate.

use crate::state::ReplicatedState;
use crate::tree::StateTree;
use bytes::Bytes;
use replica_crypto::persistent::Tree;
use std::sync::Arc;
use types::{Height, StateRoot};

/// The state of one height. A copy is O(1), and the states of many heights share most of their
/// memory.
#[derive(Clone)]
pub struct CertifiedSnapshot {
    /// The height.
    pub height: Height,
    /// The state after the round of the height.
    pub state: Arc<ReplicatedState>,
    /// Its canonical tree.
    pub tree: Tree,
    /// The tree's root.
    pub root: StateRoot,
    /// The chain key's signature on the root: 48 bytes; `None` while the height is not certified.
    pub signature: Option<Bytes>,
}

impl CertifiedSnapshot {
    /// The snapshot of a state that is not certified yet.
    pub fn uncertified(tree: &StateTree) -> Self {
        let state = Arc::clone(tree.state());
        let (height, root) = (state.height, tree.root());
        Self { height, state, tree: tree.tree().clone(), root, signature: None }
    }

    /// The same snapshot with its signature.
    pub fn certified(mut self, signature: Bytes) -> Self {
        self.signature = Some(signature);
        self
    }
}
