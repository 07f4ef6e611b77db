//! Hash trees of dm-verity, as the kernel's Documentation/admin-guide/device-mapper/verity.rst and
//! the superblock of cryptsetup describe them: SHA-256, blocks of 4 KiB.
//!
//! ```text
//!  superblock | root level (one block) | ... | level over the data blocks
//! ```
//!
//! The salt belongs to the image, not to the release, so that blocks which stay the same keep their
//! hashes and an update carries few blocks of the tree. The id is derived from the root hash.
//! Threads share the leaves out between them; the bytes do not depend on how many there are.

mod check;
mod place;
#[cfg(test)]
mod tests;

pub use check::{Finding, check};
pub use place::{length_bytes, place};

use os_kit_disk_layout::Guid;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use thiserror::Error;

/// Bytes of a block, of data and of the tree.
pub const BLOCK_BYTES: u64 = 4096;
const BLOCK: usize = BLOCK_BYTES as usize;
const HASH_BYTES: usize = 32;
const HASHES_PER_BLOCK: u64 = (BLOCK / HASH_BYTES) as u64;
/// What one thread reads at once.
const READ_BLOCKS: u64 = 64;
/// More blocks than any image has: 64 GiB.
const BLOCK_COUNT_MAX: u64 = 1 << 24;
/// More threads than any machine that builds images has use for.
const THREAD_COUNT_MAX: usize = 64;

/// Data that has no hash tree.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerityError {
    /// The data is not whole blocks.
    #[error("{bytes} bytes are not whole blocks of 4,096 bytes, one to 2^24; pad the file system")]
    Size {
        /// Its bytes.
        bytes: u64,
    },
    /// The data cannot be read.
    #[error("cannot read the file system to hash it")]
    Read(#[from] io::Error),
}

/// Mixed into every hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// The salt of an image's partition, such as `guestos/root`: the same in every release.
    pub fn of(partition: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"plinth-verity-salt-v1\0");
        hash.update(partition.as_bytes());
        Self(hash.finalize().into())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A hash tree over some data.
#[derive(Clone, PartialEq, Eq)]
pub struct HashTree {
    /// What stands for all the data.
    pub root_hash: [u8; 32],
    /// Blocks of data.
    pub block_count: u64,
    salt: Salt,
    /// The root level first, each padded to whole blocks.
    levels: Vec<Vec<u8>>,
}

impl HashTree {
    /// Hashes a file. It takes memory for the tree, a 128th of the data.
    pub fn of(data: &File, salt: Salt, thread_count: usize) -> Result<Self, VerityError> {
        let bytes = data.metadata()?.len();
        let block_count = bytes / BLOCK_BYTES;
        if bytes % BLOCK_BYTES != 0 || !(1..=BLOCK_COUNT_MAX).contains(&block_count) {
            return Err(VerityError::Size { bytes });
        }
        let mut hashes = leaves(data, block_count, salt, thread_count)?;
        let mut levels = Vec::new();
        // The root hash is that of a single block, of data if there is but one.
        while hashes.len() > HASH_BYTES {
            hashes.resize(hashes.len().next_multiple_of(BLOCK), 0);
            let above = hashes.chunks_exact(BLOCK).flat_map(|block| hash(salt, block)).collect();
            levels.push(std::mem::replace(&mut hashes, above));
        }
        levels.reverse();
        let root_hash = hashes.try_into().expect("the loop ends with one hash");
        Ok(Self { root_hash, block_count, salt, levels })
    }

    /// The id in the superblock.
    pub fn id(&self) -> Guid {
        Guid::derived("verity", &self.root_hash)
    }

    /// Bytes of superblock and tree.
    pub fn length_bytes(&self) -> u64 {
        BLOCK_BYTES + self.levels.iter().map(|level| level.len() as u64).sum::<u64>()
    }

    /// Superblock and tree, as they go into a partition.
    pub fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        let mut superblock = self.superblock();
        superblock.resize(BLOCK, 0);
        to.write_all(&superblock)?;
        self.levels.iter().try_for_each(|level| to.write_all(level))
    }

    /// The line for the device mapper: `0 SECTORS verity ...`, with the names of the two devices.
    pub fn table(&self, data_device: &str, hash_device: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!(
            "0 {} verity 1 {data_device} {hash_device} {BLOCK} {BLOCK} {} 1 sha256 {} {}",
            self.block_count * (BLOCK_BYTES / 512),
            self.block_count,
            hex(&self.root_hash),
            hex(&self.salt.0),
        )
    }

    fn superblock(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BLOCK);
        bytes.extend(b"verity\0\0");
        bytes.extend(1_u32.to_le_bytes()); // Version of the superblock,
        bytes.extend(1_u32.to_le_bytes()); // and of the hashing: salt first.
        bytes.extend(self.id().bytes());
        bytes.extend(b"sha256");
        bytes.resize(64, 0);
        bytes.extend((BLOCK as u32).to_le_bytes());
        bytes.extend((BLOCK as u32).to_le_bytes());
        bytes.extend(self.block_count.to_le_bytes());
        bytes.extend((self.salt.0.len() as u16).to_le_bytes());
        bytes.resize(88, 0);
        bytes.extend(self.salt.0);
        bytes
    }
}

/// The hashes of all data blocks, one after the other.
fn leaves(
    data: &File,
    block_count: u64,
    salt: Salt,
    thread_count: usize,
) -> Result<Vec<u8>, VerityError> {
    let thread_count = thread_count.clamp(1, THREAD_COUNT_MAX) as u64;
    let mut hashes = vec![0; block_count as usize * HASH_BYTES];
    let share = block_count.div_ceil(thread_count);
    let results: Vec<io::Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = hashes
            .chunks_mut(share as usize * HASH_BYTES)
            .enumerate()
            .map(|(part, hashes)| {
                scope.spawn(move || hash_blocks(data, part as u64 * share, salt, hashes))
            })
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<_>| {
            thread.join().expect("hashing does not panic")
        };
        threads.into_iter().map(join).collect()
    });
    results.into_iter().collect::<io::Result<()>>()?;
    Ok(hashes)
}

/// Fills `hashes` with those of the blocks from `first` on.
fn hash_blocks(data: &File, first: u64, salt: Salt, hashes: &mut [u8]) -> io::Result<()> {
    let mut buffer = vec![0; (READ_BLOCKS * BLOCK_BYTES) as usize];
    let mut at = first * BLOCK_BYTES;
    for hashes in hashes.chunks_mut(READ_BLOCKS as usize * HASH_BYTES) {
        let bytes = &mut buffer[..hashes.len() / HASH_BYTES * BLOCK];
        data.read_exact_at(bytes, at)?;
        at += bytes.len() as u64;
        for (block, place) in bytes.chunks_exact(BLOCK).zip(hashes.chunks_exact_mut(HASH_BYTES)) {
            place.copy_from_slice(&hash(salt, block));
        }
    }
    Ok(())
}

fn hash(salt: Salt, block: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(salt.0);
    hash.update(block);
    hash.finalize().into()
}

impl std::fmt::Debug for HashTree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "HashTree({} blocks, id {})", self.block_count, self.id())
    }
}
