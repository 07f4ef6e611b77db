//! Files that exist whole or not at all: written under a temporary name, synced, then renamed.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use thiserror::Error;

/// What every artifact gets, whatever the umask of who builds.
const MODE: u32 = 0o644;

/// An artifact that could not be written. Nothing of it is left under its name.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {}", path.display(), fix(source))]
pub struct OutputError {
    /// What was being done, such as `write`.
    pub action: &'static str,
    /// The artifact.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl OutputError {
    /// For `map_err`.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { action, path, source }
    }
}

/// What to do about it.
fn fix(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full; free some room, or choose another --out",
        io::ErrorKind::QuotaExceeded => {
            "the quota is used up; free some room, or choose another --out"
        }
        io::ErrorKind::FileTooLarge => {
            "the file is larger than this system allows; raise `ulimit -f`, or use a file system \
             that takes it"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "it may not be written; choose another --out, or change its owner"
        }
        io::ErrorKind::NotFound => "its folder is missing; make it first",
        _ => "see the cause",
    }
}

/// A file that gets its name only by [`Output::commit`]; dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct Output {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl Output {
    /// Begins an artifact in the folder of its final name.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let temporary = tempfile::Builder::new()
            .prefix(".unfinished-")
            .tempfile_in(folder)
            .map_err(OutputError::at("create", path))?;
        Ok(Self { temporary, path: path.to_path_buf() })
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, for reading and writing at any place.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Makes the file what its name promises: on disk, readable, renamed over what was there.
    pub fn commit(self) -> Result<(), OutputError> {
        let Self { temporary, path } = self;
        let failed = |action| OutputError::at(action, &path);
        let file = temporary.as_file();
        file.set_permissions(Permissions::from_mode(MODE)).map_err(failed("set the mode of"))?;
        file.sync_all().map_err(failed("write"))?;
        temporary.persist(&path).map_err(|error| failed("rename")(error.error))?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder =
            File::open(folder.unwrap_or(Path::new("."))).map_err(failed("open the folder of"))?;
        folder.sync_all().map_err(failed("sync the folder of"))
    }
}

/// Writes a whole artifact by one function.
pub fn write_file<T, E: From<OutputError>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    let mut output = Output::create(path)?;
    let value = write(output.file())?;
    output.commit()?;
    Ok(value)
}

/// Copies to a place in a file and leaves blocks of zeros as holes. The place must be zeros so far.
pub fn copy_sparse(
    from: &mut impl Read,
    to: &mut (impl Write + Seek),
    start: u64,
) -> io::Result<u64> {
    const BLOCK: usize = 1 << 16;
    let mut buffer = vec![0; BLOCK];
    let mut at = start;
    loop {
        let length = read_full(from, &mut buffer)?;
        if length == 0 {
            return Ok(at - start);
        }
        for block in buffer[..length].chunks(4096) {
            if block.iter().any(|byte| *byte != 0) {
                to.seek(SeekFrom::Start(at))?;
                to.write_all(block)?;
            }
            at += block.len() as u64;
        }
    }
}

/// Reads until the buffer is full or the source ends.
pub fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(got) => length += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Removes what an interrupted build left in a folder: files that never got their name.
pub fn remove_unfinished(folder: &Path) -> Result<(), OutputError> {
    let listing = fs::read_dir(folder).map_err(OutputError::at("list", folder))?;
    for entry in listing {
        let entry = entry.map_err(OutputError::at("list", folder))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".unfinished-") {
            let path = entry.path();
            fs::remove_file(&path).map_err(OutputError::at("remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
