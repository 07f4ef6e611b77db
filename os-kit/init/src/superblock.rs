//! The head of a hash partition: the superblock that cryptsetup describes, and the hash block after it.
//!
//! Everything here comes from a disk that anyone may have written. The superblock is taken in the one form
//! that `plinth image build` writes. The root hash covers the salt and the tree, and the tree covers the
//! data; it does not cover the number of data blocks: see [`Verity::block_count`].

use crate::RootHash;
use sha2::{Digest, Sha256};

/// Bytes of a block, of data and of the tree.
pub const BLOCK_BYTES: usize = 4096;
/// Bytes at the head of a hash partition that are read: the superblock, and the first block of hashes.
pub const HEAD_BYTES: usize = 2 * BLOCK_BYTES;

const SALT_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"verity\0\0";
const SALT_AT: usize = 88;
/// 64 GiB, more than any root has.
const BLOCK_COUNT_MAX: u64 = 1 << 24;

/// The parameters of a hash tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verity {
    /// Blocks of data. With another number a disk gives the device another length, or another depth to the
    /// tree: a shorter device cuts the file system off, a longer one has no hashes for its end, and another
    /// depth makes blocks of hashes the data, which is no erofs. None of them gives other data.
    pub block_count: u64,
    /// Mixed into every hash.
    pub salt: [u8; SALT_BYTES],
}

/// Reads the head of a hash partition and checks it against the root hash. The error says what the
/// partition has instead, for a sentence that begins with its name.
pub fn read(head: &[u8; HEAD_BYTES], root_hash: &RootHash) -> Result<Verity, String> {
    let (superblock, hashes) = head.split_at(BLOCK_BYTES);
    let verity = parse(superblock).ok_or("has no hash tree of ours")?;
    let mut hash = Sha256::new();
    hash.update(verity.salt);
    hash.update(hashes);
    let found: RootHash = hash.finalize().into();
    if found != *root_hash {
        return Err(format!("has the root hash {}", crate::hex(&found)));
    }
    Ok(verity)
}

/// The superblock in the one form that we write: version 1, SHA-256, blocks of 4 KiB, a salt of 32 bytes,
/// zeros in what is not used.
fn parse(superblock: &[u8]) -> Option<Verity> {
    let number = |at: usize| Some(u32::from_le_bytes(superblock.get(at..at + 4)?.try_into().ok()?));
    let text =
        |at: usize, expected: &[u8]| superblock.get(at..at + expected.len()) == Some(expected);
    let mut algorithm = [0; 32];
    algorithm[..6].copy_from_slice(b"sha256");
    // Bytes 16 to 32 are an id, which nothing depends on.
    let is_ours = text(0, MAGIC)
        && number(8)? == 1
        && number(12)? == 1
        && text(32, &algorithm)
        && number(64)? as usize == BLOCK_BYTES
        && number(68)? as usize == BLOCK_BYTES
        && text(80, &(SALT_BYTES as u16).to_le_bytes())
        && text(82, &[0; 6])
        && superblock.get(SALT_AT + SALT_BYTES..)?.iter().all(|byte| *byte == 0);
    let block_count = u64::from_le_bytes(superblock.get(72..80)?.try_into().ok()?);
    // One block of data has no hash block after the superblock; no root is so small.
    if !is_ours || !(2..=BLOCK_COUNT_MAX).contains(&block_count) {
        return None;
    }
    Some(Verity {
        block_count,
        salt: superblock.get(SALT_AT..SALT_AT + SALT_BYTES)?.try_into().ok()?,
    })
}
