//! Update payloads: the partitions of one release in chunks that are known by their hash, so that a
//! node fetches only what it does not have, checks every piece when it arrives, and goes on where
//! it stopped.
//!
//! ```text
//!  "plinth-payload-1" | chunk size | parts: name, length | chunks: hash, stored bytes | hash of all this | data
//! ```
//!
//! The hash at the end of the index is the id of the payload: it stands for every byte that will
//! come out. Numbers are little-endian. A chunk is 128 KiB of one part (the last one of a part is
//! shorter); it is stored as one frame of zstd, or as it is if that is not shorter, or not at all if
//! an earlier chunk has the same hash. The file systems inside are not compressed, so that equal
//! files are equal chunks from one release to the next.

mod index;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use index::{Chunk, Delta, Index, Part};
pub use read::{Extracted, Payload};
pub use write::{Source, write};

use std::io;
use thiserror::Error;

/// Bytes of a chunk: [`crate::erofs::LARGE_ALIGNMENT_BYTES`], so that moved files stay equal.
pub const CHUNK_BYTES: u64 = crate::erofs::LARGE_ALIGNMENT_BYTES;
/// Parts of one payload.
pub const PART_COUNT_MAX: usize = 16;
/// Chunks of one payload: 64 GiB.
pub const CHUNK_COUNT_MAX: u64 = 1 << 19;

/// A payload that cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Parts that make no payload.
    #[error("the part {name:?} {problem}; correct what the payload is made of")]
    Part {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A part cannot be read.
    #[error("cannot read the part {name}")]
    Source {
        /// Its name.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// The index is damaged, or no index.
    #[error("the index of the payload is damaged: {problem}; fetch it again")]
    Index {
        /// What is wrong.
        problem: &'static str,
    },
    /// One chunk is damaged.
    #[error(
        "chunk {number} of the payload ({part}, from byte {start_bytes}) is damaged; fetch it again"
    )]
    Chunk {
        /// Counted from 0 through all parts.
        number: usize,
        /// The part it belongs to.
        part: String,
        /// Where it begins in the part.
        start_bytes: u64,
    },
    /// The payload cannot be read.
    #[error("cannot read the payload")]
    Read(#[source] io::Error),
    /// The payload, or what comes out of it, cannot be written.
    #[error("cannot write")]
    Write(#[source] io::Error),
}
