//! `plinth attest verify`: evidence, and whether a policy accepts it.

use std::path::PathBuf;

use attestation::evidence::verify;
use attestation::x509::UnixTime;
use clap::Args;

use super::files::{Unusable, read};
use super::forms::{ActivationFile, Rules};
use super::shown::Shown;

/// Options of `verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The file of --policy has three sections: the policy, the roots that are believed, and what is known of \
heights, challenges and the machine. Its form, with an example, is in docs/evidence.md. There are no \
defaults in it, and no option here leaves a check out.

Exit codes: 0 accepted; 1 refused; 2 unusable input or wrong usage.")]
pub struct Verify {
    /// The evidence.
    evidence: PathBuf,
    /// The file that judges, in YAML or JSON.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// How a challenge was made that the evidence may answer: what `plinth attest challenge` wrote.
    #[arg(long, value_name = "FILE")]
    activation: Vec<PathBuf>,
    /// When it must be valid, as 2026-01-31T12:00:00Z [default: now].
    #[arg(long, value_name = "RFC3339", value_parser = super::check_snp::time)]
    at: Option<UnixTime>,
    /// Print the verdict and every check as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Reads the files and verifies.
pub fn run(arguments: &Verify) -> Result<Shown, Unusable> {
    let bytes = read(&arguments.evidence)?;
    let Rules { policy, roots, mut known } = Rules::read(&arguments.policy)?;
    for path in &arguments.activation {
        known.activations.push(ActivationFile::read(path)?);
    }
    let at = arguments.at.unwrap_or_else(super::check_snp::now);
    let verdict = verify(&bytes, &policy, &roots, &known, at);
    Ok(Shown { is_accepted: verdict.is_accepted(), checks: verdict.checks().clone() })
}

#[cfg(test)]
mod tests;
