use super::super::PublicKey;
use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaPssSaltLength, RsaSignatureEncoding,
};
use std::sync::LazyLock;

static PAIR: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

fn public() -> RsaPublicKey {
    match PublicKey::from_rsa_der(PAIR.public_key().as_ref()).unwrap() {
        PublicKey::Rsa(key) => key,
        PublicKey::Ec(_) => panic!("an RSA key"),
    }
}

fn sign(encoding: &'static RsaSignatureEncoding, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

#[test]
fn signatures_of_all_kinds_verify() {
    let public = public();
    let pkcs1: [(Hash, &'static RsaSignatureEncoding); 3] = [
        (Hash::Sha256, &RSA_PKCS1_SHA256),
        (Hash::Sha384, &RSA_PKCS1_SHA384),
        (Hash::Sha512, &RSA_PKCS1_SHA512),
    ];
    for (hash, encoding) in pkcs1 {
        let signature = sign(encoding, b"message");
        assert_eq!(public.verify_pkcs1(hash, b"message", &signature), Ok(()));
        assert_eq!(public.verify_pkcs1(hash, b"another", &signature), Err(SignatureError::Invalid));
        let other = if hash == Hash::Sha256 { Hash::Sha512 } else { Hash::Sha256 };
        assert!(public.verify_pkcs1(other, b"message", &signature).is_err());
        assert!(public.verify_pss(hash, PssSalt::AsDigest, b"message", &signature).is_err());
    }
    let pss: [(Hash, &'static RsaSignatureEncoding); 3] = [
        (Hash::Sha256, &RSA_PSS_SHA256),
        (Hash::Sha384, &RSA_PSS_SHA384),
        (Hash::Sha512, &RSA_PSS_SHA512),
    ];
    for (hash, encoding) in pss {
        let signature = sign(encoding, b"message");
        assert_eq!(public.verify_pss(hash, PssSalt::AsDigest, b"message", &signature), Ok(()));
        assert!(public.verify_pss(hash, PssSalt::Longest, b"message", &signature).is_err());
        assert!(public.verify_pss(hash, PssSalt::AsDigest, b"another", &signature).is_err());
        assert!(public.verify_pkcs1(hash, b"message", &signature).is_err());
    }
}

#[test]
fn the_longest_salt_is_another_signature() {
    let public = public();
    let longest =
        sign(&const { RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Max) }, b"message");
    assert_eq!(public.verify_pss(Hash::Sha256, PssSalt::Longest, b"message", &longest), Ok(()));
    assert!(public.verify_pss(Hash::Sha256, PssSalt::AsDigest, b"message", &longest).is_err());
    let between = sign(
        &const { RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20)) },
        b"message",
    );
    for salt in [PssSalt::AsDigest, PssSalt::Longest] {
        assert!(public.verify_pss(Hash::Sha256, salt, b"message", &between).is_err());
    }
}

/// The back ends are compared on each of these.
#[test]
fn no_changed_signature_verifies() {
    let public = public();
    let pkcs1 = sign(&RSA_PKCS1_SHA256, b"message");
    let pss = sign(&RSA_PSS_SHA256, b"message");
    for bit in (0..8 * pkcs1.len()).step_by(7) {
        let flipped = |signature: &[u8]| {
            let mut signature = signature.to_vec();
            signature[bit / 8] ^= 1 << (bit % 8);
            signature
        };
        assert!(public.verify_pkcs1(Hash::Sha256, b"message", &flipped(&pkcs1)).is_err());
        let pss = flipped(&pss);
        assert!(public.verify_pss(Hash::Sha256, PssSalt::AsDigest, b"message", &pss).is_err());
    }
}

#[test]
fn signatures_are_numbers_below_the_modulus_in_as_many_bytes() {
    let public = public();
    let good = sign(&RSA_PKCS1_SHA256, b"message");
    let forms: [Vec<u8>; 6] = [
        vec![],
        good[1..].to_vec(),
        [&[0], good.as_slice()].concat(),
        [good.as_slice(), &[0]].concat(),
        public.modulus().to_vec(),
        vec![0xff; good.len()],
    ];
    for signature in &forms {
        let refused = public.verify_pkcs1(Hash::Sha256, b"message", signature);
        assert!(matches!(refused, Err(SignatureError::Form(_))), "{refused:?}");
    }
    for small in [0u8, 1] {
        let signature = [vec![0; good.len() - 1], vec![small]].concat();
        assert_eq!(
            public.verify_pkcs1(Hash::Sha256, b"message", &signature),
            Err(SignatureError::Invalid)
        );
    }
}

#[test]
fn keys_keep_the_rules() {
    let good = public();
    let modulus = good.modulus();
    let check = |modulus: &[u8], exponent: u32, expected: KeyError| {
        assert_eq!(RsaPublicKey::new(modulus, exponent), Err(expected));
    };
    for exponent in [0, 1, 2, 3, 17, 257, 65_535, 65_536, 65_538] {
        check(modulus, exponent, KeyError::Exponent);
    }
    assert!(RsaPublicKey::new(modulus, u32::MAX).is_ok());
    check(&[], 65_537, KeyError::Modulus);
    check(&modulus[1..], 65_537, KeyError::Modulus);
    check(&[modulus, &[1]].concat(), 65_537, KeyError::Modulus);
    check(&[&[0], modulus].concat(), 65_537, KeyError::Modulus);
    let mut even = modulus.to_vec();
    even[255] &= 0xfe;
    check(&even, 65_537, KeyError::Modulus);
    let mut short = modulus.to_vec();
    short[0] &= 0x7f;
    check(&short, 65_537, KeyError::Modulus);
    for bytes in [128, 257, 320, 513, 1024, 2048] {
        check(&vec![0xff; bytes], 65_537, KeyError::Modulus);
    }
}

/// Sizes with the rarer moduli: what is no signature of theirs is none to both back ends.
#[test]
fn other_sizes_are_asked_alike() {
    for bytes in [384, 512] {
        let key = RsaPublicKey::new(&vec![0xff; bytes], 65_537).unwrap();
        let signature = vec![0x5a; bytes];
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            assert!(key.verify_pkcs1(hash, b"message", &signature).is_err());
            for salt in [PssSalt::AsDigest, PssSalt::Longest] {
                assert!(key.verify_pss(hash, salt, b"message", &signature).is_err());
            }
        }
    }
}

#[test]
fn oaep_is_decrypted_by_another_library() {
    use aws_lc_rs::rsa::{
        OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OaepAlgorithm,
        OaepPrivateDecryptingKey, PrivateDecryptingKey,
    };
    let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let spki = aws_lc_rs::encoding::AsDer::as_der(&private.public_key()).unwrap();
    let PublicKey::Rsa(public) = PublicKey::from_spki(spki.as_ref()).unwrap() else {
        panic!("an RSA key");
    };
    let private = OaepPrivateDecryptingKey::new(private).unwrap();
    let algorithms: [(Hash, &'static OaepAlgorithm); 3] = [
        (Hash::Sha1, &OAEP_SHA1_MGF1SHA1),
        (Hash::Sha256, &OAEP_SHA256_MGF1SHA256),
        (Hash::Sha384, &OAEP_SHA384_MGF1SHA384),
    ];
    for (hash, algorithm) in algorithms {
        let seed = vec![0x33; hash.bytes()];
        let encrypted = public.encrypt_oaep(hash, b"IDENTITY\0", &seed, b"secret").unwrap();
        assert_eq!(
            public.encrypt_oaep(hash, b"IDENTITY\0", &seed, b"secret").unwrap(),
            encrypted,
            "the seed is all the randomness"
        );
        let mut room = vec![0; private.min_output_size()];
        let plain = private.decrypt(algorithm, &encrypted, &mut room, Some(b"IDENTITY\0")).unwrap();
        assert_eq!(plain, b"secret");
        let mut room = vec![0; private.min_output_size()];
        assert!(private.decrypt(algorithm, &encrypted, &mut room, Some(b"OTHER\0")).is_err());
    }
    assert_eq!(
        public.encrypt_oaep(Hash::Sha256, b"", &[0; 31], b"secret"),
        Err(EncryptionError::Seed)
    );
    assert_eq!(
        public.encrypt_oaep(Hash::Sha256, b"", &[0; 32], &[0; 191]),
        Err(EncryptionError::TooLong)
    );
}
