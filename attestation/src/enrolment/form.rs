//! What the states of both sides have in common as bytes: a head, then fields in order, lists in them, and one
//! form for each state (docs/decisions/082).

use crate::cursor::Cursor;
use crate::evidence::fields::{Field, Fields, put, put_sized, sized};
use crate::evidence::{EvidenceError, NodeKeys, Role};
use crate::tpm::Name;
use std::ops::RangeInclusive;

/// Why bytes are no state in its one form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] EvidenceError),
    /// Something else.
    #[error("this is no {0}: it begins with other bytes")]
    Magic(&'static str),
    /// A later version, or none.
    #[error("this is a {structure} of version {version}; this program reads version 1")]
    Version {
        /// Of what.
        structure: &'static str,
        /// The version that stands there.
        version: u16,
    },
    /// Too many of something.
    #[error("the {list} are more than {count_max}")]
    Count {
        /// What.
        list: &'static str,
        /// How many there may be.
        count_max: usize,
    },
    /// A number that means nothing.
    #[error("`{0}` has a value that means nothing")]
    Value(&'static str),
    /// A key of a TPM that cannot be read.
    #[error("the {what} cannot be read: {reason}")]
    Key {
        /// Which.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// Something that no step leads to.
    #[error("no step leads to this state: {0}")]
    Unreachable(&'static str),
}

/// Lengths of names: an algorithm, and a digest of SHA-1 to SHA-512.
pub(super) const NAME_BYTES: RangeInclusive<usize> = 22..=66;
/// Keys of a node: three fields at their longest.
pub(super) const KEYS_BYTES: RangeInclusive<usize> = 1..=2048;

const VERSION: u16 = 1;

/// How a state begins.
pub(super) struct Head {
    pub magic: [u8; 8],
    pub structure: &'static str,
}

impl Head {
    pub fn begin(&self) -> Vec<u8> {
        [self.magic.as_slice(), &VERSION.to_be_bytes()].concat()
    }

    /// The fields behind it.
    pub fn read<'a>(&self, bytes: &'a [u8]) -> Result<Fields<'a>, StateError> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(self.magic.len(), "magic").ok() != Some(&self.magic) {
            return Err(StateError::Magic(self.structure));
        }
        let version = cursor.u16_be("version").map_err(EvidenceError::from)?;
        if version != VERSION {
            return Err(StateError::Version { structure: self.structure, version });
        }
        Ok(Fields::new(self.structure, cursor))
    }
}

/// A list in a field: entries, each behind its length.
pub(super) struct List {
    pub field: Field,
    pub entry: Field,
    pub count_max: usize,
}

impl List {
    pub fn put(&self, bytes: &mut Vec<u8>, entries: impl Iterator<Item = Vec<u8>>) {
        let mut content = Vec::new();
        entries.for_each(|entry| put_sized(&mut content, &entry));
        put(bytes, &self.field, &content);
    }

    pub fn read<'a>(&self, fields: &mut Fields<'a>) -> Result<Vec<Fields<'a>>, StateError> {
        let mut cursor = Cursor::new(fields.take(&self.field)?);
        let mut entries = Vec::new();
        while !cursor.rest().is_empty() {
            if entries.len() == self.count_max {
                let (list, count_max) = (self.field.name, self.count_max);
                return Err(StateError::Count { list, count_max });
            }
            let entry = sized(&mut cursor, &self.entry)?;
            entries.push(Fields::new(self.entry.name, Cursor::new(entry)));
        }
        Ok(entries)
    }
}

pub(super) fn put_number(bytes: &mut Vec<u8>, field: &Field, number: u64) {
    put(bytes, field, &number.to_be_bytes());
}

pub(super) fn read_number(fields: &mut Fields<'_>, field: &Field) -> Result<u64, StateError> {
    Ok(u64::from_be_bytes(fields.take_array(field)?))
}

pub(super) fn read_name(fields: &mut Fields<'_>, field: &Field) -> Result<Name, StateError> {
    Name::from_bytes(fields.take(field)?).ok_or(StateError::Value(field.name))
}

/// The only two bytes that are an answer.
pub(super) fn read_flag(byte: u8, name: &'static str) -> Result<bool, StateError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(StateError::Value(name)),
    }
}

pub(super) fn put_keys(bytes: &mut Vec<u8>, field: &Field, keys: &NodeKeys) {
    let mut content = Vec::new();
    keys.put(&mut content);
    put(bytes, field, &content);
}

/// The keys of a machine, which has all three.
pub(super) fn read_keys(fields: &mut Fields<'_>, field: &Field) -> Result<NodeKeys, StateError> {
    let mut parts = Fields::new(field.name, Cursor::new(fields.take(field)?));
    let keys = NodeKeys::read(&mut parts, Role::Machine)?;
    parts.finish()?;
    Ok(keys)
}
