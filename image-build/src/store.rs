//! Packages on this machine: by the SHA-256 of their bytes, fetched once, checked whenever used.
//!
//! A file gets its name only when its bytes have the hash that the lock names. Several builders may
//! share a store: whoever fetches a file holds a lock on its unfinished form, and the others wait.
//!
//! ```text
//!  store --missing--> mirrors, in their order --missing--> snapshot archive --missing--> error
//! ```

mod mirror;
#[cfg(test)]
mod tests;

pub use mirror::{Location, LocationError, Mirrors};

use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// What a full disk is told by.
const FULL: &str = "free some room, or choose another place with --cache";

/// A file that cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk.
    #[error("package {package}: cannot {action} {}{}", path.display(), fix(source))]
    File {
        /// Which package.
        package: String,
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file of the store that was changed.
    #[error(
        "package {package}: {} has SHA-256 {found}, its name says otherwise; the disk or somebody \
         changed it: remove it, and it is fetched again", path.display()
    )]
    Changed {
        /// Which package.
        package: String,
        /// The file.
        path: PathBuf,
        /// What its bytes hash to.
        found: String,
    },
    /// No place has it.
    #[error(
        "package {package} (SHA-256 {sha256}) cannot be had: {}; name a place that has {path} with \
         --mirror or --snapshot, or make a new lock with `plinth image lock`", .problems.join("; ")
    )]
    Nowhere {
        /// Which package.
        package: String,
        /// What its bytes must hash to.
        sha256: String,
        /// Where it is below a mirror.
        path: String,
        /// What each place said.
        problems: Vec<String>,
    },
}

fn fix(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!("; {FULL}"),
        _ => String::new(),
    }
}

/// A file that the lock names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The package, for messages.
    pub package: String,
    /// SHA-256 of its bytes in hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// Which archive it belongs to, such as `debian-security`.
    pub area: String,
    /// Where it is below that archive.
    pub path: String,
    /// When the archive had it, in seconds since 1970.
    pub date_s: u64,
}

/// Where a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was in the store.
    Stored,
    /// It was fetched.
    Fetched,
}

/// A folder of files by their hash.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// A store in a folder, which is made when the first file comes.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where a file is, or would be.
    pub fn path(&self, sha256: &str) -> PathBuf {
        let start = sha256.get(..2).unwrap_or(sha256);
        self.folder.join("sha256").join(start).join(sha256)
    }

    /// The path of a file whose bytes were just checked, fetched if it was not there.
    pub fn get(&self, wanted: &Wanted, mirrors: &Mirrors) -> Result<(PathBuf, Found), StoreError> {
        let path = self.path(&wanted.sha256);
        if self.check(wanted, &path)? {
            return Ok((path, Found::Stored));
        }
        let folder = path.parent().expect("the path has the folders of the store");
        fs::create_dir_all(folder).map_err(at(wanted, "create", folder))?;
        let unfinished = path.with_extension("unfinished");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&unfinished)
            .map_err(at(wanted, "open", &unfinished))?;
        file.lock().map_err(at(wanted, "lock", &unfinished))?;
        // Another builder may have fetched it while this one waited.
        if self.check(wanted, &path)? {
            return Ok((path, Found::Stored));
        }
        self.fetch(wanted, mirrors, &mut file, &unfinished)?;
        file.sync_all().map_err(at(wanted, "write", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(at(wanted, "rename", &unfinished))?;
        let folder = File::open(folder).map_err(at(wanted, "open", folder))?;
        folder.sync_all().map_err(at(wanted, "write", &path))?;
        Ok((path, Found::Fetched))
    }

    /// Takes a copy of a file that is on this machine, if its bytes have the hash; else gives false. The
    /// name is for messages.
    pub fn keep(&self, name: &str, sha256: &str, from: &Path) -> Result<bool, StoreError> {
        let failed = |action, path: &Path| {
            let (package, path) = (name.to_owned(), path.to_path_buf());
            move |source| StoreError::File { package, action, path, source }
        };
        let bytes = fs::read(from).map_err(failed("read", from))?;
        if hex::encode(Sha256::digest(&bytes)) != sha256 {
            return Ok(false);
        }
        let path = self.path(sha256);
        let folder = path.parent().expect("the path has the folders of the store");
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        let mut file = tempfile::NamedTempFile::with_prefix_in(".unfinished-", folder)
            .map_err(failed("create a file in", folder))?;
        file.write_all(&bytes).map_err(failed("write", &path))?;
        // Other users of this machine may share the store.
        file.as_file()
            .set_permissions(Permissions::from_mode(0o644))
            .map_err(failed("set the mode of", &path))?;
        file.as_file().sync_all().map_err(failed("write", &path))?;
        file.persist(&path).map_err(|error| failed("rename", &path)(error.error))?;
        Ok(true)
    }

    /// Whether the store has the file; its bytes must then be right.
    fn check(&self, wanted: &Wanted, path: &Path) -> Result<bool, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(at(wanted, "open", path)(source)),
        };
        let (found, _) = hash(&mut file).map_err(at(wanted, "read", path))?;
        if found == wanted.sha256 {
            return Ok(true);
        }
        Err(StoreError::Changed { package: wanted.package.clone(), path: path.into(), found })
    }

    fn fetch(
        &self,
        wanted: &Wanted,
        mirrors: &Mirrors,
        file: &mut File,
        unfinished: &Path,
    ) -> Result<(), StoreError> {
        let mut problems = Vec::new();
        for place in mirrors.places(wanted) {
            // What is there may be of an interrupted run, or damaged: then once more from nothing.
            for from_nothing in [false, true] {
                let kept = kept_bytes(wanted, file, from_nothing)
                    .map_err(at(wanted, "read", unfinished))?;
                let problem = match copy_rest(&place, wanted, file, kept) {
                    Ok(()) => {
                        file.seek(SeekFrom::Start(0)).map_err(at(wanted, "read", unfinished))?;
                        let (found, size) = hash(file).map_err(at(wanted, "read", unfinished))?;
                        if found == wanted.sha256 {
                            return Ok(());
                        }
                        format!("{place} has {size} bytes with SHA-256 {found}")
                    }
                    Err(Copy::Write(source)) => {
                        return Err(at(wanted, "write", unfinished)(source));
                    }
                    Err(Copy::Fetch(problem)) => format!("{place}: {problem}"),
                };
                if kept == 0 {
                    problems.push(problem);
                    break;
                }
            }
        }
        if problems.is_empty() {
            problems.push(format!("no mirror of {} is known", wanted.area));
        }
        let (package, sha256) = (wanted.package.clone(), wanted.sha256.clone());
        Err(StoreError::Nowhere { package, sha256, path: wanted.path.clone(), problems })
    }
}

/// How many bytes of the unfinished file are kept; it is cut to them.
fn kept_bytes(wanted: &Wanted, file: &mut File, from_nothing: bool) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let kept = if from_nothing || length >= wanted.size { 0 } else { length };
    if length > kept {
        file.set_len(kept)?;
    }
    file.seek(SeekFrom::Start(kept))?;
    Ok(kept)
}

enum Copy {
    Fetch(String),
    Write(io::Error),
}

/// Appends what is missing, and never more than the lock says.
fn copy_rest(place: &Location, wanted: &Wanted, file: &mut File, kept: u64) -> Result<(), Copy> {
    let mut reader = place.open(kept).map_err(|error| Copy::Fetch(error.to_string()))?;
    let mut left = wanted.size - kept;
    let mut chunk = vec![0; CHUNK_BYTES];
    while left > 0 {
        let want = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match reader.read(&mut chunk[..want]) {
            Ok(0) => {
                let got = wanted.size - left;
                return Err(Copy::Fetch(format!("ends after {got} of {} bytes", wanted.size)));
            }
            Ok(got) => {
                file.write_all(&chunk[..got]).map_err(Copy::Write)?;
                left -= got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Copy::Fetch(error.to_string())),
        }
    }
    Ok(())
}

/// SHA-256 in hexadecimal and size of what is left of a file.
fn hash(file: &mut File) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut size = 0;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok((hex::encode(hasher.finalize()), size)),
            Ok(got) => {
                hasher.update(&chunk[..got]);
                size += got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn at(wanted: &Wanted, action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let (package, path) = (wanted.package.clone(), path.to_path_buf());
    move |source| StoreError::File { package, action, path, source }
}
