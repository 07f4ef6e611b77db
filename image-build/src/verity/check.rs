//! Whether data and hash tree belong to a root hash, and where they do not.

use super::{BLOCK_BYTES, HASH_BYTES, HASHES_PER_BLOCK, HashTree, Salt, VerityError};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What is wrong with data or tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// This block of the data has another hash than the tree says.
    Data {
        /// Counted from 0.
        block: u64,
    },
    /// The tree differs from that of the data, first at this byte of the hash partition.
    Tree {
        /// Counted from 0, the superblock included.
        byte: u64,
    },
    /// All agrees, but with another root hash than was asked for.
    Root {
        /// What data and tree have.
        found: [u8; 32],
    },
}

/// Hashes the data again and compares. `tree` begins with the superblock and may be longer, as a
/// partition is. None if all is as it should be.
pub fn check(
    data: &File,
    tree: &File,
    salt: Salt,
    root_hash: &[u8; 32],
    thread_count: usize,
) -> Result<Option<Finding>, VerityError> {
    let right = HashTree::of(data, salt, thread_count)?;
    let mut expected = Vec::with_capacity(right.length_bytes() as usize);
    right.write(&mut expected)?;
    let mut found = vec![0; expected.len()];
    let length = read_up_to(tree, &mut found)?;
    found.truncate(length);
    let differs = expected.iter().zip(&found).position(|(a, b)| a != b);
    let leaves_at = expected.len() as u64 - leaf_bytes(right.block_count);
    // The hashes of the data come last. If one of them differs and the levels above are those of
    // the tree as it is, the tree is whole and the data is not.
    let leaf = (leaves_at as usize..length).find(|at| expected[*at] != found[*at]);
    let is_leaf_of_tree =
        leaf.is_some() && inner_levels_agree(&found, leaves_at as usize, salt, root_hash);
    Ok(match (differs, leaf) {
        (_, Some(at)) if is_leaf_of_tree => {
            Some(Finding::Data { block: (at as u64 - leaves_at) / HASH_BYTES as u64 })
        }
        (Some(at), _) => Some(Finding::Tree { byte: at as u64 }),
        (None, _) if length < expected.len() => Some(Finding::Tree { byte: length as u64 }),
        (None, _) if right.root_hash != *root_hash => {
            Some(Finding::Root { found: right.root_hash })
        }
        (None, _) => None,
    })
}

/// Bytes of the level over the data blocks; none if the one data block is hashed by the root.
fn leaf_bytes(block_count: u64) -> u64 {
    match block_count {
        1 => 0,
        _ => block_count.div_ceil(HASHES_PER_BLOCK) * BLOCK_BYTES,
    }
}

/// Whether the level above the leaves has the hashes of the leaves as they are.
fn inner_levels_agree(tree: &[u8], leaves_at: usize, salt: Salt, root_hash: &[u8; 32]) -> bool {
    let blocks = tree[leaves_at..].chunks_exact(BLOCK_BYTES as usize);
    let hashes: Vec<u8> = blocks.flat_map(|block| super::hash(salt, block)).collect();
    let above_bytes = hashes.len().next_multiple_of(BLOCK_BYTES as usize);
    match leaves_at.checked_sub(above_bytes) {
        // The leaves are one block, which the root hash alone covers.
        _ if hashes.len() == HASH_BYTES => hashes == root_hash,
        Some(above) if above >= BLOCK_BYTES as usize => tree[above..].starts_with(&hashes),
        _ => false,
    }
}

fn read_up_to(file: &File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], length as u64)? {
            0 => break,
            got => length += got,
        }
    }
    Ok(length)
}
