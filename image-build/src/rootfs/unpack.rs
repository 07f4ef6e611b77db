//! One package after another into the tree.

use super::error::RootfsError;
use crate::archive::{Control, Deb, Entry, EntryKind, TarError, TarReader};
use crate::debian::deb822;
use crate::lock::LockedPackage;
use crate::manifest::tree_path;
use crate::tree::{Content, Meta, Node, Tree, TreeError, TreePath};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bits of a mode that are never kept: set-user-id and set-group-id.
const SET_ID: u16 = 0o6000;
/// Bytes of a copyright file that the bill of materials reads.
const COPYRIGHT_BYTES_MAX: u64 = 4 << 20;

/// What a package brought.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// Its name.
    pub package: String,
    /// Its control member.
    pub control: Control,
    /// Its copyright file, which is not in the image; none if it has none of its own.
    pub copyright: Option<Vec<u8>>,
    /// Files, directories and links that went into the image.
    pub entry_count: u64,
    /// Paths that lost a set-user-id or set-group-id bit.
    pub stripped: Vec<TreePath>,
}

/// Unpacks packages under the exclusions of one manifest.
#[derive(Debug)]
pub struct Unpacker {
    excludes: Vec<Exclude>,
    scratch: PathBuf,
    /// By path: the package that it comes from.
    owners: BTreeMap<TreePath, String>,
}

#[derive(Debug)]
struct Exclude {
    text: String,
    pattern: TreePath,
    used: bool,
}

impl Unpacker {
    pub fn new(excludes: &[String], scratch: &Path) -> Result<Self, RootfsError> {
        let excludes = excludes
            .iter()
            .map(|text| {
                let pattern = tree_path(text).map_err(RootfsError::Manifest)?;
                Ok(Exclude { text: text.clone(), pattern, used: false })
            })
            .collect::<Result<_, RootfsError>>()?;
        Ok(Self { excludes, scratch: scratch.into(), owners: BTreeMap::new() })
    }

    /// Puts a package into the tree.
    pub fn unpack(
        &mut self,
        tree: &mut Tree,
        package: &LockedPackage,
        file: &Path,
    ) -> Result<Unpacked, RootfsError> {
        self.each(package, file, |unpacker, unpacked, entry, content| {
            unpacker.place(tree, unpacked, entry, content)
        })
    }

    /// Reads a package: its data goes to a file in the scratch folder, and `take` sees each entry with
    /// the content that lies there. What is put off stays readable until the images are written.
    pub fn each(
        &mut self,
        package: &LockedPackage,
        file: &Path,
        mut take: impl FnMut(&mut Self, &mut Unpacked, &Entry, Content) -> Result<(), RootfsError>,
    ) -> Result<Unpacked, RootfsError> {
        let name = &package.name;
        let broken = |source| RootfsError::Package { package: name.clone(), source };
        let input = File::open(file).map_err(RootfsError::at("open", file))?;
        let deb = Deb::open(BufReader::new(input)).map_err(broken)?;
        check_identity(package, &deb.control)?;
        let (control, data) = deb.into_data();
        let path: Arc<Path> = self.scratch.join(format!("{}.tar", package.sha256)).into();
        let output = File::create(&path).map_err(RootfsError::at("create", &path))?;
        let mut tar = TarReader::new(Tee { input: data, output: BufWriter::new(output) });
        let mut unpacked = Unpacked {
            package: name.clone(),
            control,
            copyright: None,
            entry_count: 0,
            stripped: Vec::new(),
        };
        let damaged = |error| match error {
            // What is read is written at once; a package does not fill the disk by being read.
            TarError::Read { source, .. } if is_full(&source) => {
                RootfsError::at("write", &path)(source)
            }
            source => RootfsError::Data { package: name.clone(), source },
        };
        while let Some(entry) = tar.next_entry().map_err(damaged)? {
            if is_copyright(&entry, name) && entry.size <= COPYRIGHT_BYTES_MAX {
                let mut bytes = Vec::new();
                tar.read_to_end(&mut bytes).map_err(RootfsError::at("read", file))?;
                unpacked.copyright = Some(bytes);
            }
            let (offset, length) = (entry.content_offset, entry.size);
            let content = Content::Range { path: path.clone(), offset, length };
            take(self, &mut unpacked, &entry, content)?;
        }
        tar.into_inner().output.flush().map_err(RootfsError::at("write", &path))?;
        Ok(unpacked)
    }

    /// Every exclusion must have left something out.
    pub fn check_excludes(&self) -> Result<(), RootfsError> {
        let idle = self.excludes.iter().filter(|exclude| !exclude.used);
        let idle: Vec<_> = idle.map(|exclude| exclude.text.clone()).collect();
        if idle.is_empty() { Ok(()) } else { Err(RootfsError::IdleExclude(idle)) }
    }

    fn place(
        &mut self,
        tree: &mut Tree,
        unpacked: &mut Unpacked,
        entry: &Entry,
        content: Content,
    ) -> Result<(), RootfsError> {
        let package = unpacked.package.clone();
        let misfit = |source| RootfsError::Place { package: package.clone(), source };
        let path = TreePath::from_archive(&entry.path).map_err(misfit)?;
        if path.is_root() || self.is_excluded(&path) {
            return Ok(());
        }
        let path = tree.resolve(&path).map_err(misfit)?;
        if !entry.xattrs.is_empty() {
            return Err(RootfsError::Xattrs { package, path });
        }
        if entry.kind == EntryKind::Directory && is_directory(tree, &path).map_err(misfit)? {
            return Ok(());
        }
        if let Some(first) = self.owners.get(&path) {
            let (first, second) = (first.clone(), package);
            return Err(RootfsError::Twice { path, first, second });
        }
        if entry.mode & SET_ID != 0 && entry.kind == EntryKind::File {
            unpacked.stripped.push(path.clone());
        }
        let meta = Meta {
            mode: entry.mode & !SET_ID,
            uid: entry.uid,
            gid: entry.gid,
            mtime_s: entry.mtime_s,
            xattrs: BTreeMap::new(),
        };
        match &entry.kind {
            EntryKind::File => tree.add_file(path.clone(), meta, content),
            EntryKind::Directory => tree.add_directory(path.clone(), meta),
            EntryKind::Symlink(target) => {
                tree.add_symlink(path.clone(), Meta { mode: 0o777, ..meta }, target.clone())
            }
            EntryKind::HardLink(target) => {
                let target = TreePath::from_archive(target).map_err(misfit)?;
                if self.is_excluded(&target) {
                    return Err(RootfsError::ExcludedTarget { package, path, target });
                }
                let target = tree.resolve(&target).map_err(misfit)?;
                tree.add_link(path.clone(), &target)
            }
        }
        .map_err(misfit)?;
        self.owners.insert(path, package);
        unpacked.entry_count += 1;
        Ok(())
    }

    /// Whether a path, or a directory above it, is excluded.
    pub fn is_excluded(&mut self, path: &TreePath) -> bool {
        let mut excluded = false;
        for exclude in &mut self.excludes {
            if matches(&exclude.pattern, path) {
                exclude.used = true;
                excluded = true;
            }
        }
        excluded
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), FileTooLarge | QuotaExceeded | StorageFull)
}

/// Whether the names of a pattern are the first names of a path. A star stands for any part of one.
fn matches(pattern: &TreePath, path: &TreePath) -> bool {
    let mut names = path.names();
    pattern.names().all(|wanted| names.next().is_some_and(|name| name_matches(wanted, name)))
}

fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let Some(star) = pattern.iter().position(|byte| *byte == b'*') else {
        return pattern == name;
    };
    let (before, after) = (&pattern[..star], &pattern[star + 1..]);
    let Some(rest) = name.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|skipped| name_matches(after, &rest[skipped..]))
}

/// Whether a directory is there; a link to one counts, anything else is no place for one.
fn is_directory(tree: &Tree, path: &TreePath) -> Result<bool, TreeError> {
    match tree.get(path).map(|inode| &inode.node) {
        None => Ok(false),
        Some(Node::Directory) => Ok(true),
        Some(Node::Symlink(_)) => {
            let inside = tree.resolve(&path.join(b"inside")?)?;
            let target = inside.parent().unwrap_or(TreePath::root());
            match tree.get(&target).map(|inode| &inode.node) {
                Some(Node::Directory) => Ok(true),
                _ => Err(TreeError::Exists { path: path.clone() }),
            }
        }
        Some(Node::File(_)) => Err(TreeError::Exists { path: path.clone() }),
    }
}

fn is_copyright(entry: &Entry, package: &str) -> bool {
    let path = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
    entry.kind == EntryKind::File && path == format!("usr/share/doc/{package}/copyright").as_bytes()
}

/// The package is the one that the lock names.
fn check_identity(package: &LockedPackage, control: &Control) -> Result<(), RootfsError> {
    let other = |found: String| RootfsError::OtherPackage {
        package: package.name.clone(),
        found,
        wanted: format!("{} {} {}", package.name, package.version, package.architecture),
    };
    let text = control.get("control").ok_or_else(|| other("nothing".into()))?;
    let text = std::str::from_utf8(text).map_err(|_| other("what is not in UTF-8".into()))?;
    let fields = deb822::single(text).map_err(|error| other(error.to_string()))?;
    let field = |name| fields.get(name).unwrap_or_default();
    let found = [field("Package"), field("Version"), field("Architecture")];
    if found != [package.name.as_str(), &package.version, &package.architecture] {
        return Err(other(found.join(" ")));
    }
    Ok(())
}

/// Copies what is read.
struct Tee<R> {
    input: R,
    output: BufWriter<File>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        self.output.write_all(&buffer[..got])?;
        Ok(got)
    }
}
