//! Where everything of a tree lies in the image, before a byte of content is read.

use super::directory::{Directory, Entry, FileType};
use super::inode::{self, DataLayout, NO_BLOCK, SLOT_BYTES};
use super::xattr::Shared;
use super::{BLOCK_BYTES, ErofsError, LARGE_ALIGNMENT_BYTES, LARGE_FILE_BYTES_MIN, Options};
use crate::tree::{Inode, InodeId, Node, Tree, TreePath};
use std::collections::BTreeMap;

/// Where the superblock ends and the inodes begin.
pub(super) const INODES_START: u64 = 1024 + 128;
/// The number of the root has 16 bits; it is the first, so this always holds.
const ROOT_SLOT: u64 = INODES_START / SLOT_BYTES;
/// A larger end of a file gets a block of its own: beside an inode it would rather waste room, since
/// it must not cross a border of blocks.
const INLINE_BYTES_MAX: u64 = 2048;
/// The label on disk ends with a zero.
const LABEL_BYTES_MAX: usize = 15;

/// A checked plan of one file system; borrows its tree.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(super) tree: &'a Tree,
    pub(super) label: String,
    pub(super) files: Vec<File<'a>>,
    pub(super) shared: Vec<u8>,
    /// The block where the shared attributes begin.
    pub(super) shared_block: u32,
    pub(super) block_count: u32,
    /// Indices of the files with blocks, in the order of their blocks.
    pub(super) data_order: Vec<usize>,
}

/// One inode and its place.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// Its first name, for messages and attributes.
    pub path: &'a TreePath,
    pub inode: &'a Inode,
    pub directory: Option<Directory>,
    pub length_bytes: u64,
    pub link_count: u32,
    pub compact: bool,
    pub layout: DataLayout,
    pub xattrs: Vec<u8>,
    /// The byte where the inode lies.
    pub at: u64,
    pub first_block: u32,
    area: Area,
}

/// Which part of the image the blocks of a file lie in; the order is that of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Area {
    Metadata,
    Small,
    Large,
    Last(usize),
}

impl File<'_> {
    /// Bytes that lie in blocks; the rest is beside the inode.
    pub fn block_bytes(&self) -> u64 {
        match self.layout {
            DataLayout::Plain => self.length_bytes,
            DataLayout::Inline => self.length_bytes - self.length_bytes % BLOCK_BYTES,
        }
    }

    pub fn block_count(&self) -> u64 {
        self.block_bytes().div_ceil(BLOCK_BYTES)
    }

    /// The number by which directories name it.
    pub fn node_number(&self) -> u64 {
        self.at / SLOT_BYTES
    }

    pub fn inode_bytes(&self) -> u64 {
        if self.compact { inode::COMPACT_BYTES } else { inode::EXTENDED_BYTES }
    }

    pub fn inline_bytes(&self) -> u64 {
        self.length_bytes - self.block_bytes().min(self.length_bytes)
    }
}

impl<'a> Plan<'a> {
    /// Plans a file system of a tree.
    pub fn new(tree: &'a Tree, options: &Options) -> Result<Self, ErofsError> {
        if options.label.len() > LABEL_BYTES_MAX {
            return Err(ErofsError::Label { label: options.label.clone() });
        }
        let mut files = collect(tree, &last_files(tree, options)?)?;
        let metadata_end = place_inodes(&mut files);
        let shared = Shared::of(tree)?.area;
        let shared_start = metadata_end.next_multiple_of(BLOCK_BYTES);
        let data_start = (shared_start + shared.len() as u64).next_multiple_of(BLOCK_BYTES);
        let (data_order, end) = place_blocks(&mut files, data_start)?;
        Ok(Self {
            tree,
            label: options.label.clone(),
            files,
            shared,
            shared_block: block(shared_start)?,
            block_count: block(end)?,
            data_order,
        })
    }

    /// Bytes of the whole file system.
    pub fn length_bytes(&self) -> u64 {
        u64::from(self.block_count) * BLOCK_BYTES
    }

    /// Inodes in it.
    pub fn inode_count(&self) -> usize {
        self.files.len()
    }

    pub(super) fn root_slot(&self) -> u16 {
        debug_assert_eq!(self.files[0].node_number(), ROOT_SLOT);
        ROOT_SLOT as u16
    }
}

/// Which files lie at the end, and in which order.
fn last_files(tree: &Tree, options: &Options) -> Result<BTreeMap<InodeId, usize>, ErofsError> {
    let mut last = BTreeMap::new();
    for (order, path) in options.last.iter().enumerate() {
        let file = tree.id(path).filter(|id| matches!(tree.inode(*id).node, Node::File(_)));
        let id = file.ok_or_else(|| ErofsError::Last { path: path.clone() })?;
        last.entry(id).or_insert(order);
    }
    Ok(last)
}

/// One `File` for each inode, in the order of the walk.
fn collect<'a>(
    tree: &'a Tree,
    last: &BTreeMap<InodeId, usize>,
) -> Result<Vec<File<'a>>, ErofsError> {
    let mut indices: BTreeMap<InodeId, usize> = BTreeMap::new();
    let mut firsts = Vec::new();
    let mut entries: BTreeMap<InodeId, Vec<Entry>> = BTreeMap::new();
    for (path, id, inode) in tree.walk() {
        let index = *indices.entry(id).or_insert_with(|| {
            firsts.push((path, id, inode));
            firsts.len() - 1
        });
        let parent = path.parent().map_or(id, |parent| {
            tree.id(&parent).expect("every parent is a directory of the tree")
        });
        let (name, file_type) = (path.name().to_vec(), file_type(&inode.node));
        if !path.is_root() {
            entries.entry(parent).or_default().push(Entry { name, inode: index, file_type });
        }
        if file_type == FileType::Directory {
            let dot = |name: &[u8], inode| Entry { name: name.to_vec(), inode, file_type };
            let dots = [dot(b".", index), dot(b"..", indices[&parent])];
            entries.entry(id).or_default().extend(dots);
        }
    }
    let shared = Shared::of(tree)?;
    let file = |(path, id, inode)| file(tree, &shared, last, path, id, inode, entries.remove(&id));
    firsts.into_iter().map(file).collect()
}

fn file<'a>(
    tree: &Tree,
    shared: &Shared,
    last: &BTreeMap<InodeId, usize>,
    path: &'a TreePath,
    id: InodeId,
    inode: &'a Inode,
    entries: Option<Vec<Entry>>,
) -> Result<File<'a>, ErofsError> {
    let subdirectories = |entries: &Vec<Entry>| {
        entries.iter().filter(|entry| entry.file_type == FileType::Directory).count()
    };
    // A directory is named by its parent, by itself and by each directory in it: as many entries of
    // type directory as it has, since `..` stands for the name that its parent gives it.
    let link_count = entries.as_ref().map_or(inode.name_count, |e| subdirectories(e) as u32);
    let directory = entries.map(Directory::new);
    let length_bytes = match &inode.node {
        Node::Directory => directory.as_ref().map_or(0, Directory::length_bytes),
        Node::File(content) => content.length(),
        Node::Symlink(target) => target.len() as u64,
    };
    let area = match (&inode.node, last.get(&id)) {
        (_, Some(order)) => Area::Last(*order),
        (Node::File(_), None) if length_bytes >= LARGE_FILE_BYTES_MIN => Area::Large,
        (Node::File(_), None) => Area::Small,
        _ => Area::Metadata,
    };
    let xattrs = shared.body(path, inode)?;
    let compact = inode::is_compact(&inode.meta, length_bytes, link_count, tree.time_s());
    let mut file = File {
        path,
        inode,
        directory,
        length_bytes,
        link_count,
        compact,
        layout: DataLayout::Plain,
        xattrs,
        at: 0,
        first_block: NO_BLOCK,
        area,
    };
    // Beside an inode, the end of a file that changes would move the inodes after it.
    let head_bytes = file.inode_bytes() + file.xattrs.len() as u64;
    if !matches!(area, Area::Last(_)) && ends_beside(&inode.node, head_bytes, length_bytes) {
        file.layout = DataLayout::Inline;
    }
    Ok(file)
}

/// Whether the end of a file that does not lie at the end of the image lies beside its inode, which has
/// `head_bytes` with its attributes.
pub(super) fn ends_beside(node: &Node, head_bytes: u64, length_bytes: u64) -> bool {
    let end_bytes = length_bytes % BLOCK_BYTES;
    // The end of a link's target is where the kernel looks for it first.
    let beside_max = match node {
        Node::Symlink(_) => BLOCK_BYTES,
        _ => INLINE_BYTES_MAX,
    };
    end_bytes > 0 && head_bytes + end_bytes <= beside_max
}

/// Gives every inode its place; yields where the last one ends.
fn place_inodes(files: &mut [File]) -> u64 {
    let mut at = INODES_START;
    for file in files {
        at = at.next_multiple_of(SLOT_BYTES);
        let head = file.inode_bytes() + file.xattrs.len() as u64;
        let inline = file.inline_bytes();
        // The end of a file must not cross a border of blocks; nor does an inode, so that reading
        // one reads one block.
        let crosses = |from: u64, length: u64| {
            length > 0 && from / BLOCK_BYTES != (from + length - 1) / BLOCK_BYTES
        };
        if crosses(at + head, inline) || crosses(at, file.inode_bytes()) {
            at = at.next_multiple_of(BLOCK_BYTES);
        }
        file.at = at;
        at += head + inline;
    }
    at
}

/// Gives every file with blocks its first one; yields the order of the files on disk, and the end.
fn place_blocks(files: &mut [File], start: u64) -> Result<(Vec<usize>, u64), ErofsError> {
    let mut order: Vec<usize> =
        (0..files.len()).filter(|index| files[*index].block_count() > 0).collect();
    // Stable: within an area the order of the walk stays.
    order.sort_by_key(|index| files[*index].area);
    let mut at = start;
    for index in &order {
        let file = &mut files[*index];
        if file.area >= Area::Large {
            at = at.next_multiple_of(LARGE_ALIGNMENT_BYTES);
        }
        file.first_block = block(at)?;
        let bytes = file.block_count().checked_mul(BLOCK_BYTES).ok_or(ErofsError::TooLarge)?;
        at = at.checked_add(bytes).ok_or(ErofsError::TooLarge)?;
    }
    Ok((order, at))
}

fn block(at: u64) -> Result<u32, ErofsError> {
    debug_assert_eq!(at % BLOCK_BYTES, 0);
    u32::try_from(at / BLOCK_BYTES).map_err(|_| ErofsError::TooLarge)
}

fn file_type(node: &Node) -> FileType {
    match node {
        Node::Directory => FileType::Directory,
        Node::File(_) => FileType::Regular,
        Node::Symlink(_) => FileType::Symlink,
    }
}
