//! The replicated state: everything that a round reads and changes.
//!
//! A copy is O(1) and shares what it can, so the state of each height is kept simply by keeping a
//! copy. What changed between two copies is found by comparing them
//! ([`ReplicatedState::changed_canisters`]): shared parts are recognised by pointer and skipped.
//! So there is no list of changes that a writer could forget to fill.

use crate::canister::CanisterState;
use crate::canister_map::CanisterMap;
use crate::ingress_history::IngressHistory;
use crate::message::Request;
use crate::queues::CanisterQueues;
use bytes::Bytes;
use imbl::{OrdSet, Vector};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{CanisterId, Cycles, Height, Randomness, SubnetConfig, SubnetId, Time};

/// A call to `raw_rand` that waits for the randomness of a later height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRandRequest {
    /// The call.
    pub request: Arc<Request>,
    /// The height whose round took the call; only later randomness may answer it.
    pub height: Height,
}

/// Sums over the whole life of the subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Cycles consumed, by canisters that exist and by deleted ones.
    pub consumed_cycles: Cycles,
    /// Update messages executed.
    pub update_transactions: u64,
    /// Messages of blocks that were skipped because they could not be used.
    pub skipped_ingress: u64,
    /// Bytes of pages, modules and chunks that changed since the height of the last checkpoint, each
    /// time they changed: nodes keep them in memory until the next one.
    pub heap_delta_bytes: u64,
}

/// The state; see the module's text.
#[derive(Clone, Debug)]
pub struct ReplicatedState {
    /// The height whose round made this state.
    pub height: Height,
    /// The time of that round.
    pub time: Time,
    /// The subnet's id.
    pub subnet_id: SubnetId,
    /// The subnet's chain key in DER, 133 bytes.
    pub chain_key_der: Bytes,
    /// What the subnet's nodes agreed on at genesis.
    pub config: Arc<SubnetConfig>,
    /// The index of the next canister id to allot.
    pub next_canister_index: u64,
    /// Indices that were asked for by name (`specified_id`): from `next_canister_index` on, and below
    /// the first one that is given out in order. They stay here when their canister is deleted, until
    /// the next index has passed them.
    pub specified_indices: OrdSet<u64>,
    /// Calls to the management canister.
    pub subnet_queues: CanisterQueues,
    /// What became of users' calls.
    pub ingress_history: IngressHistory,
    /// The randomness of the height.
    pub randomness: Randomness,
    /// Calls that wait for later randomness, oldest first.
    pub raw_rand_requests: Vector<RawRandRequest>,
    /// Sums over the subnet's life.
    pub totals: Totals,
    /// The canister with which the next round begins.
    pub next_scheduled: Option<CanisterId>,
    canisters: CanisterMap,
    /// A superset of the canisters that have work; see [`ReplicatedState::canisters_with_work`].
    active: OrdSet<CanisterId>,
}

/// How a canister differs between two states.
#[derive(Clone, Copy, Debug)]
pub struct CanisterDifference<'a> {
    /// The canister.
    pub id: CanisterId,
    /// How it was, if it was there.
    pub before: Option<&'a CanisterState>,
    /// How it is, if it is there.
    pub after: Option<&'a CanisterState>,
}

impl ReplicatedState {
    /// The state before the first round.
    pub fn genesis(
        config: Arc<SubnetConfig>,
        subnet_id: SubnetId,
        chain_key_der: Bytes,
        height: Height,
    ) -> Self {
        Self {
            height,
            time: config.genesis_time,
            subnet_id,
            chain_key_der,
            next_canister_index: config.first_allotted_index(),
            specified_indices: OrdSet::new(),
            config,
            subnet_queues: CanisterQueues::default(),
            ingress_history: IngressHistory::default(),
            randomness: Randomness::default(),
            raw_rand_requests: Vector::new(),
            totals: Totals::default(),
            next_scheduled: None,
            canisters: CanisterMap::default(),
            active: OrdSet::new(),
        }
    }

    /// The number of canisters.
    pub fn canister_count(&self) -> usize {
        self.canisters.len()
    }

    /// A canister.
    pub fn canister(&self, id: &CanisterId) -> Option<&CanisterState> {
        self.canisters.get(id).map(|canister| &**canister)
    }

    /// A canister, shared: for readers that keep it beyond this state.
    pub fn canister_arc(&self, id: &CanisterId) -> Option<Arc<CanisterState>> {
        self.canisters.get(id).cloned()
    }

    /// A canister, to change it. From here on it counts as changed.
    pub fn canister_mut(&mut self, id: &CanisterId) -> Option<&mut CanisterState> {
        let canister = self.canisters.get_mut(id)?;
        self.active.insert(*id);
        Some(Arc::make_mut(canister))
    }

    /// Puts a canister under its id; what was there before is returned.
    pub fn put_canister(
        &mut self,
        canister: impl Into<Arc<CanisterState>>,
    ) -> Option<Arc<CanisterState>> {
        let canister = canister.into();
        self.active.insert(canister.system.canister_id);
        self.canisters.insert(canister)
    }

    /// Removes a canister.
    pub fn remove_canister(&mut self, id: &CanisterId) -> Option<Arc<CanisterState>> {
        self.active.remove(id);
        self.canisters.remove(id)
    }

    /// All canisters in order of their ids.
    pub fn canisters(&self) -> impl Iterator<Item = &CanisterState> {
        self.canisters.iter().map(|canister| &**canister)
    }

    /// The ids of all canisters in order.
    pub fn canister_ids(&self) -> impl Iterator<Item = CanisterId> {
        self.canisters.iter().map(|canister| canister.system.canister_id)
    }

    /// The canisters for which a round may have something to do, in order of their ids. The
    /// answer depends on the canisters alone, not on how the state came about.
    pub fn canisters_with_work(&mut self) -> Vec<CanisterId> {
        let (working, idle): (Vec<_>, Vec<_>) = self.active.iter().copied().partition(|id| {
            self.canisters.get(id).is_some_and(|canister| canister.may_have_work())
        });
        for id in idle {
            self.active.remove(&id);
        }
        working
    }

    /// The canisters that differ from an earlier state, in order of their ids: at least all whose
    /// content differs. Takes time in proportion to their number.
    pub fn changed_canisters<'a>(
        &'a self,
        before: &'a ReplicatedState,
    ) -> impl Iterator<Item = CanisterDifference<'a>> {
        self.canisters.diff(&before.canisters).into_iter()
    }

    /// Whether a principal names this subnet's management canister: `aaaaa-aa` or the subnet's id.
    pub fn is_management(&self, id: &CanisterId) -> bool {
        *id == types::MANAGEMENT_CANISTER || id.0 == self.subnet_id.0
    }
}
