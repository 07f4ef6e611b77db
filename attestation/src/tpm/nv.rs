//! Counters in a TPM: how far a machine has gone, so that it cannot go back.
//!
//! Source: "TPM 2.0 Library, Part 3: Commands", TPM2_NV_Certify; Part 2, TPMS_NV_PUBLIC.

use super::algorithm::{hash_from_id, hash_id};
use super::attest::Attested;
use super::name::Name;
use super::public::Public;
use super::signed::{self, ClockRule, Rules, SignedBy};
use crate::checks::{Checks, Verdict};
use crate::crypto::Hash;
use crate::cursor::{Cursor, ReadError};

type Named = (&'static str, &'static str);

const TYPE: Named = ("tpm.nv.type", "The message attests the content of an NV index.");
const INDEX_FORM: Named = ("tpm.nv.index-form", "The index's public area is a TPMS_NV_PUBLIC.");
const INDEX_HANDLE: Named = ("tpm.nv.index-handle", "The index is the one of the policy.");
const INDEX_POLICY: Named =
    ("tpm.nv.index-policy", "The index has the authorization policy of the policy.");
const INDEX_COUNTER: Named = ("tpm.nv.counter", "The index is a counter of 8 bytes.");
const INDEX_WRITTEN: Named = ("tpm.nv.written", "The counter was incremented since it was made.");
const INDEX_NAME: Named =
    ("tpm.nv.index-name", "The certified name is the hash of the index's public area.");
const CONTENT: Named = ("tpm.nv.content", "The whole counter is certified.");
const FORWARD: Named = ("tpm.nv.forward", "The counter is not below the least that is allowed.");

/// The longest TPMS_NV_PUBLIC: with a policy in SHA-512.
const NV_PUBLIC_BYTES_MAX: usize = 14 + 64;
/// TPMA_NV: the type of an index, bits 4 to 7.
const TYPE_MASK: u32 = 0xf0;
/// TPM_NT_COUNTER, at its place.
const TYPE_COUNTER: u32 = 0x10;
/// TPMA_NV_WRITTEN.
const WRITTEN: u32 = 1 << 29;

/// TPMS_NV_PUBLIC: what an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NvPublic {
    bytes: Vec<u8>,
    name_hash: Hash,
    /// Its handle, such as 0x01800001.
    pub handle: u32,
    /// TPMA_NV.
    pub attributes: u32,
    /// The digest of its authorization policy; empty if it has none.
    pub policy: Vec<u8>,
    /// How many bytes it holds.
    pub data_bytes: u16,
}

/// Why bytes are not the public area of an NV index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NvPublicError {
    /// A field cannot be read.
    #[error("this is no TPMS_NV_PUBLIC")]
    Read(#[from] ReadError),
    /// Its name algorithm is not supported.
    #[error("nameAlg {0:#06x} is not supported: use sha256 0x000b, sha384 or sha512")]
    NameHash(u16),
}

impl NvPublic {
    /// Reads a TPMS_NV_PUBLIC.
    pub fn parse(bytes: &[u8]) -> Result<Self, NvPublicError> {
        if bytes.len() > NV_PUBLIC_BYTES_MAX {
            let (field, bytes) = ("TPMS_NV_PUBLIC", bytes.len());
            return Err(ReadError::TooLong { field, bytes, bytes_max: NV_PUBLIC_BYTES_MAX }.into());
        }
        let mut cursor = Cursor::new(bytes);
        let handle = cursor.u32_be("nvIndex")?;
        let id = cursor.u16_be("nameAlg")?;
        let public = Self {
            bytes: bytes.to_vec(),
            name_hash: hash_from_id(id).ok_or(NvPublicError::NameHash(id))?,
            handle,
            attributes: cursor.u32_be("attributes")?,
            policy: cursor.sized("authPolicy", 64)?.to_vec(),
            data_bytes: cursor.u16_be("dataSize")?,
        };
        cursor.finish("TPMS_NV_PUBLIC")?;
        Ok(public)
    }

    /// The TPMS_NV_PUBLIC of an index, as a policy expects it.
    pub fn new(
        handle: u32,
        name_hash: Hash,
        attributes: u32,
        policy: &[u8],
        data_bytes: u16,
    ) -> Result<Self, NvPublicError> {
        let mut bytes = handle.to_be_bytes().to_vec();
        bytes.extend(hash_id(name_hash).to_be_bytes());
        bytes.extend(attributes.to_be_bytes());
        // A policy that does not fit is refused by `parse`.
        bytes.extend(u16::try_from(policy.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(policy);
        bytes.extend(data_bytes.to_be_bytes());
        Self::parse(&bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its name, which covers attributes and policy. Deleting an index and making it anew with other
    /// ones changes the name; with the same ones it does not, but counters never go back then
    /// (Part 1, section on NV counters).
    pub fn name(&self) -> Name {
        Name::of(self.name_hash.digest(&self.bytes))
    }
}

/// What is asked of a counter.
#[derive(Clone, Debug)]
pub struct CounterPolicy {
    /// What the qualifying data must be.
    pub nonce: Vec<u8>,
    /// The name of the attestation key, known from an activated credential.
    pub key_name: Name,
    /// The handle of the index.
    pub handle: u32,
    /// The authorization policy of the index.
    pub policy: Vec<u8>,
    /// The least value that is allowed: the last that was seen, or that a release demands.
    pub value_min: u64,
}

/// A counter as its TPM says it stands. Made by [`verify`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCounter {
    value: u64,
    index: NvPublic,
    key: Public,
}

impl VerifiedCounter {
    /// Its value.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// The index.
    pub fn index(&self) -> &NvPublic {
        &self.index
    }

    /// The attestation key that says so.
    pub fn key(&self) -> &Public {
        &self.key
    }
}

/// Verifies the value of a counter, given by its TPMS_NV_PUBLIC.
pub fn verify(
    evidence: &SignedBy,
    index: &[u8],
    policy: &CounterPolicy,
) -> Verdict<VerifiedCounter> {
    let mut checks = Checks::new();
    let verified = check(&mut checks, evidence, index, policy);
    Verdict::conclude(checks, verified)
}

fn check(
    checks: &mut Checks,
    evidence: &SignedBy,
    index: &[u8],
    policy: &CounterPolicy,
) -> Option<VerifiedCounter> {
    let rules =
        Rules { nonce: &policy.nonce, signer: None, firmware: None, clock: ClockRule::NoHistory };
    let signer = signed::check_key(checks, evidence.key, Some(policy.key_name));
    let key = signer.as_ref().and_then(|signer| signer.public().cloned());
    let read = signed::check(checks, signer.as_ref(), evidence.message, evidence.signature, &rules);
    let index = signed::read(checks, INDEX_FORM, "index", NvPublic::parse(index));
    if let Some(index) = &index {
        check_index(checks, index, policy);
    }
    let (attest, index) = (read.attest?, index?);
    let Attested::Nv { index_name, offset, contents } = &attest.attested else {
        checks.record(TYPE, "message", false, "");
        return None;
    };
    checks.record(TYPE, "message", true, "");
    let own = index.name();
    let found = format!("{}, computed {own}", hex::encode(index_name));
    checks.record(INDEX_NAME, "message", Name::from_bytes(index_name) == Some(own), found);
    let value = <[u8; 8]>::try_from(contents.as_slice()).ok().map(u64::from_be_bytes);
    let found = format!("{} bytes from byte {offset}", contents.len());
    checks.record(CONTENT, "message", *offset == 0 && value.is_some(), found);
    let value = value?;
    let found = format!("{value}, at least {}", policy.value_min);
    checks.record(FORWARD, "message", value >= policy.value_min, found);
    Some(VerifiedCounter { value, index, key: key? })
}

fn check_index(checks: &mut Checks, index: &NvPublic, policy: &CounterPolicy) {
    let found = format!("{:#010x}, wanted {:#010x}", index.handle, policy.handle);
    checks.record(INDEX_HANDLE, "index", index.handle == policy.handle, found);
    let same = index.policy == policy.policy;
    checks.record(INDEX_POLICY, "index", same, hex::encode(&index.policy));
    let found = format!("attributes {:#010x}, {} bytes", index.attributes, index.data_bytes);
    let is_counter = index.attributes & TYPE_MASK == TYPE_COUNTER && index.data_bytes == 8;
    checks.record(INDEX_COUNTER, "index", is_counter, &found);
    checks.record(INDEX_WRITTEN, "index", index.attributes & WRITTEN != 0, &found);
}
