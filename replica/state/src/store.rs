//! What a node keeps on disk. Only this folder names RocksDB.
//!
//! ```text
//!  <dir>/FORMAT        version of this layout
//!        db/           RocksDB: checkpoints, canisters, calls, modules; tapes, certifications
//!        pages/N       overlay files: the pages that a checkpoint changed; never written twice
//!        key-share     the node's share of the chain key, readable by its user alone
//! ```
//!
//! A checkpoint writes what differs from the one before: first the changed pages into one new
//! overlay file, which is synced, then everything else in one synced batch of RocksDB. The batch
//! is the switch: before it the old checkpoint stands, after it the new one does, and an overlay
//! file that no checkpoint names is removed at the next start. The last [`CHECKPOINTS_KEPT`] are
//! kept.
//!
//! Damage is an error that stops the node: pages are checked against their digests and the state
//! against its root whenever the directory is opened.

mod artifacts;
mod checkpoint;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod damage;
mod database;
mod error;
mod files;
mod format;
#[cfg(test)]
mod full_state;
mod keystore;
mod mapping;
mod overlay;
mod record;
mod recovery;
mod rocksdb;
mod segments;
#[cfg(test)]
mod tests;
mod usage;
mod writer;

pub use artifacts::StoredCertification;
pub use checkpoint::{Checkpoint, CheckpointSize};
pub use error::RocksdbError;
pub use error::StoreError;
pub use keystore::KeyShareFile;

use crate::state::ReplicatedState;
use crate::tree::StateTree;
use database::Database;
use overlay::Overlays;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use usage::Usage;

/// How many checkpoints are kept: one to start from, and one before it as evidence should the
/// last one turn out to be wrong.
pub const CHECKPOINTS_KEPT: usize = 2;

/// The store of one node; may be shared by threads.
pub struct Store {
    dir: PathBuf,
    database: Database,
    inner: Mutex<Inner>,
    #[cfg(test)]
    at_step: Mutex<Option<Watch>>,
}

/// What the writer of checkpoints remembers between two of them.
struct Inner {
    /// The state of the last checkpoint, with its pages where they lie on disk.
    last: Option<ReplicatedState>,
    /// Which files and blobs the kept checkpoints need.
    usage: Usage,
    overlays: Overlays,
    next_file: u64,
}

/// What a test does at each step of a checkpoint.
#[cfg(test)]
type Watch = Box<dyn FnMut(Step) + Send>;

/// The moments of a checkpoint at which a crash leaves something different behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    OverlayBegun,
    OverlaySynced,
    BatchWritten,
    Finished,
}

/// An opened store with the state that it holds.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// The last checkpoint; `None` in a new directory.
    pub latest: Option<StateTree>,
}

impl Store {
    /// Opens a directory, or makes it, and reads the last checkpoint. What a crash left unfinished
    /// is removed.
    pub fn open(dir: &Path) -> Result<Opened, StoreError> {
        format::prepare(dir)?;
        let database = Database::open(&dir.join("db"))?;
        let recovery::Recovered { latest, usage, overlays, next_file } =
            recovery::recover(dir, &database)?;
        let last = latest.as_ref().map(|tree| ReplicatedState::clone(tree.state()));
        let store = Store {
            dir: dir.to_owned(),
            database,
            inner: Mutex::new(Inner { last, usage, overlays, next_file }),
            #[cfg(test)]
            at_step: Mutex::new(None),
        };
        Ok(Opened { store, latest })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of the node's secret share.
    pub fn key_share(&self) -> KeyShareFile {
        KeyShareFile::in_dir(&self.dir)
    }

    /// A panic while the lock was held may have left the counts of `Inner` behind the disk, but
    /// never ahead of it: files stay longer than needed, and the next start counts anew.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(not(test))]
    fn reached(&self, _: Step) {}

    #[cfg(test)]
    fn reached(&self, step: Step) {
        if let Some(watch) = self.at_step.lock().unwrap().as_mut() {
            watch(step);
        }
    }
}
