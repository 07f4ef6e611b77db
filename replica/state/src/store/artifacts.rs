//! What consensus keeps by height, and single values.

use super::Store;
use super::database::{Batch, Column, Durability, height_key, height_of_key};
use super::error::StoreError;
use replica_crypto::chain_key::Signature;
use types::{Height, StateRoot};

/// The subnet's signature on a state root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredCertification {
    /// The root.
    pub root: StateRoot,
    /// The chain key's signature on it.
    pub signature: Signature,
}

const SIGNATURE_BYTES: usize = 48;

impl Store {
    /// Keeps the random tape of a height. The other nodes can give it again, so it is not synced.
    pub fn put_tape(&self, height: Height, tape: &Signature) -> Result<(), StoreError> {
        let key = height_key(height);
        self.database.put(Column::Tapes, &key, tape.0.to_vec(), Durability::Buffered)
    }

    /// The random tape of a height.
    pub fn tape(&self, height: Height) -> Result<Option<Signature>, StoreError> {
        let bytes = self.database.get(Column::Tapes, &height_key(height))?;
        bytes.map(|bytes| self.signature(&bytes)).transpose()
    }

    /// Keeps the certification of a height. The other nodes can give it again, so it is not
    /// synced.
    pub fn put_certification(
        &self,
        height: Height,
        certification: &StoredCertification,
    ) -> Result<(), StoreError> {
        let value = [&certification.root.0[..], &certification.signature.0].concat();
        let key = height_key(height);
        self.database.put(Column::Certifications, &key, value, Durability::Buffered)
    }

    /// The certification of a height.
    pub fn certification(&self, height: Height) -> Result<Option<StoredCertification>, StoreError> {
        let bytes = self.database.get(Column::Certifications, &height_key(height))?;
        bytes.map(|bytes| self.read_certification(&bytes)).transpose()
    }

    /// The highest certification.
    pub fn last_certification(&self) -> Result<Option<(Height, StoredCertification)>, StoreError> {
        let last =
            self.database.last_up_to(Column::Certifications, &height_key(Height(u64::MAX)))?;
        let Some((key, value)) = last else { return Ok(None) };
        let height = height_of_key(&key).ok_or_else(|| self.damaged_value("a height"))?;
        Ok(Some((height, self.read_certification(&value)?)))
    }

    /// Removes tapes and certifications below a height.
    pub fn prune_artifacts_below(&self, height: Height) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for column in [Column::Tapes, Column::Certifications] {
            let mut below = Some(height.0);
            while let Some(bound) = below.and_then(|h| h.checked_sub(1)) {
                let last = self.database.last_up_to(column, &height_key(Height(bound)))?;
                below = last.as_ref().and_then(|(key, _)| height_of_key(key)).map(|h| h.0);
                if let Some((key, _)) = last {
                    batch.delete(column, key);
                }
            }
        }
        self.database.write(batch, Durability::Buffered)
    }

    /// Keeps a single value under a name, synced: the public part of the chain key. What must never
    /// be signed twice is the vote, and votes are in the engine's journal.
    pub fn put_value(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
        self.database.put(Column::Values, name.as_bytes(), value, Durability::Synced)
    }

    /// The value under a name.
    pub fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.database.get(Column::Values, name.as_bytes())
    }

    fn read_certification(&self, bytes: &[u8]) -> Result<StoredCertification, StoreError> {
        let parts = bytes.split_at_checked(32);
        let (root, signature) = parts.ok_or_else(|| self.damaged_value("a certification"))?;
        let root = StateRoot(root.try_into().expect("split at the root's length"));
        Ok(StoredCertification { root, signature: self.signature(signature)? })
    }

    fn signature(&self, bytes: &[u8]) -> Result<Signature, StoreError> {
        let bytes: Result<[u8; SIGNATURE_BYTES], _> = bytes.try_into();
        bytes.map(Signature).map_err(|_| self.damaged_value("a signature"))
    }

    fn damaged_value(&self, what: &str) -> StoreError {
        StoreError::damaged(self.database.path(), format!("{what} has a wrong length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_kept_by_height_and_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().store;
        let certification = |n: u8| StoredCertification {
            root: StateRoot([n; 32]),
            signature: Signature([n; SIGNATURE_BYTES]),
        };
        assert_eq!(store.last_certification().unwrap(), None);
        for n in [1, 2, 3, 9, 255] {
            store.put_tape(Height(n), &Signature([n as u8; SIGNATURE_BYTES])).unwrap();
            store.put_certification(Height(n), &certification(n as u8)).unwrap();
        }
        store.prune_artifacts_below(Height(9)).unwrap();
        store.put_value("transcript", vec![1, 2]).unwrap();
        drop(store);
        let store = Store::open(dir.path()).unwrap().store;
        let kept = [1, 2, 3, 9, 255].map(|n| {
            let tape = store.tape(Height(n)).unwrap().is_some();
            let certified = store.certification(Height(n)).unwrap();
            assert_eq!(certified, tape.then(|| certification(n as u8)));
            tape
        });
        assert_eq!(kept, [false, false, false, true, true]);
        let last = store.last_certification().unwrap();
        assert_eq!(last, Some((Height(255), certification(255))));
        assert_eq!(store.value("transcript").unwrap(), Some(vec![1, 2]));
        assert_eq!(store.value("other").unwrap(), None);
    }
}
