//! Signatures of users and of nodes.
//!
//! Rules followed here ("Signatures" in the interface specification): a public key is a
//! SubjectPublicKeyInfo in DER that says its scheme; what is signed is a [`Domain`] followed by
//! the message; a user is the self-authenticating principal of the key ([`UserKey::principal`]).
//!
//! All nodes must agree on what is a valid signature, so each scheme has one rule: Ed25519 as in
//! ZIP-215, checked one by one; ECDSA with `s` in either half of its range; DER in its one form.

mod canister;
mod cost;
mod ecdsa;
mod node_key;
mod rsa;
mod spki;
#[cfg(test)]
mod tests;
mod webauthn;

pub use canister::{
    CanisterKey, CanisterSignatureError, encode_signature as encode_canister_signature,
};
pub use node_key::{NodeSigningKey, QueryAnswer};
pub use webauthn::WebAuthnError;

use crate::chain_key::PublicKey as RootKey;
use crate::domain::Domain;
use ed25519_zebra::VerificationKey;
use std::fmt;
use types::Principal;

/// The public key of a user, of one of the schemes that requests may be signed with.
#[derive(Clone, Debug)]
pub struct UserKey {
    der: Vec<u8>,
    scheme: Scheme,
}

#[derive(Clone, Debug)]
enum Scheme {
    Ed25519(VerificationKey),
    P256(ecdsa::P256Key),
    Secp256k1(ecdsa::Secp256k1Key),
    WebAuthn(webauthn::CoseKey),
    Canister(CanisterKey),
}

/// Why bytes are not a user's public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserKeyError {
    /// Not a SubjectPublicKeyInfo in DER.
    #[error("the public key is not a SubjectPublicKeyInfo in DER: {0}")]
    Der(&'static str),
    /// The algorithm is not supported.
    #[error(
        "the public key's algorithm is not supported: use Ed25519, ECDSA on P-256 or secp256k1, WebAuthn (COSE) or a canister signature"
    )]
    Algorithm,
    /// The key does not fit its algorithm.
    #[error("the public key is not valid for its algorithm ({0})")]
    Key(&'static str),
}

/// Why a signature of a user does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// A plain signature is wrong.
    #[error("the {0} signature does not hold: expected 64 bytes over the domain-separated payload")]
    Invalid(&'static str),
    /// A WebAuthn assertion is wrong.
    #[error("the WebAuthn signature does not hold")]
    WebAuthn(#[source] WebAuthnError),
    /// A canister signature is wrong.
    #[error("the canister signature does not hold")]
    Canister(#[source] Box<CanisterSignatureError>),
}

impl UserKey {
    /// Reads a key in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, UserKeyError> {
        let spki = spki::parse(der)?;
        let scheme = match spki.algorithm {
            spki::ED25519 => Scheme::Ed25519(ed25519_key(spki.key)?),
            spki::P256 => Scheme::P256(ecdsa::P256Key::from_point(spki.key)?),
            spki::SECP256K1 => Scheme::Secp256k1(ecdsa::Secp256k1Key::from_point(spki.key)?),
            spki::COSE => Scheme::WebAuthn(webauthn::CoseKey::from_cbor(spki.key)?),
            spki::CANISTER => Scheme::Canister(CanisterKey::from_bytes(spki.key)?),
            _ => return Err(UserKeyError::Algorithm),
        };
        Ok(Self { der: der.to_vec(), scheme })
    }

    /// The DER form, as it was read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The user that this key speaks for.
    pub fn principal(&self) -> Principal {
        Principal::self_authenticating(&self.der)
    }

    /// The signing canister and its seed, if this is the key of a canister signature.
    pub fn as_canister_key(&self) -> Option<&CanisterKey> {
        match &self.scheme {
            Scheme::Canister(key) => Some(key),
            _ => None,
        }
    }

    /// Checks a signature. The root key is what canister signatures rest on; the other schemes do
    /// not look at it.
    pub fn verify(
        &self,
        domain: Domain,
        message: &[u8],
        signature: &[u8],
        root_key: &RootKey,
    ) -> Result<(), SignatureError> {
        let payload = domain.payload(message);
        match &self.scheme {
            Scheme::Ed25519(key) => verify_ed25519(key, &payload, signature),
            Scheme::P256(key) => key.verify_raw(&payload, signature),
            Scheme::Secp256k1(key) => key.verify_raw(&payload, signature),
            Scheme::WebAuthn(key) => {
                key.verify(&payload, signature).map_err(SignatureError::WebAuthn)
            }
            Scheme::Canister(key) => key
                .verify(&payload, signature, root_key)
                .map_err(|source| SignatureError::Canister(Box::new(source))),
        }
    }
}

/// Two keys are the same key when their DER is.
impl PartialEq for UserKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for UserKey {}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.der))
    }
}

fn ed25519_key(bytes: &[u8]) -> Result<VerificationKey, UserKeyError> {
    VerificationKey::try_from(bytes).map_err(|_| UserKeyError::Key("a point of Ed25519, 32 bytes"))
}

fn verify_ed25519(
    key: &VerificationKey,
    payload: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    ed25519_zebra::Signature::try_from(signature)
        .ok()
        .and_then(|signature| key.verify(&signature, payload).ok())
        .ok_or(SignatureError::Invalid("Ed25519"))
}
