//! Why the store cannot do what it was asked for. Every text says where and what to do.

pub use super::rocksdb::RocksdbError;
use std::io;
use std::path::{Path, PathBuf};
use types::{Height, StateRoot};

/// See the module's text. All of these stop the node.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the node's quota of it, is full.
    #[error(
        "no space is left for {path}; free or add disk space there, then start the node again: it \
         goes on from its last checkpoint"
    )]
    DiskFull {
        /// What was to be written.
        path: PathBuf,
    },
    /// Another input or output failure.
    #[error("cannot {action} {path}; check the disk and the permissions there")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// RocksDB failed.
    #[error(
        "the database in {path} failed; if another node uses the directory stop it, else check \
         the disk"
    )]
    Database {
        /// Its directory.
        path: PathBuf,
        /// Why it failed.
        source: RocksdbError,
    },
    /// The directory was written by another version.
    #[error(
        "{path} has the format {found:?}, and this version reads {expected:?}; use a new directory \
         or the version that wrote it"
    )]
    Format {
        /// The directory.
        path: PathBuf,
        /// What the file says.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// The directory holds other things.
    #[error("{path} is not empty and holds no node data; choose a new or an empty directory")]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// What was read is not what was written.
    #[error(
        "{path} is damaged ({what}); keep a copy as evidence, check the disk, and let the node \
         start with a new directory"
    )]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// How it shows.
        what: String,
    },
    /// The state that was read has another root than the one that was written.
    #[error(
        "the checkpoint of height {height} in {path} has the root {found} instead of {expected}; \
         keep a copy as evidence and let the node start with a new directory"
    )]
    Root {
        /// The directory.
        path: PathBuf,
        /// The checkpoint.
        height: Height,
        /// What it should be.
        expected: StateRoot,
        /// What it is.
        found: StateRoot,
    },
    /// A checkpoint below or at the last one was asked for: a bug of the caller.
    #[error("a checkpoint of height {asked} was asked for after that of height {last}")]
    Order {
        /// What was asked for.
        asked: Height,
        /// The last checkpoint.
        last: Height,
    },
    /// The key share's file holds no share.
    #[error("{path} holds no key share; restore it from a copy, or remove it to follow unsigned")]
    KeyShare {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// A function that turns an I/O error into ours.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => StoreError::DiskFull { path },
            _ => StoreError::Io { action, path, source },
        }
    }

    /// A function that turns an error of RocksDB into ours. RocksDB tells the kind of an I/O error
    /// only in words.
    pub(super) fn database(path: &Path) -> impl FnOnce(RocksdbError) -> Self {
        let path = path.to_owned();
        move |source| {
            let text = source.to_string();
            let full = ["No space left", "Disk quota exceeded", "File too large"];
            match full.iter().any(|words| text.contains(words)) {
                true => StoreError::DiskFull { path },
                false => StoreError::Database { path, source },
            }
        }
    }

    /// Damage of a file.
    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        StoreError::Damaged { path: path.to_owned(), what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_as_such() {
        let path = Path::new("data/node-1/pages/7");
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let text = StoreError::io("write", path)(full).to_string();
        assert!(text.contains("no space is left for data/node-1/pages/7"), "{text}");
        assert!(text.contains("free or add disk space"), "{text}");
        let other = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(matches!(StoreError::io("write", path)(other), StoreError::Io { .. }));
    }
}
