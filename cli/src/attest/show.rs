//! `plinth attest show`: what evidence says, in words. Nothing of it is believed for that.

mod parts;

use std::path::{Path, PathBuf};

use attestation::evidence::Evidence;
use clap::Args;
use serde::Serialize;

use super::files::{Unusable, read};
use super::shown;
use crate::error::Error;
use parts::{ShownSnp, ShownTpm};

/// Options of `show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
What is shown is what the evidence claims: `plinth attest verify` says whether it holds.

Exit codes: 0 shown; 2 unusable input or wrong usage.")]
pub struct Show {
    /// The evidence.
    evidence: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// All that is shown.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    role: &'static str,
    height: u64,
    root: String,
    signing_key: String,
    tls_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dealing_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm: Option<ShownTpm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snp: Option<ShownSnp>,
}

/// Reads the evidence and prints it.
pub fn run(arguments: &Show) -> Result<(), Error> {
    let evidence = match evidence(&arguments.evidence) {
        Ok(evidence) => evidence,
        Err(unusable) => return shown::unusable(arguments.json, unusable),
    };
    let shown = all(&evidence);
    crate::output::print(match arguments.json {
        true => serde_json::to_string_pretty(&shown).expect("plain data") + "\n",
        false => as_text(&shown),
    })
}

/// Reads evidence that is not judged.
pub(super) fn evidence(path: &Path) -> Result<Evidence, Unusable> {
    Evidence::decode(&read(path)?)
        .map_err(|error| Unusable::Content { path: path.into(), reason: error.to_string() })
}

fn all(evidence: &Evidence) -> Shown {
    let statement = evidence.statement();
    Shown {
        role: statement.role.name(),
        height: statement.anchor.height,
        root: hex::encode(statement.anchor.root),
        signing_key: hex::encode(statement.keys.signing),
        tls_key: hex::encode(&statement.keys.tls),
        dealing_key: statement.keys.dealing.as_ref().map(hex::encode),
        tpm: evidence.tpm().map(ShownTpm::of),
        snp: evidence.snp().map(ShownSnp::of),
    }
}

fn as_text(shown: &Shown) -> String {
    let Shown { role, height, root, .. } = shown;
    let mut text = format!("evidence of a {role}, made after height {height} (root {root})\n");
    text += &format!("signing key  {}\n", shown.signing_key);
    text += &format!("TLS key      {}\n", shown.tls_key);
    if let Some(key) = &shown.dealing_key {
        text += &format!("dealing key  {key}\n");
    }
    if let Some(tpm) = &shown.tpm {
        text += &tpm.as_text();
    }
    if let Some(snp) = &shown.snp {
        text += &snp.as_text();
    }
    text
}

#[cfg(test)]
mod tests;
