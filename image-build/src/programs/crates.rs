//! The crates that `Cargo.lock` names: their archives by hash, and the folder that cargo takes them from.
//!
//! Archives come from the store, or from where the user's own cargo keeps what it fetched; only cargo knows
//! where crates come from, by the settings of who builds. Whatever it fetched counts by its hash alone.

use crate::archive::{Compression, Decoder, EntryKind, TarError, TarReader};
use crate::debian::is_sha256;
use crate::store::{Store, StoreError};
use sha2::{Digest, Sha256};
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use thiserror::Error;
use toml::{Table, Value};

/// Bytes of a crate when it is unpacked.
const CRATE_BYTES_MAX: u64 = 1 << 30;
/// What cargo wants to find in the folder of each crate; written last, so it says that a crate is whole.
const CHECKSUM: &str = ".cargo-checksum.json";

/// A crate that cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CrateError {
    /// `Cargo.lock`.
    #[error("Cargo.lock: {0}")]
    Lock(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A crate that is nowhere.
    #[error(
        "crate {name} {version} (SHA-256 {sha256}) is neither in the store nor where cargo keeps crates \
         ({}); fetch it with `cargo fetch --locked`{}", kept.display(), said(cargo)
    )]
    Nowhere {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// What `Cargo.lock` says.
        sha256: String,
        /// Where cargo keeps crates.
        kept: PathBuf,
        /// What cargo said when it was asked for it.
        cargo: String,
    },
    /// A crate whose bytes are others than `Cargo.lock` says.
    #[error(
        "crate {name} {version}: {} does not have the SHA-256 that Cargo.lock names ({sha256}); remove the \
         file, and it is fetched again", path.display()
    )]
    Changed {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// What `Cargo.lock` says.
        sha256: String,
        /// The file.
        path: PathBuf,
    },
    /// An archive that is none.
    #[error("crate {name} {version}: its archive is damaged ({problem}), though its hash is right")]
    Archive {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// What is wrong.
        problem: String,
    },
    /// A file.
    #[error("crates: cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

fn said(cargo: &str) -> String {
    if cargo.is_empty() { String::new() } else { format!(" (here it said: {cargo})") }
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CrateError {
    let path = path.to_path_buf();
    move |source| CrateError::File { action, path, source }
}

/// A crate by the hash of its archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its archive in hexadecimal.
    pub sha256: String,
}

/// All crates of a `Cargo.lock` that do not belong to the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crates {
    /// Sorted.
    pub all: Vec<Crate>,
    /// SHA-256 over names, versions and hashes, in hexadecimal.
    pub sha256: String,
}

impl Crates {
    /// Reads a `Cargo.lock`. A crate that is not of a registry, or without a hash, is an error.
    pub fn parse(cargo_lock: &[u8]) -> Result<Self, CrateError> {
        let bad = |problem: &str| CrateError::Lock(problem.to_owned());
        let text = std::str::from_utf8(cargo_lock).map_err(|_| bad("it is not UTF-8"))?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| bad(error.message()))?;
        let packages = table.get("package").and_then(Value::as_array);
        let mut all = Vec::new();
        for package in packages.ok_or_else(|| bad("it has no packages"))? {
            let text = |key| package.get(key).and_then(Value::as_str);
            let name = text("name").filter(|name| is_word(name));
            let version = text("version").filter(|version| is_word(version));
            let (Some(name), Some(version)) = (name, version) else {
                return Err(bad("a package has no good name and version"));
            };
            let Some(source) = text("source") else { continue };
            let sha256 = text("checksum").filter(|sha256| is_sha256(sha256));
            match sha256 {
                Some(sha256) if source.starts_with("registry+") => all.push(Crate {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    sha256: sha256.to_owned(),
                }),
                _ => {
                    let problem = "has no hash of a registry, so nothing pins its bytes";
                    return Err(bad(&format!("{name} {version} {problem}")));
                }
            }
        }
        all.sort();
        let mut hasher = Sha256::new();
        for Crate { name, version, sha256 } in &all {
            hasher.update(format!("{name} {version} {sha256}\n"));
        }
        Ok(Self { all, sha256: hex::encode(hasher.finalize()) })
    }

    /// Brings all crates into the store; cargo is asked to fetch only if one is nowhere. Gives how many were
    /// not in the store.
    pub fn gather(&self, store: &Store, clone: &Path) -> Result<usize, CrateError> {
        let kept = cargo_home().join("registry/cache");
        let mut missing: Vec<&Crate> = Vec::new();
        for found in &self.all {
            // What is in the store is checked when it is unpacked.
            if !store.path(&found.sha256).is_file() {
                missing.push(found);
            }
        }
        let count = missing.len();
        let mut cargo = String::new();
        for again in [false, true] {
            missing = missing
                .into_iter()
                .filter_map(|wanted| match keep(store, &kept, wanted) {
                    Ok(true) => None,
                    Ok(false) => Some(Ok(wanted)),
                    Err(error) => Some(Err(error)),
                })
                .collect::<Result<_, _>>()?;
            if missing.is_empty() {
                return Ok(count);
            }
            if !again {
                cargo = fetch(clone);
            }
        }
        let Crate { name, version, sha256 } = missing[0].clone();
        Err(CrateError::Nowhere { name, version, sha256, kept, cargo })
    }

    /// Unpacks all crates below a folder, each to `name-version`. What an interrupted run left is made anew.
    pub fn unpack(&self, store: &Store, folder: &Path) -> Result<(), CrateError> {
        for wanted in &self.all {
            let place = folder.join(wanted.folder());
            if place.join(CHECKSUM).is_file() {
                continue;
            }
            if place.exists() {
                fs::remove_dir_all(&place).map_err(at("remove", &place))?;
            }
            let path = store.path(&wanted.sha256);
            let bytes = fs::read(&path).map_err(at("read", &path))?;
            if hex::encode(Sha256::digest(&bytes)) != wanted.sha256 {
                let Crate { name, version, sha256 } = wanted.clone();
                return Err(CrateError::Changed { name, version, sha256, path });
            }
            wanted.unpack(&bytes, folder)?;
            let checksum = serde_json::json!({ "files": {}, "package": wanted.sha256 });
            let path = place.join(CHECKSUM);
            fs::write(&path, checksum.to_string()).map_err(at("write", &path))?;
        }
        Ok(())
    }
}

impl Crate {
    fn folder(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Unpacks an archive.
    fn unpack(&self, archive: &[u8], folder: &Path) -> Result<(), CrateError> {
        self.read(archive, &mut |path, file| {
            let place = folder.join(path);
            let Some((bytes, mode)) = file else {
                return fs::create_dir_all(&place).map_err(at("create", &place));
            };
            let parent = place.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(at("create", parent))?;
            fs::write(&place, bytes).map_err(at("write", &place))?;
            fs::set_permissions(&place, Permissions::from_mode(mode))
                .map_err(at("set the mode of", &place))
        })
    }

    /// Reads an archive, which must hold files and folders below `name-version`, and nothing else. Each is
    /// given to `take`: its path, and of a file its bytes and its mode.
    pub fn read(&self, archive: &[u8], take: &mut Take) -> Result<(), CrateError> {
        let damaged = |problem: String| CrateError::Archive {
            name: self.name.clone(),
            version: self.version.clone(),
            problem,
        };
        let chain = |error: TarError| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            damaged(format!("{error}{}", cause.unwrap_or_default()))
        };
        let decoder = Decoder::new(Compression::Gzip, archive, CRATE_BYTES_MAX)
            .map_err(|error| damaged(error.to_string()))?;
        let mut tar = TarReader::new(decoder);
        while let Some(entry) = tar.next_entry().map_err(chain)? {
            let path = Path::new(std::ffi::OsStr::from_bytes(&entry.path));
            let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            if !is_plain || !path.starts_with(self.folder()) {
                return Err(damaged(format!("{} lies outside of its folder", path.display())));
            }
            match entry.kind {
                EntryKind::Directory => take(path, None)?,
                EntryKind::File => {
                    let mut bytes = Vec::new();
                    tar.read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
                    let mode = if entry.mode & 0o111 == 0 { 0o644 } else { 0o755 };
                    take(path, Some((&bytes, mode)))?;
                }
                _ => return Err(damaged(format!("{} is a link", path.display()))),
            }
        }
        Ok(())
    }
}

/// Takes what is in an archive: a path, and of a file its bytes and its mode.
pub type Take<'a> = dyn FnMut(&Path, Option<(&[u8], u32)>) -> Result<(), CrateError> + 'a;

/// A name or a version that is one name of a path.
fn is_word(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    !text.is_empty() && text.bytes().all(is_good) && !text.starts_with('.')
}

fn cargo_home() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// Takes a crate into the store if one of cargo's registries has it.
fn keep(store: &Store, kept: &Path, wanted: &Crate) -> Result<bool, CrateError> {
    let name = format!("{}.crate", wanted.folder());
    let Ok(registries) = fs::read_dir(kept) else { return Ok(false) };
    let mut other = None;
    for registry in registries.flatten() {
        let path = registry.path().join(&name);
        if !path.is_file() {
            continue;
        }
        if store.keep(&wanted.folder(), &wanted.sha256, &path)? {
            return Ok(true);
        }
        other = Some(path);
    }
    match other {
        None => Ok(false),
        Some(path) => {
            let Crate { name, version, sha256 } = wanted.clone();
            Err(CrateError::Changed { name, version, sha256, path })
        }
    }
}

/// Lets the user's cargo fetch what `Cargo.lock` names. Gives what it said if it failed.
fn fetch(clone: &Path) -> String {
    let output = Command::new("cargo").args(["fetch", "--locked"]).current_dir(clone).output();
    match output {
        Ok(output) if output.status.success() => String::new(),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
        Err(error) => format!("cargo: {error}"),
    }
}

#[cfg(test)]
mod tests;
