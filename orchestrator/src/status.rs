//! The orchestrator's lock and status file in the node's directory, read by `plinth`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The status file's name in the node's directory.
pub const STATUS_FILE: &str = "orchestrator.json";

const LOCK_FILE: &str = "orchestrator.lock";

/// An exclusive lock on every byte of a file.
const WHOLE_FILE: libc::flock = libc::flock {
    l_type: libc::F_WRLCK as libc::c_short,
    l_whence: libc::SEEK_SET as libc::c_short,
    l_start: 0,
    l_len: 0,
    l_pid: 0,
};

/// What an orchestrator says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The orchestrator's process id.
    pub orchestrator_pid: i32,
    /// The replica's process id while one runs.
    pub replica_pid: Option<i32>,
    /// How often the replica was started again.
    pub restarts: u64,
    /// How the last replica ended, in words; empty if none has.
    pub last_exit: String,
}

/// Why lock or status cannot be used.
#[derive(Debug, Error)]
pub enum StatusError {
    /// Another orchestrator runs on this directory.
    #[error("another orchestrator runs in {}; stop it with `plinth node stop` first", .0.display())]
    Taken(PathBuf),
    /// A file cannot be written or read.
    #[error("cannot use {}; check owner, permissions and free space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The status file is not ours.
    #[error("{} is not an orchestrator's status", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

/// Held while an orchestrator runs on a node's directory. The kernel drops it with the process,
/// so a killed orchestrator leaves no stale lock.
#[derive(Debug)]
pub struct NodeLock {
    _file: File,
    dir: PathBuf,
}

impl NodeLock {
    /// Takes the lock of `dir`, or says that it is taken.
    pub fn take(dir: &Path) -> Result<Self, StatusError> {
        let path = dir.join(LOCK_FILE);
        let io = |source| StatusError::Io { path: path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&WHOLE_FILE)) {
            Ok(_) => Ok(Self { _file: file, dir: dir.into() }),
            Err(Errno::EAGAIN | Errno::EACCES) => Err(StatusError::Taken(dir.into())),
            Err(errno) => Err(io(errno.into())),
        }
    }

    /// Whether somebody holds the lock of `dir`. Asking does not take it, so it cannot make an
    /// orchestrator fail that starts at the same time.
    fn is_held(dir: &Path) -> Result<bool, StatusError> {
        let path = dir.join(LOCK_FILE);
        let io = |source| StatusError::Io { path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io(error)),
        };
        let mut found = WHOLE_FILE;
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found)).map_err(|errno| io(errno.into()))?;
        Ok(i32::from(found.l_type) != libc::F_UNLCK)
    }

    /// Writes `status`, whole or not at all.
    pub fn write(&self, status: &Status) -> Result<(), StatusError> {
        let path = self.dir.join(STATUS_FILE);
        let partial = self.dir.join(format!("{STATUS_FILE}.partial"));
        let write = || {
            let mut file = File::create(&partial)?;
            file.write_all(&serde_json::to_vec(status)?)?;
            std::fs::rename(&partial, &path)
        };
        write().map_err(|source| StatusError::Io { path: path.clone(), source })
    }
}

/// The status of the orchestrator that runs on `dir`; `None` if none runs.
pub fn read_status(dir: &Path) -> Result<Option<Status>, StatusError> {
    if !NodeLock::is_held(dir)? {
        return Ok(None);
    }
    let path = dir.join(STATUS_FILE);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StatusError::Parse { path, source }),
        // Between taking the lock and the first status.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StatusError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_orchestrator_at_a_time_and_its_status_is_seen_only_while_it_lives() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let status = Status {
            orchestrator_pid: 7,
            replica_pid: Some(8),
            restarts: 2,
            last_exit: "exit code 1".into(),
        };
        assert_eq!(read_status(dir.path()).expect("readable"), None);
        let lock = NodeLock::take(dir.path()).expect("free");
        assert!(matches!(NodeLock::take(dir.path()), Err(StatusError::Taken(_))));
        lock.write(&status).expect("written");
        assert_eq!(read_status(dir.path()).expect("readable"), Some(status));
        drop(lock);
        assert_eq!(read_status(dir.path()).expect("readable"), None);
    }

    #[test]
    fn a_foreign_status_file_is_an_error() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let _lock = NodeLock::take(dir.path()).expect("free");
        std::fs::write(dir.path().join(STATUS_FILE), "{").expect("written");
        assert!(matches!(read_status(dir.path()), Err(StatusError::Parse { .. })));
    }
}
