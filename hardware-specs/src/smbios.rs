//! The tables in which firmware describes the machine (DMTF DSP0134, "System Management BIOS"). They
//! come from firmware and are not believed: every length in them is checked.

#[cfg(test)]
mod tests;

use thiserror::Error;

/// Far more than any machine has; real tables have 2 to 64 KiB.
const TABLE_BYTES_MAX: usize = 1 << 20;
/// The least length of a structure: its head.
const HEAD_BYTES: usize = 4;
/// Kinds of structures.
const MEMORY_DEVICE: u8 = 17;
const END_OF_TABLE: u8 = 127;
/// Offsets in a memory device.
const SIZE_AT: usize = 0x0c;
const EXTENDED_SIZE_AT: usize = 0x1c;
/// Values of its size.
const SIZE_EXTENDED: u16 = 0x7fff;
const SIZE_UNKNOWN: u16 = 0xffff;
const SIZE_IN_KIB: u16 = 0x8000;

/// A table that firmware cannot have meant.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("SMBIOS table, byte {at}: {problem}; update the machine's firmware")]
pub struct SmbiosError {
    /// Where.
    pub at: usize,
    /// What is wrong.
    pub problem: &'static str,
}

/// One structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure<'a> {
    /// Its kind.
    pub kind: u8,
    /// Its formatted part, head included.
    pub data: &'a [u8],
    /// Its strings; fields name them from 1 on.
    pub strings: Vec<&'a [u8]>,
}

impl Structure<'_> {
    fn u16_at(&self, at: usize) -> Option<u16> {
        self.data.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        let bytes = self.data.get(at..at + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Bytes of a memory device; 0 for an empty place. None if it is no such device, or does not say.
    pub fn memory_bytes(&self) -> Option<u64> {
        if self.kind != MEMORY_DEVICE {
            return None;
        }
        const MIB: u64 = 1 << 20;
        match self.u16_at(SIZE_AT)? {
            SIZE_UNKNOWN => None,
            SIZE_EXTENDED => {
                // Its highest bit is reserved.
                let mib = self.u32_at(EXTENDED_SIZE_AT)? & 0x7fff_ffff;
                Some(u64::from(mib) * MIB)
            }
            kib if kib & SIZE_IN_KIB != 0 => Some(u64::from(kib & !SIZE_IN_KIB) * 1024),
            mib => Some(u64::from(mib) * MIB),
        }
    }
}

/// Reads all structures up to the one that ends the table.
pub fn structures(table: &[u8]) -> Result<Vec<Structure<'_>>, SmbiosError> {
    if table.len() > TABLE_BYTES_MAX {
        return Err(SmbiosError { at: TABLE_BYTES_MAX, problem: "it has over 1 MiB" });
    }
    let mut all = Vec::new();
    let mut at = 0;
    while at < table.len() {
        let (structure, next) = structure(table, at)?;
        let is_end = structure.kind == END_OF_TABLE;
        all.push(structure);
        if is_end {
            return Ok(all);
        }
        at = next;
    }
    Err(SmbiosError { at, problem: "it does not end with an end-of-table structure" })
}

/// The structure at a place, and where the next one begins.
fn structure(table: &[u8], at: usize) -> Result<(Structure<'_>, usize), SmbiosError> {
    let wrong = |at, problem| SmbiosError { at, problem };
    let rest = &table[at..];
    let &[kind, length, ..] = rest else {
        return Err(wrong(at, "a structure is cut off"));
    };
    let length = usize::from(length);
    if length < HEAD_BYTES {
        return Err(wrong(at, "a structure is shorter than its head"));
    }
    let data = rest.get(..length).ok_or_else(|| wrong(at, "a structure is cut off"))?;
    let mut strings = Vec::new();
    let mut from = at + length;
    loop {
        let text = &table[from..];
        let end = text.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| wrong(from, "a string does not end"))?;
        if end == 0 {
            break;
        }
        strings.push(&text[..end]);
        from += end + 1;
    }
    // A structure without strings ends with two zeros, one with strings by an empty one.
    let next = if strings.is_empty() { from + 2 } else { from + 1 };
    if table.get(next - 1) != Some(&0) {
        return Err(wrong(next - 1, "two zeros must follow a structure without strings"));
    }
    Ok((Structure { kind, data, strings }, next))
}
