//! Why a node ends by itself, and the evidence that it leaves.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use replica_consensus::Halt;
use serde::{Deserialize, Serialize};
use types::{Height, StateRoot, Transcript};

/// Why a node ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It must not go on, and starting again does not help.
    Halted {
        /// For people.
        reason: String,
        /// Where the evidence is; `None` if it could not be written.
        evidence: Option<PathBuf>,
    },
    /// Something of this machine failed; a restart may help.
    Failed(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halted { reason, evidence: Some(path) } => {
                write!(f, "{reason}; the evidence is in {}", path.display())
            }
            Self::Halted { reason, evidence: None } => {
                write!(f, "{reason}; the evidence could not be written")
            }
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// What a halted node leaves in `evidence/` of its directory, as JSON. The checkpoints beside it
/// hold the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// For people.
    pub reason: String,
    /// Where this node's state has left the subnet's.
    pub divergence: Option<DivergenceRecord>,
    /// The public part of the chain key that the signature verifies under.
    pub transcript: Option<Transcript>,
}

/// Two roots of one height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DivergenceRecord {
    /// The height.
    pub height: Height,
    /// What this node computed, hexadecimal.
    pub own_root: String,
    /// What the subnet certified, hexadecimal.
    pub certified_root: String,
    /// The chain key's signature on it, hexadecimal.
    pub signature: String,
}

impl Ending {
    /// Writes what is known of a failure of execution above a height. A failure that repeats
    /// replaces what was written before.
    pub fn failed(node_dir: &Path, executed: Height, reason: String) -> Self {
        let evidence = Evidence { reason: reason.clone(), divergence: None, transcript: None };
        let path = node_dir.join("evidence").join(format!("failure-{executed}.json"));
        match write(&path, &evidence) {
            Ok(()) => Self::Failed(format!("{reason}; this is kept in {}", path.display())),
            Err(error) => {
                log::error!(path:% = path.display(), error:% = error; "the evidence cannot be written");
                Self::Failed(reason)
            }
        }
    }

    /// Writes the evidence of a halt.
    pub fn halted(node_dir: &Path, halt: &Halt, transcript: Option<&Transcript>) -> Self {
        let hexadecimal = |root: &StateRoot| hex::encode(root.0);
        let divergence = halt.divergence.map(|divergence| DivergenceRecord {
            height: divergence.height,
            own_root: hexadecimal(&divergence.own_root),
            certified_root: hexadecimal(&divergence.certified.root),
            signature: hex::encode(divergence.certified.signature.0),
        });
        let height = divergence.as_ref().map_or(Height(0), |divergence| divergence.height);
        let reason = halt.reason.clone();
        let evidence =
            Evidence { reason: reason.clone(), divergence, transcript: transcript.cloned() };
        let path = node_dir.join("evidence").join(format!("halt-{height}.json"));
        let evidence = match write(&path, &evidence) {
            Ok(()) => Some(path),
            Err(error) => {
                log::error!(path:% = path.display(), error:% = error; "the evidence cannot be written");
                None
            }
        };
        Self::Halted { reason, evidence }
    }
}

fn write(path: &Path, evidence: &Evidence) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let text = serde_json::to_vec_pretty(evidence).expect("Evidence has only plain fields");
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text)?;
    std::fs::File::open(&partial)?.sync_all()?;
    std::fs::rename(partial, path)
}

/// Where a running node says why it ends.
#[derive(Clone, Default)]
pub struct EndingCell(Arc<Mutex<Option<Ending>>>);

impl EndingCell {
    /// Sets the reason; the first one stays.
    pub fn set(&self, ending: Ending) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(ending);
    }

    /// The reason, if the node has given one.
    pub fn get(&self) -> Option<Ending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use replica_consensus::{Certification, Divergence};
    use replica_crypto::chain_key::Signature;

    use super::*;

    #[test]
    fn the_evidence_reads_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let certified = Certification {
            height: Height(7),
            root: StateRoot([2; 32]),
            signature: Signature([3; 48]),
        };
        let divergence = Divergence { height: Height(7), own_root: StateRoot([1; 32]), certified };
        let halt = Halt { reason: "two roots".into(), divergence: Some(divergence) };
        let ending = Ending::halted(dir.path(), &halt, None);
        let Ending::Halted { evidence: Some(path), .. } = &ending else { panic!("{ending:?}") };
        assert!(ending.to_string().contains(&path.display().to_string()));
        let text = std::fs::read(path).expect("written");
        let evidence: Evidence = serde_json::from_slice(&text).expect("JSON");
        let record = evidence.divergence.expect("there is one");
        assert_eq!((record.height, record.own_root), (Height(7), "01".repeat(32)));
        assert_eq!(record.certified_root, "02".repeat(32));
        assert_eq!(record.signature, "03".repeat(48));
    }

    #[test]
    fn a_failure_leaves_evidence_and_asks_for_a_restart() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ending = Ending::failed(dir.path(), Height(9), "execution panicked".into());
        let path = dir.path().join("evidence/failure-9.json");
        let Ending::Failed(text) = ending else { panic!("{ending:?}") };
        assert!(text.contains(&path.display().to_string()), "{text}");
        let evidence: Evidence =
            serde_json::from_slice(&std::fs::read(path).expect("written")).expect("JSON");
        assert_eq!(evidence.reason, "execution panicked");
    }

    #[test]
    fn the_first_reason_stays() {
        let cell = EndingCell::default();
        assert_eq!(cell.get(), None);
        cell.set(Ending::Failed("first".into()));
        cell.set(Ending::Failed("second".into()));
        assert_eq!(cell.get(), Some(Ending::Failed("first".into())));
    }
}
