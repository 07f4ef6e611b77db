//! TPMT_SIGNATURE: a signature with its scheme.
//!
//! Source: "TPM 2.0 Library, Part 2: Structures", TPMT_SIGNATURE.

use super::algorithm::{SignatureScheme, alg, hash_from_id};
use crate::cursor::{Cursor, ReadError};

/// The longest RSA signature: of a key of 4096 bits.
const RSA_BYTES_MAX: usize = 512;
/// The longest `r` or `s`: of P-384. A longer one is of a curve that is not supported.
const SCALAR_BYTES_MAX: usize = 48;

/// Why bytes are not a signature that is supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A field cannot be read.
    #[error("this is no TPMT_SIGNATURE")]
    Read(#[from] ReadError),
    /// The scheme is not supported.
    #[error("scheme {0:#06x} is not supported: RSASSA 0x0014, RSAPSS 0x0016, ECDSA 0x0018")]
    Scheme(u16),
    /// The hash is not supported.
    #[error("hash {0:#06x} is not supported: sha256 0x000b, sha384 0x000c, sha512 0x000d")]
    Hash(u16),
}

/// A signature that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How it was made.
    pub scheme: SignatureScheme,
    /// The numbers.
    pub value: SignatureValue,
}

/// The numbers of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureValue {
    /// RSA, big-endian.
    Rsa(Vec<u8>),
    /// ECDSA, both big-endian, with or without leading zeros.
    Ecdsa {
        /// The first number.
        r: Vec<u8>,
        /// The second number.
        s: Vec<u8>,
    },
}

impl Signature {
    /// Reads a TPMT_SIGNATURE.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let mut cursor = Cursor::new(bytes);
        let id = cursor.u16_be("sigAlg")?;
        if !matches!(id, alg::RSASSA | alg::RSAPSS | alg::ECDSA) {
            return Err(SignatureError::Scheme(id));
        }
        let hash_id = cursor.u16_be("signature.hash")?;
        let hash = hash_from_id(hash_id).ok_or(SignatureError::Hash(hash_id))?;
        let scheme = SignatureScheme::from_id(id, hash).ok_or(SignatureError::Scheme(id))?;
        let value = if scheme.is_rsa() {
            SignatureValue::Rsa(cursor.sized("signature.sig", RSA_BYTES_MAX)?.to_vec())
        } else {
            let r = cursor.sized("signature.signatureR", SCALAR_BYTES_MAX)?.to_vec();
            let s = cursor.sized("signature.signatureS", SCALAR_BYTES_MAX)?.to_vec();
            SignatureValue::Ecdsa { r, s }
        };
        cursor.finish("TPMT_SIGNATURE")?;
        Ok(Self { scheme, value })
    }
}
