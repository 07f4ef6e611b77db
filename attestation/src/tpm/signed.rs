//! What all attestations of a TPM share: the key, the signature, the nonce, the clock.

use super::algorithm::SignatureScheme;
use super::attest::{Attest, ClockInfo, MAGIC, signed_bytes};
use super::name::Name;
use super::public::{Attributes, Public};
use super::signature::{Signature, SignatureValue};
use crate::checks::Checks;
use crate::crypto::{self, EcdsaSignature, Hash, PssSalt, PublicKey};
use std::collections::BTreeSet;
use std::error::Error;

type Named = (&'static str, &'static str);

const KEY_FORM: Named = (
    "tpm.key.form",
    "The attestation key is a TPMT_PUBLIC, or a SubjectPublicKeyInfo where allowed.",
);
const KEY_NAME: Named = ("tpm.key.name", "The attestation key has the name that was enrolled.");
const KEY_SIGN: Named = ("tpm.key.sign", "The attestation key signs.");
const KEY_NOT_DECRYPT: Named = ("tpm.key.not-decrypt", "The attestation key does not decrypt.");
const KEY_RESTRICTED: Named =
    ("tpm.key.restricted", "The attestation key signs only what its TPM made.");
const KEY_FIXED_TPM: Named = ("tpm.key.fixed-tpm", "The attestation key never leaves its TPM.");
const KEY_FIXED_PARENT: Named =
    ("tpm.key.fixed-parent", "The attestation key never leaves its parent.");
const KEY_ORIGIN: Named =
    ("tpm.key.sensitive-data-origin", "The TPM made the attestation key's secret itself.");
const KEY_DUPLICATION: Named =
    ("tpm.key.no-duplication", "The attestation key asks for no encrypted duplication.");
const KEY_X509: Named =
    ("tpm.key.not-x509", "The attestation key is not for signing certificates only.");
const KEY_SYMMETRIC: Named =
    ("tpm.key.no-symmetric", "The attestation key has no symmetric cipher, as a storage key has.");
const KEY_SCHEME: Named =
    ("tpm.key.scheme", "The attestation key is bound to one scheme of signing.");
const SIGNATURE_FORM: Named = ("tpm.signature.form", "The signature is a TPMT_SIGNATURE.");
const SIGNATURE_SCHEME: Named =
    ("tpm.signature.scheme", "The signature has the scheme and hash of its key.");
const SIGNATURE_HASH: Named =
    ("tpm.signature.hash", "The signature's hash is SHA-256, SHA-384 or SHA-512.");
const SIGNATURE_VALID: Named =
    ("tpm.signature.valid", "The attestation key made the signature over the message.");
const MESSAGE_MAGIC: Named =
    ("tpm.message.magic", "The message begins with TPM_GENERATED: a TPM made it.");
const MESSAGE_FORM: Named = ("tpm.message.form", "The message is a TPMS_ATTEST.");
const MESSAGE_NONCE: Named =
    ("tpm.message.nonce", "The message has the nonce of this request as its qualifying data.");
const MESSAGE_SIGNER_FORM: Named =
    ("tpm.message.signer-form", "The qualified name of the signer has the key's name algorithm.");
const MESSAGE_SIGNER: Named =
    ("tpm.message.signer", "The signer is the attestation key under its expected parents.");
const FIRMWARE: Named = ("tpm.firmware", "The TPM's firmware version is one of those allowed.");
const CLOCK_SAFE: Named =
    ("tpm.clock.safe", "The TPM says that its clock reported no later time before.");
const CLOCK_RESETS: Named =
    ("tpm.clock.reset-count", "The TPM's count of resets did not go back: it was not cleared.");
const CLOCK_RESTARTS: Named = (
    "tpm.clock.restart-count",
    "The TPM's count of restarts did not go back since the last reset.",
);
const CLOCK_FORWARD: Named = ("tpm.clock.forward", "The TPM's clock did not go back.");

/// An attestation as received.
#[derive(Clone, Copy, Debug)]
pub struct SignedBy<'a> {
    /// The attestation key: TPMT_PUBLIC or TPM2B_PUBLIC.
    pub key: &'a [u8],
    /// TPMS_ATTEST, or TPM2B_ATTEST.
    pub message: &'a [u8],
    /// TPMT_SIGNATURE.
    pub signature: &'a [u8],
}

/// What is asked of the TPM's clock and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockRule {
    /// There is no history to hold them against: an artifact seen for the first time.
    NoHistory,
    /// The clock is safe, and nothing went back since it was last seen.
    Since(ClockInfo),
    /// The clock is safe; it was not seen before.
    Safe,
}

/// What is asked of any attestation.
#[derive(Clone, Debug)]
pub(super) struct Rules<'a> {
    pub nonce: &'a [u8],
    pub signer: Option<Name>,
    pub firmware: Option<&'a BTreeSet<u64>>,
    pub clock: ClockRule,
}

/// The key as far as it could be read.
pub(super) enum Signer {
    Tpm(Box<Public>),
    Bare(PublicKey),
}

impl Signer {
    pub fn key(&self) -> &PublicKey {
        match self {
            Self::Tpm(public) => public.key(),
            Self::Bare(key) => key,
        }
    }

    pub fn public(&self) -> Option<&Public> {
        match self {
            Self::Tpm(public) => Some(public),
            Self::Bare(_) => None,
        }
    }
}

/// What was read; nothing of it counts unless all checks passed. What cannot be read failed its check,
/// and the checks of the other parts are made all the same.
pub(super) struct Read {
    pub attest: Option<Attest>,
    /// The hash of the signature, which is also that of the digest over PCR values.
    pub hash: Option<Hash>,
}

/// Makes the checks that all attestations share.
pub(super) fn check(
    checks: &mut Checks,
    signer: Option<&Signer>,
    message: &[u8],
    signature: &[u8],
    rules: &Rules,
) -> Read {
    let signature = read(checks, SIGNATURE_FORM, "signature", Signature::parse(signature));
    if let (Some(signer), Some(signature)) = (signer, &signature) {
        check_signature(checks, signer, signed_bytes(message), signature);
    }
    let attest = check_message(checks, message);
    if let Some(attest) = &attest {
        check_content(checks, signer, attest, rules);
    }
    Read { attest, hash: signature.map(|signature| signature.scheme.hash()) }
}

/// Reads a key of a TPM and checks what it may do.
pub(super) fn check_key(
    checks: &mut Checks,
    bytes: &[u8],
    enrolled: Option<Name>,
) -> Option<Signer> {
    let public = read(checks, KEY_FORM, "key", Public::parse(bytes))?;
    if let Some(enrolled) = enrolled {
        let found = format!("{}, enrolled {enrolled}", public.name());
        checks.record(KEY_NAME, "key", public.name() == enrolled, found);
    }
    let attributes = public.attributes();
    let has = |attribute| attributes.has(attribute);
    let found = format!("objectAttributes {:#010x}", attributes.0);
    let wanted = [
        (KEY_SIGN, has(Attributes::SIGN)),
        (KEY_NOT_DECRYPT, !has(Attributes::DECRYPT)),
        (KEY_RESTRICTED, has(Attributes::RESTRICTED)),
        (KEY_FIXED_TPM, has(Attributes::FIXED_TPM)),
        (KEY_FIXED_PARENT, has(Attributes::FIXED_PARENT)),
        (KEY_ORIGIN, has(Attributes::SENSITIVE_DATA_ORIGIN)),
        (KEY_DUPLICATION, !has(Attributes::ENCRYPTED_DUPLICATION)),
        (KEY_X509, !has(Attributes::X509_SIGN)),
    ];
    for (named, holds) in wanted {
        checks.record(named, "key", holds, &found);
    }
    checks.record(KEY_SYMMETRIC, "key", public.symmetric().is_none(), "");
    let scheme = public.scheme().map_or("none".to_owned(), |scheme| scheme.to_string());
    checks.record(KEY_SCHEME, "key", public.scheme().is_some(), scheme);
    Some(Signer::Tpm(Box::new(public)))
}

/// Reads a key of which nothing is known but itself.
pub(super) fn check_bare_key(checks: &mut Checks, spki: &[u8]) -> Option<Signer> {
    let key = read(checks, KEY_FORM, "key", PublicKey::from_spki(spki))?;
    Some(Signer::Bare(key))
}

fn check_signature(checks: &mut Checks, signer: &Signer, message: &[u8], signature: &Signature) {
    let scheme = signature.scheme;
    let fits = match signer {
        Signer::Tpm(public) => public.scheme() == Some(scheme),
        Signer::Bare(key) => matches!(key, PublicKey::Rsa(_)) == scheme.is_rsa(),
    };
    checks.record(SIGNATURE_SCHEME, "signature", fits, scheme.to_string());
    checks.record(SIGNATURE_HASH, "signature", scheme.hash() != Hash::Sha1, scheme.to_string());
    let holds = verify(signer.key(), signature, message);
    read(checks, SIGNATURE_VALID, "signature", holds);
}

/// Whether the key made the signature.
pub(super) fn verify(
    key: &PublicKey,
    signature: &Signature,
    message: &[u8],
) -> Result<(), crypto::SignatureError> {
    match (key, signature.scheme, &signature.value) {
        (PublicKey::Rsa(key), SignatureScheme::RsaSsa(hash), SignatureValue::Rsa(bytes)) => {
            key.verify_pkcs1(hash, message, bytes)
        }
        // TPMs of older specifications use the longest salt that fits, newer ones the digest's.
        (PublicKey::Rsa(key), SignatureScheme::RsaPss(hash), SignatureValue::Rsa(bytes)) => key
            .verify_pss(hash, PssSalt::AsDigest, message, bytes)
            .or_else(|_| key.verify_pss(hash, PssSalt::Longest, message, bytes)),
        (PublicKey::Ec(key), SignatureScheme::Ecdsa(hash), SignatureValue::Ecdsa { r, s }) => {
            let signature = EcdsaSignature::from_parts(key.curve(), r, s)?;
            key.verify(hash, message, &signature)
        }
        _ => Err(crypto::SignatureError::KeyKind),
    }
}

fn check_message(checks: &mut Checks, message: &[u8]) -> Option<Attest> {
    // Looked at by itself: a message too short for it does not have it.
    let signed = signed_bytes(message);
    let begins = hex::encode(&signed[..signed.len().min(size_of_val(&MAGIC))]);
    let has_magic = signed.starts_with(&MAGIC.to_be_bytes());
    let found = if has_magic { String::new() } else { format!("it begins with `{begins}`") };
    checks.record(MESSAGE_MAGIC, "message", has_magic, found);
    read(checks, MESSAGE_FORM, "message", Attest::parse(message))
}

fn check_content(checks: &mut Checks, signer: Option<&Signer>, attest: &Attest, rules: &Rules) {
    let nonce = attest.extra_data == rules.nonce;
    let found = format!("{}, wanted {}", hex::encode(&attest.extra_data), hex::encode(rules.nonce));
    checks.record(MESSAGE_NONCE, "message", nonce, found);
    check_signer(checks, signer.and_then(Signer::public), attest, rules.signer);
    if let Some(allowed) = rules.firmware {
        let version = attest.firmware_version;
        checks.record(FIRMWARE, "message", allowed.contains(&version), format!("{version:#018x}"));
    }
    check_clock(checks, &attest.clock, rules.clock);
}

fn check_signer(
    checks: &mut Checks,
    public: Option<&Public>,
    attest: &Attest,
    expected: Option<Name>,
) {
    let signer = Name::from_bytes(&attest.qualified_signer);
    let found = hex::encode(&attest.qualified_signer);
    if let Some(public) = public {
        let fits = signer.is_some_and(|signer| signer.hash() == public.name_hash());
        checks.record(MESSAGE_SIGNER_FORM, "message", fits, &found);
    }
    if let Some(expected) = expected {
        let found = format!("{found}, wanted {expected}");
        checks.record(MESSAGE_SIGNER, "message", signer == Some(expected), found);
    }
}

fn check_clock(checks: &mut Checks, now: &ClockInfo, rule: ClockRule) {
    let last = match rule {
        ClockRule::NoHistory => return,
        ClockRule::Safe => None,
        ClockRule::Since(last) => Some(last),
    };
    checks.record(CLOCK_SAFE, "message", now.safe, "");
    let Some(last) = last else { return };
    let went = |from: u64, to: u64| format!("last {from}, now {to}");
    checks.record(
        CLOCK_RESETS,
        "message",
        now.reset_count >= last.reset_count,
        went(last.reset_count.into(), now.reset_count.into()),
    );
    // Restarts are counted from the last reset on.
    let same_boot = now.reset_count == last.reset_count;
    checks.record(
        CLOCK_RESTARTS,
        "message",
        !same_boot || now.restart_count >= last.restart_count,
        went(last.restart_count.into(), now.restart_count.into()),
    );
    checks.record(
        CLOCK_FORWARD,
        "message",
        now.clock_ms >= last.clock_ms,
        went(last.clock_ms, now.clock_ms),
    );
}

/// Records whether something could be read, with the whole chain of reasons if not.
pub(super) fn read<T, E: Error>(
    checks: &mut Checks,
    named: Named,
    on: &str,
    result: Result<T, E>,
) -> Option<T> {
    match result {
        Ok(value) => {
            checks.record(named, on, true, "");
            Some(value)
        }
        Err(error) => {
            checks.record(named, on, false, reasons(&error));
            None
        }
    }
}

/// An error with what it was caused by.
pub(crate) fn reasons(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
