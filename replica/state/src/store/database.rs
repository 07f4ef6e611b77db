//! RocksDB with our columns, and keys of which several versions are kept.

use super::error::StoreError;
use super::rocksdb::{Rocksdb, Settings, WriteBatch};
use std::path::{Path, PathBuf};
use types::Height;

/// What is kept apart in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Single values by name.
    Values,
    /// The subnet's part of each checkpoint, by height.
    Checkpoints,
    /// Canisters, versioned.
    Canisters,
    /// Calls of the ingress history, versioned.
    Calls,
    /// What each checkpoint wrote, by height.
    Journals,
    /// Modules and chunks by hash.
    Blobs,
    /// Random tapes by height.
    Tapes,
    /// Certifications by height.
    Certifications,
}

/// Names on disk, in the order of [`Column`].
const COLUMNS: [&str; 8] =
    ["values", "checkpoints", "canisters", "calls", "journals", "blobs", "tapes", "certifications"];

/// Bytes that a column gathers in memory before it writes a file. Small: what is written at once
/// is a checkpoint, and the log of RocksDB holds it anyway.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// Bytes of the log of all columns.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// Files of RocksDB's own messages.
const MESSAGE_FILE_COUNT: usize = 2;

/// Whether a write must be on disk before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// It must.
    Synced,
    /// A power failure may lose it; others can give it again.
    Buffered,
}

/// A key and its value.
type KeyValue = (Vec<u8>, Vec<u8>);

/// The database.
pub(super) struct Database {
    db: Rocksdb,
    path: PathBuf,
}

/// Writes that happen together.
#[derive(Default)]
pub(super) struct Batch {
    writes: Vec<(Column, Vec<u8>, Option<Vec<u8>>)>,
    bytes: u64,
}

impl Batch {
    pub(super) fn put(&mut self, column: Column, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += (key.len() + value.len()) as u64;
        self.writes.push((column, key, Some(value)));
    }

    pub(super) fn delete(&mut self, column: Column, key: Vec<u8>) {
        self.writes.push((column, key, None));
    }

    /// Bytes of keys and values to be written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Database {
    /// Opens the database, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let settings = Settings {
            columns: &COLUMNS,
            write_buffer_bytes: WRITE_BUFFER_BYTES,
            log_bytes_max: LOG_BYTES_MAX,
            message_file_count: MESSAGE_FILE_COUNT,
        };
        let db = Rocksdb::open(path, &settings);
        let db = db.map_err(StoreError::database(path))?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// Its directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a key.
    pub(super) fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(column as usize, key).map_err(StoreError::database(&self.path))
    }

    /// Writes one value.
    pub(super) fn put(
        &self,
        column: Column,
        key: &[u8],
        value: Vec<u8>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.put(column, key.to_vec(), value);
        self.write(batch, durability)
    }

    /// Writes all or nothing.
    pub(super) fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut writes = WriteBatch::new();
        for (column, key, value) in batch.writes {
            match value {
                Some(value) => self.db.put(&mut writes, column as usize, &key, &value),
                None => self.db.delete(&mut writes, column as usize, &key),
            }
        }
        let synced = durability == Durability::Synced;
        self.db.write(writes, synced).map_err(StoreError::database(&self.path))
    }

    /// Calls `each` with all keys and values of a column, in order of the keys, until it fails.
    pub(super) fn for_each(
        &self,
        column: Column,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for item in self.db.first(column as usize) {
            let (key, value) = item.map_err(StoreError::database(&self.path))?;
            each(&key, &value)?;
        }
        Ok(())
    }

    /// The last key of a column at or below `key`, with its value.
    pub(super) fn last_up_to(
        &self,
        column: Column,
        key: &[u8],
    ) -> Result<Option<KeyValue>, StoreError> {
        let item = self.db.last_up_to(column as usize, key).next();
        item.transpose().map_err(StoreError::database(&self.path))
    }

    /// The last version of a thing at or below a height, with the version's height.
    pub(super) fn version_up_to(
        &self,
        column: Column,
        id: &[u8],
        height: Height,
    ) -> Result<Option<(Height, Vec<u8>)>, StoreError> {
        let Some((key, value)) = self.last_up_to(column, &version_key(id, height))? else {
            return Ok(None);
        };
        Ok(split_version_key(&key).filter(|(found, _)| *found == id).map(|(_, h)| (h, value)))
    }
}

/// The key of the version that a height wrote: the id's length and bytes, then the height.
pub(super) fn version_key(id: &[u8], height: Height) -> Vec<u8> {
    let length = u8::try_from(id.len()).expect("ids have at most 32 bytes");
    [&[length], id, &height.0.to_be_bytes()[..]].concat()
}

/// The id and the height of a version's key.
pub(super) fn split_version_key(key: &[u8]) -> Option<(&[u8], Height)> {
    let (length, rest) = key.split_first()?;
    let (id, height) = rest.split_at_checked(usize::from(*length))?;
    Some((id, Height(u64::from_be_bytes(height.try_into().ok()?))))
}

/// The key of what is kept by height.
pub(super) fn height_key(height: Height) -> Vec<u8> {
    height.0.to_be_bytes().to_vec()
}

/// The height of such a key.
pub(super) fn height_of_key(key: &[u8]) -> Option<Height> {
    Some(Height(u64::from_be_bytes(key.try_into().ok()?)))
}
