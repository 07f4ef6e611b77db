//! Ids of the TCG algorithm registry, as far as they are used here.

use crate::crypto::{Curve, Hash};
use serde::Serialize;
use std::fmt;

/// TPM_ALG_ID values.
pub(crate) mod alg {
    pub const RSA: u16 = 0x0001;
    pub const SHA1: u16 = 0x0004;
    pub const AES: u16 = 0x0006;
    pub const SHA256: u16 = 0x000b;
    pub const SHA384: u16 = 0x000c;
    pub const SHA512: u16 = 0x000d;
    pub const NULL: u16 = 0x0010;
    pub const SM3_256: u16 = 0x0012;
    pub const RSASSA: u16 = 0x0014;
    pub const RSAPSS: u16 = 0x0016;
    pub const ECDSA: u16 = 0x0018;
    pub const ECC: u16 = 0x0023;
    pub const CFB: u16 = 0x0043;
}

/// The id of a hash.
pub const fn hash_id(hash: Hash) -> u16 {
    match hash {
        Hash::Sha1 => alg::SHA1,
        Hash::Sha256 => alg::SHA256,
        Hash::Sha384 => alg::SHA384,
        Hash::Sha512 => alg::SHA512,
    }
}

/// The hash of an id; `None` for SM3, SHA-3 and what is no hash. Banks of these are skipped in logs
/// and refused elsewhere: no machine that we know uses them.
pub fn hash_from_id(id: u16) -> Option<Hash> {
    Hash::ALL.into_iter().find(|hash| hash_id(*hash) == id)
}

/// The hash of a name such as `sha256`.
pub fn hash_from_name(name: &str) -> Option<Hash> {
    Hash::ALL.into_iter().find(|hash| hash.to_string() == name)
}

/// The curve of a TPM_ECC_CURVE.
pub(super) fn curve_from_id(id: u16) -> Option<Curve> {
    match id {
        0x0003 => Some(Curve::P256),
        0x0004 => Some(Curve::P384),
        _ => None,
    }
}

/// A scheme of signing with its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SignatureScheme {
    /// RSA, PKCS #1 v1.5.
    RsaSsa(Hash),
    /// RSA, PSS.
    RsaPss(Hash),
    /// ECDSA.
    Ecdsa(Hash),
}

impl SignatureScheme {
    /// The scheme of a TPM_ALG_ID.
    pub(super) fn from_id(id: u16, hash: Hash) -> Option<Self> {
        match id {
            alg::RSASSA => Some(Self::RsaSsa(hash)),
            alg::RSAPSS => Some(Self::RsaPss(hash)),
            alg::ECDSA => Some(Self::Ecdsa(hash)),
            _ => None,
        }
    }

    /// Its TPM_ALG_ID.
    pub(super) fn id(self) -> u16 {
        match self {
            Self::RsaSsa(_) => alg::RSASSA,
            Self::RsaPss(_) => alg::RSAPSS,
            Self::Ecdsa(_) => alg::ECDSA,
        }
    }

    /// The hash of what is signed.
    pub fn hash(self) -> Hash {
        match self {
            Self::RsaSsa(hash) | Self::RsaPss(hash) | Self::Ecdsa(hash) => hash,
        }
    }

    /// Whether it is a scheme of RSA keys.
    pub fn is_rsa(self) -> bool {
        !matches!(self, Self::Ecdsa(_))
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaSsa(hash) => write!(f, "RSASSA with {hash}"),
            Self::RsaPss(hash) => write!(f, "RSAPSS with {hash}"),
            Self::Ecdsa(hash) => write!(f, "ECDSA with {hash}"),
        }
    }
}
