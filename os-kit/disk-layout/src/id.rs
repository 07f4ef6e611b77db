//! Ids of disks, partitions and file systems: derived from what they name, never drawn at random.

use sha2::{Digest, Sha256};
use std::fmt;

/// A 128-bit id as partition tables and file systems carry it. The bytes are in the order in which
/// the text form writes them; a partition table stores the first three groups little-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The id with no bit set, which a partition table uses for "no partition".
    pub const NIL: Self = Self([0; 16]);

    /// The id whose text form spells these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A published id such as `0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b`.
    pub const fn from_u128(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// The id that belongs to some content: a version 8 UUID (RFC 9562) out of SHA-256 over the
    /// purpose and the content, so that equal content has equal ids on every machine.
    pub fn derived(purpose: &str, content: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"plinth-id-v1\0");
        hash.update((purpose.len() as u64).to_be_bytes());
        hash.update(purpose.as_bytes());
        hash.update(content);
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// The bytes in the order of the text form, as file systems store them.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The bytes as a partition table stores them.
    pub const fn gpt_bytes(self) -> [u8; 16] {
        Self::swapped(self.0)
    }

    /// The id that a partition table stores as these bytes.
    pub const fn from_gpt_bytes(bytes: [u8; 16]) -> Self {
        Self(Self::swapped(bytes))
    }

    const fn swapped(b: [u8; 16]) -> [u8; 16] {
        [
            b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
            b[14], b[15],
        ]
    }
}

/// The usual text form, in lower case.
impl fmt::Display for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_version_8_and_depend_on_everything() {
        let id = Guid::derived("disk", b"content");
        assert_eq!((id.bytes()[6] >> 4, id.bytes()[8] >> 6), (8, 2));
        assert_eq!(id, Guid::derived("disk", b"content"));
        assert_ne!(id, Guid::derived("disk", b"Content"));
        assert_ne!(id, Guid::derived("dis", b"kcontent"));
    }

    #[test]
    fn text_and_table_forms() {
        let esp = Guid::from_u128(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
        assert_eq!(esp.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(esp.gpt_bytes()[..4], [0x28, 0x73, 0x2a, 0xc1]);
        assert_eq!(Guid::from_gpt_bytes(esp.gpt_bytes()), esp);
    }
}
