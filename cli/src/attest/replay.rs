//! `plinth attest replay`: the PCR values that an event log gives.

use std::collections::BTreeMap;
use std::path::PathBuf;

use attestation::checks::Checks;
use attestation::crypto::Hash;
use attestation::event_log;
use attestation::tpm::hash_from_name;
use clap::Args;
use serde::Serialize;

use super::files::read;
use super::shown;
use crate::error::Error;

/// Options of `replay`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Prints each PCR that the log extends. Nothing says that these are the values of a machine: hold them \
against a quote (`check-quote --log`).

Exit codes: 0 replayed; 1 refused, as no firmware writes such a log; 2 unusable input or wrong usage.")]
pub struct Replay {
    /// The log of the firmware, binary_bios_measurements: SHA-1 or crypto-agile.
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// The bank [default: all that the log has].
    #[arg(long, value_parser = bank)]
    bank: Option<Hash>,
    /// Print the values and every check as JSON.
    #[arg(long)]
    json: bool,
}

/// Values by bank and index.
type Values = BTreeMap<String, BTreeMap<u8, String>>;

/// What is printed as JSON.
#[derive(Serialize)]
struct Json<'a> {
    verdict: &'static str,
    pcrs: &'a Values,
    failed: Vec<&'static str>,
    checks: &'a Checks,
}

/// Reads the log, replays it, and prints the values.
pub fn run(arguments: &Replay) -> Result<(), Error> {
    let bytes = match read(&arguments.log) {
        Ok(bytes) => bytes,
        Err(unusable) => return shown::unusable(arguments.json, unusable),
    };
    let (values, checks) = values(&bytes, arguments.bank);
    let failed = checks.failed_ids();
    let text = match arguments.json {
        true => {
            let verdict = if checks.all_passed() { "replayed" } else { "refused" };
            let json = Json { verdict, pcrs: &values, failed: failed.clone(), checks: &checks };
            serde_json::to_string_pretty(&json).expect("plain data") + "\n"
        }
        false => as_text(&values),
    };
    crate::output::print(text)?;
    if checks.all_passed() {
        return Ok(());
    }
    let reasons: Vec<&str> = checks.failed().map(|check| check.detail.as_str()).collect();
    Err(Error::Refused(format!("{}: {}", failed.join(", "), reasons.join("; "))))
}

/// The values of the PCRs that a log extends; none if one of its checks failed.
fn values(log: &[u8], bank: Option<Hash>) -> (Values, Checks) {
    let verdict = event_log::replay(log, bank);
    let mut values = Values::new();
    for (index, value) in verdict.verified().into_iter().flat_map(|values| values.iter()) {
        values.entry(value.hash().to_string()).or_default().insert(index, value.to_string());
    }
    (values, verdict.checks().clone())
}

/// A line for each bank and for each PCR.
fn as_text(values: &Values) -> String {
    let mut text = String::new();
    for (bank, values) in values {
        text += &format!("{bank}:\n");
        for (index, value) in values {
            text += &format!("  {index:<2}: {value}\n");
        }
    }
    text
}

/// A bank by its name.
pub fn bank(name: &str) -> Result<Hash, String> {
    hash_from_name(name).ok_or_else(|| "it is none of sha1, sha256, sha384, sha512".to_owned())
}

#[cfg(test)]
mod tests;
