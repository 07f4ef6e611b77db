//! Reading a partition table, strictly.

use super::{
    ENTRIES_BYTES, ENTRY_BYTES, ENTRY_COUNT, Entry, HEADER_BYTES, LABEL_UNITS, SECTOR, SIGNATURE,
    Table,
};
use os_kit_disk_layout::{Guid, HEAD_SECTORS, SECTOR_BYTES, TAIL_SECTORS};
use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};
use thiserror::Error;

/// Sectors of the smallest disk that has room for both copies and one sector of content.
const SECTORS_MIN: u64 = HEAD_SECTORS + TAIL_SECTORS + 1;
/// 1 PiB: sums of sectors stay far from overflowing.
const SECTORS_MAX: u64 = 1 << 41;

/// A partition table that is not as we write it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GptError {
    /// The disk cannot be read.
    #[error("cannot read the partition table: {0}; is this a whole disk image?")]
    Read(#[from] io::Error),
    /// The disk is no disk.
    #[error("{bytes} bytes are no disk: whole sectors of 512 bytes, 68 of them to 2^41")]
    Size {
        /// Its bytes.
        bytes: u64,
    },
    /// A part of the table is damaged.
    #[error(
        "the {part} at sector {sector} is damaged: {problem}; write the image to the disk again"
    )]
    Damaged {
        /// Such as `header`.
        part: &'static str,
        /// Where it lies.
        sector: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// One entry is not one of ours.
    #[error("partition {number}: {problem}; write the image to the disk again")]
    Entry {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// Beginning and end of the disk disagree, as after a grown disk or half a write.
    #[error("the copies at the beginning and the end differ; write the image to the disk again")]
    CopiesDiffer,
}

/// Reads and checks both copies of the table of a whole disk.
pub fn read(disk: &mut (impl Read + Seek)) -> Result<Table, GptError> {
    let bytes = disk.seek(SeekFrom::End(0))?;
    let sector_count = bytes / SECTOR_BYTES;
    if bytes % SECTOR_BYTES != 0 || !(SECTORS_MIN..=SECTORS_MAX).contains(&sector_count) {
        return Err(GptError::Size { bytes });
    }
    let mut head = vec![0; (HEAD_SECTORS * SECTOR_BYTES) as usize];
    disk.seek(SeekFrom::Start(0))?;
    disk.read_exact(&mut head)?;
    let mut tail = vec![0; (TAIL_SECTORS * SECTOR_BYTES) as usize];
    disk.seek(SeekFrom::Start((sector_count - TAIL_SECTORS) * SECTOR_BYTES))?;
    disk.read_exact(&mut tail)?;

    let first = decode(&head[SECTOR..2 * SECTOR], &head[2 * SECTOR..], 1, sector_count)?;
    let (entries, header) = tail.split_at(ENTRIES_BYTES);
    let second = decode(header, entries, sector_count - 1, sector_count)?;
    // Every byte that the writer puts down is compared: reserved fields, padding, the record.
    if first != second || first.tail() != tail {
        return Err(GptError::CopiesDiffer);
    }
    if first.head() != head {
        let problem = "bytes that should be fixed are not";
        return Err(GptError::Damaged { part: "protective record or header", sector: 0, problem });
    }
    Ok(first)
}

/// Reads and checks the copy at the beginning alone, as one that reads a disk as a stream must. The copy at the
/// end is then compared with [`Table::tail`].
pub fn read_head(head: &[u8]) -> Result<Table, GptError> {
    if head.len() != super::HEAD_BYTES {
        return Err(GptError::Size { bytes: head.len() as u64 });
    }
    let header = &head[SECTOR..2 * SECTOR];
    // The last sector has the other header.
    let last = u64::from_le_bytes(array(header, 32));
    if !(SECTORS_MIN - 1..SECTORS_MAX).contains(&last) {
        let problem = "the other header lies at a sector that no disk has";
        return Err(GptError::Damaged { part: "header", sector: 1, problem });
    }
    let table = decode(header, &head[2 * SECTOR..], 1, last + 1)?;
    if table.head() != head {
        let problem = "bytes that should be fixed are not";
        return Err(GptError::Damaged { part: "protective record or header", sector: 0, problem });
    }
    Ok(table)
}

fn decode(
    header: &[u8],
    entries: &[u8],
    sector: u64,
    sector_count: u64,
) -> Result<Table, GptError> {
    let damaged = |problem| GptError::Damaged { part: "header", sector, problem };
    let u32_at = |at: usize| u32::from_le_bytes(array(header, at));
    if header[..8] != SIGNATURE {
        return Err(damaged("it does not begin with `EFI PART`"));
    }
    if u32_at(12) as usize != HEADER_BYTES {
        return Err(damaged("its length is not 92"));
    }
    let mut checked = header[..HEADER_BYTES].to_vec();
    checked[16..20].fill(0);
    if crc32fast::hash(&checked) != u32_at(16) {
        return Err(damaged("its checksum is wrong"));
    }
    if (u32_at(80) as usize, u32_at(84) as usize) != (ENTRY_COUNT, ENTRY_BYTES) {
        return Err(damaged("it does not have 128 entries of 128 bytes"));
    }
    if crc32fast::hash(entries) != u32_at(88) {
        return Err(damaged("the checksum of its entries is wrong"));
    }
    let id = Guid::from_gpt_bytes(array(header, 56));
    let entries = decode_entries(entries, sector_count)?;
    Ok(Table { id, sector_count, entries })
}

fn decode_entries(encoded: &[u8], sector_count: u64) -> Result<Vec<Entry>, GptError> {
    let mut entries = Vec::new();
    let mut ids = BTreeSet::new();
    let mut free_from = HEAD_SECTORS;
    let used = encoded.chunks_exact(ENTRY_BYTES).take_while(|entry| entry[..16] != [0; 16]);
    for (index, encoded) in used.enumerate() {
        let bad = |problem| GptError::Entry { number: index + 1, problem };
        let entry = Entry {
            type_id: Guid::from_gpt_bytes(array(encoded, 0)),
            id: Guid::from_gpt_bytes(array(encoded, 16)),
            first_sector: u64::from_le_bytes(array(encoded, 32)),
            last_sector: u64::from_le_bytes(array(encoded, 40)),
            attributes: u64::from_le_bytes(array(encoded, 48)),
            label: decode_label(&encoded[56..]).ok_or_else(|| bad("its label is no text"))?,
        };
        if !ids.insert(entry.id) {
            return Err(bad("another one has its id"));
        }
        if entry.first_sector < free_from {
            return Err(bad("it overlaps what lies before it, or the order is wrong"));
        }
        if entry.last_sector < entry.first_sector
            || entry.last_sector >= sector_count - TAIL_SECTORS
        {
            return Err(bad("it ends before it begins, or reaches out of the disk"));
        }
        free_from = entry.last_sector + 1;
        entries.push(entry);
    }
    Ok(entries)
}

/// The text up to the first zero.
fn decode_label(encoded: &[u8]) -> Option<String> {
    let units: Vec<u16> = encoded
        .chunks_exact(2)
        .take(LABEL_UNITS)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16(&units).ok()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the length is that of the array")
}
