//! A compressed disk against the artifacts: unpacked as a stream, it is table, artifacts and zeros, and nothing else.

use super::measure::Found;
use super::{Audit, Finding};
use crate::build::Contents;
use crate::compare::first_difference_of;
use crate::gpt::Table;
use crate::place::{Format, Place, partition_at};
use crate::tree::Content;
use os_kit_disk_layout::{Placement, SECTOR_BYTES, TAIL_SECTORS};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A piece of what is empty.
const HOLE_BYTES: usize = 1 << 20;

type ByLabel<'a> = BTreeMap<&'static str, &'a Path>;

/// Checks the disk of an image.
pub fn check(audit: &Audit<'_>, image: &str) -> Found {
    let contents = Contents::in_folder(&audit.options.folder, image)
        .ok_or("no table of partitions has its name")?;
    let by_label = contents.by_label().map_err(|path| path.display().to_string())?;
    let mut lengths = BTreeMap::new();
    for (label, path) in &by_label {
        lengths.insert(*label, path.metadata()?.len());
    }
    let placement = contents.table.place(&lengths, None)?;
    let table = Table::of(&placement);
    let expected = expected(&placement, &table, &by_label)?;
    let file = File::open(audit.path(&format!("{image}.disk.zst")))?;
    let mut found = CountingReader { from: zstd::Decoder::new(file)?, bytes: 0 };
    let (byte, problem) = match first_difference_of(&mut expected.reader()?, &mut found) {
        Ok(None) => return Ok(vec![]),
        Ok(Some(byte)) => (byte, "it holds something else than the artifacts".to_owned()),
        Err(error) => {
            let byte = found.bytes;
            (byte, format!("it cannot be unpacked beyond byte {byte} ({error})"))
        }
    };
    Ok(vec![Finding { place: Some(place(&table, &by_label, byte)), ..Finding::new(problem) }])
}

/// What the disk must be, from its first byte to its last.
fn expected(placement: &Placement, table: &Table, by_label: &ByLabel<'_>) -> io::Result<Content> {
    let mut disk = Disk { parts: Vec::new(), bytes: 0, zeros: Content::bytes(vec![0; HOLE_BYTES]) };
    disk.add(Content::bytes(table.head()));
    for partition in placement.partitions() {
        if let Some(path) = by_label.get(partition.label) {
            disk.empty_until(partition.start_bytes);
            disk.add(Content::file(path)?);
        }
    }
    disk.empty_until(placement.disk_bytes - TAIL_SECTORS * SECTOR_BYTES);
    disk.add(Content::bytes(table.tail()));
    Ok(Content::Joined(disk.parts.into()))
}

struct Disk {
    parts: Vec<Content>,
    bytes: u64,
    zeros: Content,
}

impl Disk {
    fn add(&mut self, content: Content) {
        self.bytes += content.length();
        self.parts.push(content);
    }

    fn empty_until(&mut self, end: u64) {
        while self.bytes < end {
            let hole = match end - self.bytes {
                rest if rest < HOLE_BYTES as u64 => self.zeros.part(0, rest),
                _ => self.zeros.clone(),
            };
            self.add(hole);
        }
    }
}

/// Where a byte of the unpacked disk lies.
fn place(table: &Table, by_label: &ByLabel<'_>, byte: u64) -> Place {
    let Some((label, start, _)) = partition_at(table, byte) else {
        return Place::of("outside of all partitions", byte);
    };
    let inside = by_label.get(label.as_str()).and_then(|path| {
        let content = Content::file(path).ok()?;
        let format = Format::of(&path.to_string_lossy());
        (byte - start < content.length()).then(|| format.place(&content, byte - start))
    });
    let inside = inside.unwrap_or_else(|| Place::of("behind its content", byte - start));
    inside.within(format!("partition {label}"))
}

/// Counts what was read.
struct CountingReader<R> {
    from: R,
    bytes: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.from.read(buffer)?;
        self.bytes += got as u64;
        Ok(got)
    }
}
