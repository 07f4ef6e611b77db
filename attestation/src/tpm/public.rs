//! TPMT_PUBLIC: the public area of a key, what it may do, and its name.
//!
//! Source: "TPM 2.0 Library, Part 2: Structures", TPMT_PUBLIC and what it is made of.

use super::algorithm::{SignatureScheme, alg, curve_from_id, hash_from_id};
use super::name::Name;
use crate::crypto::{EcPublicKey, Hash, KeyError, PublicKey, RsaPublicKey};
use crate::cursor::{Cursor, ReadError};

/// The longest public area: that of an RSA-4096 key with a policy has under 700 bytes.
const PUBLIC_BYTES_MAX: usize = 1024;
/// The default of TPMs, written as 0.
const EXPONENT_DEFAULT: u32 = 65_537;
/// The longest field of a public area.
const FIELD_BYTES_MAX: usize = 512;

/// Why bytes are not a public area that is supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicError {
    /// A field cannot be read.
    #[error("this is no TPMT_PUBLIC")]
    Read(#[from] ReadError),
    /// The TPM2B length does not fit.
    #[error("the TPM2B_PUBLIC says {said} bytes and has {has}")]
    Sized {
        /// The length it claims.
        said: usize,
        /// The length it has.
        has: usize,
    },
    /// The key has an unknown type.
    #[error("keys of type {0:#06x} are not supported: use RSA (0x0001) or ECC (0x0023)")]
    Type(u16),
    /// An algorithm is not supported.
    #[error("{field} {id:#06x} is not supported in a public area")]
    Algorithm {
        /// Which algorithm.
        field: &'static str,
        /// Its id.
        id: u16,
    },
    /// Two fields do not fit each other.
    #[error("{0}")]
    Mismatch(&'static str),
    /// The key itself is wrong.
    #[error("its key is not usable")]
    Key(#[from] KeyError),
    /// A reserved attribute is set.
    #[error("reserved bits {0:#010x} of objectAttributes are set")]
    ReservedAttributes(u32),
}

/// TPMA_OBJECT: what a key may do and where it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub u32);

impl Attributes {
    /// It never leaves its TPM.
    pub const FIXED_TPM: Self = Self(1 << 1);
    /// It never leaves its parent.
    pub const FIXED_PARENT: Self = Self(1 << 4);
    /// The TPM made the secret itself.
    pub const SENSITIVE_DATA_ORIGIN: Self = Self(1 << 5);
    /// Duplicates go to parents under the same encryption only.
    pub const ENCRYPTED_DUPLICATION: Self = Self(1 << 11);
    /// It signs only what the TPM made, or decrypts only what is the TPM's.
    pub const RESTRICTED: Self = Self(1 << 16);
    /// It decrypts.
    pub const DECRYPT: Self = Self(1 << 17);
    /// It signs (or encrypts, if symmetric).
    pub const SIGN: Self = Self(1 << 18);
    /// It signs certificates by TPM2_CertifyX509 only.
    pub const X509_SIGN: Self = Self(1 << 19);

    /// Bits that have a meaning: 1, 2, 4 to 7, 10, 11, 16 to 19.
    const DEFINED: u32 = 0x000f_0cf6;

    /// Whether all attributes of the other are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The symmetric cipher of a storage key: AES-CFB is the only one that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AesCfb {
    /// 128, 192 or 256.
    pub key_bits: u16,
}

/// A public area that was read. Whether it belongs to a TPM is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    bytes: Vec<u8>,
    name_hash: Hash,
    attributes: Attributes,
    policy: Vec<u8>,
    symmetric: Option<AesCfb>,
    scheme: Option<SignatureScheme>,
    key: PublicKey,
}

impl Public {
    /// Reads a TPMT_PUBLIC, or a TPM2B_PUBLIC (with its length before it).
    pub fn parse(bytes: &[u8]) -> Result<Self, PublicError> {
        let inner = strip_size(bytes)?;
        if inner.len() > PUBLIC_BYTES_MAX {
            let (field, bytes) = ("TPMT_PUBLIC", inner.len());
            return Err(ReadError::TooLong { field, bytes, bytes_max: PUBLIC_BYTES_MAX }.into());
        }
        let mut cursor = Cursor::new(inner);
        let kind = cursor.u16_be("type")?;
        let name_id = cursor.u16_be("nameAlg")?;
        let name_hash = hash_from_id(name_id)
            .ok_or(PublicError::Algorithm { field: "nameAlg", id: name_id })?;
        let attributes = Attributes(cursor.u32_be("objectAttributes")?);
        let reserved = attributes.0 & !Attributes::DEFINED;
        if reserved != 0 {
            return Err(PublicError::ReservedAttributes(reserved));
        }
        let policy = cursor.sized("authPolicy", 64)?.to_vec();
        if !policy.is_empty() && policy.len() != name_hash.bytes() {
            return Err(PublicError::Mismatch("authPolicy is no digest of nameAlg"));
        }
        let symmetric = symmetric(&mut cursor)?;
        let (scheme, key) = match kind {
            alg::RSA => rsa(&mut cursor)?,
            alg::ECC => ecc(&mut cursor)?,
            other => return Err(PublicError::Type(other)),
        };
        cursor.finish("TPMT_PUBLIC")?;
        Ok(Self { bytes: inner.to_vec(), name_hash, attributes, policy, symmetric, scheme, key })
    }

    /// The TPMT_PUBLIC as it was read, without the length of a TPM2B_PUBLIC.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash algorithm of its name.
    pub fn name_hash(&self) -> Hash {
        self.name_hash
    }

    /// What it may do.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The digest of its authorization policy; empty if it has none.
    pub fn policy(&self) -> &[u8] {
        &self.policy
    }

    /// The cipher of a storage key.
    pub fn symmetric(&self) -> Option<AesCfb> {
        self.symmetric
    }

    /// The one scheme that it signs with, if it is bound to one.
    pub fn scheme(&self) -> Option<SignatureScheme> {
        self.scheme
    }

    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its name, `nameAlg || H(TPMT_PUBLIC)`, which no one but us computes.
    pub fn name(&self) -> Name {
        Name::of(self.name_hash.digest(&self.bytes))
    }
}

/// A TPMT_PUBLIC begins with a type of 0x0001 or 0x0023; a TPM2B_PUBLIC with its length, which is
/// never so small.
fn strip_size(bytes: &[u8]) -> Result<&[u8], PublicError> {
    let Some((size, rest)) = bytes.split_first_chunk() else { return Ok(bytes) };
    let said = usize::from(u16::from_be_bytes(*size));
    if said == usize::from(alg::RSA) || said == usize::from(alg::ECC) {
        return Ok(bytes);
    }
    if said == rest.len() {
        return Ok(rest);
    }
    // Other types of keys have ids below 0x40, as short as no public area is.
    if said < 0x40 { Ok(bytes) } else { Err(PublicError::Sized { said, has: rest.len() }) }
}

/// TPMT_SYM_DEF_OBJECT.
fn symmetric(cursor: &mut Cursor) -> Result<Option<AesCfb>, PublicError> {
    match cursor.u16_be("symmetric.algorithm")? {
        alg::NULL => Ok(None),
        alg::AES => {
            let key_bits = cursor.u16_be("symmetric.keyBits")?;
            let mode = cursor.u16_be("symmetric.mode")?;
            if !matches!(key_bits, 128 | 192 | 256) {
                return Err(PublicError::Mismatch("symmetric.keyBits is none of 128, 192 and 256"));
            }
            if mode != alg::CFB {
                return Err(PublicError::Algorithm { field: "symmetric.mode", id: mode });
            }
            Ok(Some(AesCfb { key_bits }))
        }
        id => Err(PublicError::Algorithm { field: "symmetric.algorithm", id }),
    }
}

/// TPMT_RSA_SCHEME or TPMT_ECC_SCHEME, as far as they are schemes of signing.
fn scheme(cursor: &mut Cursor) -> Result<Option<SignatureScheme>, PublicError> {
    let id = cursor.u16_be("scheme.scheme")?;
    if id == alg::NULL {
        return Ok(None);
    }
    let hash_id = cursor.u16_be("scheme.hashAlg")?;
    let hash = hash_from_id(hash_id)
        .ok_or(PublicError::Algorithm { field: "scheme.hashAlg", id: hash_id })?;
    SignatureScheme::from_id(id, hash)
        .map(Some)
        .ok_or(PublicError::Algorithm { field: "scheme.scheme", id })
}

fn rsa(cursor: &mut Cursor) -> Result<(Option<SignatureScheme>, PublicKey), PublicError> {
    let scheme = scheme(cursor)?;
    let bits = usize::from(cursor.u16_be("keyBits")?);
    let exponent = match cursor.u32_be("exponent")? {
        0 => EXPONENT_DEFAULT,
        exponent => exponent,
    };
    let modulus = cursor.sized("unique.rsa", FIELD_BYTES_MAX)?;
    if scheme.is_some_and(|scheme| !scheme.is_rsa()) {
        return Err(PublicError::Mismatch("an RSA key with a scheme of another kind"));
    }
    let key = RsaPublicKey::new(modulus, exponent)?;
    if key.bits() != bits {
        return Err(PublicError::Mismatch("the modulus has another length than keyBits says"));
    }
    Ok((scheme, PublicKey::Rsa(key)))
}

fn ecc(cursor: &mut Cursor) -> Result<(Option<SignatureScheme>, PublicKey), PublicError> {
    let scheme = scheme(cursor)?;
    let curve_id = cursor.u16_be("curveID")?;
    let curve =
        curve_from_id(curve_id).ok_or(PublicError::Algorithm { field: "curveID", id: curve_id })?;
    let kdf = cursor.u16_be("kdf.scheme")?;
    if kdf != alg::NULL {
        return Err(PublicError::Algorithm { field: "kdf.scheme", id: kdf });
    }
    let x = cursor.sized("unique.ecc.x", curve.bytes())?;
    let y = cursor.sized("unique.ecc.y", curve.bytes())?;
    if scheme.is_some_and(SignatureScheme::is_rsa) {
        return Err(PublicError::Mismatch("an ECC key with a scheme of another kind"));
    }
    Ok((scheme, PublicKey::Ec(EcPublicKey::from_coordinates(curve, x, y)?)))
}
