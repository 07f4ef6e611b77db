//! What an SEV-SNP guest asks its security processor for: reports, and keys that only this guest gets.
//!
//! ```text
//!  SnpAddress --open--> SnpGuest: report(data), derived_key(request)
//!                        |-- Kernel: configfs-tsm for reports, /dev/sev-guest for keys
//!                        '-- Remote: the same over a socket, where a simulated processor answers
//!
//!  disk_key(guest, scope, parameters)     the key of one partition: of this image, on this chip
//! ```
//!
//! Nothing here judges a report: that is the crate `attestation`, and it is the same one for both. Which
//! processor answers makes no difference to who verifies: a simulated one is believed by tests alone.
//!
//! What it must not know: releases, registry, disks. Calls block.

mod address;
pub mod attributes;
mod certificates;
mod device;
mod error;
mod guest;
mod remote;
mod sealing;
mod tsm;
pub mod wire;

pub use address::{AddressError, SnpAddress};
pub use certificates::{CertificateTable, Certificates, CertificatesError};
pub use device::SEV_GUEST;
pub use error::SnpError;
pub use guest::{DerivedKey, Fields, Kernel, KeyRequest, SignedReport, SnpGuest};
pub use remote::Remote;
pub use sealing::{DiskKey, Parameters, Scope, SealingError, disk_key};
pub use tsm::TSM_REPORTS;
