//! `plinth attest check-ek`: the certificate of an endorsement key, and the chain to a maker's root.

use std::path::{Path, PathBuf};

use attestation::tpm::ek::{EkPolicy, EkQuirk, verify_certificate};
use attestation::x509::{
    Certificate, Pin, Quirk, TrustRoot, TrustRoots, UnixTime, certificate_bytes, is_der,
    read_certificates,
};
use clap::Args;

use super::files::{Unusable, read, read_revocation_lists};
use super::shown::Shown;

/// Options of `check-ek`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Each certificate in the folder of roots is believed as it is. Departures of certificates from the rules \
that are known from the field are accepted, and each is a check of its own in the list.

Exit codes: 0 accepted; 1 refused; 2 unusable input or wrong usage.")]
pub struct CheckEk {
    /// The certificate of the endorsement key, in PEM or DER, as a TPM stores it.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Certificates between it and the root, in PEM or DER.
    #[arg(long, value_name = "FILE")]
    intermediate: Vec<PathBuf>,
    /// A folder with the certificates that are believed, in it or in folders of it; other files are left alone.
    #[arg(long, value_name = "DIR")]
    roots: PathBuf,
    /// Lists of revoked certificates (CRLs) in PEM or DER; may be repeated. With one, there must be one of each issuer that a
    /// certificate says to have a list.
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// When it must be valid, as 2026-01-31T12:00:00Z [default: now].
    #[arg(long, value_name = "RFC3339", value_parser = super::check_snp::time)]
    at: Option<UnixTime>,
    /// Print the verdict and every check as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Reads the files and checks them.
pub fn run(arguments: &CheckEk) -> Result<Shown, Unusable> {
    let der = read_end(&arguments.cert)?;
    let (mut others, roots) = roots(&arguments.roots)?;
    for path in &arguments.intermediate {
        let found = read_certificates(&read(path)?)
            .map_err(|source| Unusable::Certificates { path: path.clone(), source })?;
        others.extend(found);
    }
    let revocation = read_revocation_lists(&arguments.crl)?;
    let policy = EkPolicy {
        roots: &roots,
        at: arguments.at.unwrap_or_else(super::check_snp::now),
        x509_quirks: &Quirk::ALL,
        quirks: &EkQuirk::ALL,
        revocation: &revocation,
    };
    let verdict = verify_certificate(&der, &others, &policy);
    Ok(Shown { is_accepted: verdict.is_accepted(), checks: verdict.checks().clone() })
}

/// The certificate at the end of the chain. In DER it is kept as it is: padding behind it, as TPMs store
/// it, is a departure with a name.
fn read_end(path: &Path) -> Result<Vec<u8>, Unusable> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let file = read(path)?;
    if is_der(&file) || !file.windows(BEGIN.len()).any(|part| part == BEGIN) {
        return Ok(file);
    }
    let found = certificate_bytes(&file)
        .map_err(|source| Unusable::Certificates { path: path.into(), source })?;
    let count = found.len();
    <[Vec<u8>; 1]>::try_from(found).map(|[one]| one).map_err(|_| Unusable::Ambiguous {
        path: path.into(),
        count,
        wanted: "the endorsement key's",
    })
}

/// Folders within folders are read as deep as this: a link could lead around for ever.
const DEPTH_MAX: usize = 8;

/// All files of a folder and of those in it, in the same order on every machine, so that the same path is found.
fn files_of(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, Unusable> {
    let failed = |source| Unusable::Read { path: folder.into(), source };
    let mut paths = std::fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() && depth < DEPTH_MAX {
            files.extend(files_of(&path, depth + 1)?);
        }
    }
    Ok(files)
}

/// All certificates of a folder, each of them believed.
fn roots(folder: &Path) -> Result<(Vec<Certificate>, TrustRoots), Unusable> {
    let mut certificates = Vec::new();
    let mut roots = Vec::new();
    for path in files_of(folder, 0)? {
        let file = match read(&path) {
            Err(Unusable::TooLarge { .. }) => continue,
            other => other?,
        };
        let blocks = certificate_bytes(&file).unwrap_or_default();
        // Of a bundle those count that can be read: the others are believed in no case.
        let found = blocks.iter().filter_map(|der| Certificate::from_der(der).ok());
        let label = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        for certificate in found {
            let pin = Pin::Certificate(certificate.sha256());
            roots.push(TrustRoot { label: label.clone(), pin });
            certificates.push(certificate);
        }
    }
    if roots.is_empty() {
        let reason = "it holds no certificate in PEM or DER that can be read".to_owned();
        return Err(Unusable::Content { path: folder.into(), reason });
    }
    Ok((certificates, TrustRoots::new(roots)))
}

#[cfg(test)]
mod tests;
