//! The files that go between a machine and who wants evidence of it: identity, challenge, activation.
//!
//! ```text
//!  machine                                   who wants evidence
//!    identity  --IDENTITY (public)------------->  challenge
//!    make      <--CHALLENGE (public)-----------      |
//!      '-------EVIDENCE----------------------->  verify --activation ACTIVATION (secret until then)
//! ```

use std::path::Path;

use attestation::evidence::{Activation, Known, Policy, Roots};
use attestation::tpm::credential::Challenge;
use clap::ValueEnum;
use os_kit_evidence::Identity;
use os_kit_tpm::EkKind;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::files::{Unusable, read};

/// The version of identity and challenge.
const VERSION: u32 = 1;

/// Kinds of endorsement keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// ECC on P-384: no RSA anywhere.
    P384,
    /// ECC on P-256.
    P256,
    /// RSA with 2048 bits: what every TPM has.
    Rsa2048,
}

impl From<Kind> for EkKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::P384 => Self::P384,
            Kind::P256 => Self::P256,
            Kind::Rsa2048 => Self::Rsa2048,
        }
    }
}

impl From<EkKind> for Kind {
    fn from(kind: EkKind) -> Self {
        match kind {
            EkKind::P384 => Self::P384,
            EkKind::P256 => Self::P256,
            EkKind::Rsa2048 => Self::Rsa2048,
        }
    }
}

/// Who a TPM is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IdentityFile {
    version: u32,
    pub ek: Kind,
    #[serde(with = "as_hex")]
    ek_certificate: Vec<u8>,
    #[serde(with = "as_hex")]
    ek_public: Vec<u8>,
    #[serde(with = "as_hex")]
    ak_public: Vec<u8>,
}

impl IdentityFile {
    pub fn of(identity: &Identity) -> Self {
        Self {
            version: VERSION,
            ek: identity.kind.into(),
            ek_certificate: identity.ek_certificate.clone(),
            ek_public: identity.ek_public.clone(),
            ak_public: identity.ak_public.clone(),
        }
    }

    /// Reads one, whose issuers are not in it: they belong into the evidence.
    pub fn read(path: &Path) -> Result<Identity, Unusable> {
        let file: Self = json(path)?;
        version(path, file.version)?;
        Ok(Identity {
            kind: file.ek.into(),
            ek_certificate: file.ek_certificate,
            issuers: Vec::new(),
            ek_public: file.ek_public,
            ak_public: file.ak_public,
        })
    }
}

/// What a TPM is to open.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChallengeFile {
    version: u32,
    /// For which endorsement key.
    ek: Kind,
    #[serde(with = "as_hex")]
    id_object: Vec<u8>,
    #[serde(with = "as_hex")]
    encrypted_secret: Vec<u8>,
}

impl ChallengeFile {
    pub fn of(kind: EkKind, challenge: &Challenge) -> Self {
        Self {
            version: VERSION,
            ek: kind.into(),
            id_object: challenge.id_object.clone(),
            encrypted_secret: challenge.encrypted_secret.clone(),
        }
    }

    pub fn read(path: &Path) -> Result<(EkKind, Challenge), Unusable> {
        let file: Self = json(path)?;
        version(path, file.version)?;
        let Self { ek, id_object, encrypted_secret, .. } = file;
        Ok((ek.into(), Challenge { id_object, encrypted_secret }))
    }
}

/// How a challenge was made: an entry of `known.activations`.
#[derive(Serialize)]
pub struct ActivationFile {
    secret: String,
    randomness: String,
}

impl ActivationFile {
    pub fn of(activation: &Activation) -> Self {
        Self {
            secret: hex::encode(activation.secret()),
            randomness: hex::encode(activation.randomness()),
        }
    }

    pub fn read(path: &Path) -> Result<Activation, Unusable> {
        json(path)
    }
}

/// The file that judges: docs/evidence.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub policy: Policy,
    pub roots: Roots,
    pub known: Known,
}

impl Rules {
    /// Reads YAML, of which JSON is a part.
    pub fn read(path: &Path) -> Result<Self, Unusable> {
        let bytes = read(path)?;
        serde_yaml::from_slice(&bytes)
            .map_err(|error| Unusable::Content { path: path.into(), reason: error.to_string() })
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Unusable> {
    serde_json::from_slice(&read(path)?)
        .map_err(|error| Unusable::Content { path: path.into(), reason: error.to_string() })
}

fn version(path: &Path, found: u32) -> Result<(), Unusable> {
    if found == VERSION {
        return Ok(());
    }
    let reason = format!("it has version {found}; this program reads version {VERSION}");
    Err(Unusable::Content { path: path.into(), reason })
}

/// Bytes as text.
mod as_hex {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map_err(serde::de::Error::custom)
    }
}
