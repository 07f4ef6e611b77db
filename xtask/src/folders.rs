//! Where things are: the clone, and outside of it the cache that every clone of this user shares.

use crate::error::Error;
use std::path::{Path, PathBuf};

/// The folders that commands work in; all absolute.
pub struct Folders {
    /// Root of the clone.
    pub root: PathBuf,
    /// Everything that can be made again: npm packages, canister modules, the target folder.
    pub cache: PathBuf,
    /// Cargo's target folder for every child process.
    pub target: PathBuf,
}

impl Folders {
    /// Reads `HOME`, `PLINTH_TARGET_DIR` and `CARGO_TARGET_DIR` (the last one wins).
    pub fn find() -> Result<Self, Error> {
        let root = root_of_clone()?;
        let home = std::env::home_dir().filter(|home| home.is_absolute()).ok_or_else(|| {
            Error::Missing("set HOME: the cache is kept in $HOME/.cache/plinth".into())
        })?;
        let cache = home.join(".cache/plinth");
        let target = ["CARGO_TARGET_DIR", "PLINTH_TARGET_DIR"]
            .iter()
            .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
            .map_or_else(|| cache.join("target"), |folder| root.join(folder));
        Ok(Self { root, cache, target })
    }

    /// A program of this workspace as the release build leaves it.
    pub fn program(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }
}

/// The clone that this run belongs to. Read at run time: clones share the target folder, so the
/// binary may have been compiled in another one.
pub fn root_of_clone() -> Result<PathBuf, Error> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| {
        Error::Missing("CARGO_MANIFEST_DIR is not set: start this with `cargo xtask`".into())
    })?;
    Path::new(&folder)
        .parent()
        .map(Path::to_owned)
        .ok_or_else(|| Error::Missing("CARGO_MANIFEST_DIR must be the folder xtask/".into()))
}
