//! `plinth attest`: checks what machines hand over to prove what they run.
//!
//! The verifier is the crate `attestation`, the same that nodes and the registry run. Here is only
//! what belongs to a command line: files, options that make a policy, and how a verdict is shown.

mod check_snp;
mod files;
mod shown;

use clap::Subcommand;

use crate::error::Error;

/// `plinth attest ...`.
#[derive(Clone, Debug, Subcommand)]
pub enum AttestCommand {
    /// Check an SEV-SNP attestation report and the chain of the key that signed it.
    CheckSnp(check_snp::CheckSnp),
}

/// Runs one of the commands.
pub fn run(command: &AttestCommand) -> Result<(), Error> {
    match command {
        AttestCommand::CheckSnp(arguments) => {
            shown::conclude(arguments.json, check_snp::run(arguments))
        }
    }
}
