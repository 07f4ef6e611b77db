//! What consensus keeps on disk, in the node's store.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use replica_consensus::{ArtifactStore, Certification, StoredKey, Tape};
use replica_crypto::chain_key::Signature;
use replica_state::store::StoredCertification;
use replica_state::{Store, StoreError};
use serde::{Deserialize, Serialize};
use types::{Height, Transcript};

/// The name of the chain key's public part in the store.
const CHAIN_KEY: &str = "chain-key";

/// The public part of the chain key as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRecord {
    height: Height,
    transcript: Transcript,
    /// Whether a share belongs to it; not said by records of replicas that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    has_share: Option<bool>,
}

/// The store as consensus uses it. The first failure is remembered: what consensus reads through
/// the trait has no place for an error, and the node must stop on it.
#[derive(Clone)]
pub struct Disk {
    store: Arc<Store>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Disk {
    /// Of an opened store.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, failure: Arc::default() }
    }

    /// The first failure since the start.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a failure of the node's disk.
    pub fn fail(&self, what: &str, error: &dyn std::error::Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| format!("{what}: {}", chain(error)));
    }

    fn noted<T>(&self, what: &str, result: Result<T, StoreError>) -> Option<T> {
        result.map_err(|error| self.fail(what, &error)).ok()
    }

    /// Keeps the chain key; the secret first, since the public part says that both are there.
    pub fn save_key(&self, key: &StoredKey) {
        let saved = key.share.as_ref().map_or(Ok(()), |share| self.store.key_share().save(share));
        let (height, transcript) = (key.height, key.transcript.clone());
        let record = KeyRecord { height, transcript, has_share: Some(key.share.is_some()) };
        let bytes = serde_json::to_vec(&record).expect("a KeyRecord has only plain fields");
        let saved = saved.and_then(|()| self.store.put_value(CHAIN_KEY, bytes));
        self.noted("keeping the chain key", saved);
    }

    /// The chain key, if there is one.
    pub fn load_key(&self) -> Result<Option<StoredKey>, KeyLoadError> {
        let Some(bytes) = self.store.value(CHAIN_KEY)? else { return Ok(None) };
        let KeyRecord { height, transcript, has_share } = serde_json::from_slice(&bytes)?;
        let file = self.store.key_share();
        let share = file.load()?;
        if has_share == Some(true) && share.is_none() {
            return Err(KeyLoadError::ShareLost(file.path().to_owned()));
        }
        Ok(Some(StoredKey { height, transcript, share }))
    }

    /// Keeps a tape.
    pub fn store_tape(&self, tape: &Tape) {
        self.noted("keeping a tape", self.store.put_tape(tape.height, &tape.signature));
    }

    /// Keeps a certification.
    pub fn store_certification(&self, one: &Certification) {
        let stored = StoredCertification { root: one.root, signature: one.signature };
        self.noted("keeping a certification", self.store.put_certification(one.height, &stored));
    }

    /// The highest certification that is kept.
    pub fn last_certification(&self) -> Option<Height> {
        let last = self.noted("reading a certification", self.store.last_certification());
        last.flatten().map(|(height, _)| height)
    }
}

/// Why the kept chain key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyLoadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record does not decode.
    #[error("the kept chain key is damaged; restore the node's directory or start it anew")]
    Damaged(#[from] serde_json::Error),
    /// The secret part is gone.
    #[error(
        "the node's share of the chain key is gone: {} is missing. Restore the file; without it \
         the node could follow the subnet but not sign for it", .0.display()
    )]
    ShareLost(PathBuf),
}

impl ArtifactStore for Disk {
    fn tape(&self, height: Height) -> Option<Signature> {
        self.noted("reading a tape", self.store.tape(height)).flatten()
    }

    fn certification(&self, height: Height) -> Option<Certification> {
        let kept = self.noted("reading a certification", self.store.certification(height));
        let StoredCertification { root, signature } = kept.flatten()?;
        Some(Certification { height, root, signature })
    }
}

/// An error with its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use replica_crypto::chain_key::dealt;
    use types::{NodeId, Principal};

    use super::*;

    #[test]
    fn a_lost_share_is_an_error_and_none_at_all_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = Disk::new(Arc::new(Store::open(dir.path()).expect("new").store));
        let me = NodeId(Principal::anonymous());
        let mut dealt = dealt::deal(1, &[me], 1);
        let (height, share) = (Height(3), dealt.shares.remove(&me));
        let key = StoredKey { height, transcript: dealt.transcript, share };
        disk.save_key(&key);
        assert!(disk.load_key().expect("kept").expect("there is one").share.is_some());
        let file = disk.store.key_share().path().to_owned();
        std::fs::remove_file(&file).expect("it is there");
        let error = disk.load_key().map(drop).expect_err("the share is gone");
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
        disk.save_key(&StoredKey { share: None, ..key });
        assert!(disk.load_key().expect("kept").expect("there is one").share.is_none());
    }
}
