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
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the folder of this crate lies in the root of the clone")
            .to_owned();
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
