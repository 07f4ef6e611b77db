//! How much work it is to check a signature, known from the key alone.
//!
//! The unit is about 50 µs of one processor, an Ed25519 check. The weights are part of the rules
//! that blocks are judged by, so they do not follow the machine; a change is a new version.

use super::webauthn::CoseKey;
use super::{Scheme, UserKey};

const ED25519: u64 = 1;
const ECDSA: u64 = 4;
/// A modulus of 4096 bits with the greatest exponent that is accepted: about 2 ms.
const RSA: u64 = 40;
/// Two pairings' checks and two witnesses, since the certificate may hold a delegation: 3 ms.
const CANISTER: u64 = 60;

impl UserKey {
    /// What [`UserKey::verify`] costs at most, in units of about 50 µs.
    pub fn check_cost(&self) -> u64 {
        match &self.scheme {
            Scheme::Ed25519(_) | Scheme::WebAuthn(CoseKey::Ed25519(_)) => ED25519,
            Scheme::P256(_) | Scheme::Secp256k1(_) | Scheme::WebAuthn(CoseKey::P256(_)) => ECDSA,
            Scheme::WebAuthn(CoseKey::Rsa(_)) => RSA,
            Scheme::Canister(_) => CANISTER,
        }
    }
}
