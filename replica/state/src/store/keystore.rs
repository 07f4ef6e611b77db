//! The node's share of the chain key: a secret, in a file of its own that only the node's user
//! can read. It is never in the database, whose files live on in backups and compactions.

use super::error::StoreError;
use super::files;
use replica_crypto::chain_key::SecretShare;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where the share is kept.
#[derive(Clone, Debug)]
pub struct KeyShareFile {
    path: PathBuf,
}

impl KeyShareFile {
    pub(super) fn in_dir(dir: &Path) -> Self {
        Self { path: dir.join("key-share") }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the share: atomically, mode 0600.
    pub fn save(&self, share: &SecretShare) -> Result<(), StoreError> {
        files::replace(&self.path, &share.expose_bytes()[..], 0o600)
    }

    /// Reads the share; `None` if there is none.
    pub fn load(&self) -> Result<Option<SecretShare>, StoreError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", &self.path)(error)),
        };
        let share = SecretShare::from_bytes(&bytes);
        share.map(Some).map_err(|_| StoreError::KeyShare { path: self.path.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_share_reads_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyShareFile::in_dir(dir.path());
        assert!(file.load().unwrap().is_none());
        for byte in [5, 6] {
            let share = SecretShare::from_bytes(&[byte; 32]).unwrap();
            file.save(&share).unwrap();
            let read = file.load().unwrap().unwrap();
            assert_eq!(read.public_share(), share.public_share());
        }
        let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(file.path(), [0; 31]).unwrap();
        assert!(matches!(file.load(), Err(StoreError::KeyShare { .. })));
    }
}
