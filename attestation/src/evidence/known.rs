//! What a verifier knows from elsewhere: certified heights, challenges that it has made or believes,
//! and what was registered about the machine.

use super::policy::{Entries, Hex, Index, present};
use super::statement::{array, bound, challenge_id};
use crate::crypto::{Hash, hmac};
use crate::tpm::credential::{Challenge, CredentialError, make_credential};
use crate::tpm::{ClockInfo, Name, Public};
use serde::Deserialize;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What the answer to a challenge is for.
const ANSWER: &[u8] = b"plinth evidence, answer to a challenge, version 1";

/// Length of a challenge's secret.
const SECRET_BYTES: usize = 32;

/// What a verifier knows. Where it knows from is its own matter: what a registry says of its heights is
/// certified, what it says of challenges is what it made itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "KnownText")]
pub struct Known {
    /// The height of judgment: now, or the one at which evidence was recorded.
    pub height: u64,
    /// Certified roots by height.
    pub certified: BTreeMap<u64, [u8; 32]>,
    /// Challenges that were made by whom the verifier believes not to have given their secrets away
    /// before they were answered: itself, or the registry that has recorded them.
    pub activations: Vec<Activation>,
    /// The machine that it must be, if one is expected.
    pub machine: Option<MachineRecord>,
}

/// How a challenge was made. Who knows it can make the same challenge again, and so see for which keys
/// it was.
#[derive(Clone, PartialEq, Eq)]
pub struct Activation {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    randomness: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Activation")
    }
}

impl Activation {
    /// From a secret and the randomness of its encryption: see
    /// [`randomness_bytes`](crate::tpm::credential::randomness_bytes). Both are drawn for this one
    /// challenge.
    pub fn new(secret: [u8; SECRET_BYTES], randomness: Vec<u8>) -> Self {
        Self { secret: Zeroizing::new(secret), randomness: Zeroizing::new(randomness) }
    }

    /// The challenge for an endorsement key and the attestation key of this name.
    pub fn challenge(&self, ek: &Public, ak: Name) -> Result<Challenge, CredentialError> {
        make_credential(ek, ak, self.secret.as_slice(), &self.randomness)
    }

    /// Whether the challenge of this name was made so, for these keys.
    pub(super) fn is_of(&self, id: &[u8; 32], ek: &Public, ak: Name) -> bool {
        self.challenge(ek, ak).is_ok_and(|challenge| challenge_id(&challenge) == *id)
    }

    /// What a machine that knows the secret answers.
    pub(super) fn answer(&self, nonce: &[u8; 32]) -> [u8; 32] {
        answer(self.secret.as_slice(), nonce)
    }

    /// The secret, to be recorded once it was answered.
    pub fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// The randomness, to be recorded once it was answered.
    pub fn randomness(&self) -> &[u8] {
        &self.randomness
    }
}

/// The answer to a challenge: that its secret is known, for a quote with this nonce.
pub fn answer(secret: &[u8], nonce: &[u8; 32]) -> [u8; 32] {
    let purpose = bound(Hash::Sha256, ANSWER, &[nonce]);
    array(&hmac(Hash::Sha256, secret, &[purpose.as_bytes()]))
}

/// What was registered about a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineRecord {
    /// The name of its endorsement key.
    pub ek: Option<Name>,
    /// The name of its attestation key.
    pub ak: Option<Name>,
    /// Its chip.
    pub chip_id: Option<[u8; 64]>,
    /// The clock of its TPM when it was last seen.
    pub clock: Option<ClockInfo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownText {
    height: u64,
    certified: Entries<Index<u64>, Hex>,
    activations: Vec<Activation>,
    #[serde(deserialize_with = "present")]
    machine: Option<MachineText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivationText {
    secret: Hex,
    randomness: Hex,
}

impl<'de> Deserialize<'de> for Activation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = ActivationText::deserialize(deserializer)?;
        let secret = text.secret.array("secret").map_err(serde::de::Error::custom)?;
        Ok(Self::new(secret, text.randomness.0))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MachineText {
    #[serde(deserialize_with = "present")]
    ek: Option<Hex>,
    #[serde(deserialize_with = "present")]
    ak: Option<Hex>,
    #[serde(deserialize_with = "present")]
    chip: Option<Hex>,
    #[serde(deserialize_with = "present")]
    clock: Option<ClockText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ClockText {
    clock_ms: u64,
    reset_count: u32,
    restart_count: u32,
}

impl TryFrom<KnownText> for Known {
    type Error = String;

    fn try_from(text: KnownText) -> Result<Self, String> {
        let mut certified = BTreeMap::new();
        for (Index(height), root) in &text.certified.0 {
            let root = root.array("a certified root").map_err(|error| error.to_string())?;
            certified.insert(*height, root);
        }
        Ok(Self {
            height: text.height,
            certified,
            activations: text.activations,
            machine: text.machine.map(machine).transpose()?,
        })
    }
}

fn machine(text: MachineText) -> Result<MachineRecord, String> {
    let name = |hex: Hex| {
        Name::from_bytes(&hex.0)
            .ok_or_else(|| format!("{} is no name of a TPM's key", hex::encode(&hex.0)))
    };
    let chip = |hex: Hex| hex.array("chip").map_err(|error| error.to_string());
    let clock = |clock: ClockText| ClockInfo {
        clock_ms: clock.clock_ms,
        reset_count: clock.reset_count,
        restart_count: clock.restart_count,
        safe: true,
    };
    Ok(MachineRecord {
        ek: text.ek.map(name).transpose()?,
        ak: text.ak.map(name).transpose()?,
        chip_id: text.chip.map(chip).transpose()?,
        clock: text.clock.map(clock),
    })
}
