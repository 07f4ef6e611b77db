//! `plinth attest check-quote`: PCR values under the signature of an attestation key.

use std::path::PathBuf;

use attestation::crypto::Hash;
use attestation::event_log;
use attestation::tpm::quote::{self, SignedQuote};
use attestation::tpm::{
    PcrSelection, PcrSet, QuoteEvidence, QuotePolicy, SignedBy, pcr_values_from_file,
    public_key_from_file, signature_with_scheme,
};
use clap::Args;

use super::files::{Unusable, read, read_binary_or_hex};
use super::shown::Shown;

/// Options of `check-quote`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A key or a certificate in PEM or DER has no attributes: whether the key is in a TPM and signs only what a \
TPM made is then not known, and not checked. Give the TPMT_PUBLIC to have it checked. That a TPM of a known \
maker has the key follows from neither; see `check-ek`. Of a certificate nothing but the key is read.

A log of the firmware ends where the system takes over: PCRs that the system extends (10 by IMA, 11 to 15 by \
systemd) it does not explain. Name those that it must explain by --explained-by-log.

Exit codes: 0 accepted; 1 refused; 2 unusable input or wrong usage.")]
pub struct CheckQuote {
    /// The attestation key: TPMT_PUBLIC or TPM2B_PUBLIC, or a public key or an X.509 certificate in PEM or DER.
    #[arg(long, value_name = "FILE")]
    ak: PathBuf,
    /// What was signed: TPMS_ATTEST or TPM2B_ATTEST, as it is or in hex.
    #[arg(long, value_name = "FILE")]
    message: PathBuf,
    /// The signature: TPMT_SIGNATURE, or RSA or ECDSA (in DER) by itself; as it is or in hex.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The values of the selected PCRs, one after the other, as they are or in hex; or a file of tpm2-tools: \
    /// what `tpm2_quote -o` or `tpm2_pcrread` wrote.
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
    /// The PCRs that the log must explain [default: all that are selected].
    #[arg(long, value_name = "0,4,7", value_parser = selection, requires = "log")]
    explained_by_log: Option<PcrSet>,
    /// Print the verdict and every check as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Qualifying data.
#[derive(Clone, Debug)]
struct Nonce(Vec<u8>);

/// Reads the files and checks them.
pub fn run(arguments: &CheckQuote) -> Result<Shown, Unusable> {
    let (key, message) = (read(&arguments.ak)?, read_binary_or_hex(&arguments.message)?);
    let signature = read_binary_or_hex(&arguments.signature)?;
    let log = arguments.log.as_deref().map(read).transpose()?;
    let selection = PcrSelection::of(arguments.bank, arguments.selection);
    let policy = QuotePolicy::plain(&arguments.nonce.0, selection);
    let pcrs = pcr_values_from_file(&read(&arguments.pcrs)?, &policy.selection);
    let bare = public_key_from_file(&key);
    let key = bare.as_deref().unwrap_or(&key);
    let signature = signature_with_scheme(&signature, key, &message).unwrap_or(signature);
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
    if let Some(log) = log {
        let checks = match quote {
            Some(quote) => {
                let judged = arguments.explained_by_log.unwrap_or(arguments.selection);
                event_log::verify(&log, &quote, judged).checks().clone()
            }
            // There is nothing to hold the log against: whether it can be replayed is shown all the same.
            None => event_log::replay(&log, Some(arguments.bank)).checks().clone(),
        };
        shown.is_accepted &= checks.all_passed();
        shown.checks.append(checks);
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
    hex::decode(text).map(Nonce).map_err(|error| format!("write it in hex: {error}"))
}

#[cfg(test)]
mod tests;
