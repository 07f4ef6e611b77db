//! Whole disk images: the partition table, and the contents at their places; all else is holes.

mod compressed;
#[cfg(test)]
mod tests;

pub use compressed::{UnpackError, unpack, write_compressed};

use crate::gpt::Table;
use crate::output::copy_sparse;
use os_kit_disk_layout::{Disk, LayoutError, Placement};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use thiserror::Error;

/// A disk image that cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiskError {
    /// Contents and disk do not go together.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// What should go into a partition cannot be read.
    #[error("cannot read what goes into the partition {label}")]
    Content {
        /// The partition.
        label: String,
        /// Why not.
        source: io::Error,
    },
    /// The image cannot be written.
    #[error("cannot write the disk image")]
    Write(#[from] io::Error),
}

/// Writes the disk of an image into an empty file. `contents` names the file for each partition that
/// has content; the others stay empty. With `disk_bytes` none the image is as small as it can be.
pub fn write(
    disk: &Disk,
    contents: &BTreeMap<&str, &Path>,
    disk_bytes: Option<u64>,
    to: &mut File,
) -> Result<Placement, DiskError> {
    let lengths = lengths(contents)?;
    let placement = disk.place(&lengths, disk_bytes)?;
    to.set_len(placement.disk_bytes)?;
    Table::of(&placement).write(to)?;
    for partition in placement.partitions() {
        let Some(path) = contents.get(partition.label) else { continue };
        let mut content = File::open(path).map_err(failed(partition.label))?;
        let copied = copy_sparse(&mut content, to, partition.start_bytes)?;
        // The length was asked before: a file that grew would write into the next partition.
        if Some(&copied) != lengths.get(partition.label) {
            let grown = io::Error::other("its length changed meanwhile; build again");
            return Err(failed(partition.label)(grown));
        }
    }
    Ok(placement)
}

fn lengths<'a>(contents: &BTreeMap<&'a str, &Path>) -> Result<BTreeMap<&'a str, u64>, DiskError> {
    let length = |(label, path): (&&'a str, &&Path)| {
        Ok((*label, path.metadata().map_err(failed(label))?.len()))
    };
    contents.iter().map(length).collect()
}

fn failed(label: &str) -> impl FnOnce(io::Error) -> DiskError {
    let label = label.to_owned();
    move |source| DiskError::Content { label, source }
}
