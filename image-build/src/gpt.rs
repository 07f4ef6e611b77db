//! The partition table of a disk, as the UEFI specification 2.10, section 5, lays it down: a
//! protective record, the header and 128 entries at the beginning, copies at the end.
//!
//! The reader is strict: it takes what this writer could have written and nothing else, so that a
//! table has one form. It reads no partition.

mod read;
#[cfg(test)]
mod tests;

pub use read::{GptError, read, read_head};

use os_kit_disk_layout::{Guid, HEAD_SECTORS, Placement, SECTOR_BYTES, TAIL_SECTORS};
use std::io::{self, Seek, SeekFrom, Write};

const SECTOR: usize = SECTOR_BYTES as usize;
const ENTRY_COUNT: usize = 128;
const ENTRY_BYTES: usize = 128;
const ENTRIES_BYTES: usize = ENTRY_COUNT * ENTRY_BYTES;
const HEADER_BYTES: usize = 92;
const SIGNATURE: [u8; 8] = *b"EFI PART";
/// Bytes of protective record, header and entries at the beginning of a disk.
pub const HEAD_BYTES: usize = (HEAD_SECTORS * SECTOR_BYTES) as usize;
/// Revision 1.0.
const REVISION: u32 = 0x0001_0000;
/// UTF-16 units of a label.
const LABEL_UNITS: usize = 36;

/// One partition as a table on disk describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is for.
    pub type_id: Guid,
    /// Its own id.
    pub id: Guid,
    /// Its first sector.
    pub first_sector: u64,
    /// Its last sector, which still belongs to it.
    pub last_sector: u64,
    /// Attribute bits.
    pub attributes: u64,
    /// Its name.
    pub label: String,
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The id of the disk.
    pub id: Guid,
    /// Sectors of the whole disk.
    pub sector_count: u64,
    /// The partitions in the order of their place.
    pub entries: Vec<Entry>,
}

impl Table {
    /// The table of a layout.
    pub fn of(placement: &Placement) -> Self {
        let entry = |partition: &os_kit_disk_layout::Placed| Entry {
            type_id: partition.kind.type_id(),
            id: partition.id,
            first_sector: partition.first_sector(),
            last_sector: partition.last_sector(),
            attributes: partition.kind.attributes(),
            label: partition.label.to_owned(),
        };
        Self {
            id: placement.id,
            sector_count: placement.disk_bytes / SECTOR_BYTES,
            entries: placement.partitions().iter().map(entry).collect(),
        }
    }

    /// Writes both copies to a disk of `sector_count` sectors, and touches nothing between them.
    pub fn write(&self, disk: &mut (impl Write + Seek)) -> io::Result<()> {
        disk.seek(SeekFrom::Start(0))?;
        disk.write_all(&self.head())?;
        let tail = self.tail();
        disk.seek(SeekFrom::Start((self.sector_count - TAIL_SECTORS) * SECTOR_BYTES))?;
        disk.write_all(&tail)
    }

    /// The first sectors: protective record, header, entries.
    pub fn head(&self) -> Vec<u8> {
        let entries = self.encoded_entries();
        let mut head = self.protective_record();
        head.extend(self.header(1, 2, &entries));
        head.extend(entries);
        assert_eq!(head.len() as u64, HEAD_SECTORS * SECTOR_BYTES);
        head
    }

    /// The last sectors: entries, header.
    pub fn tail(&self) -> Vec<u8> {
        let entries = self.encoded_entries();
        let header = self.header(self.sector_count - 1, self.sector_count - TAIL_SECTORS, &entries);
        let tail = [entries, header].concat();
        assert_eq!(tail.len() as u64, TAIL_SECTORS * SECTOR_BYTES);
        tail
    }

    /// A record for software that knows no GPT: one partition over the whole disk. Its addresses of
    /// cylinders are the fixed ones for disks that have no geometry.
    fn protective_record(&self) -> Vec<u8> {
        let mut record = vec![0; SECTOR];
        let sectors = u32::try_from(self.sector_count - 1).unwrap_or(u32::MAX);
        record[446..454].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff]);
        record[454..458].copy_from_slice(&1_u32.to_le_bytes());
        record[458..462].copy_from_slice(&sectors.to_le_bytes());
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        record
    }

    /// One header, in a sector of its own; `at` is that sector, `entries_at` where its entries are.
    fn header(&self, at: u64, entries_at: u64, entries: &[u8]) -> Vec<u8> {
        let other = self.sector_count - at;
        let mut header = Vec::with_capacity(SECTOR);
        header.extend(SIGNATURE);
        header.extend(REVISION.to_le_bytes());
        header.extend((HEADER_BYTES as u32).to_le_bytes());
        header.extend([0; 8]); // The checksum, set below, and four bytes that stay zero.
        header.extend(at.to_le_bytes());
        header.extend(other.to_le_bytes());
        header.extend(HEAD_SECTORS.to_le_bytes());
        header.extend((self.sector_count - TAIL_SECTORS - 1).to_le_bytes());
        header.extend(self.id.gpt_bytes());
        header.extend(entries_at.to_le_bytes());
        header.extend((ENTRY_COUNT as u32).to_le_bytes());
        header.extend((ENTRY_BYTES as u32).to_le_bytes());
        header.extend(crc32fast::hash(entries).to_le_bytes());
        assert_eq!(header.len(), HEADER_BYTES);
        let checksum = crc32fast::hash(&header);
        header[16..20].copy_from_slice(&checksum.to_le_bytes());
        header.resize(SECTOR, 0);
        header
    }

    fn encoded_entries(&self) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(ENTRIES_BYTES);
        for entry in &self.entries {
            encoded.extend(entry.type_id.gpt_bytes());
            encoded.extend(entry.id.gpt_bytes());
            encoded.extend(entry.first_sector.to_le_bytes());
            encoded.extend(entry.last_sector.to_le_bytes());
            encoded.extend(entry.attributes.to_le_bytes());
            let mut label = [0; LABEL_UNITS * 2];
            for (unit, place) in entry.label.encode_utf16().zip(label.chunks_exact_mut(2)) {
                place.copy_from_slice(&unit.to_le_bytes());
            }
            encoded.extend(label);
        }
        assert!(encoded.len() <= ENTRIES_BYTES, "a layout has at most 128 partitions");
        encoded.resize(ENTRIES_BYTES, 0);
        encoded
    }
}
