//! Attestation reports of AMD SEV-SNP, checked over the bytes as received.
//!
//! ```text
//!  ARK (pinned) --signs--> ASK or ASVK --signs--> VCEK or VLEK --signs--> report[..0x2a0]
//!        \_______________ check the chain: VerifiedVek _____/                |
//!                                              policy --check the report: VerifiedReport
//! ```
//!
//! [`verify`] is the one way to a [`VerifiedReport`]; [`verify_vek`] and [`verify_report`] are its
//! two halves, for who keeps the chain of a machine. Sources: AMD's "SEV Secure Nested Paging
//! Firmware ABI Specification" (56860) for reports, "VCEK Certificate and KDS Interface
//! Specification" (57230) for certificates.
//!
//! A report says what one chip's firmware saw at the launch of one guest. It says nothing about
//! physical attacks on that chip, and its signature can take two forms: neither the signature nor
//! a digest over it is an identity.

#[cfg(test)]
pub(crate) mod forge;
mod hcl;
pub mod launch;
mod policy;
mod product;
mod report;
mod roots;
mod tcb;
mod vek;
mod verify;

pub use hcl::{HclError, HclReport};
pub use policy::{
    AbiVersion, Expect, GuestBits, KeyRule, PlatformBits, SnpPolicy, TcbMinima, VMPL_MAX,
};
pub use product::Product;
pub use report::{REPORT_BYTES, Report, ReportError, SigningKey};
pub use roots::{SnpRoot, SnpRoots};
pub use tcb::TcbVersion;
pub use vek::{VekClaims, VekError, VekKind};
pub use verify::{SnpEvidence, VerifiedReport, VerifiedVek, verify, verify_report, verify_vek};
