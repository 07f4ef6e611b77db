//! Who signed a release: OpenPGP cleartext signatures against a pinned keyring.

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};
use std::io::Cursor;
use thiserror::Error;

/// Bytes of a signed release; sid's has 200,000.
const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Signatures below one message; releases have two or three.
const SIGNATURE_COUNT_MAX: usize = 16;
/// How far a signer's clock may be ahead of ours, in seconds.
const AHEAD_S_MAX: u64 = 24 * 3600;

/// A message that nobody whom we trust has signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A certificate of the keyring cannot be used.
    #[error("the keyring is damaged")]
    Keyring(#[source] Box<pgp::errors::Error>),
    /// A keyring that can verify nothing.
    #[error("the keyring has no key that may sign")]
    NoKey,
    /// The message is not in the cleartext signature format.
    #[error("is no signed message")]
    Message(#[source] Box<pgp::errors::Error>),
    /// A message beyond the bounds.
    #[error("is larger than any signed release")]
    TooLarge,
    /// No good signature; why each was not counted.
    #[error(
        "has no good signature of a key that we trust ({}); fetch it again, or update the keyring \
         if the archive has new keys", .0.join("; ")
    )]
    Untrusted(Vec<String>),
}

/// Kinds of signatures by which a certificate says what its key is for.
const CERTIFICATIONS: [SignatureType; 4] = [
    SignatureType::CertGeneric,
    SignatureType::CertPersona,
    SignatureType::CertCasual,
    SignatureType::CertPositive,
];

/// Certificates whose signatures count.
#[derive(Debug)]
pub struct Keyring {
    keys: Vec<Key>,
}

/// A key that may sign, and until when.
#[derive(Debug)]
struct Key {
    certificate: SignedPublicKey,
    /// Which subkey; the primary key if none.
    subkey: Option<usize>,
    /// Upper case hexadecimal.
    fingerprint: String,
    created_s: u64,
    expires_s: Option<u64>,
}

/// What a signature vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// The signed text, with plain line ends and without trailing spaces.
    pub text: String,
    /// Fingerprints of the keys with a good signature, sorted.
    pub signers: Vec<String>,
}

impl Keyring {
    /// Reads certificates out of binary keyrings. Keys that were revoked or whose binding to their
    /// certificate is not good are left out.
    pub fn read<'a>(keyrings: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, SignatureError> {
        let mut keys = Vec::new();
        for bytes in keyrings {
            let broken = |error| SignatureError::Keyring(Box::new(error));
            let certificates =
                SignedPublicKey::from_bytes_many(Cursor::new(bytes)).map_err(broken)?;
            for certificate in certificates {
                keys.extend(signing_keys(certificate.map_err(broken)?));
            }
        }
        if keys.is_empty() {
            return Err(SignatureError::NoKey);
        }
        Ok(Self { keys })
    }

    /// The text of a message that at least one key has signed, at a time when it was valid.
    pub(super) fn verify(&self, message: &[u8], now_s: u64) -> Result<Signed, SignatureError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(SignatureError::TooLarge);
        }
        let (message, _) = CleartextSignedMessage::from_armor(message)
            .map_err(|error| SignatureError::Message(Box::new(error)))?;
        if message.signatures().len() > SIGNATURE_COUNT_MAX {
            return Err(SignatureError::TooLarge);
        }
        let text = message.signed_text();
        let mut signers = Vec::new();
        let mut problems = Vec::new();
        for signature in message.signatures() {
            match self.signer(signature, &text, now_s) {
                Ok(fingerprint) => signers.push(fingerprint),
                Err(problem) => problems.push(problem),
            }
        }
        if signers.is_empty() {
            return Err(SignatureError::Untrusted(problems));
        }
        signers.sort();
        signers.dedup();
        Ok(Signed { text: text.replace("\r\n", "\n"), signers })
    }

    /// The fingerprint of the key that made a signature; otherwise why it does not count.
    fn signer(&self, signature: &Signature, text: &str, now_s: u64) -> Result<String, String> {
        let strong = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
        if !signature.hash_alg().is_some_and(|hash| strong.contains(&hash)) {
            return Err("one uses a weak hash".into());
        }
        if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
            return Err("one is of another kind".into());
        }
        let created = signature.created().ok_or("one has no time")?;
        let created_s = u64::from(created.as_secs());
        if created_s > now_s.saturating_add(AHEAD_S_MAX) {
            return Err("one is from the future: check this machine's clock".into());
        }
        let lifetime = signature.signature_expiration_time().map(|time| time.as_secs());
        if lifetime.is_some_and(|s| s > 0 && created_s.saturating_add(u64::from(s)) < now_s) {
            return Err("one has expired".into());
        }
        let key = self.keys.iter().find(|key| key.verifies(signature, text)).ok_or_else(|| {
            let issuers: Vec<_> =
                signature.issuer_fingerprint().iter().map(|f| format!("{f:X}")).collect();
            format!("one by {} is not ours or not good", issuers.join(" "))
        })?;
        let valid = key.created_s <= created_s && key.expires_s.is_none_or(|end| created_s < end);
        if !valid {
            return Err(format!("the key {} was not valid when it signed", key.fingerprint));
        }
        Ok(key.fingerprint.clone())
    }
}

impl Key {
    fn verifies(&self, signature: &Signature, text: &str) -> bool {
        match self.subkey {
            None => signature.verify(&self.certificate.primary_key, text.as_bytes()).is_ok(),
            Some(index) => {
                let subkey = &self.certificate.public_subkeys[index].key;
                signature.verify(subkey, text.as_bytes()).is_ok()
            }
        }
    }
}

/// The keys of a certificate that may sign: bound by good signatures, not revoked.
fn signing_keys(certificate: SignedPublicKey) -> Vec<Key> {
    let primary = &certificate.primary_key;
    let revoked = !certificate.details.revocation_signatures.is_empty();
    // What the certificate says of itself: the newest good signature over one of its names.
    let own = certificate
        .details
        .users
        .iter()
        .flat_map(|user| user.signatures.iter().map(move |signature| (user, signature)))
        .filter(|(user, signature)| {
            signature.typ().is_some_and(|kind| CERTIFICATIONS.contains(&kind))
                && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        })
        .map(|(_, signature)| signature)
        .max_by_key(|signature| signature.created().map(|time| time.as_secs()));
    let Some(own) = own.filter(|_| !revoked) else { return Vec::new() };
    let primary_ends = expiry(own, primary);
    let mut keys = Vec::new();
    if own.key_flags().sign() {
        keys.push(Key {
            subkey: None,
            fingerprint: format!("{:X}", primary.fingerprint()),
            created_s: u64::from(primary.created_at().as_secs()),
            expires_s: primary_ends,
            certificate: certificate.clone(),
        });
    }
    for (index, subkey) in certificate.public_subkeys.iter().enumerate() {
        let revoked = subkey
            .signatures
            .iter()
            .any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
        // This checks the signature of the subkey over the primary key as well.
        if revoked || subkey.verify_bindings(primary).is_err() {
            continue;
        }
        let newest = subkey.signatures.iter().max_by_key(|s| s.created().map(|t| t.as_secs()));
        let Some(binding) = newest.filter(|binding| binding.key_flags().sign()) else { continue };
        let ends = [expiry(binding, &subkey.key), primary_ends].into_iter().flatten().min();
        keys.push(Key {
            subkey: Some(index),
            fingerprint: format!("{:X}", subkey.key.fingerprint()),
            created_s: u64::from(subkey.key.created_at().as_secs()),
            expires_s: ends,
            certificate: certificate.clone(),
        });
    }
    keys
}

/// When a key expires, in seconds since 1970, as a signature over it says.
fn expiry(signature: &Signature, key: &impl VerifyingKey) -> Option<u64> {
    let lifetime_s = u64::from(signature.key_expiration_time()?.as_secs());
    (lifetime_s > 0).then(|| u64::from(key.created_at().as_secs()) + lifetime_s)
}
