//! The container in which a paravisor hands a report to its guest: the "HCL report" of Azure's confidential machines, which
//! their virtual TPM holds at NV index 0x0140_0001.
//!
//! ```text
//!  "HCLA", version, length, kind, status   32 bytes
//!  report of SEV-SNP                     1184 bytes
//!  length, version, type, hash, length     20 bytes
//!  claims, a text in JSON                  whose hash the paravisor had put into the report
//!  zeros                                   to the end of the NV index
//! ```
//!
//! Nothing of the container is signed but the report. What it says besides is to be believed as far as the report's data is its
//! hash, and that is a check: [`HclReport::check`]. All numbers are little endian.

use super::{REPORT_BYTES, Report};
use crate::checks::Checks;
use crate::crypto::Hash;
use crate::cursor::{Cursor, ReadError};

const MAGIC: &[u8; 4] = b"HCLA";
/// Versions of the header that differ in nothing that is read here.
const HEADER_VERSIONS: [u32; 2] = [1, 2];
const HEADER_BYTES: usize = 32;
const DATA_BYTES: usize = 20;
/// Version of what follows the report.
const DATA_VERSION: u32 = 1;
/// The type of a report of SEV-SNP.
const TYPE_SNP: u32 = 2;
/// An NV index has less.
const CLAIMS_BYTES_MAX: usize = 16 * 1024;

/// Why bytes are no container of a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HclError {
    /// They end too early.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They begin with something else.
    #[error("it does not begin with \"HCLA\"")]
    Magic,
    /// A part of another version.
    #[error("its {part} has version {found}, which is not read here")]
    Version {
        /// Which part.
        part: &'static str,
        /// What it says.
        found: u32,
    },
    /// Another kind of processor.
    #[error("it holds a report of type {0} and not one of SEV-SNP (2)")]
    Type(u32),
    /// A hash that nobody uses.
    #[error("it names hash {0}, and not SHA-256 (1), SHA-384 (2) or SHA-512 (3)")]
    Hash(u32),
    /// A length that does not fit to another.
    #[error("its lengths contradict each other: {0}")]
    Lengths(&'static str),
    /// Bytes that must be zero.
    #[error("{0} are not zero")]
    NotZero(&'static str),
}

const CLAIMS: (&str, &str) =
    ("snp.claims", "The report's data is the hash of the claims in the container.");

/// A report with the claims that its guest's paravisor made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HclReport<'a> {
    report: &'a [u8],
    claims: &'a [u8],
    hash: Hash,
}

impl<'a> HclReport<'a> {
    /// Whether bytes claim to be such a container.
    pub fn is_claimed(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// A window onto a whole container; zeros may follow it.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, HclError> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(MAGIC.len(), "magic")? != MAGIC {
            return Err(HclError::Magic);
        }
        let version = cursor.u32_le("version")?;
        if !HEADER_VERSIONS.contains(&version) {
            return Err(HclError::Version { part: "header", found: version });
        }
        let length = cursor.u32_le("length")?;
        // What it was asked for, and how that went: the report is the same.
        cursor.take(8, "kind and status")?;
        if cursor.take(12, "reserved bytes")?.iter().any(|byte| *byte != 0) {
            return Err(HclError::NotZero("reserved bytes"));
        }
        let report = cursor.take(REPORT_BYTES, "report")?;
        let data_length = cursor.u32_le("length of the data")?;
        let version = cursor.u32_le("version of the data")?;
        if version != DATA_VERSION {
            return Err(HclError::Version { part: "data", found: version });
        }
        let kind = cursor.u32_le("type of the report")?;
        if kind != TYPE_SNP {
            return Err(HclError::Type(kind));
        }
        let hash = match cursor.u32_le("hash")? {
            1 => Hash::Sha256,
            2 => Hash::Sha384,
            3 => Hash::Sha512,
            other => return Err(HclError::Hash(other)),
        };
        let claims_length = cursor.u32_le("length of the claims")? as usize;
        if claims_length > CLAIMS_BYTES_MAX {
            return Err(HclError::Lengths("the claims are longer than an NV index"));
        }
        if data_length as usize != DATA_BYTES + claims_length {
            return Err(HclError::Lengths("of the data and of the claims in it"));
        }
        if length as usize != HEADER_BYTES + REPORT_BYTES + DATA_BYTES + claims_length {
            return Err(HclError::Lengths("of the whole and of its parts"));
        }
        let claims = cursor.take(claims_length, "claims")?;
        if cursor.rest().iter().any(|byte| *byte != 0) {
            return Err(HclError::NotZero("the bytes after its end"));
        }
        Ok(Self { report, claims, hash })
    }

    /// The report, not yet looked at.
    pub fn report(&self) -> &'a [u8] {
        self.report
    }

    /// What the paravisor says, such as the key of the virtual TPM; to be believed if [`Self::check`] passes and the report is
    /// accepted.
    pub fn claims(&self) -> &'a [u8] {
        self.claims
    }

    /// Checks that the report's data is the hash of the claims, with zeros after it.
    pub fn check(&self, checks: &mut Checks) -> bool {
        let mut expected = [0; 64];
        let digest = self.hash.digest(self.claims);
        expected[..digest.as_bytes().len()].copy_from_slice(digest.as_bytes());
        let found = Report::from_bytes(self.report).map(|report| report.report_data());
        let detail = format!("{} over {} bytes", self.hash, self.claims.len());
        checks.record(CLAIMS, "claims", found == Ok(expected), detail)
    }
}

#[cfg(test)]
mod tests;
