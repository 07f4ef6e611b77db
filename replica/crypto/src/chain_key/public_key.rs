//! The public side of a chain key, as clients know it.

use super::{Signature, is_valid};
use crate::domain::Domain;
use blst::min_sig;
use std::fmt;

/// What precedes the 96 key bytes in DER: a sequence of the algorithm 1.3.6.1.4.1.44668.5.3.1.2.1
/// with the curve 1.3.6.1.4.1.44668.5.3.2.1, and the head of the bit string.
const DER_PREFIX: [u8; 37] = [
    0x30, 0x81, 0x82, 0x30, 0x1d, 0x06, 0x0d, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05,
    0x03, 0x01, 0x02, 0x01, 0x06, 0x0c, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05, 0x03,
    0x02, 0x01, 0x03, 0x61, 0x00,
];

/// Why bytes are not a chain key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not the 133 bytes of DER that the specification defines.
    #[error("not a BLS12-381 key in DER: expected 133 bytes with the two chain-key OIDs")]
    Der,
    /// Not a point of G2, or the point at infinity.
    #[error("the bytes are not a compressed point of the BLS12-381 group G2 (96 bytes)")]
    Point,
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not one of this chain key over this message")]
pub struct VerifyError;

/// A chain key: a point of G2 that has been checked to be in its group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub(super) min_sig::PublicKey);

impl PublicKey {
    /// From the compressed point.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        // The length is checked first: blst would also take an uncompressed point.
        if bytes.len() != 96 {
            return Err(PublicKeyError::Point);
        }
        min_sig::PublicKey::key_validate(bytes).map(Self).map_err(|_| PublicKeyError::Point)
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> [u8; 96] {
        self.0.to_bytes()
    }

    /// From the DER form that clients and the state tree use.
    pub fn from_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        Self::from_bytes(der.strip_prefix(&DER_PREFIX).ok_or(PublicKeyError::Der)?)
    }

    /// The DER form (133 bytes). Its self-authenticating principal is the subnet id.
    pub fn to_der(&self) -> Vec<u8> {
        [&DER_PREFIX[..], &self.to_bytes()].concat()
    }

    /// Checks a signature.
    pub fn verify(
        &self,
        domain: Domain,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), VerifyError> {
        match is_valid(&signature.0, &domain.payload(message), &self.0) {
            true => Ok(()),
            false => Err(VerifyError),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}
