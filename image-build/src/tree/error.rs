//! Why a file is not taken into a tree.

use super::TreePath;
use thiserror::Error;

/// A file that does not fit into the tree, and what to do about it.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// A path that breaks a rule of [`TreePath`].
    #[error("the path {path:?} {problem}")]
    Path {
        /// The path, escaped.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two files of one path.
    #[error("{path} is in the image already; drop one of the two, or replace it explicitly")]
    Exists {
        /// The path.
        path: TreePath,
    },
    /// A path that is not there.
    #[error("{path} is not in the image")]
    Missing {
        /// The path.
        path: TreePath,
    },
    /// A file comes before its directory.
    #[error("{path} has no directory {parent} to lie in; add that directory before it")]
    NoParent {
        /// The path.
        path: TreePath,
        /// The directory that is missing.
        parent: TreePath,
    },
    /// A file below a regular file.
    #[error("{path} lies below {parent}, which is a regular file; drop one of the two")]
    NotADirectory {
        /// The path.
        path: TreePath,
        /// The regular file.
        parent: TreePath,
    },
    /// A file below a symbolic link.
    #[error("{path} would be written through the symbolic link {link}; name its real directory")]
    ThroughSymlink {
        /// The path.
        path: TreePath,
        /// The link.
        link: TreePath,
    },
    /// A symbolic link that leads above the root.
    #[error("the symbolic link {path} -> {target} leads out of the image; shorten its target")]
    Escape {
        /// The link.
        path: TreePath,
        /// Its target, escaped.
        target: String,
    },
    /// A target that no file system takes.
    #[error("the target of the symbolic link {path} is empty, too long or has a NUL byte")]
    Target {
        /// The link.
        path: TreePath,
    },
    /// Symbolic links that lead in a circle.
    #[error("{path} leads through more than 40 symbolic links; they may form a circle")]
    Circle {
        /// The path.
        path: TreePath,
    },
    /// A hard link to something else than a regular file of the tree.
    #[error("{path} is a hard link to {target}, which is no regular file of the image")]
    LinkTarget {
        /// The new name.
        path: TreePath,
        /// What it names.
        target: TreePath,
    },
    /// Too many names of one file.
    #[error("{path} is one hard link too many (at most 60,000); make it a file of its own")]
    TooManyLinks {
        /// The new name.
        path: TreePath,
    },
    /// Too many names in the tree.
    #[error("{path} is one name too many (at most 1,000,000); drop packages from the manifest")]
    TooManyNames {
        /// The name.
        path: TreePath,
    },
    /// Too many bytes in the tree.
    #[error("with {path} the image has more than 64 GiB of files; drop packages from the manifest")]
    TooLarge {
        /// The file.
        path: TreePath,
    },
    /// A mode with bits that are no permissions.
    #[error("{path} has the mode {mode:o}, which has more than permission bits (07777)")]
    Mode {
        /// The file.
        path: TreePath,
        /// Its mode.
        mode: u16,
    },
    /// Extended attributes that no file system takes.
    #[error(
        "{path} has extended attributes that are too many, too large, or not named `class.name`; \
         drop them in the manifest"
    )]
    Xattrs {
        /// The file.
        path: TreePath,
    },
    /// A device, a pipe or a socket.
    #[error("{path} is a {kind}; images hold none (/dev is made at boot): drop it in the manifest")]
    Special {
        /// The file.
        path: TreePath,
        /// What it is.
        kind: &'static str,
    },
}
