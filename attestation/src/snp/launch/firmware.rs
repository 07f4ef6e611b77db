//! Guest firmware as OVMF builds it: an image that ends at 4 GiB, with a table of what the monitor
//! must know near its end. The image is foreign: every offset and length in it is checked.

use super::kernel::{KernelHashes, PADDED_BYTES, guid};
use super::page::PAGE_BYTES;

/// QEMU places no more than this below 4 GiB.
const FIRMWARE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Far more sections than any build has.
const SECTIONS_MAX: usize = 64;

/// All sections together: each page is a step of the digest.
const SECTION_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The table ends this far before the end of the image, at the reset vector's end.
const TABLE_END: usize = 32;

/// After each value of the table: its length, with these bytes, and its name.
const ENTRY_BYTES: usize = 18;

const FOOTER: [u8; 16] = guid(0x96b5_82de, 0x1fb2, 0x45f7, *b"\xba\xea\xa3\x66\xc5\x5a\x08\x2d");
const HASH_TABLE: [u8; 16] =
    guid(0x7255_371f, 0x3a3b, 0x4b04, *b"\x92\x7b\x1d\xa6\xef\xa8\xd4\x54");
const RESET_BLOCK: [u8; 16] =
    guid(0x00f7_71de, 0x1a7e, 0x4fcb, *b"\x89\x0e\x68\xc7\x7e\x2f\xb4\x4e");
const METADATA: [u8; 16] = guid(0xdc88_6566, 0x984a, 0x4798, *b"\xa7\x5e\x55\x85\xa7\xbf\x67\xcc");

/// Why an image is no guest firmware that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FirmwareError {
    /// Not whole pages, or none, or too many.
    #[error("guest firmware has whole pages of 4096 bytes, at most {FIRMWARE_BYTES_MAX} bytes")]
    Size,
    /// There is no table near the end.
    #[error("the image has no table of OVMF near its end")]
    NoTable,
    /// An entry's length is wrong.
    #[error("the table of OVMF is damaged")]
    Table,
    /// An entry is there twice.
    #[error("an entry of OVMF's table is there twice")]
    Repeated,
    /// The sections cannot be read.
    #[error("the SEV metadata is damaged")]
    Metadata,
    /// A section that nobody knows how to measure.
    #[error("the SEV metadata has a section of the unknown kind {0:#x}")]
    SectionKind(u32),
    /// Empty, not whole pages below 4 GiB, or too many of them.
    #[error("a section of the SEV metadata is empty, not whole pages below 4 GiB, or too large")]
    SectionPlace,
}

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// Memory that the firmware starts with.
    Memory,
    /// The guest's secrets.
    Secrets,
    /// The processor's features.
    Cpuid,
    /// How a guest calls its service module.
    SvsmCaller,
    /// Hashes of a kernel that is booted directly.
    KernelHashes,
}

/// A part of the guest's memory that the monitor prepares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it is for.
    pub kind: SectionKind,
    /// Where it begins.
    pub address: u32,
    /// Its length, whole pages.
    pub bytes: u32,
}

/// Guest firmware, read and checked.
#[derive(Clone, Debug)]
pub struct Firmware {
    image: Vec<u8>,
    sections: Vec<Section>,
    hash_table: Option<u32>,
    further_start: Option<u32>,
}

impl Firmware {
    /// From the image that QEMU is given.
    pub fn from_bytes(image: &[u8]) -> Result<Self, FirmwareError> {
        let is_whole = !image.is_empty() && image.len().is_multiple_of(PAGE_BYTES);
        if !is_whole || image.len() > FIRMWARE_BYTES_MAX {
            return Err(FirmwareError::Size);
        }
        let mut firmware = Self {
            image: image.to_vec(),
            sections: Vec::new(),
            hash_table: None,
            further_start: None,
        };
        let mut metadata = None;
        let mut seen: Vec<[u8; 16]> = Vec::new();
        for entry in table(image)? {
            let (name, value) = entry?;
            if seen.contains(&name) {
                return Err(FirmwareError::Repeated);
            }
            seen.push(name);
            let first = value.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            let slot = match name {
                HASH_TABLE => &mut firmware.hash_table,
                RESET_BLOCK => &mut firmware.further_start,
                METADATA => &mut metadata,
                _ => continue,
            };
            *slot = Some(first.ok_or(FirmwareError::Table)?);
        }
        // Zero is how a build without a place for hashes says so.
        firmware.hash_table = firmware.hash_table.filter(|address| *address != 0);
        if let Some(from_end) = metadata {
            firmware.sections = sections(image, from_end)?;
        }
        Ok(firmware)
    }

    /// Where its first byte lies.
    pub fn address(&self) -> u64 {
        (1 << 32) - self.image.len() as u64
    }

    /// The image.
    pub fn bytes(&self) -> &[u8] {
        &self.image
    }

    /// What the monitor prepares, in its order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Where processors beyond the first start, if it says so.
    pub fn further_start(&self) -> Option<u32> {
        self.further_start
    }

    /// The page of a kernel's hashes, if this firmware looks at them.
    pub(super) fn hashes_page(&self, kernel: &KernelHashes) -> Option<[u8; PAGE_BYTES]> {
        let table = u64::from(self.hash_table?);
        let section =
            self.sections.iter().find(|section| section.kind == SectionKind::KernelHashes)?;
        let start = u64::from(section.address);
        let is_inside = table >= start
            && table + PADDED_BYTES as u64 <= start + u64::from(section.bytes)
            && section.bytes as usize == PAGE_BYTES;
        let offset = usize::try_from(table - start.min(table)).ok()?;
        if is_inside { kernel.page(offset) } else { None }
    }
}

/// Entries of the table, from its end: name and value.
type Entry<'a> = Result<([u8; 16], &'a [u8]), FirmwareError>;

fn table(image: &[u8]) -> Result<impl Iterator<Item = Entry<'_>>, FirmwareError> {
    let end = image.len() - TABLE_END;
    let (before, footer) = image[..end].split_at(end - ENTRY_BYTES);
    let (length, name) = entry_head(footer).ok_or(FirmwareError::NoTable)?;
    if name != FOOTER {
        return Err(FirmwareError::NoTable);
    }
    let entries_bytes = length.checked_sub(ENTRY_BYTES).ok_or(FirmwareError::Table)?;
    let start = before.len().checked_sub(entries_bytes).ok_or(FirmwareError::Table)?;
    let mut rest = &before[start..];
    Ok(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = last_entry(rest);
        rest = match &entry {
            Ok((_, value)) => &rest[..rest.len() - ENTRY_BYTES - value.len()],
            Err(_) => &[],
        };
        Some(entry)
    }))
}

fn last_entry(table: &[u8]) -> Entry<'_> {
    let read = || {
        let (values, head) = table.split_at_checked(table.len().checked_sub(ENTRY_BYTES)?)?;
        let (length, name) = entry_head(head)?;
        let value_bytes = length.checked_sub(ENTRY_BYTES)?;
        Some((name, values.get(values.len().checked_sub(value_bytes)?..)?))
    };
    read().ok_or(FirmwareError::Table)
}

fn entry_head(bytes: &[u8]) -> Option<(usize, [u8; 16])> {
    let (length, name) = bytes.split_first_chunk::<2>()?;
    Some((usize::from(u16::from_le_bytes(*length)), name.try_into().ok()?))
}

/// The sections that the metadata names, which begins this far from the end of the image.
fn sections(image: &[u8], from_end: u32) -> Result<Vec<Section>, FirmwareError> {
    let from_end = usize::try_from(from_end).map_err(|_| FirmwareError::Metadata)?;
    let start = image.len().checked_sub(from_end).ok_or(FirmwareError::Metadata)?;
    let mut words = image[start..]
        .chunks_exact(4)
        .map(|word| word.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)));
    let mut word = || words.next().ok_or(FirmwareError::Metadata);
    let (signature, length, version, count) = (word()?, word()?, word()?, word()?);
    let count = usize::try_from(count).map_err(|_| FirmwareError::Metadata)?;
    let is_good = signature == u32::from_le_bytes(*b"ASEV") && version == 1;
    // The length counts the header and all sections.
    if !is_good || count > SECTIONS_MAX || length as usize != 16 + 12 * count {
        return Err(FirmwareError::Metadata);
    }
    let mut sections = Vec::with_capacity(count);
    let mut all_bytes = 0;
    for _ in 0..count {
        let (address, bytes, kind) = (word()?, word()?, word()?);
        let kind = match kind {
            1 => SectionKind::Memory,
            2 => SectionKind::Secrets,
            3 => SectionKind::Cpuid,
            4 => SectionKind::SvsmCaller,
            0x10 => SectionKind::KernelHashes,
            unknown => return Err(FirmwareError::SectionKind(unknown)),
        };
        all_bytes += u64::from(bytes);
        let is_whole =
            [address, bytes].iter().all(|value| (*value as usize).is_multiple_of(PAGE_BYTES));
        let ends_below = u64::from(address) + u64::from(bytes) <= 1 << 32;
        // Monitors do not agree on what an empty one is.
        if bytes == 0 || !is_whole || !ends_below || all_bytes > SECTION_BYTES_MAX {
            return Err(FirmwareError::SectionPlace);
        }
        sections.push(Section { kind, address, bytes });
    }
    Ok(sections)
}
