//! The toolchain of the lock, unpacked once and run without a tool of the host.
//!
//! ```text
//!  image.lock --store--> packages --unpack--> TOOLCHAINS/<hash>/   one folder, whole or not there
//!                                                 |
//!  cargo, rustc, cc, ...  (this executable under other names)  --loader of the folder--> its programs
//! ```
//!
//! - [`Description`]: which packages, and where their programs are.
//! - [`Toolchain::prepare`]: the folder.
//! - [`launch`]: how its programs run, with its own loader and libraries and with the arguments that keep
//!   them inside of it.

mod description;
pub mod launch;
mod unpack;

pub use description::{Description, Layout, below};
pub use launch::names_path;
pub use unpack::ToolchainError;

use crate::lock::Lock;
use crate::store::{Found, Mirrors, Store};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A change of how packages become a folder; it makes new folders.
const VERSION: &str = "toolchain 1";

/// An unpacked toolchain.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Its folder.
    pub root: PathBuf,
    /// Where its programs are.
    pub layout: Layout,
    /// SHA-256 over the hashes of its packages and what was left out of them, in hexadecimal.
    pub sha256: String,
}

/// What happens while a toolchain is prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A package is there.
    Package {
        /// Its name.
        name: String,
        /// Where it was.
        found: Found,
        /// How many are there.
        done: usize,
        /// How many there are.
        count: usize,
    },
    /// Packages are unpacked.
    Unpacking {
        /// How many.
        count: usize,
    },
    /// What was unpacked before is compared with its packages.
    Comparing {
        /// How many.
        count: usize,
    },
}

impl Toolchain {
    /// The toolchain of a lock below a folder of toolchains: unpacked if it is not there, else compared with
    /// its packages, which are fetched if they are not there. Several builders may share the folder.
    pub fn prepare(
        description: &Description,
        lock: &Lock,
        (store, mirrors): (&Store, &Mirrors),
        folder: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, ToolchainError> {
        let packages = lock.toolchain(description)?;
        let sha256 = Self::sha256(description, lock)?;
        let root = folder.join(&sha256);
        let toolchain = Self { root, layout: description.layout.clone(), sha256 };
        let mut files = Vec::new();
        for package in packages {
            let (path, found) = store.get(&lock.wanted(package), mirrors)?;
            files.push((package, path));
            let (done, count) = (files.len(), lock.toolchain.packages.len());
            progress(Progress::Package { name: package.name.clone(), found, done, count });
        }
        let count = files.len();
        if toolchain.root.is_dir() {
            progress(Progress::Comparing { count });
            unpack::compare(description, &files, &toolchain.root)?;
        } else {
            progress(Progress::Unpacking { count });
            unpack::unpack(description, &files, &toolchain.root)?;
        }
        Ok(toolchain)
    }

    /// The name of a toolchain: a hash over its packages and what is left out of them. Where its programs
    /// are is not part of it, since that changes nothing in the folder.
    pub fn sha256(description: &Description, lock: &Lock) -> Result<String, ToolchainError> {
        let mut hasher = Sha256::new();
        let mut line = |text: &str| {
            hasher.update(text.as_bytes());
            hasher.update(b"\n");
        };
        line(VERSION);
        lock.toolchain(description)?.iter().for_each(|package| line(&package.sha256));
        description.exclude.iter().for_each(|path| line(path));
        Ok(hex::encode(hasher.finalize()))
    }
}
