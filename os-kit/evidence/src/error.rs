//! Why no evidence was made.

use attestation::evidence::EvidenceError;
use os_kit_snp::SnpError;
use os_kit_tpm::TpmError;

/// Why no evidence was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The TPM.
    #[error("the TPM gives no evidence")]
    Tpm(#[from] TpmError),
    /// The security processor.
    #[error("the security processor gives no evidence")]
    Snp(#[from] SnpError),
    /// What was joined is no evidence.
    #[error("what was joined is no evidence")]
    Form(#[from] EvidenceError),
    /// The TPM has no certificate for the key.
    #[error(
        "the TPM has no certificate for its {0} endorsement key: choose another kind of key, or get the \
         certificate from the maker of the TPM"
    )]
    NoCertificate(&'static str),
    /// A key or certificate that the TPM gave cannot be read.
    #[error("{what} of the TPM cannot be read: {reason}")]
    Unreadable {
        /// What.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// A challenge in another form.
    #[error("this is no challenge: {0}")]
    Challenge(&'static str),
    /// The host left no certificates, and none were given.
    #[error(
        "the host left no certificates beside the report: give those of VCEK, ASK and ARK (AMD serves \
         them by chip and firmware version)"
    )]
    NoChain,
}
