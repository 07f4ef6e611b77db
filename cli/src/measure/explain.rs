//! `plinth measure explain`: why a machine measured something else than its release says.

mod pcrs;
mod shown;

use std::path::{Path, PathBuf};

use attestation::crypto::Hash;
use attestation::event_log::EventLog;
use attestation::explain::{Known, Observed, explain, roots};
use attestation::predict::boot::{BANKS, Prediction};
use clap::Args;

use crate::attest::files::read;
use crate::error::Error;
use crate::expected::{self, Expected};
use crate::output;
use shown::Explained;

/// Options of `explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Nobody is accepted for an explanation: it helps people to see why a verifier refused. A log proves \
nothing by itself; with the PCR values of a verified quote (--pcrs), what the log hides is told too.

Exit codes: 0 nothing deviates; 1 something deviates; 2 unusable input or wrong usage.")]
pub struct Explain {
    /// The log of the firmware: /sys/kernel/security/tpm0/binary_bios_measurements of the machine.
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// What was expected: a release manifest, or what `plinth measure uki --json` printed.
    #[arg(long, value_name = "FILE")]
    expect: PathBuf,
    /// Which image of the manifest [default: the one that fits best].
    #[arg(long)]
    image: Option<String>,
    /// The PCR values that the machine's TPM quoted: JSON as `plinth attest replay --json` prints it, or
    /// the text of tpm2_pcrread.
    #[arg(long, value_name = "FILE")]
    pcrs: Option<PathBuf>,
    /// A release that the machine may run instead, as --expect; may be repeated.
    #[arg(long, value_name = "FILE")]
    known: Vec<PathBuf>,
    /// A command line that the machine may have been started with, such as that of /proc/cmdline. It
    /// is believed only if its digest was measured.
    #[arg(long, value_name = "TEXT")]
    command_line: Option<String>,
    /// The bank to compare [default: sha256 if the log has it, else sha384].
    #[arg(long, value_parser = bank)]
    bank: Option<Hash>,
    /// Print the causes as JSON.
    #[arg(long)]
    json: bool,
}

/// Explains the log and prints the causes.
pub fn run(arguments: &Explain) -> Result<(), Error> {
    let explained = explained(arguments)?;
    output::print(if arguments.json { super::json(&explained) } else { explained.as_text() })?;
    let what = "the measurements deviate, for";
    match explained.causes.len() {
        0 => Ok(()),
        1 => Err(Error::Deviates(format!("{what} one cause"))),
        count => Err(Error::Deviates(format!("{what} {count} causes"))),
    }
}

fn explained(arguments: &Explain) -> Result<Explained, Error> {
    let bytes = read(&arguments.log).map_err(super::unread)?;
    let log = EventLog::parse(&bytes).map_err(|error| super::unusable(&error))?;
    let quoted = match &arguments.pcrs {
        Some(path) => Some(pcrs::parse(&read(path).map_err(super::unread)?, path)?),
        None => None,
    };
    let bank = bank_of(&log, arguments.bank)?;
    let expected = boots(&arguments.expect, arguments.image.as_deref())?;
    let known = arguments
        .known
        .iter()
        .map(|path| boots(path, arguments.image.as_deref()))
        .collect::<Result<Vec<_>, _>>()?
        .concat();
    let known: Vec<Known> = known
        .iter()
        .map(|known| Known { label: &known.label, prediction: &known.measured })
        .collect();
    let observed = Observed {
        log: &log,
        quoted: quoted.as_ref(),
        command_line: arguments.command_line.as_deref(),
        known: &known,
    };
    let findings = |expected: &Expected<Prediction>| explain(&observed, &expected.measured, bank);
    // A log does not say of which image it is: the one that explains it with the fewest causes.
    let mut all: Vec<_> =
        expected.iter().map(|expected| (expected, roots(&findings(expected)))).collect();
    all.sort_by_key(|(_, roots)| roots.len());
    let (expected, roots) = all.into_iter().next().expect("a file has at least one image");
    let replayed = log.replay(bank).map_err(|error| super::unusable(&error))?;
    Ok(Explained::new(expected, bank, &roots, &replayed, quoted.as_ref()))
}

/// The boots that a file expects.
fn boots(path: &Path, image: Option<&str>) -> Result<Vec<Expected<Prediction>>, Error> {
    let file = expected::read_file(path, image).map_err(super::unread)?;
    if file.boots.is_empty() {
        let problem = "it has launch digests of a guest alone, and a log is of a machine's boot";
        return Err(Error::Unusable(format!("{}: {problem}", path.display())));
    }
    Ok(file.boots)
}

/// The bank to compare: one that is predicted, and that the log has.
fn bank_of(log: &EventLog, wanted: Option<Hash>) -> Result<Hash, Error> {
    let has = |bank: &Hash| log.banks().contains(bank);
    let found = match wanted {
        Some(bank) => Some(bank).filter(|bank| BANKS.contains(bank)).filter(has),
        None => BANKS.into_iter().find(has),
    };
    found.ok_or_else(|| {
        let banks: Vec<String> = log.banks().iter().map(ToString::to_string).collect();
        Error::Unusable(format!(
            "the log has digests of {}, and sha256 or sha384 are compared{}; switch the bank on in the \
             machine's firmware (Trusted Computing > PCR Bank)",
            if banks.is_empty() { "no known bank".to_owned() } else { banks.join(", ") },
            wanted.map(|bank| format!(", here {bank}")).unwrap_or_default(),
        ))
    })
}

fn bank(name: &str) -> Result<Hash, String> {
    let found = BANKS.into_iter().find(|bank| bank.to_string() == name);
    found.ok_or_else(|| "it is neither sha256 nor sha384".to_owned())
}

#[cfg(test)]
mod tests;
