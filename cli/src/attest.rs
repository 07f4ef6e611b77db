//! `plinth attest`: checks what machines hand over to prove what they run.
//!
//! The verifier is the crate `attestation`, the same that nodes and the registry run. Here is only
//! what belongs to a command line: files, options that make a policy, and how a verdict is shown.

mod challenge;
mod check_ek;
mod check_quote;
mod check_snp;
mod explain;
pub mod files;
mod forms;
mod identity;
mod make;
mod replay;
mod show;
mod shown;
mod verify;

use clap::Subcommand;

use crate::error::Error;

/// `plinth attest ...`.
#[derive(Clone, Debug, Subcommand)]
pub enum AttestCommand {
    /// Make evidence of this machine: a quote of its TPM, a report of its security processor, or both.
    Make(Box<make::Make>),
    /// Verify evidence: every check is listed, and the verdict.
    Verify(verify::Verify),
    /// Show what evidence says, in words. Nothing of it is believed for that.
    Show(show::Show),
    /// Explain why a machine measured something else than was expected.
    Explain(explain::Explain),
    /// Say who this machine's TPM is, for who makes a challenge.
    Identity(identity::Identify),
    /// Make a challenge for a machine's TPM: only evidence that answers it shows that its keys are in one TPM.
    Challenge(challenge::MakeChallenge),
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
        AttestCommand::Make(arguments) => unusable(make::run(arguments)),
        AttestCommand::Verify(arguments) => shown::conclude(arguments.json, verify::run(arguments)),
        AttestCommand::Show(arguments) => show::run(arguments),
        AttestCommand::Explain(arguments) => explain::run(arguments),
        AttestCommand::Identity(arguments) => unusable(identity::run(arguments)),
        AttestCommand::Challenge(arguments) => unusable(challenge::run(arguments)),
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

/// Nothing is judged: it was made, or something is unusable.
fn unusable(outcome: Result<(), files::Unusable>) -> Result<(), Error> {
    outcome.map_err(|error| Error::Unusable(error.to_string()))
}
