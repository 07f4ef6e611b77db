//! The chain key: the subnet's threshold BLS12-381 key.
//!
//! Rules followed here (interface specification, "Certification"):
//! - signatures are points of G1 (48 bytes compressed), keys points of G2 (96 bytes), ciphersuite
//!   `BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_`;
//! - the public key travels in DER of 133 bytes ([`PublicKey::to_der`]).
//!
//! A member signs with its [`SecretShare`]; [`ChainKey::combine`] makes the subnet's signature of
//! any `threshold` shares. A signature is unique for key and message, so it does not matter whose
//! shares were taken. The transcript comes from a key generation among the nodes or, in tests and
//! simulations, from the trusted dealer in [`dealt`].

mod combine;
pub mod dealt;
mod public_key;
mod scalar;
mod secret;
#[cfg(test)]
mod tests;

pub use combine::{ChainKey, ChainKeyError, CombineError, Combined, ShareError};
pub use public_key::{PublicKey, PublicKeyError, VerifyError};
pub use secret::{SecretShare, SecretShareError};

use blst::min_sig;

/// The domain separation tag of hashing to the curve.
const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

macro_rules! signature_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 48]);

        impl $name {
            /// From bytes of any length; `None` if they are not 48.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
    };
}

signature_bytes!(
    /// A signature by the chain key: a compressed point of G1. Whether it is one, and of which
    /// message, only [`PublicKey::verify`] says.
    Signature
);
signature_bytes!(
    /// One member's share of a signature: a compressed point of G1, not yet checked.
    SignatureShare
);

/// Checks a signature over the domain-separated payload; the point is checked to be in its group.
fn is_valid(signature: &[u8; 48], payload: &[u8], key: &min_sig::PublicKey) -> bool {
    min_sig::Signature::sig_validate(signature, true).is_ok_and(|signature| {
        let outcome = signature.verify(false, payload, CIPHERSUITE, &[], key, false);
        outcome == blst::BLST_ERROR::BLST_SUCCESS
    })
}
