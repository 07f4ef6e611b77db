//! The stored forms, encoded by postcard. A change here is a change of the format: raise the
//! version in `format.rs`.

use super::error::StoreError;
use super::overlay::Segment;
use crate::canister::SystemState;
use crate::execution_state::{GlobalValue, ModuleInfo};
use crate::queues::CanisterQueues;
use crate::state::{RawRandRequest, ReplicatedState, Totals};
use bytes::Bytes;
use imbl::{OrdSet, Vector};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use types::{CanisterId, Height, MessageId, Randomness, StateRoot, SubnetConfig, SubnetId, Time};

/// A canister without the large parts that are stored by hash or in overlay files.
#[derive(Serialize, Deserialize)]
pub(super) struct CanisterRecord {
    pub system: SystemState,
    pub chunks: Vec<[u8; 32]>,
    pub execution: Option<ExecutionRecord>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExecutionRecord {
    pub module: [u8; 32],
    pub info: Arc<ModuleInfo>,
    pub heap: MemoryRecord,
    pub stable: MemoryRecord,
    pub globals: Vec<GlobalValue>,
}

/// A memory: its size in wasm pages, and its segments, oldest first.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct MemoryRecord {
    pub size: u64,
    pub segments: Vec<Segment>,
}

impl CanisterRecord {
    /// The segments of both memories.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        let memories = self.execution.iter().flat_map(|e| [&e.heap, &e.stable]);
        memories.flat_map(|memory| &memory.segments)
    }

    /// The files that hold pages of the canister, each once.
    pub(super) fn files(&self) -> BTreeSet<u64> {
        self.segments().map(|segment| segment.file).collect()
    }

    /// The hashes of what is stored by hash, each once.
    pub(super) fn blobs(&self) -> BTreeSet<[u8; 32]> {
        self.chunks.iter().copied().chain(self.execution.iter().map(|e| e.module)).collect()
    }
}

/// The state besides canisters and ingress history.
#[derive(Serialize, Deserialize)]
pub(super) struct SubnetRecord {
    pub height: Height,
    pub root: StateRoot,
    pub time: Time,
    pub subnet_id: SubnetId,
    pub chain_key_der: Bytes,
    pub config: Arc<SubnetConfig>,
    pub next_canister_index: u64,
    pub specified_indices: OrdSet<u64>,
    pub subnet_queues: CanisterQueues,
    pub randomness: Randomness,
    pub raw_rand_requests: Vector<RawRandRequest>,
    pub totals: Totals,
    pub next_scheduled: Option<CanisterId>,
}

impl SubnetRecord {
    /// The record of a state with this root.
    pub(super) fn of(state: &ReplicatedState, root: StateRoot) -> Self {
        Self {
            height: state.height,
            root,
            time: state.time,
            subnet_id: state.subnet_id,
            chain_key_der: state.chain_key_der.clone(),
            config: Arc::clone(&state.config),
            next_canister_index: state.next_canister_index,
            specified_indices: state.specified_indices.clone(),
            subnet_queues: state.subnet_queues.clone(),
            randomness: state.randomness,
            raw_rand_requests: state.raw_rand_requests.clone(),
            totals: state.totals.clone(),
            next_scheduled: state.next_scheduled,
        }
    }

    /// The state, still without canisters and ingress history.
    pub(super) fn into_state(self) -> ReplicatedState {
        let mut state =
            ReplicatedState::genesis(self.config, self.subnet_id, self.chain_key_der, self.height);
        state.time = self.time;
        state.next_canister_index = self.next_canister_index;
        state.specified_indices = self.specified_indices;
        state.subnet_queues = self.subnet_queues;
        state.randomness = self.randomness;
        state.raw_rand_requests = self.raw_rand_requests;
        state.totals = self.totals;
        state.next_scheduled = self.next_scheduled;
        state
    }
}

/// What a checkpoint wrote: when the one before it goes, older versions of these go too.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Journal {
    pub canisters: Vec<CanisterId>,
    pub calls: Vec<MessageId>,
}

/// The stored form of a value.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("our records have only plain fields of known length")
}

/// Reads the stored form of a value from the database in `path`.
pub(super) fn decode<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|error| {
        StoreError::damaged(path, format!("a {} is malformed: {error}", std::any::type_name::<T>()))
    })
}
