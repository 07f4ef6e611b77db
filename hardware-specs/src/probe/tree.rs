//! Files below a root, read with a bound. What is missing or not readable is `None`: the kernel shows
//! different things on different machines, and to different users.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest file that is read: /proc/cpuinfo of 512 threads has 1 MiB.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// The most names of a folder that are read.
const NAME_COUNT_MAX: usize = 4096;
/// The longest line of a file that has one.
const LINE_CHARS_MAX: usize = 256;

/// A root folder.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.root.join(path)).ok()?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= FILE_BYTES_MAX).then_some(bytes)
    }

    pub fn text(&self, path: &str) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The first line, without what cannot be shown; none if there is nothing in it.
    pub fn line(&self, path: &str) -> Option<String> {
        let text = self.text(path)?;
        let line = text.lines().next()?.chars().filter(|letter| !letter.is_control());
        let line: String = line.take(LINE_CHARS_MAX).collect();
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    pub fn number<N: std::str::FromStr>(&self, path: &str) -> Option<N> {
        self.line(path)?.parse().ok()
    }

    /// The names in a folder, sorted.
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(listing) = fs::read_dir(self.root.join(path)) else { return Vec::new() };
        let names = listing.take(NAME_COUNT_MAX).filter_map(|entry| entry.ok());
        let mut names: Vec<String> =
            names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    pub fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The last part of what a link names, whether that exists or not.
    pub fn link_name(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.root.join(path)).ok()?;
        target.file_name()?.to_str().map(str::to_owned)
    }
}
