//! One inode with its attributes.

use crate::erofs::inode::{
    COMPACT_BYTES, DataLayout, EXTENDED_BYTES, S_IFDIR, S_IFLNK, S_IFREG, SLOT_BYTES,
};
use crate::erofs::xattr::{CLASSES, HEADER_BYTES};
use crate::source::{ReadError, Reader, u16_at, u32_at, u64_at};
use crate::tree::{Meta, XATTR_COUNT_MAX};
use std::collections::BTreeMap;

const S_IFMT: u16 = 0o170_000;

/// What an inode says.
#[derive(Debug)]
pub struct Found {
    /// The byte where it lies.
    pub at: u64,
    pub meta: Meta,
    kind: u16,
    pub length_bytes: u64,
    pub first_block: u32,
    /// Whether the end of the file lies after the inode.
    pub ends_beside: bool,
    /// Bytes of the inode with its attributes.
    pub head_bytes: u64,
}

impl Found {
    pub fn is_directory(&self) -> bool {
        self.kind == S_IFDIR
    }

    pub fn is_symlink(&self) -> bool {
        self.kind == S_IFLNK
    }
}

/// Reads the inode of a number; `time_s` is the time of those that have none.
pub fn read(reader: &Reader, number: u64, time_s: u64, shared_at: u64) -> Result<Found, ReadError> {
    let out = || reader.damaged(0, format!("inode {number} lies out of the image"));
    let at =
        number.checked_mul(SLOT_BYTES).filter(|at| *at < reader.source.length()).ok_or_else(out)?;
    let first: [u8; COMPACT_BYTES as usize] = reader.array(at)?;
    let (format, icount, mode) = (u16_at(&first, 0), u16_at(&first, 2), u16_at(&first, 4));
    let is_compact = format & 1 == 0;
    let ends_beside = match format >> 1 {
        plain if plain == DataLayout::Plain as u16 => false,
        inline if inline == DataLayout::Inline as u16 => true,
        _ => return Err(reader.damaged(at, "an inode has a form that we do not write")),
    };
    let kind = mode & S_IFMT;
    if ![S_IFDIR, S_IFREG, S_IFLNK].contains(&kind) {
        return Err(reader.damaged(at, "an inode is neither file, directory nor link"));
    }
    let mut meta =
        Meta { mode: mode & !S_IFMT, uid: 0, gid: 0, mtime_s: time_s, xattrs: BTreeMap::new() };
    let (length_bytes, inode_bytes);
    if is_compact {
        length_bytes = u64::from(u32_at(&first, 8));
        inode_bytes = COMPACT_BYTES;
        (meta.uid, meta.gid) = (u16_at(&first, 24).into(), u16_at(&first, 26).into());
    } else {
        let whole = reader.bytes(at, EXTENDED_BYTES as usize)?;
        length_bytes = u64_at(&whole, 8);
        inode_bytes = EXTENDED_BYTES;
        (meta.uid, meta.gid) = (u32_at(&whole, 24), u32_at(&whole, 28));
        meta.mtime_s = u64_at(&whole, 32);
    }
    let xattr_bytes = match icount {
        0 => 0,
        words => HEADER_BYTES as u64 + u64::from(words - 1) * 4,
    };
    if icount > 0 {
        let body = reader.bytes(at + inode_bytes, xattr_bytes as usize)?;
        meta.xattrs = attributes(reader, at, &body, shared_at)?;
    }
    // The place of the first block is where both forms have it.
    let first_block = u32_at(&first, 16);
    let head_bytes = inode_bytes + xattr_bytes;
    Ok(Found { at, meta, kind, length_bytes, first_block, ends_beside, head_bytes })
}

/// The attributes of an inode: those it shares by their number, then its own.
fn attributes(
    reader: &Reader,
    at: u64,
    body: &[u8],
    shared_at: u64,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ReadError> {
    let bad = || reader.damaged(at, "the attributes of an inode are damaged");
    let own_at = HEADER_BYTES + usize::from(body[4]) * 4;
    let numbers = body.get(HEADER_BYTES..own_at).ok_or_else(bad)?;
    let mut found = BTreeMap::new();
    for number in numbers.chunks_exact(4) {
        let place = shared_at + u64::from(u32_at(number, 0)) * 4;
        let head: [u8; 4] = reader.array(place)?;
        let bytes = reader.bytes(place, attribute_bytes(&head))?;
        let (name, value) = attribute(&bytes).ok_or_else(bad)?;
        found.insert(name, value);
    }
    let mut rest = &body[own_at..];
    while !rest.is_empty() {
        let head = rest.get(..4).ok_or_else(bad)?;
        let length = attribute_bytes(head);
        let (name, value) = attribute(rest.get(..length).ok_or_else(bad)?).ok_or_else(bad)?;
        found.insert(name, value);
        rest = rest.get(length.next_multiple_of(4)..).ok_or_else(bad)?;
    }
    if found.len() > XATTR_COUNT_MAX {
        return Err(bad());
    }
    Ok(found)
}

fn attribute_bytes(head: &[u8]) -> usize {
    4 + usize::from(head[0]) + usize::from(u16_at(head, 2))
}

/// Full name and value.
fn attribute(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let name_end = 4 + usize::from(bytes[0]);
    let (class, _) = CLASSES.iter().find(|(_, class)| *class == bytes[1])?;
    let name = [*class, &bytes[4..name_end]].concat();
    Some((name, bytes[name_end..].to_vec()))
}
