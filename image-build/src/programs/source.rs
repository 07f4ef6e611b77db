//! The part of the clone that programs are compiled from.
//!
//! Of the packages that the programs depend on: all files that git tracks, as they are in the folder now. Of
//! the other packages of the workspace: their dependencies, since `Cargo.lock` is about all of them, and an
//! empty library. Nothing else is in the folder that is compiled, so nothing else can take part, and a change
//! elsewhere does not make new programs.

mod workspace;

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;
use workspace::Workspace;

/// Bytes of one file; ours are far smaller.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The library of a package whose code does not take part.
const EMPTY_LIBRARY: &str = "src/lib.rs";

/// A source that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file.
    #[error("the source: cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file that git tracks and that is no plain file.
    #[error("{} is tracked by git and no plain file here; bring it back with `git checkout`", .0.display())]
    NoFile(PathBuf),
    /// git.
    #[error(
        "cannot list the files of {}: {problem}; install git, or build from a copy without .git",
        clone.display()
    )]
    Git {
        /// The clone.
        clone: PathBuf,
        /// What it said.
        problem: String,
    },
    /// A manifest of the workspace.
    #[error("{path}: {problem}")]
    Manifest {
        /// Which, below the clone.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A program that nothing makes.
    #[error("no package of the workspace makes a program {0}; correct the manifest of the image")]
    NoProgram(String),
}

/// What is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Files by their path below the root of the workspace.
    files: BTreeMap<String, Vec<u8>>,
    /// By program: the package that makes it.
    pub packages: BTreeMap<String, String>,
    /// SHA-256 over all paths and contents, in hexadecimal.
    pub sha256: String,
}

impl Source {
    /// Reads what some programs are compiled from.
    pub fn read(clone: &Path, programs: &BTreeSet<String>) -> Result<Self, SourceError> {
        let listed = list(clone)?;
        let read = |path: &str| read_file(clone, path);
        let workspace = Workspace::read(&listed, &read)?;
        let mut packages = BTreeMap::new();
        for program in programs {
            let package = workspace
                .package_of(program)
                .ok_or_else(|| SourceError::NoProgram(program.clone()))?;
            packages.insert(program.clone(), package.to_owned());
        }
        let taking_part = workspace.closure(packages.values().map(String::as_str));
        let mut files = BTreeMap::new();
        for path in ["Cargo.toml", "Cargo.lock"] {
            files.insert(path.to_owned(), read(path)?);
        }
        for member in workspace.members() {
            if taking_part.contains(member) {
                for path in listed.iter().filter(|path| workspace.member_of(path) == Some(member)) {
                    files.insert(path.clone(), read(path)?);
                }
            } else {
                let manifest = workspace.dependencies_only(member);
                files.insert(format!("{member}/Cargo.toml"), manifest.into_bytes());
                files.insert(format!("{member}/{EMPTY_LIBRARY}"), Vec::new());
            }
        }
        let sha256 = sha256(&files);
        Ok(Self { files, packages, sha256 })
    }

    /// The text of `Cargo.lock`.
    pub fn cargo_lock(&self) -> &[u8] {
        &self.files["Cargo.lock"]
    }

    /// Writes the files to a folder. Files that are there with the same bytes stay as they are, so that cargo
    /// goes on where it was interrupted; the folder must hold nothing else than an earlier call left.
    pub fn write(&self, folder: &Path) -> Result<(), SourceError> {
        let at = |action, path: &Path| {
            let path = path.to_path_buf();
            move |source| SourceError::File { action, path, source }
        };
        for (path, bytes) in &self.files {
            let place = folder.join(path);
            if fs::read(&place).is_ok_and(|found| found == *bytes) {
                continue;
            }
            let parent = place.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(at("create", parent))?;
            fs::write(&place, bytes).map_err(at("write", &place))?;
        }
        Ok(())
    }
}

fn sha256(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hasher = Sha256::new();
    for (path, bytes) in files {
        // Lengths keep two lists of files from giving the same bytes.
        hasher.update(format!("{} {}\n", path.len(), bytes.len()));
        hasher.update(path);
        hasher.update(bytes);
    }
    hex::encode(hasher.finalize())
}

/// The files of a clone, sorted: those that git tracks, or all of a copy that git knows nothing of.
fn list(clone: &Path) -> Result<BTreeSet<String>, SourceError> {
    if !clone.join(".git").exists() {
        let mut found = BTreeSet::new();
        walk(clone, "", &mut found)?;
        return Ok(found);
    }
    let failed = |problem| SourceError::Git { clone: clone.into(), problem };
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached"])
        .current_dir(clone)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| failed("a name that is not UTF-8".to_owned()))?;
    Ok(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// All files below a folder but hidden ones and what cargo makes.
fn walk(clone: &Path, folder: &str, found: &mut BTreeSet<String>) -> Result<(), SourceError> {
    let place = clone.join(folder);
    let failed = |source| SourceError::File { action: "list", path: place.clone(), source };
    for entry in fs::read_dir(&place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || name == "target" {
            continue;
        }
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        match entry.file_type().map_err(failed)? {
            kind if kind.is_dir() => walk(clone, &path, found)?,
            _ => {
                found.insert(path);
            }
        }
    }
    Ok(())
}

/// A plain file of the clone; a link could lead anywhere.
fn read_file(clone: &Path, path: &str) -> Result<Vec<u8>, SourceError> {
    let place = clone.join(path);
    let plain = place.symlink_metadata().ok().filter(|meta| meta.is_file());
    let small = plain.filter(|meta| meta.len() <= FILE_BYTES_MAX);
    small.ok_or_else(|| SourceError::NoFile(place.clone()))?;
    fs::read(&place).map_err(|source| SourceError::File { action: "read", path: place, source })
}

#[cfg(test)]
mod tests;
