//! `plinth attest`: checks what machines hand over to prove what they run.
//!
//! The verifier is the crate `attestation`, the same that nodes and the registry run. Here is only
//! what belongs to a command line: files, options that make a policy, and how a verdict is shown.

mod check_ek;
mod check_quote;
mod check_snp;
pub mod files;
mod replay;
mod shown;

use clap::Subcommand;

use crate::error::Error;

/// `plinth attest ...`.
#[derive(Clone, Debug, Subcommand)]
pub enum AttestCommand {
    /// Check an SEV-SNP attestation report and the chain of the key that signed it.
    CheckSnp(Box<check_snp::CheckSnp>),
    /// Check a TPM's quote: PCR values signed by an attestation key.
    CheckQuote(check_quote::CheckQuote),
    /// Check the certificate of a TPM's endorsement key.
    CheckEk(check_ek::CheckEk),
    /// Replay an event log of the firmware to PCR values.
    Replay(replay::Replay),
}

/// Runs one of the commands.
pub fn run(command: &AttestCommand) -> Result<(), Error> {
    match command {
        AttestCommand::CheckSnp(arguments) => {
            shown::conclude(arguments.json, check_snp::run(arguments))
        }
        AttestCommand::CheckQuote(arguments) => {
            shown::conclude(arguments.json, check_quote::run(arguments))
        }
        AttestCommand::CheckEk(arguments) => {
            shown::conclude(arguments.json, check_ek::run(arguments))
        }
        AttestCommand::Replay(arguments) => replay::run(arguments),
    }
}
