//! What evidence is about, and what the TPM and the security processor sign of it.

use super::EvidenceError;
use super::encoding::{MAGIC, VERSION};
use super::fields::{Field, Fields, put, put_sized};
use crate::crypto::{Digest, Hash};
use crate::tpm::Name;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What each digest here is for, and so never taken for another.
const TPM_NONCE: &[u8] = b"plinth evidence, nonce of a TPM quote, version 1";
const REPORT_DATA: &[u8] = b"plinth evidence, data of an SNP report, version 1";
const HOST_DATA: &[u8] = b"plinth evidence, the host's data of an SNP launch, version 1";
const CHALLENGE: &[u8] = b"plinth evidence, challenge to a TPM, version 1";

/// Who speaks, and so which parts the evidence has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// HostOS alone, before it runs a guest: its TPM.
    Host,
    /// GuestOS alone, to a guest on the same machine or where the TPM is not known yet: its report.
    Guest,
    /// A node: GuestOS and the machine under it, report and TPM, each naming the other.
    Machine,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Host, Self::Guest, Self::Machine];

    /// Whether its evidence has the TPM's part.
    pub const fn has_tpm(self) -> bool {
        matches!(self, Self::Host | Self::Machine)
    }

    /// Whether its evidence has the security processor's part.
    pub const fn has_snp(self) -> bool {
        matches!(self, Self::Guest | Self::Machine)
    }

    /// As in the encoding.
    const fn number(self) -> u8 {
        match self {
            Self::Host => 1,
            Self::Guest => 2,
            Self::Machine => 3,
        }
    }

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Guest => "guest",
            Self::Machine => "machine",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A height of the governing subnet and the state's root at it: evidence was made after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// The height.
    pub height: u64,
    /// The certified root of the state.
    pub root: [u8; 32],
}

/// The public keys of a node. They are bound, and not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeKeys {
    /// Signs the node's messages: Ed25519.
    pub signing: [u8; 32],
    /// SubjectPublicKeyInfo of its TLS key, in DER.
    pub tls: Vec<u8>,
    /// To which others deal shares of keys. A host, which takes part in no subnet, has none.
    pub dealing: Option<Vec<u8>>,
}

/// What evidence is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Who speaks.
    pub role: Role,
    /// After when.
    pub anchor: Anchor,
    /// Whose keys.
    pub keys: NodeKeys,
}

const ROLE: Field = Field { tag: 1, name: "role", bytes: 1..=1 };
const ANCHOR: Field = Field { tag: 2, name: "anchor", bytes: 40..=40 };
const SIGNING: Field = Field { tag: 3, name: "signing key", bytes: 32..=32 };
/// An Ed25519 key has 44 bytes, one of RSA-4096 has 550.
const TLS: Field = Field { tag: 4, name: "TLS key", bytes: 32..=1024 };
/// A key on BLS12-381 has 48 or 96 bytes, with a proof of possession up to 192.
const DEALING: Field = Field { tag: 5, name: "dealing key", bytes: 32..=512 };

impl NodeKeys {
    /// Appends the fields.
    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        put(bytes, &SIGNING, &self.signing);
        put(bytes, &TLS, &self.tls);
        if let Some(dealing) = &self.dealing {
            put(bytes, &DEALING, dealing);
        }
    }

    /// Reads the fields of whoever has this role.
    pub(crate) fn read(fields: &mut Fields<'_>, role: Role) -> Result<Self, EvidenceError> {
        let signing = fields.take_array(&SIGNING)?;
        let tls = fields.take(&TLS)?.to_vec();
        let dealing = match role {
            Role::Host => None,
            Role::Guest | Role::Machine => Some(fields.take(&DEALING)?.to_vec()),
        };
        Ok(Self { signing, tls, dealing })
    }
}

impl Statement {
    /// As evidence begins, magic and version included.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = [MAGIC.as_slice(), &VERSION.to_be_bytes()].concat();
        put(&mut bytes, &ROLE, &[self.role.number()]);
        let Anchor { height, root } = &self.anchor;
        put(&mut bytes, &ANCHOR, &[height.to_be_bytes().as_slice(), root].concat());
        self.keys.put(&mut bytes);
        bytes
    }

    /// Reads the fields behind magic and version.
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, EvidenceError> {
        let [number] = fields.take_array(&ROLE)?;
        let role = Role::ALL
            .into_iter()
            .find(|role| role.number() == number)
            .ok_or(EvidenceError::Role(number))?;
        let anchor: [u8; 40] = fields.take_array(&ANCHOR)?;
        let (height, root) = anchor.split_at(8);
        let anchor = Anchor {
            height: u64::from_be_bytes(height.try_into().expect("of 40 bytes the first 8")),
            root: root.try_into().expect("of 40 bytes the last 32"),
        };
        let keys = NodeKeys::read(fields, role)?;
        Ok(Self { role, anchor, keys })
    }

    /// What the quote of the machine's TPM must have as its qualifying data. `guest` is the guest that
    /// the host vouches for, if the role has one.
    pub fn tpm_nonce(&self, tpm: &TpmIdentity<'_>, guest: Option<&GuestName>) -> [u8; 32] {
        let guest = guest.map(|guest| guest.to_bytes()).unwrap_or_default();
        let log = Hash::Sha256.digest(tpm.log);
        let mut issuers = Vec::new();
        tpm.issuers.iter().for_each(|issuer| put_sized(&mut issuers, issuer));
        let parts: [&[u8]; 8] = [
            &self.encode(),
            tpm.ek_certificate,
            &issuers,
            tpm.ek_public,
            tpm.ak_public,
            tpm.challenge,
            log.as_bytes(),
            &guest,
        ];
        array(&bound(Hash::Sha256, TPM_NONCE, &parts))
    }

    /// What the guest must have put into its report. `tpm` are the names of the endorsement key and the
    /// attestation key of the machine under it, if the role has a TPM.
    pub fn report_data(&self, tpm: Option<(Name, Name)>) -> [u8; 64] {
        let (ek, ak) = names(tpm);
        array(&bound(Hash::Sha512, REPORT_DATA, &[&self.encode(), &ek, &ak]))
    }
}

/// What of a TPM's part is bound by the nonce of its quote.
#[derive(Clone, Copy, Debug)]
pub struct TpmIdentity<'a> {
    /// The certificate of the endorsement key, as the TPM stores it.
    pub ek_certificate: &'a [u8],
    /// The certificates of its issuers that come with it.
    pub issuers: &'a [Vec<u8>],
    /// The public area of the endorsement key: TPMT_PUBLIC.
    pub ek_public: &'a [u8],
    /// The public area of the attestation key: TPMT_PUBLIC.
    pub ak_public: &'a [u8],
    /// Which challenge the TPM has answered: see [`challenge_id`].
    pub challenge: &'a [u8; 32],
    /// The firmware's event log.
    pub log: &'a [u8],
}

/// A guest's name: no other launch on any chip has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestName {
    /// The chip.
    pub chip_id: [u8; 64],
    /// The launch on it.
    pub report_id: [u8; 32],
}

impl GuestName {
    fn to_bytes(self) -> Vec<u8> {
        [self.chip_id.as_slice(), &self.report_id].concat()
    }
}

/// What the host must give to the launch of the guest of a node: it names the machine's TPM, and neither
/// the guest nor the host can change it afterwards.
pub fn host_data(ek: Name, ak: Name) -> [u8; 32] {
    let (ek, ak) = names(Some((ek, ak)));
    array(&bound(Hash::Sha256, HOST_DATA, &[&ek, &ak]))
}

/// The name of a challenge: of what TPM2_ActivateCredential got.
pub fn challenge_id(challenge: &crate::tpm::credential::Challenge) -> [u8; 32] {
    let parts: [&[u8]; 2] = [&challenge.id_object, &challenge.encrypted_secret];
    array(&bound(Hash::Sha256, CHALLENGE, &parts))
}

fn names(tpm: Option<(Name, Name)>) -> (Vec<u8>, Vec<u8>) {
    tpm.map(|(ek, ak)| (ek.to_bytes(), ak.to_bytes())).unwrap_or_default()
}

/// A digest over a purpose and parts, each behind its length: no two lists of parts give the same bytes.
pub(super) fn bound(hash: Hash, purpose: &[u8], parts: &[&[u8]]) -> Digest {
    let mut bytes = Vec::new();
    put_sized(&mut bytes, purpose);
    parts.iter().for_each(|part| put_sized(&mut bytes, part));
    hash.digest(&bytes)
}

pub(super) fn array<const N: usize>(digest: &Digest) -> [u8; N] {
    digest.as_bytes().try_into().expect("the hash gives as many bytes")
}
