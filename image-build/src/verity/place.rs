//! What lies at a byte of a hash tree.

use super::{BLOCK_BYTES, HASH_BYTES, HASHES_PER_BLOCK};
use crate::place::Place;
use crate::source::{Source, u64_at};
use crate::tree::Content;

/// Bytes of the tree that begins here with its superblock; what follows in a partition does not belong to
/// it. None if no tree begins here.
pub fn length_bytes(tree: &Content) -> Option<u64> {
    let blocks: u64 = levels(tree)?.iter().sum();
    blocks.checked_add(1)?.checked_mul(BLOCK_BYTES)
}

/// What lies at a byte of a tree, which begins with its superblock.
pub fn place(tree: &Content, byte: u64) -> Option<Place> {
    if byte < BLOCK_BYTES {
        return Some(Place::of("superblock", byte));
    }
    let levels = levels(tree)?;
    let mut start = BLOCK_BYTES;
    for (index, blocks) in levels.iter().enumerate() {
        let end = start + blocks * BLOCK_BYTES;
        if byte < end {
            let number = (byte - start) / HASH_BYTES as u64;
            let of = match index + 1 == levels.len() {
                true => format!("hash of block {number} of the root"),
                false => format!("level {index}, hash {number}"),
            };
            return Some(Place::of(of, (byte - start) % HASH_BYTES as u64));
        }
        start = end;
    }
    None
}

/// Blocks of each level, the root level first.
fn levels(tree: &Content) -> Option<Vec<u64>> {
    let superblock = Source::open(tree).ok()?.read(0, 88).ok()??;
    if !superblock.starts_with(b"verity\0\0") {
        return None;
    }
    let mut hashes = u64_at(&superblock, 72);
    if hashes > super::BLOCK_COUNT_MAX {
        return None;
    }
    let mut levels = Vec::new();
    while hashes > 1 {
        hashes = hashes.div_ceil(HASHES_PER_BLOCK);
        levels.push(hashes);
    }
    levels.reverse();
    Some(levels)
}
