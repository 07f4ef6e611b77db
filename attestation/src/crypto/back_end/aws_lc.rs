//! aws-lc-rs: compiled C and assembly, several times faster than portable Rust.

use super::super::{Curve, Digest, EcPublicKey, EcdsaSignature, Hash, PssSalt, RsaPublicKey};
use aws_lc_rs::digest::{self, Context};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, RsaParameters, RsaPssSaltLength, UnparsedPublicKey,
};

pub(super) fn digest(hash: Hash, parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    });
    parts.iter().for_each(|part| context.update(part));
    Digest::filled(hash, context.finish().as_ref())
}

pub(super) fn verify_rsa_pkcs1(
    key: &RsaPublicKey,
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let parameters = match hash {
        Hash::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    };
    verify_rsa(key, parameters, message, signature)
}

pub(super) fn verify_rsa_pss(
    key: &RsaPublicKey,
    hash: Hash,
    salt: PssSalt,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let parameters = match hash {
        Hash::Sha1 => return false,
        Hash::Sha256 => signature::RSA_PSS_2048_8192_SHA256,
        Hash::Sha384 => signature::RSA_PSS_2048_8192_SHA384,
        Hash::Sha512 => signature::RSA_PSS_2048_8192_SHA512,
    };
    let parameters = parameters.with_pss_salt_length(match salt {
        PssSalt::AsDigest => RsaPssSaltLength::Digest,
        PssSalt::Longest => RsaPssSaltLength::Max,
    });
    verify_rsa(key, &parameters, message, signature)
}

fn verify_rsa(
    key: &RsaPublicKey,
    parameters: &RsaParameters,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let exponent = key.exponent().to_be_bytes();
    let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
    PublicKeyComponents { n: key.modulus(), e: &exponent[zeros..] }
        .verify(parameters, message, signature)
        .is_ok()
}

pub(super) fn verify_ecdsa(
    key: &EcPublicKey,
    hash: Hash,
    message: &[u8],
    signature: &EcdsaSignature,
) -> bool {
    let algorithm: &'static EcdsaVerificationAlgorithm = match (key.curve(), hash) {
        (_, Hash::Sha1) => return false,
        (Curve::P256, Hash::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Hash::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Hash::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Hash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Hash::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Hash::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Hash::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Hash::Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Hash::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
    };
    UnparsedPublicKey::new(algorithm, key.as_sec1()).verify(message, &der(signature)).is_ok()
}

/// The library takes all pairs of curve and hash in this form alone.
fn der(signature: &EcdsaSignature) -> Vec<u8> {
    let (r, s) = signature.as_fixed().split_at(signature.curve().bytes());
    let mut numbers = Vec::with_capacity(2 * (r.len() + 3));
    for number in [r, s] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = &number[zeros..];
        let sign = usize::from(digits.first().is_some_and(|first| *first >= 0x80));
        // At most 66 bytes: one byte of length.
        numbers.extend([2, (digits.len() + sign) as u8]);
        numbers.extend(std::iter::repeat_n(0, sign));
        numbers.extend(digits);
    }
    // At most 136 bytes, as those on P-521: then a byte says that one byte of length follows.
    let length = numbers.len() as u8;
    let head: &[u8] = if length < 0x80 { &[0x30, length] } else { &[0x30, 0x81, length] };
    [head, numbers.as_slice()].concat()
}
