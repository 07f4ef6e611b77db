//! Packages of a toolchain into one folder that is there whole or not at all, and is compared with them
//! whenever it is used again.

use super::{Description, below};
use crate::lock::{LockFileError, LockedPackage};
use crate::output::read_full;
use crate::rootfs::{RootfsError, Unpacker, needed};
use crate::scratch::Scratch;
use crate::store::StoreError;
use crate::tree::{Meta, Node, Tree, TreeError, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What the names of folders begin with that are not whole.
const UNFINISHED: &str = ".unfinished-";

/// A toolchain that cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockFileError),
    /// A package.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files of the packages.
    #[error("the toolchain cannot be unpacked")]
    Unpack(#[from] Box<RootfsError>),
    /// A file of this machine.
    #[error("the toolchain: cannot {action} {}; look at the cause, then build again", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A folder that is no longer what was unpacked.
    #[error(
        "the toolchain in {}: {path} is not as its packages have it; the disk or somebody changed \
         it: remove that folder, and it is unpacked again", root.display()
    )]
    Changed {
        /// The folder.
        root: PathBuf,
        /// What in it.
        path: String,
    },
    /// What the description names and the packages do not have.
    #[error("the toolchain has no {0}; correct images/toolchain.yaml")]
    Missing(String),
    /// A program whose libraries are not all there: the host's would be taken.
    #[error(
        "{program} of the toolchain needs {library}, which none of its packages brings; add its \
         package to images/toolchain.yaml"
    )]
    Library {
        /// The program or library that asks.
        program: String,
        /// What it asks for.
        library: String,
    },
}

impl ToolchainError {
    pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }
}

impl From<TreeError> for ToolchainError {
    fn from(error: TreeError) -> Self {
        Self::Unpack(Box::new(error.into()))
    }
}

/// Unpacks packages to a folder that does not exist yet.
pub fn unpack(
    description: &Description,
    packages: &[(&LockedPackage, PathBuf)],
    root: &Path,
) -> Result<(), ToolchainError> {
    let folder = root.parent().expect("a toolchain lies in the folder of toolchains");
    fs::create_dir_all(folder).map_err(ToolchainError::at("create", folder))?;
    let scratch = Scratch::create_in(folder, UNFINISHED)
        .map_err(ToolchainError::at("create a folder in", folder))?;
    let [archives, files] = make(&scratch, ["archives", "files"])?;
    let tree = read(description, packages, &archives)?;
    write(&tree, &files)?;
    check(description, &files)?;
    match fs::rename(&files, root) {
        // Another builder was faster: what it unpacked is the same.
        Err(_) if root.is_dir() => Ok(()),
        outcome => outcome.map_err(ToolchainError::at("rename", &files)),
    }
}

/// Compares an unpacked toolchain with the packages that it was unpacked from, byte for byte: nothing may
/// be missing, changed or added.
pub fn compare(
    description: &Description,
    packages: &[(&LockedPackage, PathBuf)],
    root: &Path,
) -> Result<(), ToolchainError> {
    let folder = root.parent().expect("a toolchain lies in the folder of toolchains");
    let scratch = Scratch::create_in(folder, UNFINISHED)
        .map_err(ToolchainError::at("create a folder in", folder))?;
    let [archives] = make(&scratch, ["archives"])?;
    let tree = read(description, packages, &archives)?;
    let failed = |path: &Path| {
        let path = path.strip_prefix(root).unwrap_or(path).display().to_string();
        ToolchainError::Changed { root: root.into(), path }
    };
    let mut expected = BTreeSet::new();
    for (path, _, inode) in tree.walk().skip(1) {
        let place = root.join(OsStr::from_bytes(path.as_bytes()));
        let is_same = is_same(path, &inode.node, inode.meta.mode, &place);
        if !is_same.map_err(ToolchainError::at("compare", &place))? {
            return Err(failed(&place));
        }
        expected.insert(place);
    }
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        let listing = fs::read_dir(&folder).map_err(ToolchainError::at("list", &folder))?;
        for entry in listing {
            let entry = entry.map_err(ToolchainError::at("list", &folder))?;
            let place = entry.path();
            if !expected.contains(&place) {
                return Err(failed(&place));
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(place);
            }
        }
    }
    Ok(())
}

/// Whether what is at a place is what [`write`] puts there.
fn is_same(path: &TreePath, node: &Node, mode: u16, place: &Path) -> io::Result<bool> {
    let metadata = match place.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(match node {
        Node::Directory => metadata.is_dir(),
        Node::Symlink(target) => {
            metadata.is_symlink()
                && fs::read_link(place)?.as_os_str().as_bytes() == relative(path, target)
        }
        Node::File(content) => {
            let is_executable = metadata.permissions().mode() & 0o111 != 0;
            metadata.is_file()
                && is_executable == (mode & 0o111 != 0)
                && metadata.len() == content.length()
                && has_bytes(content.reader()?, File::open(place)?)?
        }
    })
}

/// Whether two readers give the same bytes.
fn has_bytes(mut one: impl Read, mut two: impl Read) -> io::Result<bool> {
    let mut buffers = [vec![0; 1 << 16], vec![0; 1 << 16]];
    loop {
        let [first, second] = &mut buffers;
        let length = read_full(&mut one, first)?;
        if read_full(&mut two, second)? != length || first[..length] != second[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

/// Makes folders in a folder.
fn make<const N: usize>(
    scratch: &Scratch,
    names: [&str; N],
) -> Result<[PathBuf; N], ToolchainError> {
    let paths = names.map(|name| scratch.path().join(name));
    for path in &paths {
        fs::create_dir(path).map_err(ToolchainError::at("create", path))?;
    }
    Ok(paths)
}

/// All files of the packages; their bytes stay in the folder of archives.
fn read(
    description: &Description,
    packages: &[(&LockedPackage, PathBuf)],
    archives: &Path,
) -> Result<Tree, ToolchainError> {
    let mut tree = Tree::new(u64::MAX);
    // Packages have both /lib and /usr/lib, which are one.
    let top = |name: &str| TreePath::new(name.as_bytes()).expect("the names are good");
    tree.add_directory(top("usr"), Meta::root(0o755))?;
    for name in ["bin", "sbin", "lib", "lib64"] {
        tree.add_directory(top("usr").join(name.as_bytes())?, Meta::root(0o755))?;
        tree.add_symlink(top(name), Meta::root(0o777), format!("usr/{name}").into_bytes())?;
    }
    let mut unpacker = Unpacker::new(&description.exclude, archives).map_err(Box::new)?;
    for (package, file) in packages {
        unpacker.unpack(&mut tree, package, file).map_err(Box::new)?;
    }
    unpacker.check_excludes().map_err(Box::new)?;
    Ok(tree)
}

/// Writes a tree to an empty folder. Absolute links become relative ones, so that none leads out of it.
fn write(tree: &Tree, folder: &Path) -> Result<(), ToolchainError> {
    let mut written = BTreeMap::new();
    for (path, id, inode) in tree.walk().skip(1) {
        let place = folder.join(OsStr::from_bytes(path.as_bytes()));
        match &inode.node {
            Node::Directory => {
                fs::create_dir(&place).map_err(ToolchainError::at("create", &place))?;
                // Whatever the umask is: other users of this machine may build with the same store.
                fs::set_permissions(&place, Permissions::from_mode(0o755))
                    .map_err(ToolchainError::at("set the mode of", &place))?;
            }
            Node::Symlink(target) => {
                let target = relative(path, target);
                symlink(OsStr::from_bytes(&target), &place)
                    .map_err(ToolchainError::at("create", &place))?;
            }
            Node::File(content) => {
                if let Some(first) = written.get(&id) {
                    fs::hard_link(first, &place).map_err(ToolchainError::at("link", &place))?;
                    continue;
                }
                let mode = if inode.meta.mode & 0o111 == 0 { 0o644 } else { 0o755 };
                let failed = |action| ToolchainError::at(action, &place);
                let file = File::options()
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(&place)
                    .map_err(failed("create"))?;
                let mut reader = content.reader().map_err(failed("read what belongs to"))?;
                let mut writer = BufWriter::new(file);
                io::copy(&mut reader, &mut writer).map_err(failed("write"))?;
                let file = writer.into_inner().map_err(|error| failed("write")(error.into()))?;
                file.set_permissions(Permissions::from_mode(mode))
                    .map_err(failed("set the mode of"))?;
                written.insert(id, place);
            }
        }
    }
    Ok(())
}

/// The target of a link, seen from the folder that the link lies in.
fn relative(link: &TreePath, target: &[u8]) -> Vec<u8> {
    let Some(target) = target.strip_prefix(b"/") else { return target.to_vec() };
    let ups = link.depth().saturating_sub(1);
    let relative = [b"../".repeat(ups), target.to_vec()].concat();
    if relative.is_empty() { b".".to_vec() } else { relative }
}

/// All that the description names is there, and all libraries that its programs need: the loader would
/// take the host's for a missing one.
fn check(description: &Description, folder: &Path) -> Result<(), ToolchainError> {
    let layout = &description.layout;
    let folder = folder.canonicalize().map_err(ToolchainError::at("read", folder))?;
    let missing = |path: &str| ToolchainError::Missing(path.to_owned());
    // No link leads out of the folder, so what is there is the toolchain's.
    let find = |path: &Path| path.canonicalize().ok().filter(|found| found.starts_with(&folder));
    for path in layout.libraries.iter().chain([&layout.clang_resources]) {
        find(&below(&folder, path)).filter(|found| found.is_dir()).ok_or_else(|| missing(path))?;
    }
    let mut open = Vec::new();
    for path in layout.programs.values().chain([&layout.loader]) {
        let found = find(&below(&folder, path)).filter(|found| found.is_file());
        open.push(found.ok_or_else(|| missing(path))?);
    }
    let mut seen: BTreeSet<PathBuf> = open.iter().cloned().collect();
    while let Some(program) = open.pop() {
        let bytes = fs::read(&program).map_err(ToolchainError::at("read", &program))?;
        for library in needed(&bytes) {
            let name = OsStr::from_bytes(&library);
            let folders = layout.libraries.iter().map(|path| below(&folder, path));
            let found = folders.filter_map(|path| find(&path.join(name))).next();
            let found = found.ok_or_else(|| ToolchainError::Library {
                program: program.strip_prefix(&folder).unwrap_or(&program).display().to_string(),
                library: library.escape_ascii().to_string(),
            })?;
            if seen.insert(found.clone()) {
                open.push(found);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
