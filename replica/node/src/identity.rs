//! One identity for the two directories of a node that belong together.
//!
//! `engine/` holds the node's votes, `state/` what came of the blocks. A node that lost its votes, or
//! got them from an older copy or another node, could vote against its own votes, so it must not
//! start. Both directories carry the same random identity, written when they are made; that the
//! votes are not older than the state is the engine's own check (`JournalBehind`).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The file in both directories: 32 bytes in hexadecimal.
const FILE: &str = "identity";

/// Why the directories cannot be used together.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The votes are gone.
    #[error(
        "{} holds a state, but {} is not the directory of votes that belongs to it: it was lost, \
         emptied or replaced. Put the right one back; without its votes the node could vote twice, \
         so it must otherwise join a subnet anew, with an empty directory and a new key",
        state.display(), engine.display()
    )]
    WithoutJournal {
        /// The directory of the state.
        state: PathBuf,
        /// The directory of the votes.
        engine: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// The identity of a node's directories, checked; see [`Identity::keep`].
#[derive(Debug)]
pub struct Identity {
    state: PathBuf,
    engine: PathBuf,
    text: String,
}

impl Identity {
    /// Checks the directories of a node before they are opened.
    pub fn check(node_dir: &Path) -> Result<Self, IdentityError> {
        let (state, engine) = (node_dir.join("state"), node_dir.join("engine"));
        let text = match (read(&state)?, read(&engine)?) {
            (Some(of_state), Some(of_engine)) if of_state == of_engine => of_state,
            (Some(_), _) => return Err(IdentityError::WithoutJournal { state, engine }),
            // New, or a crash came between the two files: that of the votes is written first.
            (None, Some(of_engine)) => of_engine,
            (None, None) if state.join("db").exists() && !engine.exists() => {
                return Err(IdentityError::WithoutJournal { state, engine });
            }
            // New, or made before there were identities.
            (None, None) => random(&engine)?,
        };
        Ok(Self { state, engine, text })
    }

    /// Writes it where it is not written yet. To be called when the state's directory has been
    /// opened, and before the engine starts.
    pub fn keep(&self) -> Result<(), IdentityError> {
        [&self.engine, &self.state].into_iter().try_for_each(|dir| write(dir, &self.text))
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> IdentityError {
    let path = path.to_owned();
    move |source| IdentityError::File { action, path, source }
}

fn read(dir: &Path) -> Result<Option<String>, IdentityError> {
    let path = dir.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

fn random(dir: &Path) -> Result<String, IdentityError> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(failed("find a random identity for", dir))?;
    Ok(format!("{}\n", hex::encode(bytes)))
}

fn write(dir: &Path, text: &str) -> Result<(), IdentityError> {
    let (path, partial) = (dir.join(FILE), dir.join("identity.partial"));
    if path.exists() {
        return Ok(());
    }
    let write = || {
        std::fs::create_dir_all(dir)?;
        let mut file = File::create(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(failed("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join("state/db")).expect("writable");
        std::fs::create_dir_all(dir.path().join("engine")).expect("writable");
        Identity::check(dir.path()).and_then(|id| id.keep()).expect("a directory without identity");
        dir
    }

    fn check(dir: &Path) -> Result<String, IdentityError> {
        Identity::check(dir).map(|identity| identity.text)
    }

    fn is_refused(dir: &Path) -> bool {
        matches!(check(dir), Err(IdentityError::WithoutJournal { .. }))
    }

    #[test]
    fn a_directory_keeps_its_identity() {
        let (one, other) = (made(), made());
        let identity = check(one.path()).expect("kept");
        assert_eq!(check(one.path()).expect("kept"), identity);
        assert_ne!(check(other.path()).expect("kept"), identity);
    }

    #[test]
    fn a_state_without_its_votes_is_refused() {
        let (one, other) = (made(), made());
        let engine = |dir: &tempfile::TempDir| dir.path().join("engine");
        std::fs::rename(engine(&other), other.path().join("aside")).expect("writable");
        assert!(is_refused(other.path()));
        // Nor does an empty one help, or that of another node.
        std::fs::create_dir(engine(&other)).expect("writable");
        assert!(is_refused(other.path()));
        std::fs::remove_dir(engine(&other)).expect("empty");
        std::fs::rename(engine(&one), engine(&other)).expect("writable");
        assert!(is_refused(other.path()));
        std::fs::remove_dir_all(engine(&other)).expect("writable");
        std::fs::rename(other.path().join("aside"), engine(&other)).expect("writable");
        assert!(check(other.path()).is_ok());
    }

    #[test]
    fn a_state_from_before_identities_needs_its_votes_too() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join("state/db")).expect("writable");
        assert!(is_refused(dir.path()));
        std::fs::create_dir(dir.path().join("engine")).expect("writable");
        assert!(check(dir.path()).is_ok());
    }

    #[test]
    fn a_crash_between_the_two_files_changes_nothing() {
        let dir = made();
        let identity = check(dir.path()).expect("kept");
        std::fs::remove_file(dir.path().join("state/identity")).expect("it is there");
        let again = Identity::check(dir.path()).expect("the votes are there");
        again.keep().expect("writable");
        assert_eq!(check(dir.path()).expect("kept"), identity);
    }
}
