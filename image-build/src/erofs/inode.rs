//! The form of an inode on disk: 32 bytes where they suffice, else 64.

use crate::tree::{Meta, Node};

pub const COMPACT_BYTES: u64 = 32;
pub const EXTENDED_BYTES: u64 = 64;
/// Every inode begins on a multiple of this; its number counts these slots.
pub const SLOT_BYTES: u64 = 32;

/// What stands where the first block would, when no block belongs to the file.
pub const NO_BLOCK: u32 = u32::MAX;

pub const S_IFDIR: u16 = 0o040_000;
pub const S_IFREG: u16 = 0o100_000;
pub const S_IFLNK: u16 = 0o120_000;

/// How the bytes of a file lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataLayout {
    /// In blocks alone.
    Plain = 0,
    /// In blocks, the last incomplete one right after the inode.
    Inline = 2,
}

/// All that an inode says.
#[derive(Clone, Debug)]
pub struct Encoded<'a> {
    pub meta: &'a Meta,
    pub node: &'a Node,
    pub length_bytes: u64,
    pub link_count: u32,
    pub layout: DataLayout,
    pub first_block: u32,
    /// For systems with small numbers; counts inodes from 1.
    pub number: u32,
    pub xattr_icount: u16,
}

/// Whether 32 bytes suffice. Such an inode has the time of the file system itself.
pub fn is_compact(meta: &Meta, length_bytes: u64, link_count: u32, time_s: u64) -> bool {
    let small = |number: u32| u16::try_from(number).is_ok();
    meta.mtime_s == time_s
        && u32::try_from(length_bytes).is_ok()
        && [meta.uid, meta.gid, link_count].into_iter().all(small)
}

impl Encoded<'_> {
    pub fn encode(&self, compact: bool) -> Vec<u8> {
        let meta = self.meta;
        let format = (self.layout as u16) << 1 | u16::from(!compact);
        let mut bytes = Vec::with_capacity(EXTENDED_BYTES as usize);
        bytes.extend(format.to_le_bytes());
        bytes.extend(self.xattr_icount.to_le_bytes());
        bytes.extend((meta.mode | file_type_bits(self.node)).to_le_bytes());
        if compact {
            bytes.extend((self.link_count as u16).to_le_bytes());
            bytes.extend((self.length_bytes as u32).to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend(self.first_block.to_le_bytes());
            bytes.extend(self.number.to_le_bytes());
            bytes.extend((meta.uid as u16).to_le_bytes());
            bytes.extend((meta.gid as u16).to_le_bytes());
            bytes.extend([0; 4]);
        } else {
            bytes.extend([0; 2]);
            bytes.extend(self.length_bytes.to_le_bytes());
            bytes.extend(self.first_block.to_le_bytes());
            bytes.extend(self.number.to_le_bytes());
            bytes.extend(meta.uid.to_le_bytes());
            bytes.extend(meta.gid.to_le_bytes());
            bytes.extend(meta.mtime_s.to_le_bytes());
            bytes.extend([0; 4]); // Nanoseconds.
            bytes.extend(self.link_count.to_le_bytes());
            bytes.extend([0; 16]);
        }
        bytes
    }
}

fn file_type_bits(node: &Node) -> u16 {
    match node {
        Node::Directory => S_IFDIR,
        Node::File(_) => S_IFREG,
        Node::Symlink(_) => S_IFLNK,
    }
}
