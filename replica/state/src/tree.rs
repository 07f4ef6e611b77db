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
use crate::execution_state::ExecutionState;
use crate::ingress_history::{IngressEntry, IngressStatus};
use crate::state::{CanisterDifference, ReplicatedState};
use replica_crypto::persistent::Tree;
use std::sync::Arc;
use types::{CanisterId, MessageId, StateRoot};
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
        for difference in state.changed_canisters(&self.state) {
            let bytes =
                |canister: Option<&CanisterState>| canister.map_or(0, CanisterState::memory_bytes);
            canister_bytes -= bytes(difference.before);
            canister_bytes += bytes(difference.after);
            write_canister(&mut tree, difference);
        }
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

/// Most changes of a canister do not touch what is in the tree: then nothing is written, and no
/// digest is computed anew.
fn write_canister(tree: &mut Tree, difference: CanisterDifference<'_>) {
    let path = [b"canister", difference.id.as_slice()];
    match (difference.before, difference.after) {
        (_, None) => drop(tree.remove(&path)),
        (Some(before), Some(after)) if has_same_view(before, after) => {}
        (before, Some(after)) => tree.update_subtree(&path, |tree| {
            write_canister_fields(tree, after);
            let info = |canister: &CanisterState| {
                canister.execution.as_ref().map(|execution| Arc::as_ptr(&execution.info))
            };
            if before.and_then(info) != info(after) {
                write_metadata(tree, after.execution.as_ref());
            }
        }),
    }
}

fn has_same_view(before: &CanisterState, after: &CanisterState) -> bool {
    let code = |canister: &CanisterState| {
        let execution = canister.execution.as_ref();
        execution.map(|execution| (execution.module.hash, Arc::as_ptr(&execution.info)))
    };
    let (old, new) = (&before.system, &after.system);
    old.certified_data == new.certified_data
        && old.created == new.created
        && old.last_install == new.last_install
        && (Arc::ptr_eq(&old.settings, &new.settings)
            || old.settings.controllers == new.settings.controllers)
        && code(before) == code(after)
}

fn write_canister_fields(tree: &mut Tree, canister: &CanisterState) {
    let system = &canister.system;
    tree.set(&["controllers"], values::principals(&system.settings.controllers));
    tree.set(&["canister_creation_timestamp"], values::natural(system.created.0));
    match system.last_install {
        Some(time) => tree.set(&["last_install_timestamp"], values::natural(time.0)),
        None => drop(tree.remove(&["last_install_timestamp"])),
    }
    match &canister.execution {
        Some(execution) => {
            tree.set(&["module_hash"], execution.module.hash.to_vec());
            tree.set(&["certified_data"], system.certified_data.clone());
        }
        None => {
            tree.remove(&["module_hash"]);
            tree.remove(&["certified_data"]);
        }
    }
}

fn write_metadata(tree: &mut Tree, execution: Option<&ExecutionState>) {
    let mut below = Tree::new();
    for (name, metadata) in execution.iter().flat_map(|execution| &execution.info.metadata) {
        below.set(&[name.as_bytes()], metadata.content.clone());
    }
    tree.set_subtree(&["metadata"], below);
}
