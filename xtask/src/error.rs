//! Why a command of `xtask` could not be done.

use std::path::PathBuf;
use std::process::ExitStatus;

/// A failure with what to do about it; `Usage` ends the process with code 2, the others with 1.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// A program could not be started at all.
    #[error("cannot start `{program}`: {source}")]
    Start { program: String, source: std::io::Error },
    /// A program ran and failed; what it printed stands above.
    #[error("`{command}` ended with {status}")]
    Failed { command: String, status: ExitStatus },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    /// The machine lacks something that the set-up cannot add by itself.
    #[error("{0}")]
    Missing(String),
    /// Rules of the house are broken; each finding stands above on its own line.
    #[error("{count} finding(s) of `cargo xtask {checker}`; each line above names its fix")]
    Findings { checker: &'static str, count: usize },
    /// A program answered something that this code does not understand.
    #[error("{program} answered unexpectedly: {answer}")]
    Answer { program: &'static str, answer: String },
}

impl Error {
    /// Adds to an I/O error what was tried on which path.
    pub fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
