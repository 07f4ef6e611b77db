//! WebAuthn assertions as request signatures.
//!
//! Rules followed here ("Web Authentication"): the key is a COSE key; the challenge in the client
//! data is the payload in base64url without padding; the authenticator signs its own data followed
//! by the SHA-256 of the client data. Which web site the assertion was made for is not checked: a
//! key speaks for its principal wherever it is used.

use super::ecdsa::P256Key;
use super::rsa::RsaKey;
use super::{UserKeyError, ed25519_key, spki};
use crate::cbor::{self, CborError};
use ed25519_zebra::VerificationKey;
use minicbor::Decoder;
use sha2::{Digest as _, Sha256};

/// A public key in COSE form.
#[derive(Clone, Debug)]
pub(super) enum CoseKey {
    P256(P256Key),
    Ed25519(VerificationKey),
    Rsa(RsaKey),
}

/// Why a WebAuthn signature does not hold.
#[derive(Debug, thiserror::Error)]
pub enum WebAuthnError {
    /// The signature is not the map that the specification defines.
    #[error("the signature is not well encoded")]
    Encoding(#[from] CborError),
    /// The client data is not JSON with the members that WebAuthn wants.
    #[error("the client data is not JSON with a type and a challenge")]
    ClientData(#[source] serde_json::Error),
    /// The assertion was made for another purpose.
    #[error("the client data has the type {0:?}, not webauthn.get")]
    Type(String),
    /// The assertion is for another payload.
    #[error("the challenge is not the payload in base64url")]
    Challenge,
    /// The authenticator's signature is wrong.
    #[error(
        "the authenticator's signature is not one of this key over its data and the client data"
    )]
    Signature,
}

#[derive(serde::Deserialize)]
struct ClientData {
    r#type: String,
    challenge: String,
}

struct Assertion<'a> {
    authenticator_data: &'a [u8],
    client_data_json: &'a str,
    signature: &'a [u8],
}

impl CoseKey {
    /// Reads a COSE key (RFC 8152, 7 and 13) of one of the three supported kinds.
    pub(super) fn from_cbor(bytes: &[u8]) -> Result<Self, UserKeyError> {
        read_cose(bytes).ok_or(UserKeyError::Key(
            "a COSE key for ES256 on P-256, EdDSA on Ed25519, or RS256 of 2048 to 4096 bits",
        ))
    }

    /// Checks an assertion over a payload.
    pub(super) fn verify(&self, payload: &[u8], signature: &[u8]) -> Result<(), WebAuthnError> {
        let assertion = read_assertion(signature)?;
        let client_data: ClientData =
            serde_json::from_str(assertion.client_data_json).map_err(WebAuthnError::ClientData)?;
        if client_data.r#type != "webauthn.get" {
            return Err(WebAuthnError::Type(client_data.r#type));
        }
        if client_data.challenge != base64url(payload) {
            return Err(WebAuthnError::Challenge);
        }
        let client_data_hash = Sha256::digest(assertion.client_data_json);
        let signed = [assertion.authenticator_data, &client_data_hash].concat();
        match self.is_valid(&signed, assertion.signature) {
            true => Ok(()),
            false => Err(WebAuthnError::Signature),
        }
    }

    fn is_valid(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            CoseKey::P256(key) => spki::ecdsa_signature(signature)
                .is_some_and(|signature| key.verify_raw(signed, &signature).is_ok()),
            CoseKey::Ed25519(key) => super::verify_ed25519(key, signed, signature).is_ok(),
            CoseKey::Rsa(key) => key.is_valid(signed, signature),
        }
    }
}

/// The parameters of a COSE key: labels are small integers, values integers or byte strings.
#[derive(Default)]
struct CoseParameters<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    /// Label -1, for RSA.
    modulus: Option<&'a [u8]>,
    /// Label -2: `x`, for RSA the exponent.
    second: Option<&'a [u8]>,
    /// Label -3: `y`.
    third: Option<&'a [u8]>,
}

fn read_cose(bytes: &[u8]) -> Option<CoseKey> {
    let parameters = read_parameters(bytes).ok()?;
    let CoseParameters { kind, algorithm, curve, modulus, second, third } = parameters;
    match (kind?, algorithm?, curve, modulus, second?, third) {
        (2, -7, Some(1), None, x, Some(y)) => {
            if x.len() != 32 || y.len() != 32 {
                return None;
            }
            P256Key::from_point(&[&[4], x, y].concat()).ok().map(CoseKey::P256)
        }
        (1, -8, Some(6), None, x, None) => ed25519_key(x).ok().map(CoseKey::Ed25519),
        (3, -257, None, Some(modulus), exponent, None) => {
            RsaKey::new(modulus, exponent).map(CoseKey::Rsa)
        }
        _ => None,
    }
}

/// WebAuthn allows no parameters besides those of the key's kind.
fn read_parameters(bytes: &[u8]) -> Result<CoseParameters<'_>, CborError> {
    use minicbor::data::Type;
    let mut from = Decoder::new(bytes);
    let mut parameters = CoseParameters::default();
    for _ in 0..cbor::map_length(&mut from)? {
        match from.i64()? {
            1 => cbor::put_once(&mut parameters.kind, "1", from.i64()?)?,
            3 => cbor::put_once(&mut parameters.algorithm, "3", from.i64()?)?,
            -1 if from.datatype()? == Type::Bytes => {
                cbor::put_once(&mut parameters.modulus, "-1", cbor::byte_string(&mut from)?)?;
            }
            -1 => cbor::put_once(&mut parameters.curve, "-1", from.i64()?)?,
            -2 => cbor::put_once(&mut parameters.second, "-2", cbor::byte_string(&mut from)?)?,
            -3 => cbor::put_once(&mut parameters.third, "-3", cbor::byte_string(&mut from)?)?,
            other => return Err(CborError::UnknownKey(other.to_string())),
        }
    }
    cbor::expect_end(&from)?;
    Ok(parameters)
}

fn read_assertion(bytes: &[u8]) -> Result<Assertion<'_>, CborError> {
    let mut from = Decoder::new(bytes);
    cbor::skip_self_describing_tag(&mut from)?;
    let (mut authenticator_data, mut client_data_json, mut signature) = (None, None, None);
    for _ in 0..cbor::map_length(&mut from)? {
        match cbor::text(&mut from)? {
            "authenticator_data" => cbor::put_once(
                &mut authenticator_data,
                "authenticator_data",
                cbor::byte_string(&mut from)?,
            )?,
            "client_data_json" => {
                cbor::put_once(&mut client_data_json, "client_data_json", cbor::text(&mut from)?)?
            }
            "signature" => {
                cbor::put_once(&mut signature, "signature", cbor::byte_string(&mut from)?)?;
            }
            other => return Err(CborError::UnknownKey(other.to_owned())),
        }
    }
    cbor::expect_end(&from)?;
    Ok(Assertion {
        authenticator_data: cbor::required(authenticator_data, "authenticator_data")?,
        client_data_json: cbor::required(client_data_json, "client_data_json")?,
        signature: cbor::required(signature, "signature")?,
    })
}

/// Base64 in the alphabet for URLs, without padding (RFC 4648, 5).
pub(super) fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut block = [0; 4];
        block[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(block);
        // A chunk of n bytes has n + 1 digits of six bits.
        for digit in 0..=chunk.len() {
            let index = bits >> (18 - 6 * digit) & 0x3f;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}
