//! The certificates of a report's key, from files of their own or from the table that a host leaves beside a report.

use std::path::{Path, PathBuf};

use attestation::snp::{Report, SigningKey, VekClaims};
use attestation::x509::Certificate;
use clap::Args;
use os_kit_snp::CertificateTable;

use crate::attest::files::{Unusable, read, read_certificate};

/// Where the certificates are.
#[derive(Clone, Debug, Args)]
pub struct Given {
    /// The certificate of the key that signed it: VCEK or VLEK, in PEM or DER.
    #[arg(long, value_name = "FILE", required_unless_present = "certs")]
    vek: Option<PathBuf>,
    /// The certificate of the intermediate (ASK or ASVK), in PEM or DER.
    #[arg(long, value_name = "FILE", required_unless_present = "certs")]
    ask: Option<PathBuf>,
    /// The certificate of the root (ARK), in PEM or DER.
    #[arg(long, value_name = "FILE", required_unless_present = "certs")]
    ark: Option<PathBuf>,
    /// The table of certificates that a host leaves beside a report: `auxblob` of configfs-tsm, or what an extended guest
    /// request gave. The three options above go before it, and give what it lacks.
    #[arg(long, value_name = "FILE")]
    certs: Option<PathBuf>,
}

/// A chain in DER, not yet judged.
pub struct Chain {
    /// Of the key that signed.
    pub vek: Vec<u8>,
    /// Of the intermediate.
    pub ask: Vec<u8>,
    /// Of the root.
    pub ark: Vec<u8>,
}

/// Reads the three certificates for a report that is not yet judged either: which of two keys of a table is meant is what
/// it says, and the verdict shows whether that is true.
pub fn read_chain(given: &Given, report: &[u8]) -> Result<Chain, Unusable> {
    let table = match &given.certs {
        Some(path) => read_table(path)?,
        None => CertificateTable::default(),
    };
    let by_provider =
        Report::from_bytes(report).is_ok_and(|report| report.signing_key() == SigningKey::Vlek);
    let vek = if by_provider { table.vlek.or(table.vcek) } else { table.vcek.or(table.vlek) };
    let parsed = |der: &[u8]| Certificate::from_der(der).ok();
    let is_authority = |certificate: &Certificate| {
        certificate.basic_constraints().is_some_and(|constraints| constraints.is_authority)
    };
    let certs = given.certs.as_deref();
    Ok(Chain {
        vek: one(certs, given.vek.as_deref(), vek, "vek", "the signing key's", |der| {
            parsed(der).is_some_and(|certificate| VekClaims::of(&certificate).is_ok())
        })?,
        ask: one(certs, given.ask.as_deref(), table.ask, "ask", "the intermediate's", |der| {
            parsed(der).is_some_and(|found| is_authority(&found) && !found.is_self_issued())
        })?,
        ark: one(certs, given.ark.as_deref(), table.ark, "ark", "the root's", |der| {
            parsed(der).is_some_and(|found| is_authority(&found) && found.is_self_issued())
        })?,
    })
}

fn read_table(path: &Path) -> Result<CertificateTable, Unusable> {
    CertificateTable::from_bytes(&read(path)?)
        .map_err(|error| Unusable::Content { path: path.into(), reason: error.to_string() })
}

/// One certificate: of its own file, or else of the table.
fn one(
    certs: Option<&Path>,
    file: Option<&Path>,
    from_table: Option<Vec<u8>>,
    option: &str,
    wanted: &'static str,
    is_meant: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, Unusable> {
    match (file, from_table, certs) {
        (Some(file), _, _) => read_certificate(file, wanted, is_meant),
        (None, Some(der), _) => Ok(der),
        (None, None, Some(table)) => Err(Unusable::Content {
            path: table.into(),
            reason: format!("it lacks {wanted} certificate; give that with --{option}"),
        }),
        // The options demand it.
        (None, None, None) => Err(Unusable::Option(format!("give --{option} or --certs"))),
    }
}
