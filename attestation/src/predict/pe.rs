//! Programs in PE format: their sections, and the digest by which firmware measures them.
//!
//! Sources: "Microsoft PE and COFF Specification"; "Windows Authenticode Portable Executable Signature
//! Format", calculation of the digest, as UEFI firmware follows it. Files come from anywhere, so
//! what two readers could see differently is refused.

use crate::crypto::{Digest, Hash};
use crate::cursor::{Cursor, ReadError};

/// The most sections: what the PE specification allows.
const SECTION_COUNT_MAX: usize = 96;
/// Where the DOS header has the offset of the PE header.
const PE_OFFSET_AT: usize = 0x3c;
/// The length of a section's header.
const SECTION_HEADER_BYTES: usize = 40;
/// The length of a certificate table's entry in the list of data directories.
const DIRECTORY_BYTES: usize = 8;
/// The number of the certificate table in that list.
const CERTIFICATE_TABLE: usize = 4;
/// Offsets in the optional header.
const HEADERS_BYTES_AT: usize = 60;
const CHECKSUM_AT: usize = 64;
const CHECKSUM_BYTES: usize = 4;

/// Why bytes are not a program that can be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// A field cannot be read.
    #[error("this is no PE file")]
    Read(#[from] ReadError),
    /// A mark is wrong.
    #[error("this is no PE file: {0} is missing")]
    Mark(&'static str),
    /// The header contradicts itself.
    #[error("the PE header is wrong: {0}")]
    Header(&'static str),
    /// A section's place is wrong.
    #[error("section {name} of the PE file is wrong: {what}")]
    Section {
        /// Its name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A section is missing.
    #[error("the PE file has no section {0}")]
    NoSection(&'static str),
    /// A section comes twice.
    #[error("the PE file has the section {0} twice")]
    TwoSections(&'static str),
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its name, without the zeros behind it.
    pub name: &'a [u8],
    /// How long it is in memory.
    pub virtual_bytes: usize,
    /// What the file has of it, which may be padded.
    pub raw: &'a [u8],
    raw_at: usize,
}

impl<'a> Section<'a> {
    fn wrong(&self, what: &'static str) -> PeError {
        PeError::Section { name: String::from_utf8_lossy(self.name).into_owned(), what }
    }

    /// Its bytes in memory, all of which must be in the file.
    pub fn data(&self) -> Result<&'a [u8], PeError> {
        self.raw
            .get(..self.virtual_bytes)
            .ok_or_else(|| self.wrong("it is longer in memory than in the file"))
    }
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pe<'a> {
    bytes: &'a [u8],
    /// Where the checksum stands.
    checksum_at: usize,
    /// Where the entry of the certificate table stands, if there is one.
    directory_at: Option<usize>,
    headers_bytes: usize,
    certificate_bytes: usize,
    sections: Vec<Section<'a>>,
}

impl<'a> Pe<'a> {
    /// Reads the headers of a program.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PeError> {
        if !bytes.starts_with(b"MZ") {
            return Err(PeError::Mark("`MZ`"));
        }
        let pe_at = at(bytes, PE_OFFSET_AT)?.u32_le("e_lfanew")? as usize;
        let mut coff = at(bytes, pe_at)?;
        if coff.take(4, "PE mark")? != b"PE\0\0" {
            return Err(PeError::Mark("`PE`"));
        }
        coff.u16_le("Machine")?;
        let section_count = usize::from(coff.u16_le("NumberOfSections")?);
        coff.take(12, "TimeDateStamp to NumberOfSymbols")?;
        let optional_bytes = usize::from(coff.u16_le("SizeOfOptionalHeader")?);
        coff.u16_le("Characteristics")?;
        if !(1..=SECTION_COUNT_MAX).contains(&section_count) {
            return Err(PeError::Header("it must have 1 to 96 sections"));
        }
        // 24: the mark and the COFF header that were just read.
        let optional_at = pe_at + 24;
        let optional = coff.take(optional_bytes, "optional header")?;
        let headers_bytes = at(optional, HEADERS_BYTES_AT)?.u32_le("SizeOfHeaders")? as usize;
        let directory = directory(optional)?;
        let table_at = optional_at + optional_bytes;
        let table_end = table_at + section_count * SECTION_HEADER_BYTES;
        if headers_bytes < table_end || headers_bytes > bytes.len() {
            return Err(PeError::Header(
                "SizeOfHeaders does not reach behind the sections' headers",
            ));
        }
        let mut cursor = at(bytes, table_at)?;
        let sections = (0..section_count)
            .map(|_| section(&mut cursor, bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let mut pe = Self {
            bytes,
            checksum_at: optional_at + CHECKSUM_AT,
            directory_at: directory.map(|(at, _, _)| optional_at + at),
            headers_bytes,
            certificate_bytes: 0,
            sections,
        };
        pe.check_places()?;
        if let Some((_, offset, size)) = directory {
            pe.check_certificates(offset, size)?;
            pe.certificate_bytes = size;
        }
        Ok(pe)
    }

    /// Its sections, in the order of their headers.
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// The one section of a name, if there is one.
    pub fn section(&self, name: &'static str) -> Result<Option<&Section<'a>>, PeError> {
        let mut found = self.sections.iter().filter(|section| section.name == name.as_bytes());
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(PeError::TwoSections(name)),
            (section, None) => Ok(section),
        }
    }

    /// Whether it carries signatures.
    pub fn is_signed(&self) -> bool {
        self.certificate_bytes > 0
    }

    /// The digest that firmware measures and that a signature is over: everything but the checksum,
    /// the certificate table and its entry.
    pub fn authenticode(&self, hash: Hash) -> Digest {
        let mut parts: Vec<&[u8]> = Vec::with_capacity(self.sections.len() + 4);
        let behind_checksum = self.checksum_at + CHECKSUM_BYTES;
        parts.push(&self.bytes[..self.checksum_at]);
        match self.directory_at {
            Some(directory_at) => {
                parts.push(&self.bytes[behind_checksum..directory_at]);
                parts.push(&self.bytes[directory_at + DIRECTORY_BYTES..self.headers_bytes]);
            }
            None => parts.push(&self.bytes[behind_checksum..self.headers_bytes]),
        }
        parts.extend(self.by_place().iter().map(|section| section.raw));
        parts.push(&self.bytes[self.hashed_end()..self.bytes.len() - self.certificate_bytes]);
        hash.digest_parts(&parts)
    }

    /// Sections that have bytes in the file, in the order of these.
    fn by_place(&self) -> Vec<&Section<'a>> {
        let mut sections: Vec<_> =
            self.sections.iter().filter(|section| !section.raw.is_empty()).collect();
        sections.sort_by_key(|section| section.raw_at);
        sections
    }

    /// Firmware counts what it hashed, and takes the rest of the file from that count on.
    fn hashed_end(&self) -> usize {
        self.headers_bytes + self.sections.iter().map(|section| section.raw.len()).sum::<usize>()
    }

    /// Sections stand one after the other behind the headers, without a gap: a gap would make firmware
    /// hash some bytes twice and others never.
    fn check_places(&self) -> Result<(), PeError> {
        let mut end = self.headers_bytes;
        for section in self.by_place() {
            if section.raw_at != end {
                return Err(section.wrong("it does not begin where the one before ends"));
            }
            end += section.raw.len();
        }
        // Fields that are cut out of the digest lie in the headers.
        let last = self.directory_at.unwrap_or(self.checksum_at + CHECKSUM_BYTES - DIRECTORY_BYTES);
        if last + DIRECTORY_BYTES > self.headers_bytes {
            return Err(PeError::Header("the optional header ends behind SizeOfHeaders"));
        }
        Ok(())
    }

    /// The certificate table ends the file.
    fn check_certificates(&self, offset: usize, size: usize) -> Result<(), PeError> {
        if size == 0 {
            return Ok(());
        }
        if offset.checked_add(size) != Some(self.bytes.len()) || offset < self.hashed_end() {
            return Err(PeError::Header("the certificate table does not end the file"));
        }
        Ok(())
    }
}

/// A cursor at an offset.
fn at(bytes: &[u8], offset: usize) -> Result<Cursor<'_>, PeError> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(offset, "header")?;
    Ok(cursor)
}

/// The entry of the certificate table: its offset in the optional header, and what it says.
fn directory(optional: &[u8]) -> Result<Option<(usize, usize, usize)>, PeError> {
    let count_at = match at(optional, 0)?.u16_le("Magic")? {
        0x010b => 92,
        0x020b => 108,
        _ => return Err(PeError::Mark("the magic of PE32 or PE32+")),
    };
    let count = at(optional, count_at)?.u32_le("NumberOfRvaAndSizes")? as usize;
    if count <= CERTIFICATE_TABLE {
        return Ok(None);
    }
    let entry_at = count_at + 4 + CERTIFICATE_TABLE * DIRECTORY_BYTES;
    let mut entry = at(optional, entry_at)?;
    let offset = entry.u32_le("certificate table offset")? as usize;
    let size = entry.u32_le("certificate table size")? as usize;
    Ok(Some((entry_at, offset, size)))
}

fn section<'a>(cursor: &mut Cursor<'a>, bytes: &'a [u8]) -> Result<Section<'a>, PeError> {
    let name = cursor.take(8, "section name")?;
    let name_end = name.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let virtual_bytes = cursor.u32_le("VirtualSize")? as usize;
    cursor.u32_le("VirtualAddress")?;
    let raw_bytes = cursor.u32_le("SizeOfRawData")? as usize;
    let raw_at = cursor.u32_le("PointerToRawData")? as usize;
    cursor.take(16, "relocations to characteristics")?;
    let mut section = Section { name: &name[..name_end], virtual_bytes, raw: &[], raw_at };
    if raw_bytes > 0 {
        section.raw = raw_at
            .checked_add(raw_bytes)
            .and_then(|end| bytes.get(raw_at..end))
            .ok_or_else(|| section.wrong("it ends behind the end of the file"))?;
    }
    Ok(section)
}

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod tests;
