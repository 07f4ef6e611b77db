//! Who is believed: makers of TPMs and of security processors. Roots are data.

use super::policy::Hex;
use crate::snp::{Product, SnpRoot, SnpRoots};
use crate::x509::{
    Certificate, PemError, Pin, RevocationList, TrustRoot, TrustRoots, read_certificates,
    revocation_lists,
};
use serde::Deserialize;

/// Why roots are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// A certificate cannot be read.
    #[error("the certificates of `{label}` cannot be read")]
    Certificate {
        /// Which.
        label: String,
        /// Why not.
        #[source]
        source: PemError,
    },
    /// A list of revoked certificates cannot be read.
    #[error("`{label}` cannot be read")]
    RevocationList {
        /// Whose lists.
        label: &'static str,
        /// Why not.
        #[source]
        source: PemError,
    },
    /// One certificate is wanted.
    #[error("root `{label}` has {count} certificates, not one")]
    Count {
        /// Which.
        label: String,
        /// How many it has.
        count: usize,
    },
    /// The key's digest is too short or too long.
    #[error("the SHA-256 of the key of `{0}` must have 32 bytes")]
    Digest(String),
}

/// The roots that a verifier believes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RootsText")]
pub struct Roots {
    pub(super) tpm: TrustRoots,
    /// The roots' certificates, and those between that TPMs do not bring along.
    pub(super) tpm_certificates: Vec<Certificate>,
    /// What makers of TPMs no longer stand by.
    pub(super) tpm_revocation: Vec<RevocationList>,
    pub(super) snp: SnpRoots,
}

impl Roots {
    /// These and no others. `intermediates` are certificates that may stand below `tpm`: nothing is
    /// believed of them by itself.
    pub fn new(
        tpm: impl IntoIterator<Item = (String, Certificate)>,
        intermediates: impl IntoIterator<Item = Certificate>,
        snp: SnpRoots,
    ) -> Self {
        let mut certificates: Vec<Certificate> = intermediates.into_iter().collect();
        let roots: Vec<TrustRoot> = tpm
            .into_iter()
            .map(|(label, certificate)| {
                let pin = Pin::Certificate(certificate.sha256());
                certificates.push(certificate);
                TrustRoot { label, pin }
            })
            .collect();
        let tpm = TrustRoots::new(roots);
        Self { tpm, tpm_certificates: certificates, tpm_revocation: Vec::new(), snp }
    }

    /// These roots, and what makers of TPMs no longer stand by; `snp` has lists of its own.
    #[must_use]
    pub fn with_tpm_revocation_lists(
        mut self,
        lists: impl IntoIterator<Item = RevocationList>,
    ) -> Self {
        self.tpm_revocation.extend(lists);
        self
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RootsText {
    tpm: Vec<TpmRootText>,
    tpm_intermediates: Vec<String>,
    /// PEM.
    #[serde(default)]
    tpm_revocation_lists: Vec<String>,
    snp: Vec<SnpRootText>,
    /// PEM.
    #[serde(default)]
    snp_revocation_lists: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TpmRootText {
    label: String,
    /// PEM.
    certificate: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SnpRootText {
    label: String,
    product: Product,
    /// SHA-256 of the SubjectPublicKeyInfo.
    key_sha256: Hex,
}

impl TryFrom<RootsText> for Roots {
    type Error = RootsError;

    fn try_from(text: RootsText) -> Result<Self, RootsError> {
        let mut tpm = Vec::new();
        for TpmRootText { label, certificate } in text.tpm {
            let found = certificates(&label, &certificate)?;
            let count = found.len();
            let [one] = <[Certificate; 1]>::try_from(found)
                .map_err(|_| RootsError::Count { label: label.clone(), count })?;
            tpm.push((label, one));
        }
        let mut intermediates = Vec::new();
        for pem in &text.tpm_intermediates {
            intermediates.extend(certificates("tpm-intermediates", pem)?);
        }
        let mut snp = Vec::new();
        for SnpRootText { label, product, key_sha256 } in text.snp {
            let pin = key_sha256.array(&label).map_err(|_| RootsError::Digest(label.clone()))?;
            snp.push(SnpRoot { root: TrustRoot { label, pin: Pin::PublicKey(pin) }, product });
        }
        let of_tpm = lists("tpm-revocation-lists", &text.tpm_revocation_lists)?;
        let of_snp = lists("snp-revocation-lists", &text.snp_revocation_lists)?;
        let snp = SnpRoots::new(snp).with_revocation_lists(of_snp);
        Ok(Self::new(tpm, intermediates, snp).with_tpm_revocation_lists(of_tpm))
    }
}

fn lists(label: &'static str, files: &[String]) -> Result<Vec<RevocationList>, RootsError> {
    let mut lists = Vec::new();
    for pem in files {
        let found = revocation_lists(pem.as_bytes());
        lists.extend(found.map_err(|source| RootsError::RevocationList { label, source })?);
    }
    Ok(lists)
}

fn certificates(label: &str, pem: &str) -> Result<Vec<Certificate>, RootsError> {
    read_certificates(pem.as_bytes())
        .map_err(|source| RootsError::Certificate { label: label.to_owned(), source })
}
