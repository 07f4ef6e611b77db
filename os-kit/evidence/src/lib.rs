//! Makes evidence on a node: asks its TPM and its security processor, and joins what they say.
//!
//! ```text
//!  Tpm --identity--> TpmIdentity (EK chain, EK, AK)  --> who makes a challenge for them
//!                                                            |
//!  Tpm <--open(challenge)-- secret <-------------------------'
//!   |                         |
//!   '--tpm_part(statement, identity, secret, guest)--> TpmPart  \
//!                                                                +-- Evidence::new
//!  SnpGuest --snp_part(statement, names of the TPM)--> SnpPart  /
//! ```
//!
//! On a machine HostOS makes the TPM's part and GuestOS the other one; each needs of the other only names
//! (docs/decisions/067). What evidence must be bound to, and its bytes, are the crate `attestation`'s.
//!
//! [`Enrolment`] takes a node through its enrolment with both, and keeps where it stands in a file.
//!
//! What it must not know: policies. Nothing here judges.

mod enrolment;
mod error;
mod snp;
mod state_file;
mod tpm;

pub use enrolment::{Enrolment, EnrolmentError, Hardware, Step};
pub use error::MakeError;
pub use snp::{SnpInputs, guest_name, snp_part};
pub use tpm::{Identity, OpenedChallenge, TpmInputs, identity, open_challenge, tpm_part};
