//! `plinth attest check-quote`: PCR values under the signature of an attestation key.

use std::path::PathBuf;

use attestation::crypto::Hash;
use attestation::event_log;
use attestation::tpm::quote::{self, SignedQuote};
use attestation::tpm::{
    PcrSelection, PcrSet, QuoteEvidence, QuotePolicy, SignedBy, public_key_from_file,
};
use clap::Args;

use super::files::{Unusable, read};
use super::shown::Shown;

/// Options of `check-quote`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A key in PEM or DER has no attributes: whether it is in a TPM and signs only what a TPM made is then \
not known, and not checked. Give the TPMT_PUBLIC to have it checked. That a TPM of a known maker has \
the key follows from neither; see `check-ek`.

Exit codes: 0 accepted; 1 refused; 2 unusable input or wrong usage.")]
pub struct CheckQuote {
    /// The attestation key: TPMT_PUBLIC or TPM2B_PUBLIC, or a public key in PEM or DER.
    #[arg(long, value_name = "FILE")]
    ak: PathBuf,
    /// What was signed: TPMS_ATTEST or TPM2B_ATTEST.
    #[arg(long, value_name = "FILE")]
    message: PathBuf,
    /// The signature: TPMT_SIGNATURE.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The values of the selected PCRs, one after the other.
    #[arg(long, value_name = "FILE")]
    pcrs: PathBuf,
    /// The bank of the PCRs.
    #[arg(long, value_parser = super::replay::bank)]
    bank: Hash,
    /// The PCRs that must be quoted, these and no others.
    #[arg(long, value_name = "0,4,7,11", value_parser = selection)]
    selection: PcrSet,
    /// What the quote must have as its qualifying data, in hex.
    #[arg(long, value_name = "HEX", value_parser = nonce)]
    nonce: Nonce,
    /// An event log of the firmware: its replay must give the quoted values.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Print the verdict and every check as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Qualifying data.
#[derive(Clone, Debug)]
struct Nonce(Vec<u8>);

/// Reads the files and checks them.
pub fn run(arguments: &CheckQuote) -> Result<Shown, Unusable> {
    let (key, message) = (read(&arguments.ak)?, read(&arguments.message)?);
    let (signature, pcrs) = (read(&arguments.signature)?, read(&arguments.pcrs)?);
    let log = arguments.log.as_deref().map(read).transpose()?;
    let selection = PcrSelection::of(arguments.bank, arguments.selection);
    let policy = QuotePolicy::plain(&arguments.nonce.0, selection);
    let bare = public_key_from_file(&key);
    let key = bare.as_deref().unwrap_or(&key);
    let signed = SignedBy { key, message: &message, signature: &signature };
    let evidence = QuoteEvidence { signed, pcrs: &pcrs };
    let (checks, quote): (_, Option<SignedQuote>) = match &bare {
        Some(_) => {
            let verdict = quote::verify_by_bare_key(&evidence, &policy);
            (verdict.checks().clone(), verdict.verified().cloned())
        }
        None => {
            let verdict = quote::verify(&evidence, &policy);
            (verdict.checks().clone(), verdict.verified().map(|quote| quote.quote().clone()))
        }
    };
    let mut shown = Shown { is_accepted: quote.is_some(), checks };
    // Without a quote that holds there is nothing to hold a log against.
    if let (Some(quote), Some(log)) = (quote, log) {
        let verdict = event_log::verify(&log, &quote, arguments.selection);
        shown.is_accepted &= verdict.is_accepted();
        shown.checks.append(verdict.checks().clone());
    }
    Ok(shown)
}

fn selection(text: &str) -> Result<PcrSet, String> {
    let indices = text
        .split(',')
        .map(|part| part.trim().parse::<u8>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "write it as 0,4,7,11".to_owned())?;
    PcrSet::new(&indices).ok_or_else(|| "PCRs are 0 to 23".to_owned())
}

fn nonce(text: &str) -> Result<Nonce, String> {
    hex::decode(text).map(Nonce).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
