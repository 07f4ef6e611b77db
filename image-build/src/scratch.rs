//! Folders for what is unfinished: each goes with the value that stands for it, or, if its process was killed,
//! when the next one is made at the same place.
//!
//! A process holds a lock on its folder, which the system releases however the process ends. A folder that can
//! be locked is therefore nobody's any more.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// How often a folder is made anew that another process took for an abandoned one.
const ATTEMPT_COUNT: usize = 16;

/// A folder for what is unfinished.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    /// Held as long as the folder is used.
    _guard: File,
}

impl Scratch {
    /// Makes a folder whose name begins with `prefix`, and removes those beside it whose process has ended.
    pub fn create_in(parent: &Path, prefix: &str) -> io::Result<Self> {
        for entry in fs::read_dir(parent)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes())
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
            {
                remove_if_abandoned(&entry.path())?;
            }
        }
        for _ in 0..ATTEMPT_COUNT {
            let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
            // Until it is locked, another process may take it for abandoned.
            let Ok(guard) = File::open(folder.path()) else { continue };
            if guard.try_lock().is_ok() && is_still(&guard, folder.path()) {
                return Ok(Self { folder, _guard: guard });
            }
        }
        Err(io::Error::other(format!("other processes remove every folder named {prefix}*")))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the folder another name, under which it stays.
    pub fn rename(self, place: &Path) -> io::Result<()> {
        fs::rename(self.folder.path(), place)?;
        // Nothing is left under the old name.
        let _: PathBuf = self.folder.keep();
        Ok(())
    }
}

/// Whether an open folder is what a path leads to.
fn is_still(open: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (open, named) = (open.metadata().map(identity), path.symlink_metadata().map(identity));
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

/// Removes a folder that no process holds. What belongs to another user is left to that user.
fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let Ok(folder) = File::open(path) else { return Ok(()) };
    match folder.try_lock() {
        Ok(()) if is_still(&folder, path) => match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        },
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
