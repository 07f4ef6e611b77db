//! What lies at a byte of a file system.

use super::plan::{File, INODES_START, Plan};
use super::{BLOCK_BYTES, Volume, write};
use crate::place::Place;
use crate::tree::Node;

impl Volume {
    /// What lies at a byte; none beyond the end.
    pub fn place(&self, byte: u64) -> Option<Place> {
        let plan = Plan::new(&self.tree, &self.options).ok()?;
        plan.place(byte)
    }
}

impl Plan<'_> {
    fn place(&self, byte: u64) -> Option<Place> {
        if byte >= self.length_bytes() {
            return None;
        }
        if byte < INODES_START {
            let start = write::SUPERBLOCK_AT as u64;
            return Some(match byte.checked_sub(start) {
                Some(byte) => Place::of("superblock", byte),
                None => Place::of("before the superblock", byte),
            });
        }
        let block = byte / BLOCK_BYTES;
        if let Some(file) = self.file_of_block(block) {
            let at = byte - u64::from(file.first_block) * BLOCK_BYTES;
            return Some(match at < file.block_bytes() {
                true => Place::of(name(file), at),
                false => Place::of(format!("behind the end of {}", file.path), at),
            });
        }
        let shared_at = u64::from(self.shared_block) * BLOCK_BYTES;
        if byte >= shared_at {
            let is_shared = byte - shared_at < self.shared.len() as u64;
            let step = if is_shared { "shared attributes" } else { "padding between files" };
            return Some(Place::of(step, byte - shared_at));
        }
        // Inodes lie in the order of their files.
        let after = self.files.partition_point(|file| file.at <= byte);
        let file = self.files.get(after.checked_sub(1)?)?;
        let mut at = byte - file.at;
        let parts = [
            (format!("inode of {}", file.path), file.inode_bytes()),
            (format!("attributes of {}", file.path), file.xattrs.len() as u64),
        ];
        for (step, length) in parts {
            if at < length {
                return Some(Place::of(step, at));
            }
            at -= length;
        }
        Some(match at < file.inline_bytes() {
            true => Place::of(name(file), file.block_bytes() + at),
            false => Place::of(format!("padding after the inode of {}", file.path), at),
        })
    }

    fn file_of_block(&self, block: u64) -> Option<&File<'_>> {
        let first = |index: &usize| u64::from(self.files[*index].first_block);
        let after = self.data_order.partition_point(|index| first(index) <= block);
        let file = &self.files[self.data_order[after.checked_sub(1)?]];
        (block < u64::from(file.first_block) + file.block_count()).then_some(file)
    }
}

fn name(file: &File) -> String {
    let kind = match file.inode.node {
        Node::Directory => "directory",
        Node::File(_) => "file",
        Node::Symlink(_) => "link",
    };
    format!("{kind} {}", file.path)
}
