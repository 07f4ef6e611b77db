//! `plinth attest explain`: why a machine measured something else than was expected.

use std::path::{Path, PathBuf};

use attestation::event_log::EventLog;
use attestation::evidence::{Evidence, SnpPart, TpmPart};
use attestation::explain::{Known, Observed, explain};
use attestation::predict::boot::{BANKS, Prediction};
use attestation::snp::Report;
use attestation::tpm::PcrValues;
use clap::Args;
use image_build::measure::{LaunchDigest, LaunchDigests, Measurements};
use serde::Serialize;

use super::files::{Unusable, read};
use super::make::chain;
use super::shown;
use crate::error::Error;

/// Options of `explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The TPM's part is compared with the measurements of a kernel image, the SNP part with the launch digests of \
a guest. Nobody is accepted for an explanation: `plinth attest verify` judges.

Exit codes: 0 as expected; 1 something differs; 2 unusable input or wrong usage.")]
pub struct Explain {
    /// The evidence.
    evidence: PathBuf,
    /// What was expected: measurements of a kernel image or launch digests of a guest, as `plinth measure` \
    /// writes them in JSON. May be repeated: for a machine one of each.
    #[arg(long, value_name = "FILE", required = true)]
    expect: Vec<PathBuf>,
    /// Measurements of a release that the machine may run instead; may be repeated.
    #[arg(long, value_name = "FILE")]
    known: Vec<PathBuf>,
    /// A command line that the machine may have been started with. It is believed only if its digest was
    /// measured.
    #[arg(long, value_name = "TEXT")]
    command_line: Option<String>,
    /// Print the causes as JSON.
    #[arg(long)]
    json: bool,
}

/// What a file expects.
enum Expected {
    Boot(Prediction),
    Launch(LaunchDigests),
}

/// What was found.
#[derive(Serialize)]
struct Explained {
    /// Causes for which something differs.
    causes: Vec<String>,
    /// What is as expected.
    as_expected: Vec<String>,
}

/// Compares and prints.
pub fn run(arguments: &Explain) -> Result<(), Error> {
    let explained = match explained(arguments) {
        Ok(explained) => explained,
        Err(unusable) => return shown::unusable(arguments.json, unusable),
    };
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&explained).expect("plain data") + "\n",
        false => {
            let lines = explained.causes.iter().map(|cause| format!("differs: {cause}\n"));
            let same = explained.as_expected.iter().map(|what| format!("as expected: {what}\n"));
            lines.chain(same).collect()
        }
    };
    crate::output::print(text)?;
    match explained.causes.len() {
        0 => Ok(()),
        count => Err(Error::Refused(format!("{count} differences from what was expected"))),
    }
}

fn explained(arguments: &Explain) -> Result<Explained, Unusable> {
    let evidence = super::show::evidence(&arguments.evidence)?;
    let mut known = Vec::new();
    for path in &arguments.known {
        match expected(path)? {
            Expected::Boot(prediction) => known.push((path.display().to_string(), prediction)),
            Expected::Launch(_) => {
                let reason = "--known takes measurements of kernel images".to_owned();
                return Err(Unusable::Content { path: path.clone(), reason });
            }
        }
    }
    let mut explained = Explained { causes: Vec::new(), as_expected: Vec::new() };
    for path in &arguments.expect {
        match (expected(path)?, evidence.tpm(), evidence.snp()) {
            (Expected::Boot(prediction), Some(part), _) => {
                explain_boot(&mut explained, arguments, part, &prediction, &known)?;
            }
            (Expected::Launch(digests), _, Some(part)) => {
                explain_launch(&mut explained, part, &digests);
            }
            (expected, ..) => return Err(no_part(path, &expected, &evidence)),
        }
    }
    Ok(explained)
}

fn no_part(path: &Path, expected: &Expected, evidence: &Evidence) -> Unusable {
    let part = match expected {
        Expected::Boot(_) => "the TPM's part",
        Expected::Launch(_) => "the SNP part",
    };
    let role = evidence.statement().role;
    let reason = format!("it is about {part}, which evidence of a {role} has not");
    Unusable::Content { path: path.into(), reason }
}

/// Reads a file of either kind; what is in it was computed from artifacts and is checked again.
fn expected(path: &Path) -> Result<Expected, Unusable> {
    let bytes = read(path)?;
    let unusable = |reason: String| Unusable::Content { path: path.into(), reason };
    let boot = serde_json::from_slice::<Measurements>(&bytes);
    if let Ok(measurements) = boot {
        let prediction = measurements.prediction().map_err(|error| unusable(chain(&error)))?;
        return Ok(Expected::Boot(prediction));
    }
    match serde_json::from_slice::<LaunchDigests>(&bytes) {
        Ok(digests) => {
            digests.check().map_err(|error| unusable(chain(&error)))?;
            Ok(Expected::Launch(digests))
        }
        Err(error) => {
            let boot = boot.map(|_| String::new()).unwrap_or_else(|error| error.to_string());
            Err(unusable(format!(
                "it holds neither measurements ({boot}) nor launch digests ({error})"
            )))
        }
    }
}

fn explain_boot(
    explained: &mut Explained,
    arguments: &Explain,
    part: &TpmPart,
    prediction: &Prediction,
    known: &[(String, Prediction)],
) -> Result<(), Unusable> {
    let log = EventLog::parse(&part.log).map_err(|error| Unusable::Content {
        path: arguments.evidence.clone(),
        reason: format!("its event log cannot be read: {error}"),
    })?;
    let quoted = PcrValues::from_concatenated(&part.selection, &part.pcrs);
    let known: Vec<Known> =
        known.iter().map(|(label, prediction)| Known { label, prediction }).collect();
    let observed = Observed {
        log: &log,
        quoted: quoted.as_ref(),
        command_line: arguments.command_line.as_deref(),
        known: &known,
    };
    let compared = BANKS.into_iter().filter(|bank| log.banks().contains(bank));
    let banks: Vec<_> = compared.collect();
    if banks.is_empty() {
        explained.causes.push("the event log has neither sha256 nor sha384 digests".into());
    }
    for bank in banks {
        let found = explain(&observed, prediction, bank);
        if found.is_empty() {
            explained.as_expected.push(format!("the registers of {bank}"));
        }
        let causes = found.iter().map(ToString::to_string);
        // The same cause is found in each bank, and said once.
        let new: Vec<_> = causes.filter(|cause| !explained.causes.contains(cause)).collect();
        explained.causes.extend(new);
    }
    Ok(())
}

fn explain_launch(explained: &mut Explained, part: &SnpPart, digests: &LaunchDigests) {
    let Ok(report) = Report::from_bytes(&part.report) else { return };
    let measurement = report.measurement();
    let found = digests.digests.iter().find(|digest| digest.digest.0 == measurement);
    match found {
        Some(LaunchDigest { processor, count, .. }) => explained
            .as_expected
            .push(format!("the launch digest: {count} processors of model {processor}")),
        None => explained.causes.push(format!(
            "the launch digest {} is none of the {} expected: firmware, kernel, initrd, command line, \
             processor model, their count, or the features are others",
            hex::encode(measurement),
            digests.digests.len()
        )),
    }
}

#[cfg(test)]
mod tests;
