//! Executables in the PE32+ form for x86-64, as far as firmware and boot stub look at them: headers
//! and sections. Read strictly: whatever could be understood in two ways is refused.
//!
//! Source: the PE format specification of Microsoft, rev. 11, and what EDK II's loader checks.

#[cfg(test)]
pub(crate) mod tests;

use std::ops::Range;
use thiserror::Error;

/// No image of ours has more; the format allows 65,535.
const SECTION_COUNT_MAX: usize = 96;
/// An image is loaded below 4 GiB of addresses of its own.
const LENGTH_MAX: usize = 1 << 30;
const SECTION_HEADER_BYTES: usize = 40;
const FILE_HEADER_BYTES: usize = 24;
/// The optional header without its directories.
const OPTIONAL_BYTES: usize = 112;
const DIRECTORY_COUNT: usize = 16;
const MACHINE_X86_64: u16 = 0x8664;
const PE32_PLUS: u16 = 0x020b;
/// The directory of signatures.
const CERTIFICATES: usize = 4;
/// In the characteristics of the image: code may be mapped so that it cannot be written.
const NX_COMPAT: u16 = 0x0100;

/// Bytes that are no executable we take.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("this is no x86-64 PE image: at byte {at}, {problem}")]
pub struct PeError {
    /// Where it was seen.
    pub at: usize,
    /// What is wrong.
    pub problem: &'static str,
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, such as `.linux`.
    pub name: String,
    /// Where its bytes lie in the file, without the padding after them.
    pub data: Range<usize>,
    /// Where its bytes and their padding lie in the file.
    pub raw: Range<usize>,
    /// Where it is loaded.
    pub address: u32,
    /// How long it is in memory.
    pub memory_bytes: u32,
    /// What may be done with it.
    pub characteristics: u32,
}

/// The headers of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pe {
    /// In the order of the file and of the addresses.
    pub sections: Vec<Section>,
    /// Bytes of all headers, padded.
    pub header_bytes: usize,
    /// Border for data in the file.
    pub file_alignment: u32,
    /// Border for addresses.
    pub section_alignment: u32,
    /// Whether it can be loaded with code that cannot be written.
    pub nx_compatible: bool,
    /// Where signatures lie in the file; empty if there are none.
    pub certificates: Range<usize>,
    layout: Layout,
}

/// Where the fields lie that one changes to add sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    file_header_at: usize,
    optional_at: usize,
    sections_at: usize,
}

impl Pe {
    /// Reads and checks the headers.
    pub fn parse(image: &[u8]) -> Result<Self, PeError> {
        let bad = |at, problem| PeError { at, problem };
        if image.len() > LENGTH_MAX {
            return Err(bad(0, "it has more than 1 GiB"));
        }
        let view = View(image);
        if view.bytes(0, 2)? != b"MZ" {
            return Err(bad(0, "it does not begin with MZ"));
        }
        let signature_at = view.u32(60)? as usize;
        if view.bytes(signature_at, 4)? != b"PE\0\0" {
            return Err(bad(signature_at, "there is no PE signature"));
        }
        let file_header_at = signature_at + 4;
        let optional_at = signature_at + FILE_HEADER_BYTES;
        if view.u16(file_header_at)? != MACHINE_X86_64 {
            return Err(bad(file_header_at, "the machine is not x86-64"));
        }
        if view.u16(optional_at)? != PE32_PLUS {
            return Err(bad(optional_at, "it is not PE32+"));
        }
        let directory_count = view.u32(optional_at + 108)? as usize;
        let optional_bytes = view.u16(file_header_at + 16)? as usize;
        if directory_count > DIRECTORY_COUNT
            || optional_bytes != OPTIONAL_BYTES + 8 * directory_count
        {
            return Err(bad(optional_at, "the optional header has another length than it says"));
        }
        let layout =
            Layout { file_header_at, optional_at, sections_at: optional_at + optional_bytes };
        Self::parse_sections(&view, layout, directory_count)
    }

    fn parse_sections(
        view: &View,
        layout: Layout,
        directory_count: usize,
    ) -> Result<Self, PeError> {
        let Layout { file_header_at, optional_at, sections_at } = layout;
        let bad = |at, problem| PeError { at, problem };
        let section_alignment = view.u32(optional_at + 32)?;
        let file_alignment = view.u32(optional_at + 36)?;
        let aligned = section_alignment.is_power_of_two()
            && file_alignment.is_power_of_two()
            && (512..=65_536).contains(&file_alignment)
            && section_alignment >= file_alignment;
        if !aligned {
            return Err(bad(
                optional_at + 32,
                "the alignments are not powers of two in their bounds",
            ));
        }
        let header_bytes = view.u32(optional_at + 60)? as usize;
        let section_count = view.u16(file_header_at + 2)? as usize;
        let table_end = sections_at + section_count * SECTION_HEADER_BYTES;
        if !(1..=SECTION_COUNT_MAX).contains(&section_count) {
            return Err(bad(file_header_at + 2, "it has no section, or more than 96"));
        }
        if header_bytes > view.0.len()
            || header_bytes < table_end
            || !header_bytes.is_multiple_of(file_alignment as usize)
        {
            return Err(bad(optional_at + 60, "the headers do not end where they say"));
        }
        let mut pe = Self {
            sections: Vec::with_capacity(section_count),
            header_bytes,
            file_alignment,
            section_alignment,
            nx_compatible: view.u16(optional_at + 70)? & NX_COMPAT != 0,
            certificates: 0..0,
            layout,
        };
        for index in 0..section_count {
            let at = sections_at + index * SECTION_HEADER_BYTES;
            let section = pe.parse_section(view, at)?;
            pe.sections.push(section);
        }
        let image_bytes = view.u32(optional_at + 56)?;
        if pe.next_address().ok_or_else(|| bad(optional_at + 56, "addresses overflow"))?
            > image_bytes
        {
            return Err(bad(optional_at + 56, "a section reaches out of the image in memory"));
        }
        if directory_count > CERTIFICATES {
            pe.certificates = pe.parse_certificates(view)?;
        }
        Ok(pe)
    }

    /// One section, which must follow those before it in the file and in memory.
    fn parse_section(&self, view: &View, at: usize) -> Result<Section, PeError> {
        let bad = |problem| PeError { at, problem };
        let name = view.bytes(at, 8)?;
        let length = name.iter().position(|byte| *byte == 0).unwrap_or(8);
        let (name, rest) = name.split_at(length);
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) || rest.iter().any(|b| *b != 0)
        {
            return Err(bad("the name of a section is empty or not plain text"));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        if self.sections.iter().any(|other| other.name == name) {
            return Err(bad("two sections have one name"));
        }
        let memory_bytes = view.u32(at + 8)?;
        let address = view.u32(at + 12)?;
        let raw_bytes = view.u32(at + 16)? as usize;
        let raw_at = view.u32(at + 20)? as usize;
        let raw_end = raw_at.checked_add(raw_bytes).filter(|end| *end <= view.0.len());
        let raw_end = raw_end.ok_or_else(|| bad("a section reaches out of the file"))?;
        let file_alignment = self.file_alignment as usize;
        if !raw_bytes.is_multiple_of(file_alignment)
            || (raw_bytes > 0 && !raw_at.is_multiple_of(file_alignment))
        {
            return Err(bad("a section is not aligned in the file"));
        }
        let free_from = self.sections.iter().map(|other| other.raw.end).max().unwrap_or(0);
        if raw_bytes > 0 && raw_at < free_from.max(self.header_bytes) {
            return Err(bad("a section overlaps what lies before it in the file"));
        }
        let address_min = self.next_address().ok_or_else(|| bad("addresses overflow"))?;
        if address % self.section_alignment != 0 || address < address_min || memory_bytes == 0 {
            return Err(bad("a section is empty, not aligned, or overlaps another one in memory"));
        }
        if address.checked_add(memory_bytes).is_none() {
            return Err(bad("a section reaches beyond 4 GiB"));
        }
        let raw = if raw_bytes == 0 { free_from..free_from } else { raw_at..raw_end };
        let data = raw.start..raw.start + raw_bytes.min(memory_bytes as usize);
        let characteristics = view.u32(at + 36)?;
        Ok(Section { name, data, raw, address, memory_bytes, characteristics })
    }

    /// Where signatures lie: at the end of the file, after all sections.
    fn parse_certificates(&self, view: &View) -> Result<Range<usize>, PeError> {
        let at = self.layout.optional_at + OPTIONAL_BYTES + 8 * CERTIFICATES;
        let (start, length) = (view.u32(at)? as usize, view.u32(at + 4)? as usize);
        if (start, length) == (0, 0) {
            return Ok(0..0);
        }
        // Sections without a byte in the file do not end behind the headers.
        let sections_end = self.sections.iter().map(|section| section.raw.end).max().unwrap_or(0);
        let data_end = sections_end.max(self.header_bytes);
        match start.checked_add(length) {
            Some(end) if end == view.0.len() && start >= data_end && start % 8 == 0 => {
                Ok(start..end)
            }
            _ => Err(PeError { at, problem: "signatures do not lie at the end of the file" }),
        }
    }

    /// The section of a name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The first address that is free and aligned; none if there is none below 4 GiB.
    pub(crate) fn next_address(&self) -> Option<u32> {
        let end = match self.sections.last() {
            Some(last) => last.address.checked_add(last.memory_bytes)?,
            None => u32::try_from(self.header_bytes).ok()?,
        };
        end.checked_next_multiple_of(self.section_alignment)
    }

    /// Whether the headers have room for some more sections.
    pub(crate) fn has_room_for(&self, section_count: usize) -> bool {
        let all = self.sections.len() + section_count;
        let table_end = self.layout.sections_at + all * SECTION_HEADER_BYTES;
        all <= SECTION_COUNT_MAX && table_end <= self.header_bytes
    }

    /// Appends sections to an image that ends with its last one, and brings the headers up to date.
    /// The caller has checked names and room.
    pub(crate) fn append(
        &self,
        image: &mut Vec<u8>,
        sections: &[NewSection],
        nx_compatible: bool,
    ) -> Result<(), PeError> {
        let overflow = PeError { at: self.layout.optional_at, problem: "it would exceed 1 GiB" };
        let mut address = self.next_address().ok_or(overflow)?;
        let mut initialized = u32_at(image, self.layout.optional_at + 8);
        for (index, section) in sections.iter().enumerate() {
            let memory_bytes = u32::try_from(section.data.len()).map_err(|_| overflow)?;
            image.resize(image.len().next_multiple_of(self.file_alignment as usize), 0);
            let raw_at = image.len();
            image.extend(section.data);
            image.resize(image.len().next_multiple_of(self.file_alignment as usize), 0);
            if image.len() > LENGTH_MAX {
                return Err(overflow);
            }
            let mut header = [0; SECTION_HEADER_BYTES];
            header[..section.name.len()].copy_from_slice(section.name.as_bytes());
            put_u32(&mut header, 8, memory_bytes);
            put_u32(&mut header, 12, address);
            put_u32(&mut header, 16, (image.len() - raw_at) as u32);
            put_u32(&mut header, 20, raw_at as u32);
            put_u32(&mut header, 36, section.characteristics);
            let number = self.sections.len() + index;
            let at = self.layout.sections_at + number * SECTION_HEADER_BYTES;
            image[at..at + SECTION_HEADER_BYTES].copy_from_slice(&header);
            address = address
                .checked_add(memory_bytes)
                .and_then(|end| end.checked_next_multiple_of(self.section_alignment))
                .ok_or(overflow)?;
            initialized = initialized.saturating_add(memory_bytes);
        }
        let section_count = (self.sections.len() + sections.len()) as u16;
        let count_at = self.layout.file_header_at + 2;
        image[count_at..count_at + 2].copy_from_slice(&section_count.to_le_bytes());
        put_u32(image, self.layout.optional_at + 8, initialized);
        put_u32(image, self.layout.optional_at + 56, address);
        put_u32(image, self.layout.optional_at + 64, 0); // No checksum: nobody checks it.
        if !nx_compatible {
            let at = self.layout.optional_at + 70;
            let flags = u16::from_le_bytes([image[at], image[at + 1]]) & !NX_COMPAT;
            image[at..at + 2].copy_from_slice(&flags.to_le_bytes());
        }
        Ok(())
    }
}

/// A section to append.
pub(crate) struct NewSection<'a> {
    /// At most eight bytes.
    pub name: &'static str,
    pub data: &'a [u8],
    pub characteristics: u32,
}

/// Reads that end at the end of the bytes.
struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    fn bytes(&self, at: usize, length: usize) -> Result<&'a [u8], PeError> {
        let end = at.checked_add(length);
        let bytes = end.and_then(|end| self.0.get(at..end));
        bytes.ok_or(PeError { at, problem: "it ends too early" })
    }

    fn u16(&self, at: usize) -> Result<u16, PeError> {
        let bytes = self.bytes(at, 2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&self, at: usize) -> Result<u32, PeError> {
        Ok(u32_at(self.bytes(at, 4)?, 0))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn put_u32(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}
