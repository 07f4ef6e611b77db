//! `plinth attest make`: evidence of this machine.

use std::path::{Path, PathBuf};

use attestation::evidence::{
    Anchor, Evidence, GuestName, NodeKeys, Role, SnpPart, Statement, TpmPart,
};
use attestation::tpm::{PcrSelection, PcrSet, hash_from_name};
use clap::{Args, ValueEnum};
use os_kit_evidence::{
    Identity, MakeError, SnpInputs, TpmInputs, guest_name, identity, open_challenge, snp_part,
    tpm_part,
};
use os_kit_snp::{Certificates, SnpAddress, SnpGuest};
use os_kit_tpm::{Expect, Tpm, TpmAddress};

use super::files::{Readers, Unusable, read, read_certificate, write};
use super::forms::ChallengeFile;

/// Where Linux shows the log of the firmware.
const LOG: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";

/// Options of `make`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A host has the TPM's part, a guest the security processor's, a machine both: see docs/evidence.md. Which \
registers are quoted must be what the verifier's policy selects.

Exit codes: 0 written; 2 unusable input, TPM or processor, or wrong usage.")]
pub struct Make {
    /// For whom the evidence speaks.
    #[arg(long)]
    role: RoleName,
    /// The TPM: device:/dev/tpmrm0, swtpm:unix:PATH or swtpm:tcp:127.0.0.1:PORT.
    #[arg(long, default_value_t = TpmAddress::device())]
    tpm: TpmAddress,
    /// The challenge that the TPM is to open: from who wants the evidence.
    #[arg(long, value_name = "FILE")]
    challenge: Option<PathBuf>,
    /// The registers that are quoted.
    #[arg(long, value_name = "sha256:0,4,7,11+sha384:0,4,7,11", value_parser = selection)]
    pcrs: Option<PcrSelection>,
    /// The event log of the firmware.
    #[arg(long, value_name = "FILE", default_value = LOG)]
    log: PathBuf,
    /// The security processor: `kernel`, or unix:PATH of a simulated one.
    #[arg(long, default_value = "kernel")]
    snp: SnpAddress,
    /// The privilege level at which the report is asked for.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=3))]
    vmpl: u32,
    /// The certificate of the chip's key, where the host leaves none.
    #[arg(long, value_name = "FILE", requires_all = ["ask", "ark"])]
    vek: Option<PathBuf>,
    /// The certificate of the intermediate.
    #[arg(long, value_name = "FILE", requires = "vek")]
    ask: Option<PathBuf>,
    /// The certificate of the root.
    #[arg(long, value_name = "FILE", requires = "vek")]
    ark: Option<PathBuf>,
    /// The node's signing key (Ed25519), 32 bytes in hex.
    #[arg(long, value_name = "HEX", value_parser = array)]
    signing_key: Array,
    /// The node's TLS key: SubjectPublicKeyInfo in DER, in hex.
    #[arg(long, value_name = "HEX", value_parser = bytes)]
    tls_key: Bytes,
    /// The key to which shares are dealt, in hex. A host has none.
    #[arg(long, value_name = "HEX", value_parser = bytes)]
    dealing_key: Option<Bytes>,
    /// A certified height of the governing subnet: as new as can be had.
    #[arg(long)]
    height: u64,
    /// The certified root of the state at that height, 32 bytes in hex.
    #[arg(long, value_name = "HEX", value_parser = array)]
    root: Array,
    /// Where the evidence goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Roles, as options name them.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// HostOS alone.
    Host,
    /// GuestOS alone.
    Guest,
    /// A node: both.
    Machine,
}

#[derive(Clone, Copy, Debug)]
struct Array([u8; 32]);

#[derive(Clone, Debug)]
struct Bytes(Vec<u8>);

/// Asks the machine and writes the evidence.
pub fn run(arguments: &Make) -> Result<(), Unusable> {
    let statement = statement(arguments);
    let role = statement.role;
    let tpm = role.has_tpm().then(|| open_tpm(arguments)).transpose()?;
    let guest = role.has_snp().then(|| arguments.snp.open());
    let name = match &guest {
        Some(guest) => Some(guest_name(guest.as_ref(), arguments.vmpl).map_err(failed)?),
        None => None,
    };
    let tpm = match &tpm {
        Some(tpm) => Some(make_tpm(arguments, tpm, &statement, name.as_ref())?),
        None => None,
    };
    let snp = match &guest {
        Some(guest) => {
            let identity = tpm.as_ref().map(|(identity, _)| identity);
            Some(make_snp(arguments, guest.as_ref(), &statement, identity)?)
        }
        None => None,
    };
    let evidence = Evidence::new(statement, tpm.map(|(_, part)| part), snp)
        .map_err(|error| Unusable::Make(error.to_string()))?;
    write(&arguments.out, &evidence.encode(), Readers::All)
}

fn statement(arguments: &Make) -> Statement {
    let role = match arguments.role {
        RoleName::Host => Role::Host,
        RoleName::Guest => Role::Guest,
        RoleName::Machine => Role::Machine,
    };
    let keys = NodeKeys {
        signing: arguments.signing_key.0,
        tls: arguments.tls_key.0.clone(),
        dealing: arguments.dealing_key.as_ref().map(|key| key.0.clone()),
    };
    let anchor = Anchor { height: arguments.height, root: arguments.root.0 };
    Statement { role, anchor, keys }
}

fn open_tpm(arguments: &Make) -> Result<Tpm, Unusable> {
    Tpm::open(&arguments.tpm, &Expect::AnyTpm).map_err(|error| Unusable::Make(chain(&error)))
}

fn make_tpm(
    arguments: &Make,
    tpm: &Tpm,
    statement: &Statement,
    guest: Option<&GuestName>,
) -> Result<(Identity, TpmPart), Unusable> {
    let missing = |option: &str, who: &str| {
        Unusable::Option(format!("a {} needs --{option}: {who}", statement.role))
    };
    let path = arguments.challenge.as_ref();
    let path = path.ok_or_else(|| missing("challenge", "who wants the evidence makes one"))?;
    let (kind, challenge) = ChallengeFile::read(path)?;
    let selection = arguments.pcrs.as_ref();
    let selection =
        selection.ok_or_else(|| missing("pcrs", "the verifier's policy selects them"))?;
    let log = read(&arguments.log)?;
    let identity = identity(tpm, kind).map_err(failed)?;
    let opened = open_challenge(tpm, kind, &challenge).map_err(failed)?;
    let inputs = TpmInputs { identity: &identity, challenge: &opened, selection, log: &log, guest };
    let part = tpm_part(tpm, statement, &inputs).map_err(failed)?;
    Ok((identity, part))
}

fn make_snp(
    arguments: &Make,
    guest: &dyn SnpGuest,
    statement: &Statement,
    identity: Option<&Identity>,
) -> Result<SnpPart, Unusable> {
    let tpm = identity.map(Identity::names).transpose().map_err(failed)?;
    let certificates = match (&arguments.vek, &arguments.ask, &arguments.ark) {
        (Some(vek), Some(ask), Some(ark)) => {
            let one = |path: &Path, wanted| read_certificate(path, wanted, |_| false);
            Some(Certificates {
                vek: one(vek, "the signing key's")?,
                ask: one(ask, "the intermediate's")?,
                ark: one(ark, "the root's")?,
            })
        }
        _ => None,
    };
    let inputs = SnpInputs { vmpl: arguments.vmpl, tpm, certificates: certificates.as_ref() };
    snp_part(guest, statement, &inputs).map_err(failed)
}

pub(super) fn failed(error: MakeError) -> Unusable {
    Unusable::Make(chain(&error))
}

/// An error with its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

fn selection(text: &str) -> Result<PcrSelection, String> {
    let mut banks: Vec<(_, PcrSet)> = Vec::new();
    for part in text.split('+') {
        let form = || "write it as sha256:0,4,7,11, banks joined by +".to_owned();
        let (bank, pcrs) = part.split_once(':').ok_or_else(form)?;
        let bank = hash_from_name(bank).ok_or_else(form)?;
        let indices: Result<Vec<u8>, _> = pcrs.split(',').map(str::parse).collect();
        let set = PcrSet::new(&indices.map_err(|_| form())?).ok_or("PCRs are 0 to 23")?;
        if banks.iter().any(|(known, _)| *known == bank) {
            return Err(format!("{bank} is there twice"));
        }
        banks.push((bank, set));
    }
    banks.sort_unstable();
    Ok(PcrSelection(banks))
}

fn array(text: &str) -> Result<Array, String> {
    let Bytes(bytes) = bytes(text)?;
    let length = bytes.len();
    bytes.try_into().map(Array).map_err(|_| format!("it has {length} bytes, not 32"))
}

fn bytes(text: &str) -> Result<Bytes, String> {
    hex::decode(text).map(Bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
