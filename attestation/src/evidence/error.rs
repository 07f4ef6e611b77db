//! Why bytes are no evidence.

use crate::cursor::ReadError;

/// Why bytes are not evidence in its one form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// A field cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something else than evidence.
    #[error("this is no evidence: it does not begin with PLINTHEV")]
    Magic,
    /// A later version, or none.
    #[error("this is evidence of version {0}; this program reads version 1")]
    Version(u16),
    /// More bytes than evidence has.
    #[error("evidence has at most {bytes_max} bytes, not {bytes}")]
    TooLong {
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        bytes_max: usize,
    },
    /// A field that is unknown, missing, repeated, or out of its order.
    #[error("field {found} stands where field {wanted} (`{name}`) of the {structure} belongs")]
    Tag {
        /// Of what.
        structure: &'static str,
        /// The field that must come.
        name: &'static str,
        /// Its number.
        wanted: u8,
        /// The number that comes.
        found: u8,
    },
    /// A field that is too short or too long.
    #[error("`{name}` has {bytes} bytes, not {bytes_min} to {bytes_max}")]
    Length {
        /// Which field.
        name: &'static str,
        /// How many it has.
        bytes: usize,
        /// How many it must have.
        bytes_min: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// A role that is none.
    #[error("{0} is the number of no role: 1 is host, 2 guest, 3 machine")]
    Role(u8),
    /// Parts that the role does not have, or has not.
    #[error("evidence of a {role} {what}")]
    Parts {
        /// The role.
        role: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// Values of PCRs in another form than the one.
    #[error("the values of PCRs are not in their form: {0}")]
    Pcrs(&'static str),
    /// A list of certificates in another form than the one.
    #[error("the list of certificates has more than {count_max}")]
    Certificates {
        /// How many it may have.
        count_max: usize,
    },
}
