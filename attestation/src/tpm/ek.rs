//! Endorsement keys: the certificate of a TPM's maker, and the key it is about.
//!
//! Rules followed here: "TCG EK Credential Profile for TPM Family 2.0", section 3. Where certificates
//! in the field leave out what it wants, the departure has a name ([`EkQuirk`]), is logged, and is
//! refused unless the policy names it.

mod alt_name;
#[cfg(test)]
mod tests;

pub use alt_name::{AltName, AltNameError};

use super::public::{Attributes, Public};
use super::signed::{read, reasons};
use crate::checks::{Checks, Verdict};
use crate::crypto::{Hash, PublicKey};
use crate::der::{DerError, dotted, only, tag};
use crate::x509::{
    Certificate, KeyUsage, PathRules, Quirk, RevocationList, SignatureAlgorithm, TrustRoots,
    UnixTime, check_path, find_path, oid,
};
use serde::Deserialize;

type Named = (&'static str, &'static str);

const FORM: Named = ("ek.form", "The endorsement key's certificate can be read.");
const PATH: Named = ("ek.path", "A chain leads from the certificate to a root that is believed.");
const HASH: Named = ("ek.no-sha1", "No certificate below the root is signed over SHA-1.");
const KEY_USAGE: Named =
    ("ek.key-usage", "The key is for encryption (RSA) or agreement (ECC), and not for signing.");
const PURPOSE: Named =
    ("ek.purpose", "The certificate says that it is an endorsement key's (2.23.133.8.1).");
const ALT_NAME: Named =
    ("ek.alt-name", "The certificate names the TPM's maker, model and version.");
const NO_PURPOSE: Named =
    ("ek.quirk.no-purpose", "A certificate without extended key usage is named by the policy.");
const NO_ALT_NAME: Named =
    ("ek.quirk.no-alt-name", "A certificate that does not name the TPM is named by the policy.");
const NOT_CRITICAL: Named = (
    "ek.quirk.alt-name-not-critical",
    "A non-critical alternative name beside an empty subject is named by the policy.",
);
const PUBLIC_FORM: Named =
    ("ek.public.form", "The endorsement key's public area is a TPMT_PUBLIC.");
const PUBLIC_KEY: Named =
    ("ek.public.key", "The public area has the key that the certificate is about.");
const PUBLIC_STORAGE: Named =
    ("ek.public.storage", "The key is a storage key: restricted, decrypts, does not sign.");
const PUBLIC_FIXED: Named = ("ek.public.fixed", "The key was made by its TPM and never leaves it.");
const PUBLIC_CIPHER: Named = ("ek.public.cipher", "The key has a symmetric cipher, AES-CFB.");

/// tcg-kp-EKCertificate, 2.23.133.8.1.
const PURPOSE_EK: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];
/// An empty sequence: no name.
const NO_NAME: [u8; 2] = [0x30, 0];
/// The extensions that are read here, and so may be critical.
const READ_HERE: [&[u8]; 2] = [oid::SUBJECT_ALT_NAME, oid::EXTENDED_KEY_USAGE];

/// A departure of certificates in the field from the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EkQuirk {
    /// There is no extended key usage. Google's second authority.
    NoPurpose,
    /// There is no alternative name, but a subject. Google's second authority.
    NoAltName,
    /// The subject is empty, and the alternative name is not critical.
    AltNameNotCritical,
}

impl EkQuirk {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NoPurpose, Self::NoAltName, Self::AltNameNotCritical];
}

/// What is asked of an endorsement key's certificate.
#[derive(Clone, Copy, Debug)]
pub struct EkPolicy<'a> {
    /// The roots that are believed.
    pub roots: &'a TrustRoots,
    /// The time at which the chain must be valid.
    pub at: UnixTime,
    /// Departures from X.509 that are accepted, each logged.
    pub x509_quirks: &'a [Quirk],
    /// Departures from the profile that are accepted, each logged.
    pub quirks: &'a [EkQuirk],
    /// What makers no longer stand by: see [`PathRules::revocation`].
    pub revocation: &'a [RevocationList],
}

/// A certificate of an endorsement key that leads to a believed root. Made by [`verify_certificate`]
/// alone. That the TPM is there is shown only by opening a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEkCertificate {
    key: PublicKey,
    sha256: [u8; 32],
    alt_name: Option<AltName>,
    root: String,
}

impl VerifiedEkCertificate {
    /// The endorsement key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The SHA-256 of the certificate as received.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Maker, model and version of the TPM, if the certificate names them.
    pub fn alt_name(&self) -> Option<&AltName> {
        self.alt_name.as_ref()
    }

    /// The label of the root.
    pub fn root(&self) -> &str {
        &self.root
    }
}

/// An endorsement key with a certificate and a public area that belong together: what a credential
/// may be made for. Made by [`bind`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEk {
    certificate: VerifiedEkCertificate,
    public: Public,
}

impl VerifiedEk {
    /// The certificate.
    pub fn certificate(&self) -> &VerifiedEkCertificate {
        &self.certificate
    }

    /// The public area, for [`make_credential`](super::credential::make_credential).
    pub fn public(&self) -> &Public {
        &self.public
    }
}

/// Verifies the certificate of an endorsement key, in DER as a TPM stores it (padding may follow).
/// `others` are certificates that may stand between it and the root, and the root itself.
pub fn verify_certificate(
    der: &[u8],
    others: &[Certificate],
    policy: &EkPolicy,
) -> Verdict<VerifiedEkCertificate> {
    let mut checks = Checks::new();
    let verified = check_certificate(&mut checks, der, others, policy);
    Verdict::conclude(checks, verified)
}

fn check_certificate(
    checks: &mut Checks,
    der: &[u8],
    others: &[Certificate],
    policy: &EkPolicy,
) -> Option<VerifiedEkCertificate> {
    let certificate = read(checks, FORM, "EK certificate", Certificate::from_padded_der(der))?;
    let key = certificate.public_key().ok();
    let root = check_chain(checks, &certificate, key, others, policy);
    if let Some(key) = key {
        check_key_usage(checks, &certificate, key);
    }
    check_purpose(checks, &certificate, policy);
    let alt_name = check_alt_name(checks, &certificate, policy);
    Some(VerifiedEkCertificate {
        key: key?.clone(),
        sha256: certificate.sha256(),
        alt_name,
        root: root?,
    })
}

/// The path to a root; gives its label.
fn check_chain(
    checks: &mut Checks,
    certificate: &Certificate,
    key: Option<&PublicKey>,
    others: &[Certificate],
    policy: &EkPolicy,
) -> Option<String> {
    let rules = PathRules {
        at: policy.at,
        quirks: policy.x509_quirks,
        critical: &READ_HERE,
        end_usage: usages(key),
        revocation: policy.revocation,
    };
    let path = find_path(certificate, others, policy.roots, &rules);
    let found = path.as_ref().map_or_else(
        || format!("none from {} on", name(certificate)),
        |path| path.iter().map(|step| name(step)).collect::<Vec<_>>().join(" < "),
    );
    checks.record(PATH, "EK certificate", path.is_some(), found);
    let path = path?;
    let labels: Vec<String> = (0..path.len())
        .map(|depth| match depth {
            0 => "EK certificate".to_owned(),
            _ if depth + 1 == path.len() => "root".to_owned(),
            _ => format!("intermediate {depth}"),
        })
        .collect();
    let (_, below) = path.split_last()?;
    for (certificate, label) in below.iter().zip(&labels) {
        let algorithm = certificate.signature_algorithm();
        let weak = matches!(
            algorithm,
            SignatureAlgorithm::RsaPkcs1(Hash::Sha1)
                | SignatureAlgorithm::RsaPss(Hash::Sha1)
                | SignatureAlgorithm::Ecdsa(Hash::Sha1)
        );
        checks.record(HASH, label, !weak, algorithm.to_string());
    }
    let named: Vec<(&str, &Certificate)> =
        labels.iter().map(String::as_str).zip(path.iter().copied()).collect();
    check_path(checks, &named, policy.roots, &rules).map(|root| root.label.clone())
}

/// The uses of which an endorsement key must have one.
fn usages(key: Option<&PublicKey>) -> &'static [u8] {
    match key {
        Some(PublicKey::Rsa(_)) => &[KeyUsage::KEY_ENCIPHERMENT],
        Some(PublicKey::Ec(_)) => &[KeyUsage::KEY_AGREEMENT],
        None => &[],
    }
}

/// The subject, or what says that there is none.
fn name(certificate: &Certificate) -> String {
    if certificate.subject() == NO_NAME {
        "a certificate without subject".to_owned()
    } else {
        certificate.subject_text()
    }
}

fn check_key_usage(checks: &mut Checks, certificate: &Certificate, key: &PublicKey) {
    let usage = certificate.key_usage();
    let fits = usage.is_some_and(|usage| {
        usages(Some(key)).iter().any(|bit| usage.allows(*bit))
            && !usage.allows(KeyUsage::DIGITAL_SIGNATURE)
            && !usage.allows(KeyUsage::CERTIFICATE_SIGN)
    });
    let found = if usage.is_none() { "there is none" } else { "" };
    checks.record(KEY_USAGE, "EK certificate", fits, found);
}

fn check_purpose(checks: &mut Checks, certificate: &Certificate, policy: &EkPolicy) {
    let Some(extension) = certificate.extension(oid::EXTENDED_KEY_USAGE) else {
        let named = policy.quirks.contains(&EkQuirk::NoPurpose);
        checks.record(NO_PURPOSE, "EK certificate", named, "there is no extended key usage");
        return;
    };
    let purposes = purposes(&extension.value);
    let holds =
        purposes.as_ref().is_ok_and(|list| list.iter().any(|purpose| purpose == PURPOSE_EK));
    let found = match &purposes {
        Ok(list) => list.iter().map(|oid| dotted(oid)).collect::<Vec<_>>().join(", "),
        Err(error) => error.to_string(),
    };
    checks.record(PURPOSE, "EK certificate", holds, found);
}

/// ExtKeyUsageSyntax: a sequence of object identifiers.
fn purposes(value: &[u8]) -> Result<Vec<Vec<u8>>, DerError> {
    let mut reader = only(value, tag::SEQUENCE)?.reader();
    let mut purposes = Vec::new();
    while !reader.is_empty() {
        purposes.push(reader.oid()?.to_vec());
    }
    Ok(purposes)
}

fn check_alt_name(
    checks: &mut Checks,
    certificate: &Certificate,
    policy: &EkPolicy,
) -> Option<AltName> {
    let has_subject = certificate.subject() != NO_NAME;
    let Some(extension) = certificate.extension(oid::SUBJECT_ALT_NAME) else {
        let named = has_subject && policy.quirks.contains(&EkQuirk::NoAltName);
        checks.record(NO_ALT_NAME, "EK certificate", named, "there is no alternative name");
        return None;
    };
    if !extension.is_critical && !has_subject {
        let named = policy.quirks.contains(&EkQuirk::AltNameNotCritical);
        checks.record(NOT_CRITICAL, "EK certificate", named, "the subject is empty");
    }
    match AltName::from_der(&extension.value) {
        Ok(name) => {
            checks.record(ALT_NAME, "EK certificate", true, name.to_string());
            Some(name)
        }
        Err(error) => {
            checks.record(ALT_NAME, "EK certificate", false, reasons(&error));
            None
        }
    }
}

/// Checks that a public area, TPMT_PUBLIC or TPM2B_PUBLIC, is the endorsement key of a certificate.
pub fn bind(certificate: &VerifiedEkCertificate, public: &[u8]) -> Verdict<VerifiedEk> {
    let mut checks = Checks::new();
    let public = read(&mut checks, PUBLIC_FORM, "EK", Public::parse(public));
    if let Some(public) = &public {
        check_public(&mut checks, certificate, public);
    }
    let certificate = certificate.clone();
    Verdict::conclude(checks, public.map(|public| VerifiedEk { certificate, public }))
}

fn check_public(checks: &mut Checks, certificate: &VerifiedEkCertificate, public: &Public) {
    checks.record(PUBLIC_KEY, "EK", *public.key() == certificate.key, public.key().kind());
    let attributes = public.attributes();
    let has = |attribute| attributes.has(attribute);
    let found = format!("objectAttributes {:#010x}", attributes.0);
    let storage = has(Attributes::RESTRICTED) && has(Attributes::DECRYPT) && !has(Attributes::SIGN);
    checks.record(PUBLIC_STORAGE, "EK", storage, &found);
    let fixed = has(Attributes::FIXED_TPM)
        && has(Attributes::FIXED_PARENT)
        && has(Attributes::SENSITIVE_DATA_ORIGIN);
    checks.record(PUBLIC_FIXED, "EK", fixed, &found);
    checks.record(PUBLIC_CIPHER, "EK", public.symmetric().is_some(), "");
}
