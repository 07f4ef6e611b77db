//! Fields one after the other: number (one byte), length (four bytes, big endian), content.
//!
//! A structure has its fields in ascending order of their numbers, each once; whoever reads says which
//! one must come next. So there is one form of bytes for each value.

use super::EvidenceError;
use crate::cursor::Cursor;
use std::ops::RangeInclusive;

/// A field: its number, its name, and how long it may be.
pub(crate) struct Field {
    pub tag: u8,
    pub name: &'static str,
    pub bytes: RangeInclusive<usize>,
}

/// Appends a field. Contents are bounded far below 4 GiB by who reads them.
pub(crate) fn put(bytes: &mut Vec<u8>, field: &Field, content: &[u8]) {
    bytes.push(field.tag);
    put_sized(bytes, content);
}

/// Appends a length of four bytes and the content.
pub(crate) fn put_sized(bytes: &mut Vec<u8>, content: &[u8]) {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_be_bytes());
    bytes.extend(content);
}

/// The fields of a structure that are not read yet.
pub(crate) struct Fields<'a> {
    structure: &'static str,
    cursor: Cursor<'a>,
}

impl<'a> Fields<'a> {
    pub fn new(structure: &'static str, cursor: Cursor<'a>) -> Self {
        Self { structure, cursor }
    }

    /// The content of the field that must come next.
    pub fn take(&mut self, field: &Field) -> Result<&'a [u8], EvidenceError> {
        let found = self.cursor.u8(field.name)?;
        if found != field.tag {
            return Err(EvidenceError::Tag {
                structure: self.structure,
                name: field.name,
                wanted: field.tag,
                found,
            });
        }
        sized(&mut self.cursor, field)
    }

    /// The content of a field whose length is fixed.
    pub fn take_array<const N: usize>(&mut self, field: &Field) -> Result<[u8; N], EvidenceError> {
        let content = self.take(field)?;
        content.try_into().map_err(|_| length(field, content.len()))
    }

    /// Says that no field may follow.
    pub fn finish(self) -> Result<(), EvidenceError> {
        Ok(self.cursor.finish(self.structure)?)
    }
}

/// A length of four bytes, checked, and so many bytes.
pub(crate) fn sized<'a>(cursor: &mut Cursor<'a>, field: &Field) -> Result<&'a [u8], EvidenceError> {
    let bytes = usize::try_from(cursor.u32_be(field.name)?).unwrap_or(usize::MAX);
    if !field.bytes.contains(&bytes) {
        return Err(length(field, bytes));
    }
    Ok(cursor.take(bytes, field.name)?)
}

fn length(field: &Field, bytes: usize) -> EvidenceError {
    EvidenceError::Length {
        name: field.name,
        bytes,
        bytes_min: *field.bytes.start(),
        bytes_max: *field.bytes.end(),
    }
}
