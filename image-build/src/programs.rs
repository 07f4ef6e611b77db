//! The programs of the images, compiled out of the lock: the same bytes on every machine.
//!
//! ```text
//!  clone --git's files--> source   \
//!  Cargo.lock --store--> crates     +--> key --> PROGRAMS/<key>/      there whole, or not there
//!  image.lock --> toolchain        /        \--> PROGRAMS/<key>.work/  cargo runs here; resumed, then removed
//! ```
//!
//! - [`source`]: which files of the clone take part; others are not in the folder that is compiled.
//! - [`crates`]: the archives that `Cargo.lock` names, by their hash.
//! - `compile`: cargo with an environment of its own, through the launchers of [`crate::toolchain`].
//!
//! Where it is built is not in what is built; this is checked in each program.

mod compile;
pub mod crates;
mod error;
pub mod source;

pub use error::ProgramsError;

use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::scratch::Scratch;
use crate::store::{Mirrors, Store};
use crate::toolchain::launch::Plan;
use crate::toolchain::{self, Description, Toolchain, names_path};
use crates::Crates;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A change of how programs are compiled; it makes all of them anew.
const VERSION: &str = "programs 1";
/// What lies beside the programs.
const RECORD: &str = "programs.json";

/// What is compiled, with what, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Root of the clone.
    pub clone: PathBuf,
    /// Programs of its workspace, by name.
    pub programs: BTreeSet<String>,
    /// Where toolchains and programs are kept, and compiled.
    pub folder: PathBuf,
    /// Packages and crates on this machine.
    pub store: Store,
    /// Where others come from.
    pub mirrors: Mirrors,
    /// An executable that calls [`toolchain::launch::launch`] before anything else, usually this one.
    pub launcher: PathBuf,
    /// Compilers at a time; the result does not depend on it.
    pub job_count: usize,
}

/// What happens while programs are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The toolchain.
    Toolchain(toolchain::Progress),
    /// Crates are there: how many, and how many of them the user's cargo had to fetch.
    Crates {
        /// All.
        count: usize,
        /// New ones.
        fetched: usize,
    },
    /// A crate is being compiled: its name, and how many there were before.
    Compiling {
        /// Name and version.
        name: String,
        /// From 1 on.
        number: usize,
    },
    /// Something else is done.
    Step(String),
}

/// Compiled programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// SHA-256 of all that they depend on.
    pub key: String,
    /// SHA-256 over the packages of the toolchain.
    pub toolchain_sha256: String,
    /// SHA-256 over the source that takes part.
    pub source_sha256: String,
    /// SHA-256 over names and hashes of all crates in `Cargo.lock`.
    pub crates_sha256: String,
    /// By name.
    pub programs: BTreeMap<String, Program>,
}

/// Where the programs of an image come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "programs", rename_all = "lowercase")]
pub enum Origin {
    /// Whoever built the image gave a folder; nothing is known of how they were made.
    Given,
    /// They were compiled out of the lock.
    Locked {
        /// See [`Programs`].
        toolchain_sha256: String,
        /// See [`Programs`].
        source_sha256: String,
        /// See [`Programs`].
        crates_sha256: String,
    },
}

impl Programs {
    /// What an image that carries them says of them.
    pub fn origin(&self) -> Origin {
        Origin::Locked {
            toolchain_sha256: self.toolchain_sha256.clone(),
            source_sha256: self.source_sha256.clone(),
            crates_sha256: self.crates_sha256.clone(),
        }
    }
}

/// The programs that images carry, or start from.
pub fn of_images<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> BTreeSet<String> {
    manifests.into_iter().flat_map(Manifest::programs).collect()
}

/// One program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// The programs and the folder that they are in; they are compiled unless they are there.
pub fn prepare(
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Programs, PathBuf), ProgramsError> {
    let lock = Lock::read(&crate::build::lock_path(&options.clone))?;
    let description = Description::read(&crate::build::toolchain_path(&options.clone))?;
    let source = Source::read(&options.clone, &options.programs)?;
    let crates = Crates::parse(source.cargo_lock())?;
    let toolchain_sha256 = Toolchain::sha256(&description, &lock)?;
    let wanted = Programs {
        key: key(options, &lock, &description, [&toolchain_sha256, &source.sha256, &crates.sha256]),
        toolchain_sha256,
        source_sha256: source.sha256.clone(),
        crates_sha256: crates.sha256.clone(),
        programs: BTreeMap::new(),
    };
    let folder = options.folder.join("programs");
    fs::create_dir_all(&folder).map_err(ProgramsError::at("create", &folder))?;
    let place = folder.join(&wanted.key);
    if let Some(made) = read(&wanted, &place)? {
        progress(Progress::Step("the programs are there".into()));
        return Ok((made, place));
    }
    // One builder at a time; the others take what it made.
    let guard = folder.join(format!("{}.lock", wanted.key));
    let guard_file = File::create(&guard).map_err(ProgramsError::at("create", &guard))?;
    guard_file.lock().map_err(ProgramsError::at("lock", &guard))?;
    if let Some(made) = read(&wanted, &place)? {
        return Ok((made, place));
    }
    let toolchain = Toolchain::prepare(
        &description,
        &lock,
        (&options.store, &options.mirrors),
        &options.folder.join("toolchains"),
        &mut |event| progress(Progress::Toolchain(event)),
    )?;
    let fetched = crates.gather(&options.store, &options.clone)?;
    progress(Progress::Crates { count: crates.all.len(), fetched });
    let work = folder.join(format!("{}.work", wanted.key));
    let job = compile::Job {
        options,
        toolchain: &toolchain,
        source: &source,
        crates: &crates,
        time_s: lock.time_s,
        work: &work,
    };
    let compiled = job.run(progress)?;
    let made = keep(wanted, &compiled, &place)?;
    fs::remove_dir_all(&work).map_err(ProgramsError::at("remove", &work))?;
    Ok((made, place))
}

fn key(options: &Options, lock: &Lock, description: &Description, inputs: [&String; 3]) -> String {
    let mut hasher = Sha256::new();
    let mut line = |text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(b"\n");
    };
    line(VERSION);
    inputs.into_iter().for_each(|input| line(input));
    line(&lock.time_s.to_string());
    line(&Plan::settings(&description.layout));
    line(compile::SETTINGS);
    options.programs.iter().for_each(|name| line(name));
    hex::encode(hasher.finalize())
}

/// The programs of a folder, each checked against its record; none if there is no such folder.
fn read(wanted: &Programs, place: &Path) -> Result<Option<Programs>, ProgramsError> {
    if !place.is_dir() {
        return Ok(None);
    }
    let path = place.join(RECORD);
    let text = fs::read(&path).map_err(ProgramsError::at("read", &path))?;
    let changed = || ProgramsError::Changed { path: place.into() };
    let made: Programs = serde_json::from_slice(&text).map_err(|_| changed())?;
    let expected = Programs { programs: made.programs.clone(), ..wanted.clone() };
    if made != expected {
        return Err(changed());
    }
    for (name, program) in &made.programs {
        let path = place.join(name);
        if describe(&fs::read(&path).map_err(ProgramsError::at("read", &path))?) != *program {
            return Err(changed());
        }
    }
    Ok(Some(made))
}

/// Puts compiled programs where the next build finds them.
fn keep(
    mut made: Programs,
    compiled: &BTreeMap<String, PathBuf>,
    place: &Path,
) -> Result<Programs, ProgramsError> {
    let folder = place.parent().expect("the place of programs lies in a folder");
    let scratch = Scratch::create_in(folder, ".unfinished-")
        .map_err(ProgramsError::at("create a folder in", folder))?;
    for (name, path) in compiled {
        let bytes = fs::read(path).map_err(ProgramsError::at("read", path))?;
        made.programs.insert(name.clone(), describe(&bytes));
        let copy = scratch.path().join(name);
        write_program(&copy, &bytes).map_err(ProgramsError::at("write", &copy))?;
    }
    let record = scratch.path().join(RECORD);
    let text = serde_json::to_vec_pretty(&made).expect("a record has only plain values");
    fs::write(&record, text).map_err(ProgramsError::at("write", &record))?;
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755))
        .map_err(ProgramsError::at("set the mode of", scratch.path()))?;
    scratch.rename(place).map_err(ProgramsError::at("name", place))?;
    Ok(made)
}

fn write_program(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o755))?;
    file.sync_all()
}

fn describe(bytes: &[u8]) -> Program {
    Program { bytes: bytes.len() as u64, sha256: hex::encode(Sha256::digest(bytes)) }
}

/// Copies programs to a folder, each whole or not at all.
pub fn copy(programs: &Programs, from: &Path, to: &Path) -> Result<(), ProgramsError> {
    fs::create_dir_all(to).map_err(ProgramsError::at("create", to))?;
    for name in programs.programs.keys() {
        let (source, place) = (from.join(name), to.join(name));
        let bytes = fs::read(&source).map_err(ProgramsError::at("read", &source))?;
        let scratch = tempfile::NamedTempFile::with_prefix_in(".unfinished-", to)
            .map_err(ProgramsError::at("create a file in", to))?;
        write_program(scratch.path(), &bytes).map_err(ProgramsError::at("write", &place))?;
        scratch
            .persist(&place)
            .map_err(|error| ProgramsError::at("rename", &place)(error.error))?;
    }
    Ok(())
}

/// What is compiled must not say where it was compiled.
fn check_paths(name: &str, bytes: &[u8], paths: &[&Path]) -> Result<(), ProgramsError> {
    match paths.iter().find(|path| names_path(bytes, path)) {
        None => Ok(()),
        Some(path) => {
            Err(ProgramsError::NamesPath { program: name.to_owned(), path: path.to_path_buf() })
        }
    }
}

#[cfg(test)]
mod tests;
