//! Where a byte of an artifact lies: partition, file, byte in it. Each format says it of itself; this puts
//! the answers together, from outside in.

#[cfg(test)]
mod tests;

use crate::pe::Pe;
use crate::source::Source;
use crate::tree::Content;
use crate::{cpio, erofs, fat, gpt, payload, verity};
use os_kit_disk_layout::{Kind as PartitionKind, SECTOR_BYTES};
use serde::Serialize;
use std::fmt;
use std::io::BufReader;

/// A place, from outside in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Such as `partition root-a`, then `file /usr/bin/kmod`; empty for an artifact without parts.
    pub steps: Vec<String>,
    /// The byte in the innermost part, counted from 0.
    pub byte: u64,
}

impl Place {
    /// A byte of one part.
    pub fn of(step: impl Into<String>, byte: u64) -> Self {
        Self { steps: vec![step.into()], byte }
    }

    /// The same place, seen from what holds it.
    pub fn within(mut self, step: impl Into<String>) -> Self {
        self.steps.insert(0, step.into());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            write!(formatter, "{step}, ")?;
        }
        write!(formatter, "byte {}", self.byte)
    }
}

/// What an artifact is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A file system, `.erofs`.
    Erofs,
    /// A hash tree, `.verity`.
    Verity,
    /// An archive, `.cpio`.
    Cpio,
    /// A unified kernel image, `.efi`.
    Uki,
    /// A FAT volume, `.esp`.
    Fat,
    /// A compressed disk, `.disk.zst`.
    Disk,
    /// An update payload, `.payload`.
    Payload,
    /// Lines, `.json` and `.lock`.
    Text,
    /// Anything else.
    Opaque,
}

impl Format {
    /// By the ending of a file's name.
    pub fn of(name: &str) -> Self {
        let endings = [
            (".erofs", Self::Erofs),
            (".verity", Self::Verity),
            (".cpio", Self::Cpio),
            (".efi", Self::Uki),
            (".esp", Self::Fat),
            (".disk.zst", Self::Disk),
            (".payload", Self::Payload),
            (".json", Self::Text),
            (".lock", Self::Text),
        ];
        let found = endings.into_iter().find(|(ending, _)| name.ends_with(ending));
        found.map_or(Self::Opaque, |(_, format)| format)
    }

    /// What a partition of a kind holds.
    pub fn of_partition(kind: PartitionKind) -> Self {
        match kind {
            PartitionKind::Esp | PartitionKind::Settings => Self::Fat,
            PartitionKind::Root | PartitionKind::Payload => Self::Erofs,
            PartitionKind::Verity => Self::Verity,
            PartitionKind::Boot => Self::Cpio,
            PartitionKind::SlotState | PartitionKind::State => Self::Opaque,
        }
    }

    /// Where a byte lies in `content`, which is whole and good: of damaged bytes the answer may be no more
    /// than the byte itself.
    pub fn place(self, content: &Content, byte: u64) -> Place {
        let found = match self {
            Self::Erofs => erofs::read_tree(content).ok().and_then(|volume| volume.place(byte)),
            Self::Fat => {
                fat::read_tree(content).ok().and_then(|volume| volume.place(content, byte))
            }
            Self::Cpio => cpio::read_tree(content).ok().and_then(|archive| archive.place(byte)),
            Self::Verity => verity::place(content, byte),
            Self::Uki => section(content, byte),
            Self::Payload => chunk(content, byte),
            Self::Text => line(content, byte),
            Self::Disk | Self::Opaque => None,
        };
        found.unwrap_or(Place { steps: Vec::new(), byte })
    }
}

/// Where a byte lies on a whole disk that is not compressed.
pub fn on_disk(disk: &Content, byte: u64) -> Place {
    let table = Source::open(disk).ok().and_then(|source| gpt::read(&mut source.reader()).ok());
    let Some(table) = table else { return Place { steps: Vec::new(), byte } };
    let Some((label, start, length)) = partition_at(&table, byte) else {
        return Place::of("outside of all partitions", byte);
    };
    let kind = os_kit_disk_layout::DISKS
        .into_iter()
        .filter(|disk| disk.id() == table.id)
        .find_map(|disk| disk.partition(&label))
        .map(|partition| partition.kind);
    let format = kind.map_or(Format::Opaque, Format::of_partition);
    let part = disk.part(start, length);
    let filled = content_of_partition(format, &part).unwrap_or(part);
    let inside = match byte - start < filled.length() {
        true => format.place(&filled, byte - start),
        false => Place::of("behind its content", byte - start),
    };
    inside.within(format!("partition {label}"))
}

/// What of a partition is its content, if the content says how long it is.
pub fn content_of_partition(format: Format, partition: &Content) -> Option<Content> {
    let length = match format {
        Format::Erofs => erofs::length_bytes(partition).ok(),
        Format::Cpio => cpio::length_bytes(partition).ok(),
        Format::Verity => verity::length_bytes(partition),
        _ => None,
    }?;
    (length <= partition.length()).then(|| partition.part(0, length))
}

/// Label, first byte and length of the partition that has a byte.
pub fn partition_at(table: &gpt::Table, byte: u64) -> Option<(String, u64, u64)> {
    let sector = byte / SECTOR_BYTES;
    let entry = table
        .entries
        .iter()
        .find(|entry| (entry.first_sector..=entry.last_sector).contains(&sector))?;
    let start = entry.first_sector * SECTOR_BYTES;
    let length = (entry.last_sector - entry.first_sector + 1) * SECTOR_BYTES;
    Some((entry.label.clone(), start, length))
}

fn section(content: &Content, byte: u64) -> Option<Place> {
    let image = content.read().ok()?;
    let pe = Pe::parse(&image).ok()?;
    let at = usize::try_from(byte).ok()?;
    if at < pe.header_bytes {
        return Some(Place::of("headers", byte));
    }
    let section = pe.sections.iter().find(|section| section.raw.contains(&at))?;
    let step = match section.data.contains(&at) {
        true => format!("section {}", section.name),
        false => format!("padding of section {}", section.name),
    };
    Some(Place::of(step, byte - section.raw.start as u64))
}

fn chunk(content: &Content, byte: u64) -> Option<Place> {
    let index = payload::Index::read(&mut BufReader::new(content.reader().ok()?)).ok()?;
    let mut at = payload::Index::encoded_bytes(&index.parts);
    if byte < at {
        return Some(Place::of("index", byte));
    }
    for (number, chunk) in index.chunks.iter().enumerate() {
        let end = at + u64::from(chunk.stored_bytes);
        if byte < end {
            let (part, start, length) = index.place(number)?;
            let step = format!("chunk {number} (bytes {start} to {} of it)", start + length - 1);
            return Some(Place::of(step, byte - at).within(format!("part {}", part.name)));
        }
        at = end;
    }
    None
}

fn line(content: &Content, byte: u64) -> Option<Place> {
    let bytes = content.read().ok()?;
    let before = bytes.get(..usize::try_from(byte).ok()?)?;
    let number = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    Some(Place::of(format!("line {number}"), byte - start))
}
