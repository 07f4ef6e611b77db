//! The content of a directory: blocks of entries, then names, in the order of the names' bytes.

use super::BLOCK_BYTES;

const ENTRY_BYTES: usize = 12;
const BLOCK: usize = BLOCK_BYTES as usize;

/// What an entry says of its file's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FileType {
    Regular = 1,
    Directory = 2,
    Symlink = 7,
}

/// One entry: the name, and which inode (an index of the plan) it leads to.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: Vec<u8>,
    pub inode: usize,
    pub file_type: FileType,
}

/// A directory's entries, sorted, with `.` and `..` among them, cut into blocks.
#[derive(Clone, Debug)]
pub struct Directory {
    entries: Vec<Entry>,
    /// For each block, the index after its last entry.
    ends: Vec<usize>,
    /// Bytes of the last block that are in use; all others count whole.
    last_bytes: usize,
}

impl Directory {
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut ends, mut used) = (Vec::new(), 0);
        for (index, entry) in entries.iter().enumerate() {
            let bytes = ENTRY_BYTES + entry.name.len();
            if used + bytes > BLOCK {
                ends.push(index);
                used = 0;
            }
            used += bytes;
        }
        ends.push(entries.len());
        Self { entries, ends, last_bytes: used }
    }

    /// The length that the inode says.
    pub fn length_bytes(&self) -> u64 {
        ((self.ends.len() - 1) * BLOCK + self.last_bytes) as u64
    }

    /// The bytes; `node` gives the number by which an inode of the plan is known on disk.
    pub fn encode(&self, node: impl Fn(usize) -> u64) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(self.ends.len() * BLOCK);
        let mut begin = 0;
        for end in &self.ends {
            let entries = &self.entries[begin..*end];
            encoded.resize(encoded.len().next_multiple_of(BLOCK), 0);
            let mut name_at = entries.len() * ENTRY_BYTES;
            for entry in entries {
                encoded.extend(node(entry.inode).to_le_bytes());
                encoded.extend((name_at as u16).to_le_bytes());
                encoded.extend([entry.file_type as u8, 0]);
                name_at += entry.name.len();
            }
            encoded.extend(entries.iter().flat_map(|entry| &entry.name));
            begin = *end;
        }
        encoded
    }
}
