//! A member's share of the secret key.

use super::{CIPHERSUITE, SignatureShare};
use crate::domain::Domain;
use blst::min_sig;
use zeroize::Zeroizing;

/// Why bytes are not a secret share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret share is a scalar of 32 bytes, big-endian, not zero and below the group order")]
pub struct SecretShareError;

/// One member's share of the chain key. Wiped when dropped; cannot be printed.
#[derive(Clone)]
pub struct SecretShare(min_sig::SecretKey);

impl SecretShare {
    /// From the scalar, big-endian.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretShareError> {
        min_sig::SecretKey::from_bytes(bytes).map(Self).map_err(|_| SecretShareError)
    }

    /// The scalar, big-endian, for the key store alone.
    pub fn expose_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public share that belongs to it (compressed point of G2), as in the transcript.
    pub fn public_share(&self) -> [u8; 96] {
        self.0.sk_to_pk().to_bytes()
    }

    /// This member's share of the signature on a message.
    pub fn sign(&self, domain: Domain, message: &[u8]) -> SignatureShare {
        SignatureShare(self.0.sign(&domain.payload(message), CIPHERSUITE, &[]).to_bytes())
    }
}
