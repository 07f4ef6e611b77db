//! Checkpoints, as their users see them.

use super::database::Column;
use super::error::StoreError;
use super::record::{CanisterRecord, decode};
use super::writer::Writer;
use super::{CHECKPOINTS_KEPT, Store};
use crate::canister::CanisterState;
use crate::page_map::Page;
use crate::state::ReplicatedState;
use std::sync::Arc;
use types::{CanisterId, Height, StateRoot};

/// A checkpoint that is on disk.
pub struct Checkpoint {
    /// Its height.
    pub height: Height,
    /// What was written.
    pub size: CheckpointSize,
    pub(super) moved: Vec<Moved>,
}

/// How much a checkpoint wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointSize {
    /// Canisters that differ from the checkpoint before.
    pub canisters: u64,
    /// Calls of the ingress history that differ.
    pub calls: u64,
    /// Bytes of the overlay file.
    pub overlay_bytes: u64,
    /// Bytes of keys and values in the database.
    pub database_bytes: u64,
}

/// A canister of which pages have a home on disk now.
pub(super) struct Moved {
    pub id: CanisterId,
    /// As it was written.
    pub written: Arc<CanisterState>,
    /// The same content, with the pages at home.
    pub home: Arc<CanisterState>,
    pub heap: Vec<(u64, Page)>,
    pub stable: Vec<(u64, Page)>,
}

impl Checkpoint {
    /// Lets a state that grew out of the written one use the pages on disk instead of those in its
    /// heap. Contents do not change. Not doing so costs memory, and time in later checkpoints.
    pub fn move_pages(self, live: &mut ReplicatedState) {
        for moved in self.moved {
            match live.canister_arc(&moved.id) {
                Some(canister) if Arc::ptr_eq(&canister, &moved.written) => {
                    drop(canister);
                    live.put_canister(moved.home);
                }
                Some(_) => moved.move_into(live),
                None => {}
            }
        }
    }
}

impl Moved {
    fn move_into(self, live: &mut ReplicatedState) {
        let live = live.canister_mut(&self.id).and_then(|canister| canister.execution.as_mut());
        if let (Some(live), Some(written)) = (live, &self.written.execution) {
            live.heap.pages.move_pages(&written.heap.pages, self.heap);
            live.stable.pages.move_pages(&written.stable.pages, self.stable);
        }
    }
}

impl Store {
    /// Writes a checkpoint of a state, whose root is given, and drops the oldest one beyond
    /// [`CHECKPOINTS_KEPT`]. Returns when it is on disk. May be called from any thread; rounds can
    /// go on meanwhile with copies of the state.
    pub fn checkpoint(
        &self,
        state: &ReplicatedState,
        root: StateRoot,
    ) -> Result<Checkpoint, StoreError> {
        let mut inner = self.inner();
        let heights = self.checkpoint_heights()?;
        if let Some(last) = heights.last().filter(|last| **last >= state.height) {
            return Err(StoreError::Order { asked: state.height, last: *last });
        }
        let mut writer = Writer::new(self, &mut inner, state);
        writer.write_canisters()?;
        writer.write_calls();
        writer.write_subnet(root);
        if heights.len() >= CHECKPOINTS_KEPT {
            writer.drop_oldest(&heights)?;
        }
        writer.finish()
    }

    /// The heights of the kept checkpoints, ascending.
    pub fn checkpoint_heights(&self) -> Result<Vec<Height>, StoreError> {
        super::recovery::checkpoint_heights(&self.database)
    }

    /// The version of a canister's record at or below a height.
    pub(super) fn canister_record(
        &self,
        id: &CanisterId,
        height: Height,
    ) -> Result<Option<(Height, Option<CanisterRecord>)>, StoreError> {
        let version = self.database.version_up_to(Column::Canisters, id.as_slice(), height)?;
        let Some((height, bytes)) = version else { return Ok(None) };
        Ok(Some((height, decode(self.database.path(), &bytes)?)))
    }
}
