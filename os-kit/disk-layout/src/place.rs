//! Where the partitions of a table lie on a disk of some size.

use crate::table::{Disk, Kind, Partition, Size};
use crate::{ALIGNMENT_BYTES, Guid, HEAD_SECTORS, SECTOR_BYTES, TAIL_SECTORS};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The longest label: a table entry holds 36 UTF-16 units.
const LABEL_CHARS_MAX: usize = 36;
/// As many entries as the table on disk has.
const PARTITION_COUNT_MAX: usize = 128;
/// Far beyond any disk, and far from where sums of sectors overflow.
const DISK_BYTES_MAX: u64 = 1 << 50;

/// A partition with its place: whole, aligned, inside the disk, apart from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its name in the partition table.
    pub label: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// Its own id.
    pub id: Guid,
    /// The byte on the disk where it begins.
    pub start_bytes: u64,
    /// How long it is.
    pub length_bytes: u64,
}

impl Placed {
    /// The first sector.
    pub fn first_sector(&self) -> u64 {
        self.start_bytes / SECTOR_BYTES
    }

    /// The last sector, which still belongs to it.
    pub fn last_sector(&self) -> u64 {
        (self.start_bytes + self.length_bytes) / SECTOR_BYTES - 1
    }
}

/// A checked layout of one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The id of the partition table.
    pub id: Guid,
    /// Bytes of the whole disk.
    pub disk_bytes: u64,
    partitions: Vec<Placed>,
}

/// A table or a disk that cannot be laid out.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// What should go into a partition is larger than it.
    #[error(
        "{content_bytes} bytes do not fit into the partition {disk}/{label} of {bytes_max} bytes; \
         make the content smaller, or the partition larger in os-kit/disk-layout"
    )]
    TooSmall {
        /// The image.
        disk: &'static str,
        /// The partition.
        label: &'static str,
        /// Bytes to go in.
        content_bytes: u64,
        /// Bytes it can hold.
        bytes_max: u64,
    },
    /// The disk ends before the partitions do.
    #[error(
        "the partitions of {disk} need {needed_bytes} bytes, the disk has {disk_bytes}; \
         use a larger disk"
    )]
    DiskTooSmall {
        /// The image.
        disk: &'static str,
        /// Bytes the partitions take.
        needed_bytes: u64,
        /// Bytes of the disk.
        disk_bytes: u64,
    },
    /// A disk that no machine has, or that is not whole sectors.
    #[error("a disk of {disk_bytes} bytes is no disk; give whole MiB, at most 1 PiB")]
    DiskSize {
        /// Bytes of the disk.
        disk_bytes: u64,
    },
    /// Content for a partition that the table does not have.
    #[error("{disk} has no partition {label}; its labels are in os-kit/disk-layout")]
    Unknown {
        /// The image.
        disk: &'static str,
        /// The label.
        label: String,
    },
    /// The table itself breaks a rule.
    #[error("the table of {disk} is wrong at {label}: {problem}")]
    Table {
        /// The image.
        disk: &'static str,
        /// The partition.
        label: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Disk {
    /// Lays the partitions out one after the other.
    ///
    /// `contents` has the bytes that go into partitions by label; a partition of its content's size
    /// that has none is left empty, with one MiB. With `disk_bytes` none, the disk is as small as
    /// it can be.
    pub fn place(
        &self,
        contents: &BTreeMap<&str, u64>,
        disk_bytes: Option<u64>,
    ) -> Result<Placement, LayoutError> {
        self.check()?;
        if let Some(label) = contents.keys().find(|label| self.partition(label).is_none()) {
            return Err(LayoutError::Unknown { disk: self.name, label: (*label).to_owned() });
        }
        let mut partitions = Vec::new();
        let mut start_bytes = align_up(HEAD_SECTORS * SECTOR_BYTES);
        for partition in self.partitions {
            let content_bytes = contents.get(partition.label).copied().unwrap_or(0);
            let length_bytes = self.length(partition, content_bytes)?;
            partitions.push(Placed {
                label: partition.label,
                kind: partition.kind,
                id: self.partition_id(partition),
                start_bytes,
                length_bytes,
            });
            start_bytes += length_bytes;
        }
        let needed_bytes = align_up(start_bytes + TAIL_SECTORS * SECTOR_BYTES);
        let disk_bytes = disk_bytes.unwrap_or(needed_bytes);
        if !disk_bytes.is_multiple_of(ALIGNMENT_BYTES) || disk_bytes > DISK_BYTES_MAX {
            return Err(LayoutError::DiskSize { disk_bytes });
        }
        if disk_bytes < needed_bytes {
            return Err(LayoutError::DiskTooSmall { disk: self.name, needed_bytes, disk_bytes });
        }
        self.give_rest(&mut partitions, disk_bytes);
        let placement = Placement { id: self.id(), disk_bytes, partitions };
        placement.assert_apart();
        Ok(placement)
    }

    fn length(&self, partition: &Partition, content_bytes: u64) -> Result<u64, LayoutError> {
        let (bytes_max, length_bytes) = match partition.size {
            Size::Fixed(bytes) => (bytes, bytes),
            Size::Content { bytes_max } => (bytes_max, align_up(content_bytes.clamp(1, bytes_max))),
            Size::Rest { bytes_min } => {
                (DISK_BYTES_MAX, align_up(content_bytes.clamp(bytes_min, DISK_BYTES_MAX)))
            }
        };
        if content_bytes > bytes_max {
            let (disk, label) = (self.name, partition.label);
            return Err(LayoutError::TooSmall { disk, label, content_bytes, bytes_max });
        }
        Ok(length_bytes)
    }

    /// The last partition takes what the others left, if it is so sized.
    fn give_rest(&self, partitions: &mut [Placed], disk_bytes: u64) {
        let sized_by_rest = |partition: &Partition| matches!(partition.size, Size::Rest { .. });
        if !self.partitions.last().is_some_and(sized_by_rest) {
            return;
        }
        let end = align_down(disk_bytes - TAIL_SECTORS * SECTOR_BYTES);
        if let Some(last) = partitions.last_mut() {
            last.length_bytes = end - last.start_bytes;
        }
    }

    /// The rules that a table must keep.
    fn check(&self) -> Result<(), LayoutError> {
        if self.partitions.len() > PARTITION_COUNT_MAX {
            return Err(self.wrong("", "has more than 128 partitions"));
        }
        let mut labels = BTreeSet::new();
        for (index, partition) in self.partitions.iter().enumerate() {
            let label = partition.label;
            let good =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if label.is_empty() || label.len() > LABEL_CHARS_MAX || !label.bytes().all(good) {
                return Err(self.wrong(label, "a label is 1 to 36 of a-z, 0-9 and -"));
            }
            if !labels.insert(label) {
                return Err(self.wrong(label, "two partitions of one label"));
            }
            let (Size::Fixed(bytes)
            | Size::Content { bytes_max: bytes }
            | Size::Rest { bytes_min: bytes }) = partition.size;
            if bytes == 0 || !bytes.is_multiple_of(ALIGNMENT_BYTES) || bytes > DISK_BYTES_MAX {
                return Err(self.wrong(label, "a size is whole MiB, at least one"));
            }
            let is_last = index + 1 == self.partitions.len();
            if matches!(partition.size, Size::Rest { .. }) && !is_last {
                return Err(self.wrong(label, "only the last partition can take the rest"));
            }
        }
        Ok(())
    }

    fn wrong(&self, label: &'static str, problem: &'static str) -> LayoutError {
        LayoutError::Table { disk: self.name, label, problem }
    }
}

impl Placement {
    /// The partitions in their order on the disk.
    pub fn partitions(&self) -> &[Placed] {
        &self.partitions
    }

    /// The partition of a label.
    pub fn partition(&self, label: &str) -> Option<&Placed> {
        self.partitions.iter().find(|partition| partition.label == label)
    }

    /// What this module promises of its result, whatever it was asked for.
    fn assert_apart(&self) {
        let mut free_from = HEAD_SECTORS * SECTOR_BYTES;
        for partition in &self.partitions {
            assert!(partition.start_bytes >= free_from, "{} overlaps", partition.label);
            assert!(partition.start_bytes % ALIGNMENT_BYTES == 0, "{}", partition.label);
            assert!(partition.length_bytes % ALIGNMENT_BYTES == 0, "{}", partition.label);
            assert!(partition.length_bytes > 0, "{} is empty", partition.label);
            free_from = partition.start_bytes + partition.length_bytes;
        }
        assert!(free_from <= self.disk_bytes - TAIL_SECTORS * SECTOR_BYTES, "{free_from}");
    }
}

fn align_down(bytes: u64) -> u64 {
    bytes - bytes % ALIGNMENT_BYTES
}

fn align_up(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT_BYTES)
}

#[cfg(test)]
mod tests;
