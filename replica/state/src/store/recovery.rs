//! Reading the last checkpoint, with everything checked, and removing what a crash left.

use super::database::{Column, Database, height_key, height_of_key, split_version_key};
use super::error::StoreError;
use super::overlay::{self, Overlays};
use super::record::{CanisterRecord, MemoryRecord, SubnetRecord, decode};
use super::usage::Usage;
use crate::canister::CanisterState;
use crate::execution_state::{ExecutionState, Memory, Module, ModuleInfo};
use crate::ingress_history::{IngressEntry, IngressHistory};
use crate::page_map::PageMap;
use crate::state::ReplicatedState;
use crate::tree::StateTree;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use types::{CanisterId, Height, MessageId, PrincipalId};

/// What was found.
pub(super) struct Recovered {
    pub latest: Option<StateTree>,
    pub usage: Usage,
    pub overlays: Overlays,
    pub next_file: u64,
}

/// Reads the last checkpoint of a directory and counts what the kept ones need.
pub(super) fn recover(dir: &Path, database: &Database) -> Result<Recovered, StoreError> {
    let mut reader = Reader {
        dir,
        database,
        usage: Usage::default(),
        overlays: Overlays::default(),
        blobs: BTreeMap::new(),
        infos: BTreeMap::new(),
    };
    let latest = match checkpoint_heights(database)?.last() {
        Some(height) => Some(reader.read(*height)?),
        None => None,
    };
    let next_file = reader.clean()?;
    Ok(Recovered { latest, usage: reader.usage, overlays: reader.overlays, next_file })
}

/// The heights of the kept checkpoints, ascending.
pub(super) fn checkpoint_heights(database: &Database) -> Result<Vec<Height>, StoreError> {
    let mut heights = Vec::new();
    database.for_each(Column::Checkpoints, |key, _| {
        let height = height_of_key(key);
        heights.push(height.ok_or_else(|| StoreError::damaged(database.path(), "a key"))?);
        Ok(())
    })?;
    Ok(heights)
}

struct Reader<'a> {
    dir: &'a Path,
    database: &'a Database,
    usage: Usage,
    overlays: Overlays,
    blobs: BTreeMap<[u8; 32], Bytes>,
    /// One copy for all canisters with the same module.
    infos: BTreeMap<[u8; 32], Arc<ModuleInfo>>,
}

impl Reader<'_> {
    fn read(&mut self, height: Height) -> Result<StateTree, StoreError> {
        let bytes = self.database.get(Column::Checkpoints, &height_key(height))?;
        let bytes = bytes.ok_or_else(|| self.damaged("a checkpoint vanished"))?;
        let record: SubnetRecord = decode(self.database.path(), &bytes)?;
        let (expected, mut state) = (record.root, record.into_state());
        self.read_canisters(&mut state)?;
        state.ingress_history = self.read_calls()?;
        let tree = StateTree::build(Arc::new(state));
        let found = tree.root();
        match found == expected {
            true => Ok(tree),
            false => {
                let path = self.dir.to_owned();
                Err(StoreError::Root { path, height, expected, found })
            }
        }
    }

    /// The versions of one canister follow each other, the latest last.
    fn read_canisters(&mut self, state: &mut ReplicatedState) -> Result<(), StoreError> {
        let database = self.database;
        let mut pending: Option<(CanisterId, Option<CanisterRecord>)> = None;
        database.for_each(Column::Canisters, |key, value| {
            let id = split_version_key(key).and_then(|(id, _)| PrincipalId::try_from(id).ok());
            let id = CanisterId(id.ok_or_else(|| self.damaged("a canister's key"))?);
            let record: Option<CanisterRecord> = decode(database.path(), value)?;
            if let Some(record) = &record {
                self.usage.add_version(record);
            }
            let before = pending.replace((id, record));
            match before.filter(|(before, _)| *before != id) {
                Some((id, record)) => self.put_canister(state, id, record),
                None => Ok(()),
            }
        })?;
        match pending {
            Some((id, record)) => self.put_canister(state, id, record),
            None => Ok(()),
        }
    }

    fn put_canister(
        &mut self,
        state: &mut ReplicatedState,
        id: CanisterId,
        record: Option<CanisterRecord>,
    ) -> Result<(), StoreError> {
        let Some(record) = record else { return Ok(()) };
        self.usage.set_live(id, None, Some(&record));
        let canister = self.canister(record)?;
        if canister.system.canister_id != id {
            return Err(self.damaged("a canister under another id"));
        }
        state.put_canister(canister);
        Ok(())
    }

    fn canister(&mut self, record: CanisterRecord) -> Result<CanisterState, StoreError> {
        let mut canister = CanisterState::new(record.system);
        for hash in record.chunks {
            let chunk = self.blob(hash)?;
            let added = canister.system.chunk_store.insert(chunk, u64::MAX);
            added.expect("a store without a bound takes every chunk");
        }
        if let Some(record) = record.execution {
            let info = self.infos.entry(record.module).or_insert_with(|| Arc::clone(&record.info));
            let info = if *info == record.info { Arc::clone(info) } else { record.info };
            canister.execution = Some(ExecutionState {
                module: Module { bytes: self.blob(record.module)?, hash: record.module },
                info,
                heap: self.memory(&record.heap)?,
                stable: self.memory(&record.stable)?,
                globals: record.globals,
            });
        }
        Ok(canister)
    }

    fn memory(&mut self, record: &MemoryRecord) -> Result<Memory, StoreError> {
        let mut pages = PageMap::new();
        for segment in &record.segments {
            let overlay = self.overlays.get(self.dir, segment.file)?;
            overlay.check(segment)?;
            for (index, page) in overlay.pages(segment)? {
                pages.set(index, page);
            }
        }
        Ok(Memory { pages, size: record.size })
    }

    fn blob(&mut self, hash: [u8; 32]) -> Result<Bytes, StoreError> {
        if let Some(blob) = self.blobs.get(&hash) {
            return Ok(blob.clone());
        }
        let blob = self.database.get(Column::Blobs, &hash)?;
        let blob = Bytes::from(blob.ok_or_else(|| self.damaged("a module or chunk is missing"))?);
        if <[u8; 32]>::from(Sha256::digest(&blob)) != hash {
            return Err(self.damaged("a module or chunk does not have its hash"));
        }
        self.blobs.insert(hash, blob.clone());
        Ok(blob)
    }

    fn read_calls(&self) -> Result<IngressHistory, StoreError> {
        let mut entries: BTreeMap<MessageId, IngressEntry> = BTreeMap::new();
        self.database.for_each(Column::Calls, |key, value| {
            let id = split_version_key(key).and_then(|(id, _)| id.try_into().ok());
            let id = MessageId(id.ok_or_else(|| self.damaged("a call's key"))?);
            match decode(self.database.path(), value)? {
                Some(entry) => drop(entries.insert(id, entry)),
                None => drop(entries.remove(&id)),
            }
            Ok(())
        })?;
        Ok(IngressHistory::from_entries(entries))
    }

    /// Removes overlay files that no checkpoint names: a crash came between their making and the
    /// batch, or between the batch and their removal. Returns the number above those that stay;
    /// a number whose file was removed may come again.
    fn clean(&mut self) -> Result<u64, StoreError> {
        let dir = self.dir.join("pages");
        let needed = self.usage.files();
        for entry in std::fs::read_dir(&dir).map_err(StoreError::io("list", &dir))? {
            let path = entry.map_err(StoreError::io("list", &dir))?.path();
            let is_needed = |number| needed.contains(&number);
            if overlay::number(self.dir, &path).is_some_and(|number| !is_needed(number)) {
                std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        for file in &needed {
            let bytes = self.overlays.get(self.dir, *file)?.len();
            self.usage.set_bytes(*file, bytes);
        }
        let next = needed.last().map_or(Some(0), |last| last.checked_add(1));
        next.ok_or_else(|| self.damaged("the number of an overlay file is the last one"))
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::damaged(self.database.path(), what)
    }
}
