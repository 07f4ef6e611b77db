//! Signature algorithms as certificates name them (RFC 3279, 4055, 5758).

use super::Quirk;
use crate::crypto::{EcdsaSignature, Hash, PssSalt, PublicKey, SignatureError};
use crate::der::{DerError, Reader, Value, dotted, only, tag};
use std::fmt;

/// How a certificate is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Hash),
    /// The mask is made by the same hash, the salt is as long as the digest.
    RsaPss(Hash),
    /// ECDSA on the curve of the key.
    Ecdsa(Hash),
    /// Anything else, by which no signature holds.
    Other(String),
}

/// 1.2.840.113549.1.1, PKCS #1.
const PKCS1: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.3, ECDSA with a member of the SHA-2 family.
const ECDSA_SHA2: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 2.16.840.1.101.3.4.2, hash functions of NIST.
const NIST_HASH: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

impl SignatureAlgorithm {
    /// From an AlgorithmIdentifier, whole.
    pub(super) fn from_der(
        identifier: &Value<'_>,
        quirks: &mut Vec<Quirk>,
    ) -> Result<Self, DerError> {
        let mut parts = identifier.reader();
        let oid = parts.oid()?;
        let parameters = if parts.is_empty() { None } else { Some(parts.any()?) };
        parts.end()?;
        let is_null = parameters.is_some_and(|value| value.whole == [tag::NULL, 0]);
        let other = || Ok(Self::Other(dotted(oid)));
        match oid.split_last() {
            Some((&last, front)) if front == PKCS1 => match (last, parameters) {
                (10, Some(parameters)) => {
                    pss(&parameters, quirks).map_or_else(|_| other(), |hash| Ok(Self::RsaPss(hash)))
                }
                (5, _) if is_null => {
                    note(quirks, Quirk::Sha1Signature);
                    Ok(Self::RsaPkcs1(Hash::Sha1))
                }
                (11, _) if is_null => Ok(Self::RsaPkcs1(Hash::Sha256)),
                (12, _) if is_null => Ok(Self::RsaPkcs1(Hash::Sha384)),
                (13, _) if is_null => Ok(Self::RsaPkcs1(Hash::Sha512)),
                _ => other(),
            },
            Some((&last, front)) if front == ECDSA_SHA2 && parameters.is_none() => match last {
                2 => Ok(Self::Ecdsa(Hash::Sha256)),
                3 => Ok(Self::Ecdsa(Hash::Sha384)),
                4 => Ok(Self::Ecdsa(Hash::Sha512)),
                _ => other(),
            },
            _ => other(),
        }
    }

    /// Whether `signature` over `message` was made by `key` in this way.
    pub(super) fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match (self, key) {
            (Self::RsaPkcs1(hash), PublicKey::Rsa(key)) => {
                key.verify_pkcs1(*hash, message, signature)
            }
            (Self::RsaPss(hash), PublicKey::Rsa(key)) => {
                key.verify_pss(*hash, PssSalt::AsDigest, message, signature)
            }
            (Self::Ecdsa(hash), PublicKey::Ec(key)) => {
                let signature = EcdsaSignature::from_der(key.curve(), signature)?;
                key.verify(*hash, message, &signature)
            }
            (Self::Other(_), _) => Err(SignatureError::Form("the algorithm is not used here")),
            _ => Err(SignatureError::KeyKind),
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaPkcs1(hash) => write!(formatter, "RSA PKCS#1 v1.5 with {hash}"),
            Self::RsaPss(hash) => write!(formatter, "RSA PSS with {hash}"),
            Self::Ecdsa(hash) => write!(formatter, "ECDSA with {hash}"),
            Self::Other(oid) => write!(formatter, "algorithm {oid}"),
        }
    }
}

pub(super) fn note(quirks: &mut Vec<Quirk>, quirk: Quirk) {
    if !quirks.contains(&quirk) {
        quirks.push(quirk);
    }
}

/// RSASSA-PSS-params: one hash for message and mask, the salt as long as the digest.
fn pss(parameters: &Value<'_>, quirks: &mut Vec<Quirk>) -> Result<Hash, DerError> {
    // What is none of ours is refused whatever its shape, by the algorithm's name.
    const REFUSED: DerError = DerError::Oid;
    if parameters.tag != tag::SEQUENCE {
        return Err(REFUSED);
    }
    let mut fields = parameters.reader();
    let hash = hash_identifier(fields.expect(tag::context(0))?.content)?;
    let mut mask = only(fields.expect(tag::context(1))?.content, tag::SEQUENCE)?.reader();
    let is_mgf1 =
        mask.oid()?.split_last().is_some_and(|(last, front)| *last == 8 && front == PKCS1);
    let mask_hash = hash_identifier(mask.any()?.whole)?;
    mask.end()?;
    let salt = Reader::new(fields.expect(tag::context(2))?.content).unsigned()?;
    let salt_is_digest = salt.len() == 1 && usize::from(salt[0]) == hash.bytes();
    if let Some(trailer) = fields.optional(tag::context(3))? {
        if trailer.content != [tag::INTEGER, 1, 1] {
            return Err(REFUSED);
        }
        note(quirks, Quirk::DefaultWritten);
    }
    fields.end()?;
    if is_mgf1 && mask_hash == hash && salt_is_digest { Ok(hash) } else { Err(REFUSED) }
}

/// An AlgorithmIdentifier of SHA-256, SHA-384 or SHA-512, with parameters that are null or absent.
fn hash_identifier(der: &[u8]) -> Result<Hash, DerError> {
    let mut parts = only(der, tag::SEQUENCE)?.reader();
    let hash = match parts.oid()?.split_last() {
        Some((1, front)) if front == NIST_HASH => Hash::Sha256,
        Some((2, front)) if front == NIST_HASH => Hash::Sha384,
        Some((3, front)) if front == NIST_HASH => Hash::Sha512,
        _ => return Err(DerError::Oid),
    };
    if let Some(null) = parts.optional(tag::NULL)?
        && !null.content.is_empty()
    {
        return Err(DerError::Length);
    }
    parts.end()?;
    Ok(hash)
}
