//! Evidence: all that a machine proves about itself, in one value with one form of bytes.
//!
//! ```text
//!  Statement: role, certified height and root, the node's public keys
//!      |                                  \
//!      | + TPM's keys, log, the guest      \ + names of the TPM's keys
//!      v                                    v
//!  nonce of the TPM's quote            report data of the SNP report, and the host's data in it
//!      |                                    |
//!  TpmPart: EK chain, AK, activation,   SnpPart: report, VCEK chain
//!           quote, event log                |
//!      \____________________________________/
//!                       |
//!       Evidence --verify(Policy, Roots, Known, time)--> Verdict<AttestedNode>
//! ```
//!
//! The encoding is that of docs/evidence.md: one form for each evidence, nothing unknown, a bound on
//! everything. No byte of accepted evidence can be changed (docs/decisions/065), and what is accepted
//! once can be judged again by anyone, as the time of judgment is an argument (decision 066).
//!
//! Which parts a role has, and how two machines' parts are kept apart: docs/decisions/067.

mod encoding;
mod error;
pub(crate) mod fields;
#[cfg(test)]
pub(crate) mod forge;
mod known;
mod policy;
mod roots;
mod statement;
#[cfg(test)]
mod tests;
mod verify;

pub use encoding::{Evidence, SnpPart, TpmPart, VERSION};
pub use error::EvidenceError;
pub use known::{Activation, Known, MachineRecord, answer};
pub use policy::{Policy, PolicyError};
pub use roots::{Roots, RootsError};
pub use statement::{
    Anchor, GuestName, NodeKeys, Role, Statement, TpmIdentity, challenge_id, host_data,
};
pub use verify::{AttestedGuest, AttestedNode, AttestedTpm, verify};
