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
use crate::settings::CanisterSettings;
use crate::state::{CanisterDifference, ReplicatedState};
use bytes::Bytes;
use replica_crypto::persistent::Tree;
use std::sync::{Arc, LazyLock};
use types::{CanisterId, MessageId, StateRoot, Time};
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
        let mut shown = Vec::new();
        for difference in state.changed_canisters(&self.state) {
            let bytes =
                |canister: Option<&CanisterState>| canister.map_or(0, CanisterState::memory_bytes);
            canister_bytes -= bytes(difference.before);
            canister_bytes += bytes(difference.after);
            if !has_same_view(difference) {
                shown.push(difference);
            }
        }
        write_canisters(&mut tree, &shown);
        let calls: Vec<_> = state.ingress_history.changed(&self.state.ingress_history).collect();
        write_calls(&mut tree, &calls);
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

/// How many changes are read ahead of: so few that what was read is still at hand when it is
/// changed.
const AHEAD: usize = 64;

fn write_calls(tree: &mut Tree, calls: &[(&MessageId, Option<&IngressEntry>)]) {
    if calls.is_empty() {
        return;
    }
    tree.update_subtree(&["request_status"], |tree| {
        for calls in calls.chunks(AHEAD) {
            let labels: Vec<&[u8]> = calls.iter().map(|(id, _)| &id.0[..]).collect();
            tree.digest_before(labels[0]);
            tree.read_ahead(&labels);
            for (id, entry) in calls {
                write_request_status(tree, id, *entry);
            }
        }
    });
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

/// What the tree shows of a canister. Values are compared as far as that is cheap; parts that are
/// shared are compared by pointer, which may find a difference where there is none.
#[derive(Clone, Copy, PartialEq)]
struct View<'a> {
    certified_data: Option<&'a Bytes>,
    code: Option<Code<'a>>,
    controllers: Controllers<'a>,
    created: Time,
    last_install: Option<Time>,
}

#[derive(Clone, Copy)]
struct Code<'a>(&'a ExecutionState);

impl PartialEq for Code<'_> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.info, &other.0.info) && self.0.module.hash == other.0.module.hash
    }
}

#[derive(Clone, Copy)]
struct Controllers<'a>(&'a Arc<CanisterSettings>);

impl PartialEq for Controllers<'_> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.0, other.0) || self.0.controllers == other.0.controllers
    }
}

impl<'a> View<'a> {
    fn of(canister: &'a CanisterState) -> Self {
        let CanisterState { system, execution } = canister;
        Self {
            certified_data: execution.is_some().then_some(&system.certified_data),
            code: execution.as_ref().map(Code),
            controllers: Controllers(&system.settings),
            created: system.created,
            last_install: system.last_install,
        }
    }
}

/// Most changes of a canister do not touch what is in the tree: then nothing is written, and no
/// digest is computed anew.
fn has_same_view(difference: CanisterDifference<'_>) -> bool {
    match (difference.before, difference.after) {
        (Some(before), Some(after)) => View::of(before) == View::of(after),
        _ => false,
    }
}

fn write_canisters(tree: &mut Tree, differences: &[CanisterDifference<'_>]) {
    if differences.is_empty() {
        return;
    }
    tree.update_subtree(&["canister"], |tree| {
        for differences in differences.chunks(AHEAD) {
            let labels: Vec<&[u8]> = differences.iter().map(|one| one.id.as_slice()).collect();
            tree.digest_before(labels[0]);
            tree.read_ahead(&labels);
            for difference in differences {
                write_canister(tree, *difference);
            }
        }
    });
}

fn write_canister(tree: &mut Tree, difference: CanisterDifference<'_>) {
    let path = [difference.id.as_slice()];
    match difference.after {
        None => drop(tree.remove(&path)),
        Some(after) => tree.update_subtree(&path, |tree| {
            let (before, after) = (difference.before.map(View::of), View::of(after));
            if before.is_none() {
                *tree = FIELDS[usize::from(after.code.is_some())].clone();
            }
            write_view(tree, before, after);
        }),
    }
}

/// The fields that every canister has, first without and then with code, still without values. A
/// canister's tree grows out of one of them, so that all share the memory of the labels.
static FIELDS: LazyLock<[Tree; 2]> = LazyLock::new(|| {
    [0, 2].map(|of_code| {
        let labels =
            ["canister_creation_timestamp", "controllers", "certified_data", "module_hash"];
        let mut tree = Tree::new();
        labels[..2 + of_code].iter().for_each(|label| tree.set(&[label], Bytes::new()));
        tree
    })
});

/// Writes the fields that differ; the others stand in the tree as `before` has them.
fn write_view(tree: &mut Tree, before: Option<View<'_>>, after: View<'_>) {
    if before.is_none_or(|before| before.controllers != after.controllers) {
        let controllers = &after.controllers.0.controllers;
        tree.set(&["controllers"], values::principals(controllers));
    }
    if before.is_none_or(|before| before.created != after.created) {
        tree.set(&["canister_creation_timestamp"], values::natural(after.created.0));
    }
    if before.and_then(|before| before.last_install) != after.last_install {
        let time = after.last_install.map(|time| values::natural(time.0));
        set_or_remove(tree, "last_install_timestamp", time);
    }
    if before.and_then(|before| before.certified_data) != after.certified_data {
        set_or_remove(tree, "certified_data", after.certified_data.cloned());
    }
    if before.and_then(|before| before.code) != after.code {
        let hash = after.code.map(|code| code.0.module.hash.to_vec());
        set_or_remove(tree, "module_hash", hash);
        write_metadata(tree, after.code.map(|code| code.0));
    }
}

fn set_or_remove(tree: &mut Tree, label: &str, value: Option<impl Into<Bytes>>) {
    match value {
        Some(value) => tree.set(&[label], value),
        None => drop(tree.remove(&[label])),
    }
}

fn write_metadata(tree: &mut Tree, execution: Option<&ExecutionState>) {
    let mut below = Tree::new();
    for (name, metadata) in execution.iter().flat_map(|execution| &execution.info.metadata) {
        below.set(&[name.as_bytes()], metadata.content.clone());
    }
    tree.set_subtree(&["metadata"], below);
}
