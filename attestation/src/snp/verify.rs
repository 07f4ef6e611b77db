//! The decision: every check of a chain and a report, and the values that follow.

mod chain;
mod fields;

use super::{Product, Report, SnpPolicy, SnpRoots, TcbVersion, VekClaims, VekKind};
use crate::checks::{Checks, Verdict};
use crate::crypto::EcPublicKey;
use crate::x509::{UnixTime, Validity};

/// What a guest, or its host, hands over. All of it is foreign.
#[derive(Clone, Copy, Debug)]
pub struct SnpEvidence<'a> {
    /// The report, with its signature.
    pub report: &'a [u8],
    /// The certificate of the key that signed it, in DER.
    pub vek: &'a [u8],
    /// The certificate of the intermediate (ASK, or ASVK for a VLEK), in DER.
    pub ask: &'a [u8],
    /// The certificate of the root (ARK), in DER.
    pub ark: &'a [u8],
}

/// A signing key whose chain to a believed root was checked.
#[derive(Clone, Debug)]
pub struct VerifiedVek {
    claims: VekClaims,
    key: EcPublicKey,
    root: String,
    /// When all three certificates are valid.
    validity: Validity,
}

impl VerifiedVek {
    /// Whose key it is, of which generation, for which firmware.
    pub fn claims(&self) -> &VekClaims {
        &self.claims
    }

    /// What the root is called that vouches for it.
    pub fn root(&self) -> &str {
        &self.root
    }
}

/// A report that a believed chip made, and that a policy accepts.
#[derive(Clone, Debug)]
pub struct VerifiedReport {
    report: Report,
    vek: VerifiedVek,
    at: UnixTime,
}

impl VerifiedReport {
    /// The report, all of whose signed fields are to be believed.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The key that signed it.
    pub fn vek(&self) -> &VerifiedVek {
        &self.vek
    }

    /// The generation of the chip.
    pub fn product(&self) -> Product {
        self.vek.claims.product
    }

    /// The firmware version that the signing key stands for.
    pub fn reported_tcb(&self) -> TcbVersion {
        self.vek.claims.tcb_version()
    }

    /// The chip, if its own key signed.
    pub fn chip_id(&self) -> Option<[u8; 64]> {
        match self.vek.claims.kind {
            VekKind::Vcek { .. } => Some(self.report.chip_id()),
            VekKind::Vlek { .. } => None,
        }
    }

    /// The time for which it was checked.
    pub fn at(&self) -> UnixTime {
        self.at
    }
}

/// Checks a chain and the report that its key signed, for the time `at`.
pub fn verify(
    evidence: &SnpEvidence<'_>,
    roots: &SnpRoots,
    policy: &SnpPolicy,
    at: UnixTime,
) -> Verdict<VerifiedReport> {
    let mut checks = Checks::new();
    let vek = chain::check(&mut checks, evidence, roots, at);
    let report = fields::check(&mut checks, evidence.report, vek.as_ref(), policy);
    let verified = report.zip(vek).map(|(report, vek)| VerifiedReport { report, vek, at });
    Verdict::conclude(checks, verified)
}

/// Checks a chain alone, for the time `at`. The report in `evidence` is not looked at.
pub fn verify_vek(
    evidence: &SnpEvidence<'_>,
    roots: &SnpRoots,
    at: UnixTime,
) -> Verdict<VerifiedVek> {
    let mut checks = Checks::new();
    let vek = chain::check(&mut checks, evidence, roots, at);
    Verdict::conclude(checks, vek)
}

/// Checks a report by a key whose chain was checked before, for the time `at`.
pub fn verify_report(
    report: &[u8],
    vek: &VerifiedVek,
    policy: &SnpPolicy,
    at: UnixTime,
) -> Verdict<VerifiedReport> {
    let mut checks = Checks::new();
    chain::check_time(&mut checks, vek, at);
    let report = fields::check(&mut checks, report, Some(vek), policy);
    let verified = report.map(|report| VerifiedReport { report, vek: vek.clone(), at });
    Verdict::conclude(checks, verified)
}

#[cfg(test)]
mod tests;
