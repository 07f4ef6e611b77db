//! One file that is whole at any time: the bytes of before, or those of now.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const NAME: &str = "enrolment";

/// Longer than any state of a node.
const BYTES_MAX: u64 = 64 << 10;

/// The file in a folder of a node's own.
pub struct StateFile {
    folder: PathBuf,
}

impl StateFile {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// What was written last; none if nothing ever was.
    pub fn read(&self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let file = match File::open(self.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Zeroizing::new(Vec::new());
        // One byte more than there may be: then the bytes are no state.
        file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Once this returns, the bytes stay, whatever happens to the power.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if !self.folder.exists() {
            fs::create_dir_all(&self.folder)?;
            let parent = self.folder.parent();
            // Of a relative name of one part it is empty, and nothing to open.
            if let Some(parent) = parent.filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        let partial = self.folder.join(format!("{NAME}.partial"));
        // What a crash has left of an earlier attempt may be somebody else's to read.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(partial, self.path())?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_is_whole_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(&folder.path().join("a/b"));
        assert!(file.read().unwrap().is_none());
        file.write(b"one").unwrap();
        // A crash in the middle of a write.
        fs::write(folder.path().join("a/b/enrolment.partial"), b"tw").unwrap();
        assert_eq!(*file.read().unwrap().unwrap(), b"one");
        file.write(b"2").unwrap();
        assert_eq!(*file.read().unwrap().unwrap(), b"2");
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1);
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_written_or_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        assert!(StateFile::new(&folder.path().join("file/below")).write(b"one").is_err());
        fs::create_dir(folder.path().join("enrolment")).unwrap();
        assert!(StateFile::new(folder.path()).read().is_err());
    }
}
