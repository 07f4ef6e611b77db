//! Why programs cannot be made.

use super::crates::CrateError;
use super::source::SourceError;
use crate::lock::LockFileError;
use crate::manifest::ManifestError;
use crate::toolchain::ToolchainError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Programs that cannot be made, and what to do about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProgramsError {
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockFileError),
    /// The description of the toolchain.
    #[error(transparent)]
    Description(#[from] ManifestError),
    /// The toolchain.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A crate.
    #[error(transparent)]
    Crate(#[from] CrateError),
    /// A file.
    #[error("programs: cannot {action} {}{}", path.display(), full(source))]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A folder of the machine that cargo would read.
    #[error("cargo would read {}, which is no part of the lock; move it away", path.display())]
    Ambient {
        /// Which.
        path: PathBuf,
    },
    /// The compiler.
    #[error("the programs cannot be compiled ({status}); cargo said:\n{text}")]
    Compile {
        /// How cargo ended.
        status: String,
        /// The end of what it said.
        text: String,
    },
    /// No room is left for what is compiled.
    #[error(
        "the programs cannot be compiled; cargo said:\n{text}\nthe disk of {} is full: free some room, or choose \
         another place with --cache; what is compiled is kept, and the next run goes on with it", folder.display()
    )]
    CompileFull {
        /// The folder that is compiled in.
        folder: PathBuf,
        /// The end of what it said.
        text: String,
    },
    /// A program that says where it was built.
    #[error(
        "{program} holds the path {}, so it would differ on another machine; find who writes it \
         (env!(\"CARGO_MANIFEST_DIR\"), env!(\"OUT_DIR\")) and take it out", path.display()
    )]
    NamesPath {
        /// Which program.
        program: String,
        /// The path.
        path: PathBuf,
    },
    /// What was kept is not what was made.
    #[error(
        "{} is not as it was written; the disk or somebody changed it: remove it, and the programs \
         are compiled again", path.display()
    )]
    Changed {
        /// The folder.
        path: PathBuf,
    },
}

impl ProgramsError {
    pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }

    /// For a cargo that failed in `folder`. It tells a full disk in words alone: those of the C library that the number
    /// stands behind, which is the same in every locale.
    pub(super) fn compile(status: &str, text: String, folder: &Path) -> Self {
        if text.contains("(os error 28)") || text.contains("No space left on device") {
            Self::CompileFull { folder: folder.into(), text }
        } else {
            Self::Compile { status: status.to_owned(), text }
        }
    }
}

fn full(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some room, or choose another place with --cache"
        }
        _ => "",
    }
}
