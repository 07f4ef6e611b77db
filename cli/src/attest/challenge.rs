//! `plinth attest challenge`: a secret that only one TPM can open, and only beside one attestation key.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use attestation::evidence::Activation;
use attestation::tpm::Public;
use attestation::tpm::credential::randomness_bytes;
use clap::Args;

use super::files::{Readers, Unusable, write};
use super::forms::{ActivationFile, ChallengeFile, IdentityFile};

/// Where randomness comes from.
const RANDOM: &str = "/dev/urandom";

/// Options of `challenge`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The challenge is public and goes to the machine. The activation is a secret: keep it until the evidence \
is there, and give it to `plinth attest verify`. Whoever has it before could answer without the TPM.

Exit codes: 0 written; 2 unusable input or wrong usage.")]
pub struct MakeChallenge {
    /// Who the TPM is: what `plinth attest identity` wrote.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Where the challenge goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the activation goes, readable by you alone.
    #[arg(long, value_name = "FILE")]
    activation: PathBuf,
}

/// Draws the secret and writes both files.
pub fn run(arguments: &MakeChallenge) -> Result<(), Unusable> {
    let identity = IdentityFile::read(&arguments.identity)?;
    let unusable = |reason: String| Unusable::Content { path: arguments.identity.clone(), reason };
    let ek = Public::parse(&identity.ek_public).map_err(|error| unusable(error.to_string()))?;
    let (_, ak) = identity.names().map_err(|error| unusable(super::make::chain(&error)))?;
    let mut secret = [0; 32];
    random(&mut secret)?;
    let mut randomness = vec![0; randomness_bytes(&ek)];
    random(&mut randomness)?;
    let activation = Activation::new(secret, randomness);
    let challenge = activation.challenge(&ek, ak).map_err(|error| unusable(error.to_string()))?;
    let challenge = ChallengeFile::of(identity.kind, &challenge);
    write(&arguments.activation, &json(&ActivationFile::of(&activation)), Readers::Owner)?;
    write(&arguments.out, &json(&challenge), Readers::All)
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let json = serde_json::to_vec_pretty(value).expect("plain data");
    [json.as_slice(), b"\n"].concat()
}

fn random(bytes: &mut [u8]) -> Result<(), Unusable> {
    let failed = |source| Unusable::Read { path: Path::new(RANDOM).into(), source };
    File::open(RANDOM).and_then(|mut file| file.read_exact(bytes)).map_err(failed)
}
