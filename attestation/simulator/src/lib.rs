//! A security processor that runs SEV-SNP guests, for tests: its reports pass the same verifier as
//! real ones, under a root that nothing but tests believes.
//!
//! ```text
//!  Vendor (root and intermediate, fixed keys) --certifies--> Chip (secret, firmware versions)
//!                                                              |--launches--> Guest: report, derived key
//! ```
//!
//! A guest answers as the real one does ([`os_kit_snp::SnpGuest`]): in the process, or on a Unix socket of its
//! own ([`Service`]), so that programs of several guests on one chip can be tested as they are.
//!
//! What it keeps of the real firmware: which fields a report has and who may ask for it, that the
//! chip's key stands for a firmware version, that a chip does not go back below its committed
//! version, and the rules of derived keys. What it has not: memory, encryption, a launch that is
//! measured page by page (a guest is launched with a digest; `attestation::snp::launch` computes
//! one).
//!
//! Its keys are public. No program may depend on this crate but for its tests; the layer table
//! says so, and the root is data that a verifier is given.

#![forbid(unsafe_code)]

mod certificate;
mod chip;
mod guest;
mod service;
mod vendor;

pub use chip::{Chip, FirmwareError};
pub use guest::{DerivedKeyError, Guest, KeyRequest, Launch, ReportError};
pub use os_kit_snp::Fields;
pub use service::Service;
pub use vendor::Vendor;

#[cfg(test)]
mod sealing_tests;
#[cfg(test)]
mod tests;
