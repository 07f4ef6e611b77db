//! How a checkpoint is written.

use super::checkpoint::{Checkpoint, CheckpointSize, Moved};
use super::database::{Batch, Column, Durability, height_key, version_key};
use super::error::StoreError;
use super::overlay::{self, Overlay, OverlayWriter, Segment};
use super::record::{
    CanisterRecord, ExecutionRecord, Journal, MemoryRecord, SubnetRecord, decode, encode,
};
use super::segments::{Plan, plan};
use super::usage::{Unused, Usage};
use super::{Inner, Step, Store};
use crate::canister::CanisterState;
use crate::execution_state::{ExecutionState, Memory};
use crate::page_map::{PAGE_BYTES, PageBytes};
use crate::state::ReplicatedState;
use std::collections::BTreeSet;
use std::sync::Arc;
use types::{CanisterId, Height, StateRoot};

/// The most pages that one checkpoint moves only to let old files go: 64 MiB, well below what a
/// busy subnet writes anyway.
const MOVED_PAGES_MAX: u64 = 16_384;

static ZEROES: PageBytes = [0; PAGE_BYTES];

/// A checkpoint in the making. Nothing that it does counts before the batch is written: on an
/// error the overlay file is left to the next start to remove.
pub(super) struct Writer<'a> {
    store: &'a Store,
    inner: &'a mut Inner,
    state: &'a ReplicatedState,
    usage: Usage,
    batch: Batch,
    journal: Journal,
    overlay: Option<OverlayWriter>,
    leaving: BTreeSet<u64>,
    written: Vec<Written>,
}

/// The new segments of a canister.
struct Written {
    canister: Arc<CanisterState>,
    heap: Option<Segment>,
    stable: Option<Segment>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(store: &'a Store, inner: &'a mut Inner, state: &'a ReplicatedState) -> Self {
        Self {
            store,
            usage: inner.usage.clone(),
            inner,
            state,
            batch: Batch::default(),
            journal: Journal::default(),
            overlay: None,
            leaving: BTreeSet::new(),
            written: Vec::new(),
        }
    }

    pub(super) fn write_canisters(&mut self) -> Result<(), StoreError> {
        let (leaving, users) = self.usage.worth_leaving(PAGE_BYTES as u64, MOVED_PAGES_MAX);
        self.leaving = leaving;
        let before = self.inner.last.clone();
        let mut changed = users;
        match &before {
            Some(before) => changed.extend(self.state.changed_canisters(before).map(|d| d.id)),
            None => changed.extend(self.state.canister_ids()),
        }
        for id in changed {
            let before = before.as_ref().and_then(|before| before.canister(&id));
            self.write_canister(id, before)?;
        }
        Ok(())
    }

    fn write_canister(
        &mut self,
        id: CanisterId,
        before: Option<&CanisterState>,
    ) -> Result<(), StoreError> {
        let old = match before {
            Some(_) => self.store.canister_record(&id, self.state.height)?.and_then(|(_, r)| r),
            None => None,
        };
        let after = self.state.canister_arc(&id);
        let record = match &after {
            Some(canister) => Some(self.record(canister, before, old.as_ref())?),
            None => None,
        };
        if let (Some(record), Some(canister)) = (&record, &after) {
            for blob in self.usage.add_version(record) {
                self.write_blob(canister, blob);
            }
        }
        self.usage.set_live(id, old.as_ref(), record.as_ref());
        let key = version_key(id.as_slice(), self.state.height);
        self.batch.put(Column::Canisters, key, encode(&record));
        self.journal.canisters.push(id);
        Ok(())
    }

    fn write_blob(&mut self, canister: &CanisterState, hash: [u8; 32]) {
        let module = canister.execution.as_ref().map(|execution| &execution.module);
        let module = module.filter(|module| module.hash == hash).map(|module| &module.bytes);
        let blob = module.or_else(|| canister.system.chunk_store.get(&hash));
        let blob = blob.expect("a canister's record names only its own blobs");
        self.batch.put(Column::Blobs, hash.to_vec(), blob.to_vec());
    }

    fn record(
        &mut self,
        canister: &Arc<CanisterState>,
        before: Option<&CanisterState>,
        old: Option<&CanisterRecord>,
    ) -> Result<CanisterRecord, StoreError> {
        let mut written = Written { canister: Arc::clone(canister), heap: None, stable: None };
        let execution = match &canister.execution {
            Some(execution) => {
                let before = before.and_then(|before| before.execution.as_ref());
                let old = old.and_then(|old| old.execution.as_ref());
                Some(self.execution_record(execution, before.zip(old), &mut written)?)
            }
            None => None,
        };
        if written.heap.is_some() || written.stable.is_some() {
            self.written.push(written);
        }
        Ok(CanisterRecord {
            system: canister.system.clone(),
            chunks: canister.system.chunk_store.iter().map(|(hash, _)| *hash).collect(),
            execution,
        })
    }

    fn execution_record(
        &mut self,
        execution: &ExecutionState,
        before: Option<(&ExecutionState, &ExecutionRecord)>,
        written: &mut Written,
    ) -> Result<ExecutionRecord, StoreError> {
        let heap_before = before.map(|(state, record)| (&state.heap, &record.heap));
        let stable_before = before.map(|(state, record)| (&state.stable, &record.stable));
        Ok(ExecutionRecord {
            module: execution.module.hash,
            info: Arc::clone(&execution.info),
            heap: self.memory_record(&execution.heap, heap_before, &mut written.heap)?,
            stable: self.memory_record(&execution.stable, stable_before, &mut written.stable)?,
            globals: execution.globals.clone(),
        })
    }

    fn memory_record(
        &mut self,
        memory: &Memory,
        before: Option<(&Memory, &MemoryRecord)>,
        new: &mut Option<Segment>,
    ) -> Result<MemoryRecord, StoreError> {
        let (changed, segments) = match before {
            Some((before, record)) => (memory.pages.diff(&before.pages), &record.segments[..]),
            None => (memory.pages.iter().map(|(index, _)| index).collect(), &[][..]),
        };
        let Plan { keep, write } = {
            let (dir, overlays) = (&self.store.dir, &mut self.inner.overlays);
            let leave = |segment: &Segment| self.leaving.contains(&segment.file);
            plan(segments, changed, leave, |segment| {
                overlays.get(dir, segment.file)?.index(segment)
            })?
        };
        let mut segments = segments[..keep].to_vec();
        let page = |index: u64| match (memory.pages.get(index), keep) {
            (Some(page), _) => Some((index, page)),
            // At the bottom nothing is to be hidden by zeroes.
            (None, 0) => None,
            (None, _) => Some((index, &ZEROES)),
        };
        let pages: Vec<_> = write.into_iter().filter_map(page).collect();
        if !pages.is_empty() {
            let segment = self.overlay()?.append(&pages)?;
            segments.push(segment.clone());
            *new = Some(segment);
        }
        Ok(MemoryRecord { size: memory.size, segments })
    }

    fn overlay(&mut self) -> Result<&mut OverlayWriter, StoreError> {
        if self.overlay.is_none() {
            let overlay = OverlayWriter::create(&self.store.dir, self.inner.next_file)?;
            // The number is spent even if the checkpoint fails: a file is never written twice.
            self.inner.next_file += 1;
            self.store.reached(Step::OverlayBegun);
            self.overlay = Some(overlay);
        }
        Ok(self.overlay.as_mut().expect("it was just made"))
    }

    pub(super) fn write_calls(&mut self) {
        let nothing = Default::default();
        let before = self.inner.last.as_ref().map_or(&nothing, |last| &last.ingress_history);
        for (id, entry) in self.state.ingress_history.changed(before) {
            let key = version_key(&id.0, self.state.height);
            self.batch.put(Column::Calls, key, encode(&entry));
            self.journal.calls.push(*id);
        }
    }

    pub(super) fn write_subnet(&mut self, root: StateRoot) {
        let key = height_key(self.state.height);
        let record = SubnetRecord::of(self.state, root);
        self.batch.put(Column::Journals, key.clone(), encode(&self.journal));
        self.batch.put(Column::Checkpoints, key, encode(&record));
    }

    /// Drops the oldest checkpoint: of everything that the next one wrote, the older version is
    /// needed by nobody. (There is one at most, as this holds for every checkpoint before.)
    pub(super) fn drop_oldest(&mut self, heights: &[Height]) -> Result<(), StoreError> {
        let [oldest, next, ..] = *heights else { return Ok(()) };
        let database = &self.store.database;
        let bytes = database.get(Column::Journals, &height_key(next))?;
        let bytes = bytes.ok_or_else(|| {
            StoreError::damaged(database.path(), format!("no journal of height {next}"))
        })?;
        let journal: Journal = decode(database.path(), &bytes)?;
        for id in &journal.canisters {
            self.drop_canister_versions(id, next)?;
        }
        for id in &journal.calls {
            for height in self.superseded(Column::Calls, &id.0, next)? {
                self.batch.delete(Column::Calls, version_key(&id.0, height));
            }
        }
        self.batch.delete(Column::Journals, height_key(oldest));
        self.batch.delete(Column::Checkpoints, height_key(oldest));
        Ok(())
    }

    fn drop_canister_versions(&mut self, id: &CanisterId, next: Height) -> Result<(), StoreError> {
        for height in self.superseded(Column::Canisters, id.as_slice(), next)? {
            if let Some((_, Some(record))) = self.store.canister_record(id, height)? {
                self.usage.remove_version(&record);
            }
            self.batch.delete(Column::Canisters, version_key(id.as_slice(), height));
        }
        Ok(())
    }

    /// The versions of a thing that nobody needs once `next` is the oldest checkpoint, which wrote
    /// one: the one before, and its own if it only says that the thing is gone.
    fn superseded(
        &self,
        column: Column,
        id: &[u8],
        next: Height,
    ) -> Result<Vec<Height>, StoreError> {
        let database = &self.store.database;
        let mut heights = Vec::new();
        if let Some(below) = next.0.checked_sub(1) {
            let before = database.version_up_to(column, id, Height(below))?;
            heights.extend(before.map(|(height, _)| height));
        }
        let own = database.version_up_to(column, id, next)?;
        let gone =
            own.filter(|(height, bytes)| *height == next && bytes[..] == encode(&None::<()>));
        heights.extend(gone.map(|(height, _)| height));
        Ok(heights)
    }

    pub(super) fn finish(mut self) -> Result<Checkpoint, StoreError> {
        let overlay = match self.overlay.take() {
            Some(overlay) => Some(self.inner.overlays.insert(overlay.finish()?)),
            None => None,
        };
        let mut size = CheckpointSize {
            canisters: self.journal.canisters.len() as u64,
            calls: self.journal.calls.len() as u64,
            ..CheckpointSize::default()
        };
        if let Some(overlay) = &overlay {
            size.overlay_bytes = overlay.len();
            self.usage.set_bytes(overlay.number(), overlay.len());
        }
        self.store.reached(Step::OverlaySynced);
        let unused = self.usage.take_unused();
        for hash in &unused.blobs {
            self.batch.delete(Column::Blobs, hash.to_vec());
        }
        size.database_bytes = self.batch.bytes();
        let moved = homes(self.written, overlay.as_deref())?;
        self.store.database.write(self.batch, Durability::Synced)?;
        self.store.reached(Step::BatchWritten);

        let mut last = self.state.clone();
        for moved in &moved {
            last.put_canister(Arc::clone(&moved.home));
        }
        self.inner.last = Some(last);
        self.inner.usage = self.usage;
        remove_files(self.store, self.inner, &unused)?;
        self.store.reached(Step::Finished);
        Ok(Checkpoint { height: self.state.height, size, moved })
    }
}

/// The new homes of the pages that were written.
fn homes(written: Vec<Written>, overlay: Option<&Overlay>) -> Result<Vec<Moved>, StoreError> {
    let Some(overlay) = overlay else { return Ok(Vec::new()) };
    let pages = |segment: Option<Segment>| match segment {
        Some(segment) => overlay.pages(&segment),
        None => Ok(Vec::new()),
    };
    let mut moved = Vec::with_capacity(written.len());
    for Written { canister, heap, stable } in written {
        let (heap, stable) = (pages(heap)?, pages(stable)?);
        let mut home = CanisterState::clone(&canister);
        if let (Some(home), Some(written)) = (&mut home.execution, &canister.execution) {
            home.heap.pages.move_pages(&written.heap.pages, heap.iter().cloned());
            home.stable.pages.move_pages(&written.stable.pages, stable.iter().cloned());
        }
        let id = canister.system.canister_id;
        moved.push(Moved { id, written: canister, home: Arc::new(home), heap, stable });
    }
    Ok(moved)
}

fn remove_files(store: &Store, inner: &mut Inner, unused: &Unused) -> Result<(), StoreError> {
    for file in &unused.files {
        inner.overlays.forget(*file);
        let path = overlay::path(&store.dir, *file);
        std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
    }
    Ok(())
}
