//! Why an image cannot be assembled.

use crate::archive::{DebError, TarError};
use crate::tree::{TreeError, TreePath};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// An image that cannot be assembled, and what to do about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// A file of this machine.
    #[error("cannot {action} {}{}", path.display(), full(source))]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The manifest asks for what cannot be.
    #[error("the manifest: {0}")]
    Manifest(String),
    /// A package.
    #[error("package {package}")]
    Package {
        /// Which one.
        package: String,
        /// The cause.
        #[source]
        source: DebError,
    },
    /// The files of a package.
    #[error("package {package}: its data member is damaged, or holds what an image must not")]
    Data {
        /// Which one.
        package: String,
        /// The cause.
        #[source]
        source: TarError,
    },
    /// A file of a package that does not fit into the image.
    #[error("package {package}: one of its files does not fit into the image")]
    Place {
        /// Which one.
        package: String,
        /// The cause.
        #[source]
        source: TreeError,
    },
    /// Another file that does not fit into the image.
    #[error("a file does not fit into the image")]
    Tree(#[from] TreeError),
    /// A file that two packages have.
    #[error("{path} comes with {first} and with {second}; exclude it, or omit one of them")]
    Twice {
        /// The path.
        path: TreePath,
        /// One package.
        first: String,
        /// The other.
        second: String,
    },
    /// A file with extended attributes.
    #[error("package {package}: {path} has extended attributes; exclude it, or omit the package")]
    Xattrs {
        /// Which package.
        package: String,
        /// The path.
        path: TreePath,
    },
    /// A hard link to a file that is excluded.
    #[error(
        "package {package}: {path} is a second name of {target}, which is excluded; exclude both"
    )]
    ExcludedTarget {
        /// Which package.
        package: String,
        /// The path.
        path: TreePath,
        /// What it links to.
        target: TreePath,
    },
    /// Exclusions that nothing matches.
    #[error("no package has {}; drop it from exclude in the manifest", .0.join(", "))]
    IdleExclude(Vec<String>),
    /// A package that is another one than the lock says.
    #[error(
        "package {package}: its control file says {found}, the lock says {wanted}; the archive's \
         index was wrong: report it, and make a new lock"
    )]
    OtherPackage {
        /// Which one.
        package: String,
        /// What it says.
        found: String,
        /// What the lock says.
        wanted: String,
    },
    /// A maintainer script that nobody has read.
    #[error(
        "package {package} {version} has a {script} that is not modelled (SHA-256 {sha256}); read it \
         with `dpkg-deb --ctrl-tarfile`, and put what it does into images/scripts.yaml"
    )]
    Unmodelled {
        /// Which package.
        package: String,
        /// Its version.
        version: String,
        /// Which script.
        script: &'static str,
        /// The hash of its bytes.
        sha256: String,
    },
    /// The models of maintainer scripts.
    #[error("images/scripts.yaml is not as it must be: {0}")]
    Scripts(String),
    /// An effect that cannot be had.
    #[error("package {package}: its script needs {path}, which is not in the image")]
    Effect {
        /// Which package.
        package: String,
        /// The path.
        path: String,
    },
    /// An executable of ours.
    #[error(
        "{} is missing; build it with `cargo build --release`, or say where it is with --binaries",
        .0.display()
    )]
    Binary(PathBuf),
    /// A file of `rootfs/` that is neither file, directory nor link.
    #[error("{} is no file, directory or symbolic link; remove it", .0.display())]
    Odd(PathBuf),
    /// Users and groups.
    #[error("users and groups: {0}")]
    Users(String),
    /// A unit.
    #[error("unit {unit}: {problem}")]
    Unit {
        /// Which one.
        unit: String,
        /// What is wrong.
        problem: String,
    },
    /// The kernel.
    #[error("kernel package {package}: {problem}")]
    Kernel {
        /// Which package.
        package: String,
        /// What is wrong.
        problem: String,
    },
    /// What production images must not have.
    #[error("{} file(s) must not be in the image: {}", .0.len(), .0.join("; "))]
    Audit(Vec<String>),
    /// Too large.
    #[error(
        "its files have {bytes} bytes, its budget is {budget}; exclude more, or raise the budget"
    )]
    Budget {
        /// Bytes of all files.
        bytes: u64,
        /// What the manifest allows.
        budget: u64,
    },
}

impl RootfsError {
    /// For `map_err` on file operations.
    pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }
}

fn full(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full: free some room, or choose another place (--scratch; for a toolchain --cache)"
        }
        _ => "",
    }
}
