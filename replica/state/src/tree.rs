//! The canonical state tree: what the subnet certifies of its state (interface specification,
//! "The system state tree").
//!
//! ```text
//!  /time
//!  /subnet/<s>/{public_key, type, canister_ranges, metrics, node/<n>/public_key}
//!  /canister_ranges/<s>/<first canister of the range>
//!  /request_status/<id>/{status, reply | reject_code, reject_message, error_code}
//!  /canister/<c>/{certified_data, module_hash, controllers, canister_creation_timestamp,
//!                 last_install_timestamp, metadata/<name>}
//! ```
//!
//! A subtree without entries is left out of the tree (`/api_boundary_nodes` always, as there are
//! none). The tree of a state is made from the tree of an earlier one by comparing the two states,
//! in time proportional to what differs; the result is that of building it anew.

#[cfg(test)]
mod tests;
mod values;

use crate::canister::CanisterState;
use crate::execution_state::ModuleInfo;
use crate::ingress_history::{IngressEntry, IngressStatus};
use crate::state::{CanisterDifference, ReplicatedState};
use bytes::Bytes;
use replica_crypto::persistent::Tree;
use std::collections::BTreeSet;
use std::sync::Arc;
use types::{CanisterId, MessageId, PrincipalId, StateRoot, Time};
use values::SubnetMetrics;

/// A state with its tree.
#[derive(Clone)]
pub struct StateTree {
    state: Arc<ReplicatedState>,
    tree: Tree,
    /// Bytes of all canisters, for the metrics; kept so that nothing must be counted anew.
    canister_bytes: u64,
}

impl StateTree {
    /// The tree of a state, built anew.
    pub fn build(state: Arc<ReplicatedState>) -> Self {
        let nothing = ReplicatedState::genesis(
            Arc::clone(&state.config),
            state.subnet_id,
            state.chain_key_der.clone(),
            state.height,
        );
        let mut tree = Tree::new();
        write_subnet(&mut tree, &state);
        Self { state: Arc::new(nothing), tree, canister_bytes: 0 }.next(state)
    }

    /// The tree of a later state of the same subnet.
    ///
    /// # Panics
    /// When the state is of another subnet or configuration: then the tree must be built anew.
    pub fn next(&self, state: Arc<ReplicatedState>) -> Self {
        assert!(
            self.state.subnet_id == state.subnet_id
                && Arc::ptr_eq(&self.state.config, &state.config),
            "a state is followed by a state of the same subnet"
        );
        let mut tree = self.tree.clone();
        let mut canister_bytes = self.canister_bytes;
        tree.update_subtree(&["canister"], |tree| {
            for difference in state.changed_canisters(&self.state) {
                let bytes = |canister: Option<&CanisterState>| {
                    canister.map_or(0, CanisterState::memory_bytes)
                };
                canister_bytes -= bytes(difference.before);
                canister_bytes += bytes(difference.after);
                write_canister(tree, difference);
            }
        });
        tree.update_subtree(&["request_status"], |tree| {
            for (id, entry) in state.ingress_history.changed(&self.state.ingress_history) {
                write_request_status(tree, id, entry);
            }
        });
        tree.set(&["time"], values::natural(state.time.0));
        write_metrics(&mut tree, &state, canister_bytes);
        Self { state, tree, canister_bytes }
    }

    /// The state.
    pub fn state(&self) -> &Arc<ReplicatedState> {
        &self.state
    }

    /// The tree, for witnesses.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The root: what the chain key signs.
    pub fn root(&self) -> StateRoot {
        StateRoot(self.tree.digest())
    }
}

/// What does not change as long as the configuration does not.
fn write_subnet(tree: &mut Tree, state: &ReplicatedState) {
    let subnet = state.subnet_id.as_slice();
    let (first, last) = state.config.canister_index_range;
    let range = (CanisterId::from_index(first), CanisterId::from_index(last));
    let ranges = values::canister_ranges(&[range]);
    tree.update_subtree(&[b"subnet", subnet], |tree| {
        tree.set(&["public_key"], state.chain_key_der.clone());
        tree.set(&["type"], state.config.subnet_type.as_str());
        tree.set(&["canister_ranges"], ranges.clone());
        for member in &state.config.members {
            let path = [b"node", member.node_id.as_slice(), b"public_key"];
            tree.set(&path, member.public_key_der());
        }
    });
    tree.set(&[b"canister_ranges", subnet, range.0.as_slice()], ranges);
}

fn write_metrics(tree: &mut Tree, state: &ReplicatedState, canister_bytes: u64) {
    let metrics = SubnetMetrics {
        canister_count: state.canister_count() as u64,
        canister_bytes,
        consumed_cycles: state.totals.consumed_cycles,
        update_transactions: state.totals.update_transactions,
    };
    tree.set(&[b"subnet", state.subnet_id.as_slice(), b"metrics"], metrics.encode());
}

fn write_request_status(tree: &mut Tree, id: &MessageId, entry: Option<&IngressEntry>) {
    let mut below = Tree::new();
    if let Some(entry) = entry {
        below.set(&["status"], entry.status.as_str());
        match &entry.status {
            IngressStatus::Replied(reply) => below.set(&["reply"], reply.clone()),
            IngressStatus::Rejected(error) => {
                below.set(&["reject_code"], values::natural(error.reject_code() as u64));
                below.set(&["reject_message"], error.message.clone());
                below.set(&["error_code"], error.code.to_string());
            }
            IngressStatus::Received | IngressStatus::Processing | IngressStatus::Done => {}
        }
    }
    tree.set_subtree(&[id.0], below);
}

/// Writes what differs, and only that: finding a field in the tree costs several times more than
/// comparing it in the two states.
fn write_canister(tree: &mut Tree, difference: CanisterDifference<'_>) {
    let path = [difference.id.as_slice()];
    let Some(after) = difference.after else {
        tree.remove(&path);
        return;
    };
    let (before, after) = (difference.before.map(View::of), View::of(after));
    if before.as_ref() != Some(&after) {
        tree.update_subtree(&path, |tree| after.write(tree, before.as_ref()));
    }
}

/// The part of a canister that is in the tree.
#[derive(PartialEq)]
struct View<'a> {
    certified_data: Option<&'a Bytes>,
    module_hash: Option<&'a [u8; 32]>,
    controllers: &'a BTreeSet<PrincipalId>,
    created: Time,
    last_install: Option<Time>,
    /// Compared by pointer first, as it holds up to a mebibyte.
    info: Option<&'a Arc<ModuleInfo>>,
}

impl<'a> View<'a> {
    fn of(canister: &'a CanisterState) -> Self {
        let (system, execution) = (&canister.system, canister.execution.as_ref());
        Self {
            certified_data: execution.map(|_| &system.certified_data),
            module_hash: execution.map(|execution| &execution.module.hash),
            controllers: &system.settings.controllers,
            created: system.created,
            last_install: system.last_install,
            info: execution.map(|execution| &execution.info),
        }
    }

    fn write(&self, tree: &mut Tree, before: Option<&Self>) {
        if before.is_none_or(|before| before.created != self.created) {
            tree.set(&["canister_creation_timestamp"], values::natural(self.created.0));
        }
        if before.is_none_or(|before| before.controllers != self.controllers) {
            tree.set(&["controllers"], values::principals(self.controllers));
        }
        if before.is_none_or(|before| before.last_install != self.last_install) {
            let time = self.last_install.map(|time| values::natural(time.0).into());
            set_or_remove(tree, "last_install_timestamp", time);
        }
        if before.is_none_or(|before| before.module_hash != self.module_hash) {
            let hash = self.module_hash.map(|hash| Bytes::copy_from_slice(hash));
            set_or_remove(tree, "module_hash", hash);
        }
        if before.is_none_or(|before| before.certified_data != self.certified_data) {
            set_or_remove(tree, "certified_data", self.certified_data.cloned());
        }
        if before.is_none_or(|before| before.info != self.info) {
            let mut below = Tree::new();
            for (name, metadata) in self.info.iter().flat_map(|info| &info.metadata) {
                below.set(&[name], metadata.content.clone());
            }
            tree.set_subtree(&["metadata"], below);
        }
    }
}

fn set_or_remove(tree: &mut Tree, label: &str, value: Option<Bytes>) {
    match value {
        Some(value) => tree.set(&[label], value),
        None => drop(tree.remove(&[label])),
    }
}
