//! The files of an image: what the packages fill and what the writers write.
//!
//! A tree keeps rules that a writer may rely on: names are bytes without `/`, NUL, `.` and `..`;
//! every parent is a directory of the tree, never a symbolic link; no link leads out of the root;
//! there are no devices, sockets or pipes; everything is bounded. The order of insertion cannot be
//! seen: [`Tree::walk`] goes by the bytes of the names, a directory before what it holds.

mod content;
mod error;
mod path;
mod resolve;
#[cfg(test)]
mod tests;

pub use content::{Content, ContentReader};
pub use error::TreeError;
pub use path::{NAME_BYTES_MAX, PATH_BYTES_MAX, TreePath};

use std::collections::BTreeMap;
use std::ops::Bound;

/// Names in one tree. A Debian system has 5,000 to 100,000.
pub const NAME_COUNT_MAX: usize = 1_000_000;
/// Bytes of all regular files, each counted once: more than any image of ours can hold.
pub const CONTENT_BYTES_MAX: u64 = 64 << 30;
/// Bytes of an extended attribute's value: what erofs takes, one less than Linux does.
pub const XATTR_BYTES_MAX: usize = (64 << 10) - 1;
/// Bytes of all extended attributes of one file, names and values.
pub const XATTRS_BYTES_MAX: usize = 128 << 10;
/// Extended attributes of one file.
pub const XATTR_COUNT_MAX: usize = 64;
/// Names of one file.
pub const LINK_COUNT_MAX: u32 = 60_000;

/// Permission bits, set-user-id, set-group-id and sticky.
const MODE_MASK: u16 = 0o7777;

/// Owner, permissions and time of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The low twelve bits of `st_mode`; the type comes from [`Node`].
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970. The tree lowers a later time to its own.
    pub mtime_s: u64,
    /// Extended attributes by their full name, such as `security.capability`.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Meta {
    /// Owned by root, no extended attributes; as old as the tree says.
    pub fn root(mode: u16) -> Self {
        Self { mode, uid: 0, gid: 0, mtime_s: u64::MAX, xattrs: BTreeMap::new() }
    }
}

/// What a file is.
#[derive(Clone, Debug)]
pub enum Node {
    /// A directory; what it holds is found by its path.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and the bytes of its target.
    Symlink(Vec<u8>),
}

/// A file without its name; a regular file may have several names.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Owner, permissions, time, extended attributes.
    pub meta: Meta,
    /// Type and content.
    pub node: Node,
    /// How many names lead here; 1 but for hard links.
    pub name_count: u32,
}

/// Which file: two names with the same id are hard links. The number has no meaning beyond that
/// (it depends on the order of insertion), so a writer must not let it reach its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(usize);

/// The files of one image or one file system.
#[derive(Clone, Debug)]
pub struct Tree {
    time_s: u64,
    names: BTreeMap<TreePath, InodeId>,
    // A removed file leaves a hole, so that ids stay what they are.
    inodes: Vec<Option<Inode>>,
    content_bytes: u64,
}

impl Tree {
    /// A tree with a root directory (root's, mode 0755). No file is younger than `time_s` (seconds
    /// since 1970), the time of the lock.
    pub fn new(time_s: u64) -> Self {
        let mut meta = Meta::root(0o755);
        meta.mtime_s = time_s;
        let root = Inode { meta, node: Node::Directory, name_count: 1 };
        Self {
            time_s,
            names: BTreeMap::from([(TreePath::root(), InodeId(0))]),
            inodes: vec![Some(root)],
            content_bytes: 0,
        }
    }

    /// The time that no file exceeds, in seconds since 1970.
    pub fn time_s(&self) -> u64 {
        self.time_s
    }

    /// Names in the tree, the root among them.
    pub fn name_count(&self) -> usize {
        self.names.len()
    }

    /// Bytes of all regular files, each counted once.
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// Adds a directory.
    pub fn add_directory(&mut self, path: TreePath, meta: Meta) -> Result<(), TreeError> {
        self.add(path, meta, Node::Directory)
    }

    /// Adds a regular file.
    pub fn add_file(
        &mut self,
        path: TreePath,
        meta: Meta,
        content: Content,
    ) -> Result<(), TreeError> {
        self.add(path, meta, Node::File(content))
    }

    /// Adds a symbolic link. An absolute target counts from the root of the image; a relative one
    /// must not climb above it.
    pub fn add_symlink(
        &mut self,
        path: TreePath,
        meta: Meta,
        target: Vec<u8>,
    ) -> Result<(), TreeError> {
        resolve::check_target(&path, &target)?;
        self.add(path, meta, Node::Symlink(target))
    }

    /// Adds a second name for a regular file.
    pub fn add_link(&mut self, path: TreePath, existing: &TreePath) -> Result<(), TreeError> {
        self.check_place(&path)?;
        let missing = || TreeError::LinkTarget { path: path.clone(), target: existing.clone() };
        let id = *self.names.get(existing).ok_or_else(missing)?;
        let inode = self.inode_mut(id);
        if !matches!(inode.node, Node::File(_)) {
            return Err(missing());
        }
        if inode.name_count >= LINK_COUNT_MAX {
            return Err(TreeError::TooManyLinks { path });
        }
        inode.name_count += 1;
        self.names.insert(path, id);
        Ok(())
    }

    /// Changes owner, permissions, time or extended attributes, for all names of the file.
    pub fn set_meta(&mut self, path: &TreePath, meta: Meta) -> Result<(), TreeError> {
        let id = self.id(path).ok_or_else(|| TreeError::Missing { path: path.clone() })?;
        let meta = self.checked(path, meta)?;
        self.inode_mut(id).meta = meta;
        Ok(())
    }

    /// Removes a name, and all below it. The root stays.
    pub fn remove(&mut self, path: &TreePath) -> Result<(), TreeError> {
        if path.is_root() || !self.names.contains_key(path) {
            return Err(TreeError::Missing { path: path.clone() });
        }
        let below: Vec<TreePath> = self
            .names
            .range((Bound::Included(path), Bound::Unbounded))
            .map(|(name, _)| name)
            .take_while(|name| name.is_at_or_below(path))
            .cloned()
            .collect();
        for name in below {
            let id = self.names.remove(&name).expect("the name was just listed");
            self.drop_name(id);
        }
        Ok(())
    }

    /// The file at a path; symbolic links are not followed.
    pub fn get(&self, path: &TreePath) -> Option<&Inode> {
        self.id(path).map(|id| self.inode(id))
    }

    /// The identity of the file at a path; symbolic links are not followed.
    pub fn id(&self, path: &TreePath) -> Option<InodeId> {
        self.names.get(path).copied()
    }

    /// The file with an identity that this tree gave.
    pub fn inode(&self, id: InodeId) -> &Inode {
        self.inodes[id.0].as_ref().expect("an id is given for a file that has a name")
    }

    /// Every name in the order of its components' bytes: the root first, a directory before what
    /// it holds, depth first.
    pub fn walk(&self) -> impl Iterator<Item = (&TreePath, InodeId, &Inode)> {
        self.names.iter().map(|(path, id)| (path, *id, self.inode(*id)))
    }

    /// What a directory holds, in the order of the names' bytes.
    pub fn children<'a>(
        &'a self,
        directory: &'a TreePath,
    ) -> impl Iterator<Item = (&'a TreePath, InodeId, &'a Inode)> {
        let depth = directory.depth() + 1;
        self.names
            .range((Bound::Excluded(directory), Bound::Unbounded))
            .take_while(move |(path, _)| path.is_at_or_below(directory))
            .filter(move |(path, _)| path.depth() == depth)
            .map(|(path, id)| (path, *id, self.inode(*id)))
    }

    /// Where a path of a package lies when the directory links on its way are followed, as the
    /// kernel would with the image as root. The last name is not followed.
    pub fn resolve(&self, path: &TreePath) -> Result<TreePath, TreeError> {
        resolve::resolve(self, path, resolve::Last::Kept)
    }

    /// The file behind a path: as [`Tree::resolve`], and links at its end are followed too.
    pub fn follow(&self, path: &TreePath) -> Result<TreePath, TreeError> {
        resolve::resolve(self, path, resolve::Last::Followed)
    }

    fn add(&mut self, path: TreePath, meta: Meta, node: Node) -> Result<(), TreeError> {
        self.check_place(&path)?;
        let meta = self.checked(&path, meta)?;
        if let Node::File(content) = &node {
            let sum = self.content_bytes.checked_add(content.length());
            self.content_bytes = sum
                .filter(|sum| *sum <= CONTENT_BYTES_MAX)
                .ok_or_else(|| TreeError::TooLarge { path: path.clone() })?;
        }
        let id = InodeId(self.inodes.len());
        self.inodes.push(Some(Inode { meta, node, name_count: 1 }));
        self.names.insert(path, id);
        Ok(())
    }

    /// The path is free, and its parent is a directory.
    fn check_place(&self, path: &TreePath) -> Result<(), TreeError> {
        if self.names.contains_key(path) {
            return Err(TreeError::Exists { path: path.clone() });
        }
        if self.names.len() >= NAME_COUNT_MAX {
            return Err(TreeError::TooManyNames { path: path.clone() });
        }
        let parent = path.parent().expect("the root exists, so this is not the root");
        match self.get(&parent).map(|inode| &inode.node) {
            Some(Node::Directory) => Ok(()),
            Some(Node::Symlink(_)) => {
                Err(TreeError::ThroughSymlink { path: path.clone(), link: parent })
            }
            Some(Node::File(_)) => Err(TreeError::NotADirectory { path: path.clone(), parent }),
            None => Err(TreeError::NoParent { path: path.clone(), parent }),
        }
    }

    /// Bounds the metadata, and lowers its time to the tree's.
    fn checked(&self, path: &TreePath, mut meta: Meta) -> Result<Meta, TreeError> {
        if meta.mode & !MODE_MASK != 0 {
            return Err(TreeError::Mode { path: path.clone(), mode: meta.mode });
        }
        let bytes: usize = meta.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let good = meta.xattrs.len() <= XATTR_COUNT_MAX
            && bytes <= XATTRS_BYTES_MAX
            && meta.xattrs.iter().all(|(name, value)| is_xattr(name, value));
        if !good {
            return Err(TreeError::Xattrs { path: path.clone() });
        }
        meta.mtime_s = meta.mtime_s.min(self.time_s);
        Ok(meta)
    }

    fn drop_name(&mut self, id: InodeId) {
        let inode = self.inode_mut(id);
        inode.name_count -= 1;
        if inode.name_count > 0 {
            return;
        }
        if let Some(Inode { node: Node::File(content), .. }) = self.inodes[id.0].take() {
            self.content_bytes -= content.length();
        }
    }

    fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        self.inodes[id.0].as_mut().expect("an id is given for a file that has a name")
    }
}

fn is_xattr(name: &[u8], value: &[u8]) -> bool {
    let prefix = name.iter().position(|byte| *byte == b'.').unwrap_or(0);
    let is_name = prefix > 0 && prefix + 1 < name.len() && name.len() <= NAME_BYTES_MAX;
    is_name && !name.contains(&0) && value.len() <= XATTR_BYTES_MAX
}
