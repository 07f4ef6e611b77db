//! Read-only file systems in the erofs format, as the kernel's Documentation/filesystems/erofs.rst
//! and the format pages of the erofs project describe it; uncompressed.
//!
//! Where what lies decides how much of an image changes from one release to the next, since an
//! update carries the blocks that differ (see [`crate::payload`]):
//!
//! ```text
//!  block 0..       superblock, inodes in the order of the walk, small ends of files beside them
//!  then            directories, long links, small files, in the order of the walk
//!  then            large files, each on a border of 128 KiB
//!  at the end      the files that change with every release, named by the manifest
//! ```
//!
//! A file at the end whose length changes moves nothing else. A large file that changes moves others
//! by whole chunks of a payload only.
//!
//! Plan first, then write: sizes and places follow from names, lengths and attributes alone, so the
//! data streams from its source to the image once.

mod directory;
mod inode;
mod place;
mod plan;
mod read;
mod write;
mod xattr;

#[cfg(test)]
mod tests;

pub use plan::Plan;
pub(crate) use read::read_tree;
pub use read::{Volume, length_bytes, read};

use crate::tree::TreePath;
use std::io;
use thiserror::Error;

/// Bytes of a block; the page size of every machine we run on.
pub const BLOCK_BYTES: u64 = 4096;

/// Files of at least this size begin on a border of [`LARGE_ALIGNMENT_BYTES`].
pub const LARGE_FILE_BYTES_MIN: u64 = 1 << 20;
/// The border for large files: the chunk of a payload.
pub const LARGE_ALIGNMENT_BYTES: u64 = 128 << 10;

/// What a file system is called, and what lies at its end.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The volume's name: at most 15 bytes.
    pub label: String,
    /// Regular files that change with every release, in the order in which they lie at the end.
    pub last: Vec<TreePath>,
}

/// A tree that cannot be written as erofs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ErofsError {
    /// The volume's name is too long.
    #[error("the label {label:?} has more than 15 bytes; shorten it in the manifest")]
    Label {
        /// The name.
        label: String,
    },
    /// A file that should lie at the end is no regular file of the tree.
    #[error(
        "{path} should lie at the end of the image, but is no regular file there; correct `last`"
    )]
    Last {
        /// The path.
        path: TreePath,
    },
    /// More than 2^32 blocks.
    #[error("the image would have more than 16 TiB; drop packages from the manifest")]
    TooLarge,
    /// An attribute of a class that erofs cannot name.
    #[error(
        "{path} has the extended attribute {name}, of a class that erofs does not know; drop it"
    )]
    XattrClass {
        /// The file.
        path: TreePath,
        /// The attribute.
        name: String,
    },
    /// Attributes beyond what one file can have.
    #[error("{path} has more extended attributes than erofs can hold; drop some")]
    XattrsTooLarge {
        /// The file.
        path: TreePath,
    },
    /// A file of the tree cannot be read.
    #[error("cannot read the content of {path}")]
    Content {
        /// The file in the tree.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// The image cannot be written.
    #[error("cannot write the file system")]
    Write(#[from] io::Error),
}
