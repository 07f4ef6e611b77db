//! `plinth attest explain`: why a machine measured something else than was expected.

use std::path::PathBuf;

use attestation::event_log::EventLog;
use attestation::evidence::{Evidence, SnpPart, TpmPart};
use attestation::explain::{Known, Observed, Root, explain, roots};
use attestation::predict::boot::{BANKS, Prediction};
use attestation::snp::Report;
use attestation::tpm::PcrValues;
use clap::Args;
use image_build::measure::LaunchDigests;
use serde::Serialize;

use super::files::Unusable;
use super::shown;
use crate::error::Error;
use crate::expected::{Expected, ExpectedFile, read_file};

/// Options of `explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The TPM's part is compared with the measurements of a kernel image, the SNP part with the launch digests of \
a guest; a release manifest has both. Nobody is accepted for an explanation: `plinth attest verify` judges.

Exit codes: 0 as expected; 1 something differs; 2 unusable input or wrong usage.")]
pub struct Explain {
    /// The evidence.
    evidence: PathBuf,
    /// What was expected: a release manifest, or measurements of a kernel image or launch digests of a guest, as \
    /// `plinth measure` writes them in JSON. May be repeated; of several images the one that fits best is \
    /// compared.
    #[arg(long, value_name = "FILE", required = true)]
    expect: Vec<PathBuf>,
    /// Which image of the manifests [default: each of them].
    #[arg(long)]
    image: Option<String>,
    /// A release that the machine may run instead, as --expect; may be repeated.
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

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Explained {
    /// What it was compared with.
    compared_with: Vec<String>,
    /// Causes for which something differs.
    causes: Vec<String>,
    /// What is as expected.
    as_expected: Vec<String>,
    /// Parts of the evidence of which nothing was expected.
    not_compared: Vec<String>,
}

/// Compares and prints.
pub fn run(arguments: &Explain) -> Result<(), Error> {
    let explained = match explained(arguments) {
        Ok(explained) => explained,
        Err(unusable) => return shown::unusable(arguments.json, unusable),
    };
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&explained).expect("plain data") + "\n",
        false => explained.as_text(),
    };
    crate::output::print(text)?;
    match explained.causes.len() {
        0 => Ok(()),
        1 => Err(Error::Refused("one difference from what was expected".to_owned())),
        count => Err(Error::Refused(format!("{count} differences from what was expected"))),
    }
}

fn explained(arguments: &Explain) -> Result<Explained, Unusable> {
    let evidence = super::show::evidence(&arguments.evidence)?;
    let expected = all_of(&arguments.expect, arguments.image.as_deref())?;
    let known = all_of(&arguments.known, arguments.image.as_deref())?;
    let mut explained = Explained::default();
    match evidence.tpm() {
        Some(_) if expected.boots.is_empty() => {
            explained.not_compared.push("the TPM's part: no measurements were given".to_owned());
        }
        Some(part) => {
            explain_boot(&mut explained, arguments, part, &expected.boots, &known.boots)?;
        }
        None => {}
    }
    match evidence.snp() {
        Some(_) if expected.launches.is_empty() => {
            explained.not_compared.push("the SNP part: no launch digests were given".to_owned());
        }
        Some(part) => explain_launch(&mut explained, part, &expected.launches),
        None => {}
    }
    if explained.causes.is_empty() && explained.as_expected.is_empty() {
        return Err(nothing_fits(arguments, &evidence));
    }
    Ok(explained)
}

/// What all these files have.
fn all_of(paths: &[PathBuf], image: Option<&str>) -> Result<ExpectedFile, Unusable> {
    let mut all = ExpectedFile::default();
    for path in paths {
        let file = read_file(path, image)?;
        all.boots.extend(file.boots);
        all.launches.extend(file.launches);
    }
    Ok(all)
}

fn nothing_fits(arguments: &Explain, evidence: &Evidence) -> Unusable {
    let role = evidence.statement().role;
    let wanted = match (evidence.tpm(), evidence.snp()) {
        (Some(_), Some(_)) => "measurements of a kernel image or launch digests of a guest",
        (Some(_), None) => "measurements of a kernel image",
        _ => "launch digests of a guest",
    };
    let path = arguments.evidence.clone();
    let reason =
        format!("it is evidence of a {role}; expect {wanted}, which --expect does not give");
    Unusable::Content { path, reason }
}

/// Compares the log with the boot that fits best.
fn explain_boot(
    explained: &mut Explained,
    arguments: &Explain,
    part: &TpmPart,
    expected: &[Expected<Prediction>],
    known: &[Expected<Prediction>],
) -> Result<(), Unusable> {
    let log = EventLog::parse(&part.log).map_err(|error| Unusable::Content {
        path: arguments.evidence.clone(),
        reason: format!("its event log cannot be read: {error}"),
    })?;
    let quoted = PcrValues::from_concatenated(&part.selection, &part.pcrs);
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
    let banks: Vec<_> = BANKS.into_iter().filter(|bank| log.banks().contains(bank)).collect();
    if banks.is_empty() {
        explained.causes.push("the event log has neither sha256 nor sha384 digests".into());
        return Ok(());
    }
    let found = |expected: &Expected<Prediction>| -> Vec<Vec<Root>> {
        banks.iter().map(|bank| roots(&explain(&observed, &expected.measured, *bank))).collect()
    };
    let all = expected.iter().map(|expected| (&expected.label, found(expected)));
    let best = all.min_by_key(|(_, found)| found.iter().map(Vec::len).sum::<usize>());
    if let Some((label, found)) = best {
        explained.compared_with.push(label.clone());
        for (bank, roots) in banks.iter().zip(found) {
            if roots.is_empty() {
                explained.as_expected.push(format!("the registers of {bank}"));
            }
            // The same cause is found in each bank, and said once.
            let causes = roots.iter().map(|root| match root.found.first() {
                Some(finding) => finding.to_string(),
                None => root.cause.to_string(),
            });
            let new: Vec<_> = causes.filter(|cause| !explained.causes.contains(cause)).collect();
            explained.causes.extend(new);
        }
    }
    Ok(())
}

fn explain_launch(explained: &mut Explained, part: &SnpPart, expected: &[Expected<LaunchDigests>]) {
    let report = match Report::from_bytes(&part.report) {
        Ok(report) => report,
        Err(error) => return explained.causes.push(error.to_string()),
    };
    let measurement = report.measurement();
    explained.compared_with.extend(expected.iter().map(|expected| expected.label.clone()));
    let all = expected.iter().flat_map(|expected| {
        expected.measured.digests.iter().map(move |digest| (expected, digest))
    });
    let count = all.clone().count();
    match all.into_iter().find(|(_, digest)| digest.digest.0 == measurement) {
        Some((Expected { label, .. }, digest)) => explained.as_expected.push(format!(
            "the launch digest, as of {label}: {} processors of model {}",
            digest.count, digest.processor
        )),
        None => explained.causes.push(format!(
            "the launch digest {} is none of the {count} expected: firmware, kernel, initrd, command line, \
             processor model, their count, or the features are others",
            hex::encode(measurement),
        )),
    }
}

impl Explained {
    /// A line for each.
    fn as_text(&self) -> String {
        let lines = |word: &str, all: &[String]| -> String {
            all.iter().map(|what| format!("{word}: {what}\n")).collect()
        };
        lines("compared with", &self.compared_with)
            + &lines("differs", &self.causes)
            + &lines("as expected", &self.as_expected)
            + &lines("not compared", &self.not_compared)
    }
}

#[cfg(test)]
mod tests;
