//! The file that the node's log goes to, kept below a size.
//!
//! The processes of a node append to one file that they have inherited, so it cannot be replaced
//! under them: its content is copied beside it and the file is emptied. What is written between the
//! two is lost, which is a line or two at a time when there are far too many.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file descriptor of the log.
const STDERR: u32 = 2;

/// `O_APPEND` of Linux, as `/proc` shows it.
const APPEND: u32 = 0o2000;

/// A log that this process and its children append to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile(PathBuf);

impl LogFile {
    /// The file behind stderr; `None` if that is no file, or one that would get holes, because it
    /// is not opened for appending.
    pub fn of_stderr() -> Option<Self> {
        let path = std::fs::read_link(format!("/proc/self/fd/{STDERR}")).ok()?;
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{STDERR}")).ok()?;
        let appends = flags(&info)? & APPEND != 0;
        (appends && path.is_file()).then_some(Self(path))
    }

    /// The log at this path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where the content goes that is not in the file any more.
    pub fn previous(&self) -> PathBuf {
        let mut name = self.0.clone().into_os_string();
        name.push(".1");
        name.into()
    }

    /// Empties the file if it has more bytes than this; its content replaces the one before in
    /// [`LogFile::previous`]. Whether it did.
    pub fn keep_below(&self, bytes_max: u64) -> io::Result<bool> {
        let file = File::open(&self.0)?;
        if file.metadata()?.len() <= bytes_max {
            return Ok(false);
        }
        // A disk that is full lets no copy be made; then the old one goes, and the log all the same.
        let copied = copy(file, &self.previous(), bytes_max);
        OpenOptions::new().write(true).open(&self.0)?.set_len(0)?;
        copied.map(|()| true)
    }
}

/// Copies at most so many bytes, the newest ones.
fn copy(mut from: File, to: &Path, bytes_max: u64) -> io::Result<()> {
    use io::{Seek as _, SeekFrom};
    let start = from.metadata()?.len().saturating_sub(bytes_max);
    from.seek(SeekFrom::Start(start))?;
    let mut options = OpenOptions::new();
    let mut to = options.write(true).create(true).truncate(true).mode(0o640).open(to)?;
    io::copy(&mut from, &mut to).map(drop)
}

/// The flags in the text of `/proc/self/fdinfo/N`.
fn flags(info: &str) -> Option<u32> {
    let line = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_long_log_begins_anew_and_one_before_it_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("node.log");
        let mut writer =
            OpenOptions::new().create(true).append(true).open(&path).expect("writable");
        let log = LogFile::at(&path);
        let read = |path: &Path| std::fs::read_to_string(path).expect("it is there");
        writer.write_all(b"12345678").expect("writable");
        assert!(!log.keep_below(8).expect("readable"));
        writer.write_all(b"9\n").expect("writable");
        assert!(log.keep_below(8).expect("readable"));
        assert_eq!((read(&path), read(&log.previous())), (String::new(), "3456789\n".into()));
        // Who had it open goes on at its beginning.
        writer.write_all(b"more").expect("writable");
        assert_eq!(read(&path), "more");
        writer.write_all(b" than eight").expect("writable");
        assert!(log.keep_below(8).expect("readable"));
        assert_eq!(read(&log.previous()), "an eight");
    }

    #[test]
    fn flags_are_octal() {
        assert_eq!(flags("pos:\t0\nflags:\t0102001\nmnt_id:\t25\n"), Some(0o102_001));
        assert_eq!(flags("pos:\t0\n"), None);
    }
}
