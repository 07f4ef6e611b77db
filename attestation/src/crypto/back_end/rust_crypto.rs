//! RustCrypto: portable Rust, which WebAssembly can run.

use super::super::{Curve, Digest, EcPublicKey, EcdsaSignature, Hash, PssSalt, RsaPublicKey};
use super::portable::rsa_key;
use rsa::signature::hazmat::PrehashVerifier as _;
use sha2::Digest as _;

/// Takes the library's type for a hash.
macro_rules! with_hash {
    ($hash:expr, $name:ident => $body:expr) => {
        match $hash {
            Hash::Sha1 => {
                type $name = sha1::Sha1;
                $body
            }
            Hash::Sha256 => {
                type $name = sha2::Sha256;
                $body
            }
            Hash::Sha384 => {
                type $name = sha2::Sha384;
                $body
            }
            Hash::Sha512 => {
                type $name = sha2::Sha512;
                $body
            }
        }
    };
}

pub(super) fn digest(hash: Hash, parts: &[&[u8]]) -> Digest {
    with_hash!(hash, Function => {
        let mut state = Function::new();
        parts.iter().for_each(|part| state.update(part));
        Digest::filled(hash, &state.finalize())
    })
}

pub(super) fn verify_rsa_pkcs1(
    key: &RsaPublicKey,
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let Some(key) = rsa_key(key) else { return false };
    with_hash!(hash, Function => {
        key.pkcs1v15_verify_prehash::<Function>(&Function::digest(message), signature).is_ok()
    })
}

pub(super) fn verify_rsa_pss(
    key: &RsaPublicKey,
    hash: Hash,
    salt: PssSalt,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let salt_bytes = match salt {
        PssSalt::AsDigest => hash.bytes(),
        // RFC 8017, 9.1.1: room for the digest, a one and the trailer.
        PssSalt::Longest => key.modulus().len() - hash.bytes() - 2,
    };
    let Some(key) = rsa_key(key) else { return false };
    let Ok(signature) = rsa::pss::Signature::try_from(signature) else { return false };
    with_hash!(hash, Function => {
        rsa::pss::VerifyingKey::<Function>::new_with_salt_len(key, salt_bytes)
            .verify_prehash(&Function::digest(message), &signature)
            .is_ok()
    })
}

pub(super) fn verify_ecdsa(
    key: &EcPublicKey,
    hash: Hash,
    message: &[u8],
    signature: &EcdsaSignature,
) -> bool {
    let key_bytes = key.curve().bytes();
    macro_rules! on {
        ($curve:ident) => {{
            let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(key.as_sec1());
            let signature = $curve::ecdsa::Signature::from_slice(signature.as_fixed());
            let (Ok(key), Ok(signature)) = (key, signature) else { return false };
            // A digest longer than the order is cut, a shorter one is padded (FIPS 186-5, 6.4.2).
            let digest = with_hash!(hash, Function => Function::digest(message).to_vec());
            let padded = [vec![0; key_bytes.saturating_sub(digest.len())], digest].concat();
            key.verify_prehash(&padded, &signature).is_ok()
        }};
    }
    match key.curve() {
        Curve::P256 => on!(p256),
        Curve::P384 => on!(p384),
        Curve::P521 => on!(p521),
    }
}
