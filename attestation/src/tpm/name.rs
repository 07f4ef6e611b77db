//! TPM2B_NAME: how a TPM names objects, and the qualified name that includes the parents.
//!
//! Source: "TPM 2.0 Library, Part 1: Architecture", section on names.

use super::algorithm::{hash_from_id, hash_id};
use crate::crypto::{Digest, Hash};
use crate::cursor::{Cursor, ReadError};
use std::fmt;

/// The longest name: an algorithm id and a digest.
pub(super) const NAME_BYTES_MAX: usize = 2 + 64;

/// `nameAlg || H(public area)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Digest);

/// The hierarchy that a primary key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// TPM_RH_OWNER: storage, of the machine's owner.
    Owner,
    /// TPM_RH_NULL: until the next start only.
    Null,
    /// TPM_RH_ENDORSEMENT: of the TPM's maker.
    Endorsement,
    /// TPM_RH_PLATFORM: of the firmware.
    Platform,
}

impl Hierarchy {
    fn handle(self) -> [u8; 4] {
        match self {
            Self::Owner => 0x4000_0001u32,
            Self::Null => 0x4000_0007,
            Self::Endorsement => 0x4000_000b,
            Self::Platform => 0x4000_000c,
        }
        .to_be_bytes()
    }
}

impl Name {
    pub(super) fn of(digest: Digest) -> Self {
        Self(digest)
    }

    /// Reads the bytes of a name; `None` if they are none of a known algorithm.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, digest) = bytes.split_first_chunk()?;
        Digest::from_bytes(hash_from_id(u16::from_be_bytes(*id))?, digest).map(Self)
    }

    /// `nameAlg || digest`.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = hash_id(self.0.hash()).to_be_bytes().to_vec();
        bytes.extend_from_slice(self.0.as_bytes());
        bytes
    }

    /// Its algorithm.
    pub fn hash(self) -> Hash {
        self.0.hash()
    }

    /// The qualified name of a primary key of this name.
    pub fn qualified_in(self, hierarchy: Hierarchy) -> Self {
        self.below(&hierarchy.handle())
    }

    /// The qualified name of a key of this name whose parent has that qualified name.
    pub fn qualified_under(self, parent: Self) -> Self {
        self.below(&parent.to_bytes())
    }

    fn below(self, parent: &[u8]) -> Self {
        Self(self.hash().digest_parts(&[parent, &self.to_bytes()]))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

/// Reads a TPM2B_NAME; `None` inside if it is of no known algorithm (or a handle, or empty).
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
    field: &'static str,
) -> Result<&'a [u8], ReadError> {
    cursor.sized(field, NAME_BYTES_MAX)
}
