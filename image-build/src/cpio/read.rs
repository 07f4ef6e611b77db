//! Reading an archive: the tree in it, and that every byte is as the writer puts it.

use super::{S_IFDIR, S_IFLNK, S_IFREG, TRAILER, write};
use crate::source::{ReadError, Reader};
use crate::tree::{Content, Meta, NAME_COUNT_MAX, PATH_BYTES_MAX, Tree, TreeError, TreePath};
use std::collections::BTreeMap;

const FORMAT: &str = "cpio archive";
const HEAD_BYTES: u64 = 6 + 13 * 8;
const S_IFMT: u32 = 0o170_000;
/// As a link's target can be.
const TARGET_BYTES_MAX: u64 = 4096;
/// Later than any time that the format can say.
const TIME_S: u64 = 1 << 32;

/// An archive that was read and is exactly as we write it.
#[derive(Clone, Debug)]
pub struct Archive {
    /// What is in it; contents are ranges of what was read.
    pub tree: Tree,
    /// Where the records begin and what they are of, in their order; the last one ends the archive.
    pub records: Vec<Record>,
}

/// One record's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The file; the root for the record that ends the archive.
    pub path: TreePath,
    /// Where it begins.
    pub at: u64,
    /// Where its content begins.
    pub content_at: u64,
    /// Bytes of its content.
    pub length_bytes: u64,
}

/// Reads an archive that fills `content`.
pub fn read(content: &Content) -> Result<Archive, ReadError> {
    let archive = read_tree(content)?;
    let reader = Reader::open(content, FORMAT)?;
    reader.check_rewritten(|to| write(&archive.tree, to).map(drop))?;
    Ok(archive)
}

/// Bytes of the archive that begins here; what follows in a partition does not belong to it.
pub fn length_bytes(content: &Content) -> Result<u64, ReadError> {
    let archive = read_tree(content)?;
    let end = archive.records.last().map_or(0, |record| record.content_at);
    Ok(end.next_multiple_of(512))
}

/// Reads what is in an archive without asking whether every byte is right.
pub(crate) fn read_tree(content: &Content) -> Result<Archive, ReadError> {
    let reader = Reader::open(content, FORMAT)?;
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let entry = Entry::read(&reader, at)?;
        at = entry.end();
        let is_last = entry.name == TRAILER;
        found.push(entry);
        if is_last {
            break;
        }
        if found.len() > NAME_COUNT_MAX {
            return Err(reader.damaged(at, "it has more than a million files"));
        }
    }
    let tree = tree(&reader, &found)?;
    let record = |entry: Entry| Record {
        path: TreePath::new(&entry.name).unwrap_or_else(|_| TreePath::root()),
        at: entry.at,
        content_at: entry.content_at,
        length_bytes: entry.length_bytes,
    };
    let mut records: Vec<Record> = found.into_iter().map(record).collect();
    if let Some(last) = records.last_mut() {
        last.path = TreePath::root();
    }
    Ok(Archive { tree, records })
}

/// What one record says.
struct Entry {
    at: u64,
    name: Vec<u8>,
    number: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime_s: u32,
    content_at: u64,
    length_bytes: u64,
}

impl Entry {
    fn read(reader: &Reader, at: u64) -> Result<Self, ReadError> {
        let head = reader.bytes(at, HEAD_BYTES as usize)?;
        if !head.starts_with(b"070701") {
            return Err(reader.damaged(at, "no record begins there"));
        }
        let number = |index: usize| {
            let digits = &head[6 + index * 8..][..8];
            let text = std::str::from_utf8(digits).ok();
            let plain = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
            plain
                .and_then(|text| u32::from_str_radix(text, 16).ok())
                .ok_or_else(|| reader.damaged(at, "a number of a record is none"))
        };
        let name_bytes = number(11)? as usize;
        if !(1..=PATH_BYTES_MAX + 1).contains(&name_bytes) {
            return Err(reader.damaged(at, "the name of a record is empty or too long"));
        }
        let mut name = reader.bytes(at + HEAD_BYTES, name_bytes)?;
        if name.pop() != Some(0) {
            return Err(reader.damaged(at, "the name of a record does not end"));
        }
        let content_at = (at + HEAD_BYTES + name_bytes as u64).next_multiple_of(4);
        let length_bytes = u64::from(number(6)?);
        if content_at + length_bytes > reader.source.length() {
            return Err(reader.damaged(at, "a file reaches out of the archive"));
        }
        Ok(Self {
            at,
            name,
            number: number(0)?,
            mode: number(1)?,
            uid: number(2)?,
            gid: number(3)?,
            mtime_s: number(5)?,
            content_at,
            length_bytes,
        })
    }

    fn end(&self) -> u64 {
        (self.content_at + self.length_bytes).next_multiple_of(4)
    }

    fn meta(&self) -> Meta {
        Meta {
            mode: (self.mode & !S_IFMT) as u16,
            uid: self.uid,
            gid: self.gid,
            mtime_s: self.mtime_s.into(),
            xattrs: BTreeMap::new(),
        }
    }
}

fn tree(reader: &Reader, entries: &[Entry]) -> Result<Tree, ReadError> {
    let source = &reader.source;
    // Of hard links the last name has the content.
    let mut contents: BTreeMap<u32, Content> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.mode & S_IFMT == S_IFREG) {
        contents.insert(entry.number, source.part(entry.content_at, entry.length_bytes));
    }
    let mut tree = Tree::new(TIME_S);
    let mut first_names: BTreeMap<u32, TreePath> = BTreeMap::new();
    for entry in entries.iter().take(entries.len() - 1) {
        let damaged = |error: TreeError| reader.damaged(entry.at, error.to_string());
        let path = TreePath::new(&entry.name).map_err(damaged)?;
        let meta = entry.meta();
        match entry.mode & S_IFMT {
            S_IFDIR => tree.add_directory(path, meta),
            S_IFLNK if entry.length_bytes <= TARGET_BYTES_MAX => {
                let target = reader.bytes(entry.content_at, entry.length_bytes as usize)?;
                tree.add_symlink(path, meta, target)
            }
            S_IFREG => match first_names.get(&entry.number) {
                Some(first) => tree.add_link(path, first),
                None => {
                    first_names.insert(entry.number, path.clone());
                    tree.add_file(path, meta, contents[&entry.number].clone())
                }
            },
            _ => return Err(reader.damaged(entry.at, "a record is of no kind that we write")),
        }
        .map_err(damaged)?;
    }
    Ok(tree)
}
