//! `plinth measure`: what machines will measure of an image, and why one measured something else.
//!
//! Everything is computed by `image-build` and `attestation`; here are files, arguments and text.

mod explain;
mod guest;
mod uki;

use clap::Subcommand;

use crate::attest::files::Unusable;
use crate::error::Error;

/// `plinth measure ...`.
#[derive(Clone, Debug, Subcommand)]
pub enum MeasureCommand {
    /// The PCR values of a machine that boots a unified kernel image (HostOS, SetupOS).
    Uki(uki::MeasureUki),
    /// The launch digests of a confidential guest (GuestOS), by processor model and count.
    Guest(guest::MeasureGuest),
    /// Why a machine's PCR values are not those of its release.
    Explain(explain::Explain),
}

/// Runs one of the commands.
pub fn run(command: &MeasureCommand) -> Result<(), Error> {
    match command {
        MeasureCommand::Uki(arguments) => uki::run(arguments),
        MeasureCommand::Guest(arguments) => guest::run(arguments),
        MeasureCommand::Explain(arguments) => explain::run(arguments),
    }
}

/// A file that cannot be read.
fn unread(error: Unusable) -> Error {
    Error::Unusable(error.to_string())
}

/// Input that nothing can be measured of.
fn unusable(error: &dyn std::error::Error) -> Error {
    Error::Unusable(crate::error::chain_of(error))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("measurements are plain data") + "\n"
}
