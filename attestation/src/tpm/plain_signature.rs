//! Signatures that stand alone, as tpm2-tools and OpenSSL write them: without the scheme that a TPMT_SIGNATURE
//! names.

use super::algorithm::{SignatureScheme, hash_id};
use super::attest::signed_bytes;
use super::public::Public;
use super::signature::{Signature, SignatureValue};
use super::signed::verify;
use crate::crypto::{EcdsaSignature, Hash, PublicKey};
use crate::der::tag;

/// The hashes of signatures that are accepted.
const HASHES: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

/// The TPMT_SIGNATURE that says the same as a signature that stands alone: an RSA signature as long as the
/// key's modulus, or the DER of an ECDSA-Sig-Value (RFC 3279, 2.2.3). A key that is bound to a scheme gives
/// it; for another each scheme of its kind is tried on the message. `None` if it is neither, so that it may
/// be a TPMT_SIGNATURE already: that is never as long as its key, nor begins as DER does.
///
/// Nothing is believed for that: the result is verified as one that came with its scheme.
pub fn signature_with_scheme(plain: &[u8], key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let public = Public::parse(key).ok();
    let key = match &public {
        Some(public) => public.key().clone(),
        None => PublicKey::from_spki(key).ok()?,
    };
    let schemes: Vec<SignatureScheme> = match public.as_ref().and_then(Public::scheme) {
        Some(scheme) => vec![scheme],
        None if matches!(key, PublicKey::Rsa(_)) => {
            let each = |hash| [SignatureScheme::RsaSsa(hash), SignatureScheme::RsaPss(hash)];
            HASHES.into_iter().flat_map(each).collect()
        }
        None => HASHES.into_iter().map(SignatureScheme::Ecdsa).collect(),
    };
    let value = numbers(plain, &key)?;
    let signatures = schemes.into_iter().map(|scheme| Signature { scheme, value: value.clone() });
    let message = signed_bytes(message);
    let (mut first, mut found) = (None, None);
    for signature in signatures {
        if verify(&key, &signature, message).is_ok() {
            found = Some(signature);
            break;
        }
        first.get_or_insert(signature);
    }
    found.or(first).map(|signature| encode(&signature))
}

/// The numbers in a signature of this key that stands alone.
fn numbers(plain: &[u8], key: &PublicKey) -> Option<SignatureValue> {
    match key {
        PublicKey::Rsa(key) if plain.len() == key.modulus().len() => {
            Some(SignatureValue::Rsa(plain.to_vec()))
        }
        PublicKey::Ec(key) if plain.first() == Some(&tag::SEQUENCE) => {
            let signature = EcdsaSignature::from_der(key.curve(), plain).ok()?;
            let (r, s) = signature.as_fixed().split_at_checked(key.curve().bytes())?;
            Some(SignatureValue::Ecdsa { r: r.to_vec(), s: s.to_vec() })
        }
        _ => None,
    }
}

/// As a TPM writes it.
fn encode(signature: &Signature) -> Vec<u8> {
    let mut bytes = signature.scheme.id().to_be_bytes().to_vec();
    bytes.extend(hash_id(signature.scheme.hash()).to_be_bytes());
    let mut put = |number: &[u8]| {
        // Of 512 bytes at most: a modulus of RSA-4096.
        bytes.extend(u16::try_from(number.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(number);
    };
    match &signature.value {
        SignatureValue::Rsa(number) => put(number),
        SignatureValue::Ecdsa { r, s } => {
            put(r);
            put(s);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: [&[u8]; 3] = [
        include_bytes!("../../vectors/tpm-swtpm/ak_rsa.pub"),
        include_bytes!("../../vectors/tpm-swtpm/quote_rsa.msg"),
        include_bytes!("../../vectors/tpm-swtpm/quote_rsa.sig"),
    ];
    const ECC: [&[u8]; 3] = [
        include_bytes!("../../vectors/tpm-swtpm/ak_ecc.pub"),
        include_bytes!("../../vectors/tpm-swtpm/quote_ecc.msg"),
        include_bytes!("../../vectors/tpm-swtpm/quote_ecc.sig"),
    ];

    /// An unsigned number of DER.
    fn number(digits: &[u8]) -> Vec<u8> {
        let digits: Vec<u8> = digits.iter().copied().skip_while(|digit| *digit == 0).collect();
        let zero = digits.first().is_some_and(|first| *first >= 0x80).then_some(0);
        let content: Vec<u8> = zero.into_iter().chain(digits).collect();
        [&[tag::INTEGER, content.len() as u8][..], &content].concat()
    }

    fn plain(signature: &[u8]) -> Vec<u8> {
        match Signature::parse(signature).unwrap().value {
            SignatureValue::Rsa(bytes) => bytes,
            SignatureValue::Ecdsa { r, s } => {
                let content = [number(&r), number(&s)].concat();
                [&[tag::SEQUENCE, content.len() as u8][..], &content].concat()
            }
        }
    }

    #[test]
    fn the_scheme_is_the_keys_or_is_found() {
        for [key, message, signature] in [RSA, ECC] {
            let expected = Some(signature.to_vec());
            let plain = plain(signature);
            assert_eq!(signature_with_scheme(&plain, key, message), expected);
            let bare = Public::parse(key).unwrap().key().clone();
            for hash in HASHES {
                let schemes = match bare {
                    PublicKey::Rsa(_) => SignatureScheme::RsaSsa(hash),
                    PublicKey::Ec(_) => SignatureScheme::Ecdsa(hash),
                };
                let value = numbers(&plain, &bare).unwrap();
                let signature = Signature { scheme: schemes, value };
                let holds = verify(&bare, &signature, message).is_ok();
                assert_eq!(holds, hash == Hash::Sha256);
            }
        }
    }

    #[test]
    fn others_are_left_alone_or_do_not_hold() {
        let [key, message, signature] = RSA;
        assert_eq!(signature_with_scheme(signature, key, message), None, "it has its scheme");
        assert_eq!(signature_with_scheme(&plain(signature), ECC[0], message), None, "a key of ECC");
        assert_eq!(signature_with_scheme(&plain(ECC[2]), key, message), None, "a key of RSA");
        assert_eq!(signature_with_scheme(&plain(signature), b"no key", message), None);
        let mut wrong = plain(signature);
        wrong[9] ^= 1;
        let given = signature_with_scheme(&wrong, key, message).unwrap();
        let read = Signature::parse(&given).unwrap();
        assert!(verify(Public::parse(key).unwrap().key(), &read, message).is_err());
        let mut cut = plain(ECC[2]);
        cut.pop();
        assert_eq!(signature_with_scheme(&cut, ECC[0], ECC[1]), None);
    }
}
