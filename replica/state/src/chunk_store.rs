//! Pieces of large modules, uploaded one by one (management canister, `upload_chunk`).

use bytes::Bytes;
use imbl::OrdMap;
use sha2::{Digest as _, Sha256};

/// The store has as many chunks as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunk store has reached its maximum of {count_max} chunks; clear it first")]
pub struct ChunkStoreFull {
    /// The most chunks.
    pub count_max: u64,
}

/// The chunks of one canister by their SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkStore {
    chunks: OrdMap<[u8; 32], Bytes>,
}

impl ChunkStore {
    /// Stores a chunk and returns its hash; a chunk that is there already stays as it is.
    pub fn insert(&mut self, chunk: Bytes, count_max: u64) -> Result<[u8; 32], ChunkStoreFull> {
        let hash = Sha256::digest(&chunk).into();
        if !self.chunks.contains_key(&hash) {
            if self.chunks.len() as u64 >= count_max {
                return Err(ChunkStoreFull { count_max });
            }
            self.chunks.insert(hash, chunk);
        }
        Ok(hash)
    }

    /// A chunk.
    pub fn get(&self, hash: &[u8; 32]) -> Option<&Bytes> {
        self.chunks.get(hash)
    }

    /// The chunks in order of their hashes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8; 32], &Bytes)> {
        self.chunks.iter()
    }

    /// The number of chunks.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there is no chunk.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes of all chunks.
    pub fn bytes(&self) -> u64 {
        self.chunks.values().map(|chunk| chunk.len() as u64).sum()
    }

    /// Removes all chunks.
    pub fn clear(&mut self) {
        self.chunks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_known_by_hash_and_bounded() {
        let mut store = ChunkStore::default();
        let hash = store.insert(Bytes::from_static(b"a"), 2).unwrap();
        assert_eq!(store.insert(Bytes::from_static(b"a"), 2), Ok(hash));
        store.insert(Bytes::from_static(b"bc"), 2).unwrap();
        let full = Err(ChunkStoreFull { count_max: 2 });
        assert_eq!(store.insert(Bytes::from_static(b"d"), 2), full);
        assert_eq!((store.len(), store.bytes()), (2, 3));
        assert_eq!(store.get(&hash), Some(&Bytes::from_static(b"a")));
    }
}
