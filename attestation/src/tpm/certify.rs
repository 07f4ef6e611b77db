//! Certified objects: another key is in the same TPM as the attestation key.
//!
//! Source: "TPM 2.0 Library, Part 3: Commands", TPM2_Certify.

use super::attest::Attested;
use super::name::Name;
use super::public::Public;
use super::signed::{self, ClockRule, Rules, SignedBy};
use crate::checks::{Checks, Verdict};

type Named = (&'static str, &'static str);

const TYPE: Named = ("tpm.certify.type", "The message attests an object of the TPM.");
const OBJECT_FORM: Named =
    ("tpm.certify.object-form", "The object's public area is a TPMT_PUBLIC.");
const OBJECT_NAME: Named =
    ("tpm.certify.object-name", "The certified name is the hash of the object's public area.");
const QUALIFIED_NAME: Named =
    ("tpm.certify.qualified-name", "The object stands under the expected parents.");

/// What is asked of a certified object.
#[derive(Clone, Debug)]
pub struct CertifyPolicy {
    /// What the qualifying data must be.
    pub nonce: Vec<u8>,
    /// The name of the attestation key, known from an activated credential.
    pub key_name: Name,
    /// The qualified name of the object, if the verifier knows its parents.
    pub qualified_name: Option<Name>,
}

/// An object that is loaded in the TPM of an attestation key. Made by [`verify`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedObject {
    object: Public,
    key: Public,
}

impl VerifiedObject {
    /// The object. What it may do is in its attributes, which were not judged.
    pub fn object(&self) -> &Public {
        &self.object
    }

    /// The attestation key that says so.
    pub fn key(&self) -> &Public {
        &self.key
    }
}

/// Verifies that an object, given by its TPMT_PUBLIC, is in the TPM of the attestation key.
pub fn verify(
    evidence: &SignedBy,
    object: &[u8],
    policy: &CertifyPolicy,
) -> Verdict<VerifiedObject> {
    let mut checks = Checks::new();
    let verified = check(&mut checks, evidence, object, policy);
    Verdict::conclude(checks, verified)
}

fn check(
    checks: &mut Checks,
    evidence: &SignedBy,
    object: &[u8],
    policy: &CertifyPolicy,
) -> Option<VerifiedObject> {
    let rules =
        Rules { nonce: &policy.nonce, signer: None, firmware: None, clock: ClockRule::NoHistory };
    let signer = signed::check_key(checks, evidence.key, Some(policy.key_name));
    let key = signer.as_ref().and_then(|signer| signer.public().cloned());
    let read = signed::check(checks, signer.as_ref(), evidence.message, evidence.signature, &rules);
    let object = signed::read(checks, OBJECT_FORM, "object", Public::parse(object));
    let (attest, object) = (read.attest?, object?);
    let Attested::Certify { name, qualified_name } = &attest.attested else {
        checks.record(TYPE, "message", false, "");
        return None;
    };
    checks.record(TYPE, "message", true, "");
    let own = object.name();
    let found = format!("{}, computed {own}", hex::encode(name));
    checks.record(OBJECT_NAME, "message", Name::from_bytes(name) == Some(own), found);
    if let Some(expected) = policy.qualified_name {
        let found = format!("{}, wanted {expected}", hex::encode(qualified_name));
        let holds = Name::from_bytes(qualified_name) == Some(expected);
        checks.record(QUALIFIED_NAME, "message", holds, found);
    }
    Some(VerifiedObject { object, key: key? })
}
