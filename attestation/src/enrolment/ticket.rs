//! Tickets: one machine may join with each, once, for a while.

use super::Refusal;
use crate::crypto::Hash;
use crate::tpm::Name;

/// The longest id of an operator, and the longest name of a data center.
pub(super) const SITE_BYTES_MAX: usize = 64;

/// What a ticket is known by: its code is a secret until it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TicketId(pub [u8; 32]);

/// The id of a ticket with this code.
pub fn ticket_id(code: &[u8; 32]) -> TicketId {
    let digest = Hash::Sha256.digest_parts(&[b"plinth enrolment ticket, version 1", code]);
    let mut id = [0; 32];
    id.copy_from_slice(digest.as_bytes());
    TicketId(id)
}

/// Who operates a machine, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The operator's id.
    pub operator: Vec<u8>,
    /// The data center's name.
    pub data_center: String,
}

impl Site {
    /// Whether it can be kept.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let fits = |bytes: usize| (1..=SITE_BYTES_MAX).contains(&bytes);
        if fits(self.operator.len()) && fits(self.data_center.len()) {
            Ok(())
        } else {
            Err(Refusal::Site)
        }
    }
}

/// For whom a ticket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The machine whose TPM has the endorsement key of this name.
    Tpm(Name),
    /// Any machine of this operator in this data center.
    Site(Site),
}

/// A ticket as it is issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// For whom it is.
    pub binding: Binding,
    /// The last height at which it can be used.
    pub height_max: u64,
}
