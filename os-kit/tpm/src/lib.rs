//! The TPM of a node: who it is, what it attests, and what it keeps.
//!
//! ```text
//!  TpmAddress --Tpm::open(expected endorsement key)--> Tpm      an encrypted channel
//!                                                       |
//!    endorsement_key   who the TPM is: key and certificates, as bytes for the verifier
//!    attestation_key   signs quotes of registers and of counters, as bytes for the verifier
//!    take_ownership    from now on the releases that the TPM allows are its owner
//!    seal, unseal      secrets that open to an allowed release alone
//!    increment         a counter that retires releases for good
//! ```
//!
//! - [`TpmAddress`]: the kernel's device, or a software TPM's socket.
//! - [`Tpm`]: a connection. Every command that carries a secret is encrypted on the bus.
//! - [`Branch`], [`Allowed`], [`Approval`]: policies as values, whose digests need no TPM.
//! - [`Proof`]: what a running release shows to the TPM to open secrets, or to act as the owner.
//! - [`TpmError`]: what can go wrong, each with what a person can do about it.
//!
//! Nothing here judges evidence: that is the verifier's, which needs no TPM. Nothing here knows what a
//! release, a registry or a disk is. Calls block; a connection is used by one thread at a time.

mod address;
mod attestation;
mod endorsement;
mod error;
mod esys;
mod link;
mod nv;
mod owner;
mod pcr;
mod policy;
mod seal;
mod secret;
mod template;
mod tpm;

pub use address::{AddressError, DEVICE, TpmAddress};
pub use attestation::{AttestationKey, Quote, Statement};
pub use endorsement::{EkKind, EndorsementKey, ObjectName};
pub use error::TpmError;
pub use nv::NvIndex;
pub use owner::{ALLOWED_INDEX, COUNTER_INDEX, Estate, Owner, STORAGE_HANDLE};
pub use pcr::{Bank, PCR_COUNT, PcrSelection, PcrValues};
pub use policy::{
    Allowed, Approval, ApprovalKey, BRANCHES_MAX, Branch, CounterLimit, PolicyDigest, SignedPolicy,
};
pub use seal::{ApprovedBy, Proof, Sealed};
pub use secret::{SECRET_BYTES_MAX, Secret};
pub use tpm::{Condition, Expect, Hierarchy, TIME_LIMIT, Tpm};
