//! ECDSA with SHA-256 on P-256 and secp256k1.

use super::{SignatureError, UserKeyError};
use p256::ecdsa::signature::Verifier as _;

/// Points are given uncompressed: this byte and the two coordinates.
const UNCOMPRESSED: u8 = 0x04;
const POINT_BYTES: usize = 65;

macro_rules! ecdsa_key {
    ($(#[$doc:meta])* $name:ident, $curve:ident, $text:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name($curve::ecdsa::VerifyingKey);

        impl $name {
            /// From the uncompressed point, 65 bytes.
            pub(super) fn from_point(point: &[u8]) -> Result<Self, UserKeyError> {
                let is_uncompressed = point.len() == POINT_BYTES && point[0] == UNCOMPRESSED;
                is_uncompressed
                    .then(|| $curve::ecdsa::VerifyingKey::from_sec1_bytes(point).ok())
                    .flatten()
                    .map(Self)
                    .ok_or(UserKeyError::Key(concat!("an uncompressed point of ", $text)))
            }

            /// Checks a signature given as `r` and `s` of 32 bytes each. The specification does
            /// not ask for the smaller `s`, so both are good.
            pub(super) fn verify_raw(
                &self,
                payload: &[u8],
                signature: &[u8],
            ) -> Result<(), SignatureError> {
                $curve::ecdsa::Signature::from_slice(signature)
                    .and_then(|signature| self.0.verify(payload, &signature.normalize_s()))
                    .map_err(|_| SignatureError::Invalid(concat!("ECDSA ", $text)))
            }
        }
    };
}

ecdsa_key!(
    /// A key on the curve P-256 (secp256r1).
    P256Key,
    p256,
    "P-256"
);
ecdsa_key!(
    /// A key on the curve secp256k1.
    Secp256k1Key,
    k256,
    "secp256k1"
);
