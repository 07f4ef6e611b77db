//! Reading a file system: the tree in it, and that every byte is as the writer puts it.
//!
//! Nothing is mounted. What is read becomes a [`Tree`], whose rules it must keep, and the tree is
//! planned and written again, into a comparison: an image has one form, so padding, order, places,
//! checksum and id are all checked by that alone.

mod inode;

use super::{BLOCK_BYTES, LARGE_FILE_BYTES_MIN, Options, Plan, write};
use crate::source::{ReadError, Reader, u16_at, u32_at, u64_at};
use crate::tree::{Content, Meta, Node, Tree, TreeError, TreePath};
use inode::Found;
use std::collections::BTreeMap;

pub(super) const FORMAT: &str = "erofs file system";
/// Bytes of one directory: a million names in blocks.
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;
/// As a link's target can be.
const TARGET_BYTES_MAX: u64 = 4096;

/// A file system that was read and is exactly as we write it.
#[derive(Clone, Debug)]
pub struct Volume {
    /// What is in it; contents are ranges of what was read.
    pub tree: Tree,
    /// With these the tree is written to the same bytes.
    pub options: Options,
}

/// Bytes of the file system that begins here; what follows in a partition does not belong to it.
pub fn length_bytes(content: &Content) -> Result<u64, ReadError> {
    Superblock::read(&Reader::open(content, FORMAT)?).map(|superblock| superblock.length_bytes)
}

/// Reads a file system that fills `content`.
pub fn read(content: &Content) -> Result<Volume, ReadError> {
    let volume = read_tree(content)?;
    let reader = Reader::open(content, FORMAT)?;
    let plan = Plan::new(&volume.tree, &volume.options)
        .map_err(|error| reader.damaged(0, error.to_string()))?;
    // Compared first: a plan may be far longer than what claims it.
    if plan.length_bytes() != reader.source.length() {
        return Err(reader.damaged(reader.source.length(), "it has another length than its files"));
    }
    reader.check_rewritten(|to| plan.write(to).map(drop))?;
    Ok(volume)
}

/// Reads what is in a file system without asking whether every byte is right: to say what lies where in
/// an image that may be damaged.
pub(crate) fn read_tree(content: &Content) -> Result<Volume, ReadError> {
    let reader = Reader::open(content, FORMAT)?;
    let superblock = Superblock::read(&reader)?;
    if superblock.length_bytes != reader.source.length() {
        return Err(reader.damaged(reader.source.length(), "it has another length than it says"));
    }
    let mut walk = Walk {
        tree: Tree::new(superblock.time_s),
        files: Vec::new(),
        names: BTreeMap::new(),
        reader: &reader,
        superblock: &superblock,
    };
    walk.directory(TreePath::root(), superblock.root)?;
    let tree = walk.tree;
    let last = last_files(&tree, &superblock.label, &walk.files);
    Ok(Volume { tree, options: Options { label: superblock.label, last } })
}

/// What the superblock says, as far as reading needs it; the rest is checked by writing.
struct Superblock {
    root: u64,
    time_s: u64,
    length_bytes: u64,
    shared_at: u64,
    label: String,
}

impl Superblock {
    fn read(reader: &Reader) -> Result<Self, ReadError> {
        let at = write::SUPERBLOCK_AT as u64;
        let bytes = reader.bytes(at, 128)?;
        if u32_at(&bytes, 0) != write::MAGIC {
            return Err(reader.damaged(at, "there is no superblock"));
        }
        if bytes[12] != write::BLOCK_BITS || u32_at(&bytes, 40) != 0 {
            return Err(reader.damaged(at + 12, "its blocks are not 4,096 bytes from its start"));
        }
        let label = bytes[64..80].split(|byte| *byte == 0).next().unwrap_or_default();
        let label = String::from_utf8(label.to_vec())
            .map_err(|_| reader.damaged(at + 64, "the label is no text"))?;
        Ok(Self {
            root: u16_at(&bytes, 14).into(),
            time_s: u64_at(&bytes, 24),
            length_bytes: u64::from(u32_at(&bytes, 36)) * BLOCK_BYTES,
            shared_at: u64::from(u32_at(&bytes, 44)) * BLOCK_BYTES,
            label,
        })
    }
}

/// A regular file that was met, to find out which ones lie at the end.
struct Met {
    path: TreePath,
    first_block: u32,
    length_bytes: u64,
    /// Whether a file at another place would have its end beside its inode, and this one does not.
    end_is_kept_away: bool,
}

struct Walk<'a> {
    tree: Tree,
    files: Vec<Met>,
    /// The first name of each inode.
    names: BTreeMap<u64, TreePath>,
    reader: &'a Reader,
    superblock: &'a Superblock,
}

impl Walk<'_> {
    /// Adds a directory that is in the tree already, or the root, with all in it. What waits is kept in
    /// a list, since paths may be deep.
    fn directory(&mut self, path: TreePath, number: u64) -> Result<(), ReadError> {
        let mut waiting = vec![(path, number)];
        while let Some((path, number)) = waiting.pop() {
            let found = self.inode(number)?;
            if self.names.insert(number, path.clone()).is_some() {
                return Err(self.reader.damaged(found.at, format!("{path} is a directory twice")));
            }
            let entries = self.entries(&path, &found)?;
            if path.is_root() {
                self.kept(&found, |tree| tree.set_meta(&path, found.meta.clone()))?;
            }
            for (name, number) in entries {
                let place = path
                    .join(&name)
                    .map_err(|error| self.reader.damaged(found.at, error.to_string()))?;
                if self.add(&place, number)? {
                    waiting.push((place, number));
                }
            }
        }
        Ok(())
    }

    /// Adds what a name leads to; whether it is a directory, whose files are to be added as well.
    fn add(&mut self, path: &TreePath, number: u64) -> Result<bool, ReadError> {
        let found = self.inode(number)?;
        if found.is_directory() {
            self.kept(&found, |tree| tree.add_directory(path.clone(), found.meta.clone()))?;
            return Ok(true);
        }
        if let Some(first) = self.names.get(&number).cloned() {
            self.kept(&found, |tree| tree.add_link(path.clone(), &first))?;
            return Ok(false);
        }
        let content = self.content(&found)?;
        let meta: Meta = found.meta.clone();
        if found.is_symlink() {
            if found.length_bytes > TARGET_BYTES_MAX {
                return Err(self.reader.damaged(found.at, format!("{path} has a long target")));
            }
            let target = content.read().map_err(|error| self.reader.failed(error))?;
            self.kept(&found, |tree| tree.add_symlink(path.clone(), meta, target))?;
            return Ok(false);
        }
        self.files.push(Met {
            path: path.clone(),
            first_block: found.first_block,
            length_bytes: found.length_bytes,
            end_is_kept_away: !found.ends_beside
                && super::plan::ends_beside(
                    &Node::File(Content::bytes([])),
                    found.head_bytes,
                    found.length_bytes,
                ),
        });
        self.kept(&found, |tree| tree.add_file(path.clone(), meta, content))?;
        self.names.insert(number, path.clone());
        Ok(false)
    }

    fn kept(
        &mut self,
        found: &Found,
        change: impl FnOnce(&mut Tree) -> Result<(), TreeError>,
    ) -> Result<(), ReadError> {
        change(&mut self.tree).map_err(|error| self.reader.damaged(found.at, error.to_string()))
    }

    fn inode(&self, number: u64) -> Result<Found, ReadError> {
        inode::read(self.reader, number, self.superblock.time_s, self.superblock.shared_at)
    }

    /// Where the bytes of a file lie: in blocks, and its end beside the inode.
    fn content(&self, found: &Found) -> Result<Content, ReadError> {
        let beside = if found.ends_beside { found.length_bytes % BLOCK_BYTES } else { 0 };
        let in_blocks = found.length_bytes - beside;
        let source = &self.reader.source;
        let part = |at: u64, length: u64| match at.checked_add(length) {
            Some(end) if end <= source.length() => Ok(source.part(at, length)),
            _ => Err(self.reader.damaged(found.at, "a file reaches out of the image")),
        };
        let blocks = match in_blocks {
            0 => Content::bytes([]),
            _ => part(u64::from(found.first_block) * BLOCK_BYTES, in_blocks)?,
        };
        let end = part(found.at + found.head_bytes, beside)?;
        Ok(match (in_blocks, beside) {
            (_, 0) => blocks,
            (0, _) => end,
            _ => Content::Joined([blocks, end].into()),
        })
    }

    /// Names and inode numbers of a directory, but for `.` and `..`.
    fn entries(&self, path: &TreePath, found: &Found) -> Result<Vec<(Vec<u8>, u64)>, ReadError> {
        let bad = |problem: &str| self.reader.damaged(found.at, format!("{path} {problem}"));
        if found.length_bytes > DIRECTORY_BYTES_MAX {
            return Err(bad("is a directory of more than 64 MiB"));
        }
        let bytes = self.content(found)?.read().map_err(|error| self.reader.failed(error))?;
        let mut entries = Vec::new();
        for block in bytes.chunks(BLOCK_BYTES as usize) {
            let damaged = || bad("is a directory whose entries are damaged");
            let entry = |at: usize| block.get(at..at + 12).ok_or_else(damaged);
            let names_at = u16_at(entry(0)?, 8) as usize;
            let count = names_at / 12;
            for index in 0..count {
                let this = entry(index * 12)?;
                let start = u16_at(this, 8) as usize;
                let end = match index + 1 < count {
                    true => u16_at(entry((index + 1) * 12)?, 8) as usize,
                    // A block that does not end the directory is filled up with zeros.
                    false => {
                        let zeros = block.iter().rev().take_while(|byte| **byte == 0).count();
                        block.len() - zeros
                    }
                };
                let name = block.get(start..end).ok_or_else(damaged)?;
                if name != b"." && name != b".." {
                    entries.push((name.to_vec(), u64_at(this, 0)));
                }
            }
        }
        Ok(entries)
    }
}

/// The files whose place shows that they were named to lie at the end, in their order: those from the first
/// one on that would lie elsewhere, or otherwise, if it had not been named.
fn last_files(tree: &Tree, label: &str, files: &[Met]) -> Vec<TreePath> {
    let is_large = |met: &Met| met.length_bytes >= LARGE_FILE_BYTES_MIN;
    let mut by_place: Vec<&Met> =
        files.iter().filter(|met| met.first_block != super::inode::NO_BLOCK).collect();
    by_place.sort_by_key(|met| met.first_block);
    let in_order = |pair: &[&Met]| {
        let key = |met: &Met| (is_large(met), met.path.clone());
        key(pair[0]) < key(pair[1])
    };
    let out_of_order = by_place.windows(2).position(|pair| !in_order(pair)).map(|at| at + 1);
    let kept_away = by_place.iter().position(|met| met.end_is_kept_away);
    let first = out_of_order.into_iter().chain(kept_away).min().unwrap_or(by_place.len());
    let from = |first: usize| by_place[first..].iter().map(|met| met.path.clone()).collect();
    // Those before may still be files of the end, which begin on the border of a chunk.
    let options = Options { label: label.to_owned(), last: from(first) };
    let Ok(plan) = Plan::new(tree, &options) else { return options.last };
    let planned: BTreeMap<&TreePath, u32> =
        plan.files.iter().map(|file| (file.path, file.first_block)).collect();
    let moved = |met: &&Met| planned.get(&met.path) != Some(&met.first_block);
    match by_place[..first].iter().position(moved) {
        Some(earlier) => from(earlier),
        None => options.last,
    }
}
