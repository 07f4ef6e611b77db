//! X.509 certificates and their chains to pinned roots.
//!
//! The signature is checked over the bytes as they were received; nothing is encoded again. What
//! is not in the one form of DER is refused, but for the named [`Quirk`]s of certificates that
//! vendors have burnt into hardware: each that is met is logged as a check, which fails unless the
//! caller's rules name it.
//!
//! - [`Certificate`]: one certificate, parsed and not believed.
//! - [`TrustRoots`]: which roots are believed, by their SHA-256.
//! - [`RevocationList`]: which certificates an authority no longer stands by; a caller's rules have them.
//! - [`check_path`]: every check of RFC 5280, section 6, that these chains need.
//!
//! Not here, as no chain of these vendors needs it: policies beyond "any", name constraints
//! (refused where critical), cross certificates.

mod algorithm;
mod certificate;
mod envelope;
mod extension;
#[cfg(test)]
pub(crate) mod forge;
mod path;
mod pem;
mod quirk;
mod revocation;
mod roots;
mod time;

pub use algorithm::SignatureAlgorithm;
pub use certificate::{Certificate, CertificateError, Extension, Validity};
pub use extension::{BasicConstraints, KeyUsage, oid};
pub use path::{PATH_CERTIFICATES_MAX, PathRules, check_path, find_path};
pub(crate) use pem::{CERTIFICATE, pem_blocks};
pub use pem::{
    PemError, certificate_bytes, certificates as read_certificates, is_der, revocation_lists,
};
pub use quirk::Quirk;
pub use revocation::{RevocationList, RevocationListError};
pub use roots::{Pin, TrustRoot, TrustRoots};
pub use time::UnixTime;
