//! The node's Ed25519 key on disk: 32 bytes of seed in hexadecimal, readable by its user alone.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use replica_crypto::signatures::NodeSigningKey;
use replica_engine::NodeSecret;
use thiserror::Error;
use types::NodeId;
use zeroize::Zeroizing;

/// The node's secret. Wiped when dropped; cannot be printed.
pub struct NodeKey {
    seed: Zeroizing<[u8; 32]>,
    signing: NodeSigningKey,
}

/// Why a key file cannot be used.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file is not there.
    #[error("there is no key at {}; make one with `replica keygen --out {}`", .0.display(), .0.display())]
    Missing(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot {action} the key file {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("the key file {} has mode {mode:o}: others may read it; run `chmod 600 {}`", path.display(), path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The content is not a seed.
    #[error("the key file {} does not hold 32 bytes in hexadecimal; restore it or make a new key", .0.display())]
    Content(PathBuf),
    /// The system gave no randomness.
    #[error("the system gave no randomness for a new key")]
    Randomness(#[source] std::io::Error),
}

impl NodeKey {
    /// Reads the key at `path`.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => KeyFileError::Missing(path.into()),
            _ => KeyFileError::File { action: "read", path: path.into(), source },
        };
        let mut file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Mode { path: path.into(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(failed)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *seed)
            .map_err(|_| KeyFileError::Content(path.into()))?;
        Ok(Self::from_seed(seed))
    }

    /// Reads the key at `path`, or makes one there. A key that is there is never replaced.
    pub fn generate_or_keep(path: &Path) -> Result<Self, KeyFileError> {
        match Self::load(path) {
            Err(KeyFileError::Missing(_)) => {}
            other => return other,
        }
        let mut seed = Zeroizing::new([0; 32]);
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut *seed))
            .map_err(KeyFileError::Randomness)?;
        let failed = |source| KeyFileError::File { action: "write", path: path.into(), source };
        write_new(path, &seed).map_err(failed)?;
        // What counts is what is on disk: somebody else may have been faster.
        Self::load(path)
    }

    /// The key of a seed.
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        let signing = NodeSigningKey::from_seed(&seed);
        Self { seed, signing }
    }

    /// The node's id.
    pub fn node_id(&self) -> NodeId {
        self.signing.node_id()
    }

    /// The public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.signing.public_key()
    }

    /// The key as the engine takes it.
    pub fn secret(&self) -> NodeSecret {
        NodeSecret::new(*self.seed)
    }

    /// The key that signs answers to queries.
    pub fn signing_key(&self) -> NodeSigningKey {
        NodeSigningKey::from_seed(&self.seed)
    }
}

/// Writes beside the path and links the whole file into place, so that a crash leaves no half key
/// and a key that is there stays.
fn write_new(path: &Path, seed: &[u8; 32]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".partial-{}", std::process::id()));
    let partial = PathBuf::from(partial);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    let mut text = Zeroizing::new(hex::encode(seed));
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = match std::fs::hard_link(&partial, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    std::fs::remove_file(&partial)?;
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("deep/node.key");
        assert!(matches!(NodeKey::load(&path), Err(KeyFileError::Missing(_))));
        let made = NodeKey::generate_or_keep(&path).expect("writable");
        let kept = NodeKey::generate_or_keep(&path).expect("readable");
        assert_eq!(made.node_id(), kept.node_id());
        assert_eq!(NodeId::from_public_key(&made.public_key()), made.node_id());
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().expect("deep")).expect("there").count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("node.key");
        NodeKey::generate_or_keep(&path).expect("writable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("ours");
        assert!(matches!(NodeKey::load(&path), Err(KeyFileError::Mode { mode: 0o640, .. })));
        assert!(NodeKey::generate_or_keep(&path).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
        std::fs::write(&path, "00ff").expect("writable");
        assert!(matches!(NodeKey::load(&path), Err(KeyFileError::Content(_))));
    }
}
