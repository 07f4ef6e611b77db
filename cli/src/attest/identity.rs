//! `plinth attest identity`: who the TPM of this machine is.

use std::path::PathBuf;

use clap::Args;
use os_kit_evidence::identity;
use os_kit_tpm::{Expect, Tpm, TpmAddress};

use super::files::{Readers, Unusable, write};
use super::forms::{IdentityFile, Kind};
use super::make::{chain, failed};

/// Options of `identity`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The file is public. Who wants evidence makes a challenge of it with `plinth attest challenge`.

Exit codes: 0 written; 2 unusable input, TPM, or wrong usage.")]
pub struct Identify {
    /// The TPM: device:/dev/tpmrm0, swtpm:unix:PATH or swtpm:tcp:127.0.0.1:PORT.
    #[arg(long, default_value_t = TpmAddress::device())]
    tpm: TpmAddress,
    /// Which of its endorsement keys.
    #[arg(long, default_value = "p384")]
    ek: Kind,
    /// Where the identity goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Asks the TPM and writes the file.
pub fn run(arguments: &Identify) -> Result<(), Unusable> {
    let tpm = Tpm::open(&arguments.tpm, &Expect::AnyTpm)
        .map_err(|error| Unusable::Make(chain(&error)))?;
    let found = identity(&tpm, arguments.ek.into()).map_err(failed)?;
    let json = serde_json::to_vec_pretty(&IdentityFile::of(&found)).expect("plain data");
    write(&arguments.out, &[json.as_slice(), b"\n"].concat(), Readers::All)
}
