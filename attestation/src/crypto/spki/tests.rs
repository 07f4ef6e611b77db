use super::*;
use crate::der::DerError;

/// Made by `openssl genpkey`, with the public key printed by `openssl pkey -pubout`.
const P256: &str = include_str!("../../../vectors/keys/p256.spki.hex");
const P384: &str = include_str!("../../../vectors/keys/p384.spki.hex");
const P521: &str = include_str!("../../../vectors/keys/p521.spki.hex");
const RSA: &str = include_str!("../../../vectors/keys/rsa2048.spki.hex");

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim()).unwrap()
}

/// The key with one part of its DER replaced by another of the same length.
fn changed(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = der.windows(from.len()).position(|window| window == from).expect("it is there");
    let mut changed = der.to_vec();
    changed[at..at + to.len()].copy_from_slice(to);
    changed
}

#[test]
fn keys_of_all_kinds_are_read() {
    for (text, kind) in [(P256, "P-256"), (P384, "P-384"), (P521, "P-521"), (RSA, "RSA-2048")] {
        assert_eq!(PublicKey::from_spki(&bytes(text)).unwrap().kind(), kind);
    }
}

#[test]
fn each_byte_of_the_frame_counts() {
    for text in [P256, P384, P521, RSA] {
        let good = bytes(text);
        let read = PublicKey::from_spki(&good).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_ne!(PublicKey::from_spki(&bad).ok().as_ref(), Some(&read), "byte {at}");
            assert!(PublicKey::from_spki(&good[..at]).is_err());
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert_eq!(PublicKey::from_spki(&longer), Err(DerError::Trailing.into()));
    }
}

#[test]
fn points_must_be_uncompressed_and_on_the_curve() {
    let good = bytes(P256);
    let point = good.len() - 65;
    let with_first = |first: u8| {
        let mut key = good.clone();
        key[point] = first;
        PublicKey::from_spki(&key)
    };
    for first in [0, 2, 3, 5, 6, 7] {
        assert_eq!(with_first(first), Err(KeyError::Point));
    }
    let zeros = [&good[..point + 1], &[0; 64]].concat();
    assert_eq!(PublicKey::from_spki(&zeros), Err(KeyError::Point));
}

#[test]
fn other_algorithms_and_parameters_are_refused() {
    let rsa = bytes(RSA);
    let mut pss = RSA_ENCRYPTION.to_vec();
    *pss.last_mut().unwrap() = 10;
    assert_eq!(
        PublicKey::from_spki(&changed(&rsa, RSA_ENCRYPTION, &pss)),
        Err(KeyError::Algorithm)
    );
    assert_eq!(
        PublicKey::from_spki(&changed(&rsa, &[tag::NULL, 0], &[tag::OCTET_STRING, 0])),
        Err(KeyError::Parameters)
    );
    let mut secp256k1 = SECP256R1.to_vec();
    *secp256k1.last_mut().unwrap() = 10;
    assert_eq!(
        PublicKey::from_spki(&changed(&bytes(P256), SECP256R1, &secp256k1)),
        Err(KeyError::Parameters)
    );
    // 65537, 65539, 65536, 1.
    let exponent = |bytes: &[u8; 3]| {
        PublicKey::from_spki(&changed(
            &rsa,
            &[tag::INTEGER, 3, 1, 0, 1],
            &[tag::INTEGER, 3, bytes[0], bytes[1], bytes[2]],
        ))
    };
    assert!(exponent(&[1, 0, 3]).is_ok());
    assert_eq!(exponent(&[1, 0, 0]), Err(KeyError::Exponent));
    assert_eq!(exponent(&[0, 0x80, 1]), Err(KeyError::Exponent));
    assert_eq!(exponent(&[0, 0, 1]), Err(DerError::Integer.into()));
}
