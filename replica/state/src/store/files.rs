//! Small files that are replaced as a whole, so that a crash leaves the old or the new content.

use super::error::StoreError;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes a file under another name, syncs it, and gives it its name.
pub(super) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), StoreError> {
    let new = path.with_extension("new");
    if new.exists() {
        std::fs::remove_file(&new).map_err(StoreError::io("remove", &new))?;
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .map_err(StoreError::io("create", &new))?;
    file.write_all(content).map_err(StoreError::io("write", &new))?;
    file.sync_all().map_err(StoreError::io("sync", &new))?;
    std::fs::rename(&new, path).map_err(StoreError::io("rename", &new))?;
    sync_parent(path)
}

/// Makes the entry of a file in its directory durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let sync = |dir: &Path| File::open(dir)?.sync_all();
    sync(parent).map_err(StoreError::io("sync", parent))
}
