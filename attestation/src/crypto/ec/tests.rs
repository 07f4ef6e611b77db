use super::*;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use proptest::prelude::*;

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

/// A secret scalar and its public key.
fn key(curve: Curve) -> (Vec<u8>, EcPublicKey) {
    let secret = scalar(curve, 0x42);
    let base = EcPublicKey::from_sec1(curve, &generator(curve)).unwrap();
    let public = base.agree(&secret).unwrap().ephemeral;
    (secret, public)
}

/// A number of equal bytes, below the order: that of P-521 has one bit in its first byte.
fn scalar(curve: Curve, byte: u8) -> Vec<u8> {
    let mut number = vec![byte; curve.bytes()];
    if curve == Curve::P521 {
        number[0] = 0;
    }
    number
}

fn generator(curve: Curve) -> Vec<u8> {
    let one = [vec![0; curve.bytes() - 1], vec![1]].concat();
    match curve {
        Curve::P256 => p256::SecretKey::from_slice(&one)
            .unwrap()
            .public_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
        Curve::P384 => p384::SecretKey::from_slice(&one)
            .unwrap()
            .public_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
        Curve::P521 => p521::SecretKey::from_slice(&one)
            .unwrap()
            .public_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
    }
}

/// Signs by the library of the one back end; both verify.
fn sign(curve: Curve, secret: &[u8], hash: Hash, message: &[u8]) -> EcdsaSignature {
    use p256::ecdsa::signature::hazmat::PrehashSigner as _;
    let digest = hash.digest(message);
    let missing = curve.bytes().saturating_sub(hash.bytes());
    let digest = [vec![0; missing], digest.as_bytes().to_vec()].concat();
    let fixed = match curve {
        Curve::P256 => {
            let key = p256::ecdsa::SigningKey::from_slice(secret).unwrap();
            let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
            signature.to_bytes().to_vec()
        }
        Curve::P384 => {
            let key = p384::ecdsa::SigningKey::from_slice(secret).unwrap();
            let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
            signature.to_bytes().to_vec()
        }
        Curve::P521 => {
            let key = p521::ecdsa::SigningKey::from_slice(secret).unwrap();
            let signature: p521::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
            signature.to_bytes().to_vec()
        }
    };
    EcdsaSignature::from_fixed(curve, &fixed).unwrap()
}

/// `order - number`, both big endian and of one length.
fn complement(curve: Curve, number: &[u8]) -> Vec<u8> {
    let mut borrow = 0i16;
    let mut difference = vec![0; number.len()];
    for at in (0..number.len()).rev() {
        let digit = i16::from(curve.order()[at]) - i16::from(number[at]) - borrow;
        borrow = i16::from(digit < 0);
        difference[at] = digit.rem_euclid(256) as u8;
    }
    difference
}

#[test]
fn all_pairs_of_curve_and_hash_verify() {
    for curve in CURVES {
        let (secret, public) = key(curve);
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let signature = sign(curve, &secret, hash, b"message");
            assert_eq!(public.verify(hash, b"message", &signature), Ok(()), "{curve} {hash}");
            assert_eq!(public.verify(hash, b"another", &signature), Err(SignatureError::Invalid));
            let (r, s) = signature.as_fixed().split_at(curve.bytes());
            let other_half = EcdsaSignature::from_parts(curve, r, &complement(curve, s)).unwrap();
            assert_ne!(other_half, signature);
            assert_eq!(public.verify(hash, b"message", &other_half), Ok(()), "either half of s");
        }
        let signature = sign(curve, &secret, Hash::Sha256, b"message");
        assert!(matches!(
            public.verify(Hash::Sha1, b"message", &signature),
            Err(SignatureError::Form(_))
        ));
    }
}

#[test]
fn a_signature_belongs_to_its_curve() {
    let (secret, _) = key(Curve::P256);
    let (_, other) = key(Curve::P384);
    let signature = sign(Curve::P256, &secret, Hash::Sha256, b"message");
    assert_eq!(other.verify(Hash::Sha256, b"message", &signature), Err(SignatureError::KeyKind));
}

#[test]
fn r_and_s_are_in_range() {
    for curve in CURVES {
        let one = &[1][..];
        let below = complement(curve, &[vec![0; curve.bytes() - 1], vec![1]].concat());
        let order = curve.order();
        assert!(EcdsaSignature::from_parts(curve, one, &below).is_ok());
        for bad in [&[][..], &[0], order, &vec![0xff; curve.bytes()], &vec![1; curve.bytes() + 1]] {
            assert!(EcdsaSignature::from_parts(curve, bad, one).is_err());
            assert!(EcdsaSignature::from_parts(curve, one, bad).is_err());
        }
    }
}

#[test]
fn signatures_in_der_have_one_form() {
    let check = |der: &[u8], is_good: bool| {
        assert_eq!(EcdsaSignature::from_der(Curve::P256, der).is_ok(), is_good, "{der:02x?}");
    };
    check(&[0x30, 6, 2, 1, 1, 2, 1, 1], true);
    check(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 1], true);
    check(&[0x30, 6, 2, 1, 0x80, 2, 1, 1], false);
    check(&[0x30, 7, 2, 2, 0, 1, 2, 1, 1], false);
    check(&[0x30, 0x81, 6, 2, 1, 1, 2, 1, 1], false);
    check(&[0x30, 6, 2, 1, 0, 2, 1, 1], false);
    check(&[0x30, 5, 2, 0, 2, 1, 1], false);
    check(&[0x30, 6, 2, 1, 1, 2, 1, 1, 0], false);
    check(&[0x30, 8, 2, 1, 1, 2, 1, 1, 5, 0], false);
    check(&[0x30, 3, 2, 1, 1], false);
    check(&[0x31, 6, 2, 1, 1, 2, 1, 1], false);
    check(&[], false);
}

#[test]
fn coordinates_may_lack_leading_zeros() {
    let (_, public) = key(Curve::P384);
    let trimmed = EcPublicKey::from_coordinates(Curve::P384, public.x(), public.y()).unwrap();
    assert_eq!(trimmed, public);
    let long = [&[0], public.x()].concat();
    assert_eq!(EcPublicKey::from_coordinates(Curve::P384, &long, public.y()), Err(KeyError::Point));
    assert_eq!(EcPublicKey::from_coordinates(Curve::P384, &[], &[]), Err(KeyError::Point));
}

#[test]
fn both_sides_agree() {
    for curve in CURVES {
        let (secret, public) = key(curve);
        let other_secret = scalar(curve, 0x17);
        let agreement = public.agree(&other_secret).unwrap();
        let back = agreement.ephemeral.agree(&secret).unwrap();
        assert_eq!(*agreement.shared_x, *back.shared_x);
        for bad in [vec![0; curve.bytes()], curve.order().to_vec(), vec![1; curve.bytes() - 1]] {
            assert_eq!(public.agree(&bad).err(), Some(KeyError::Scalar));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The back ends are compared on each of these: no changed signature verifies.
    #[test]
    fn no_other_signature_verifies(at in 0usize..132, bit in 0u8..8, curve in 0usize..3) {
        let curve = CURVES[curve];
        let (secret, public) = key(curve);
        let good = sign(curve, &secret, Hash::Sha384, b"message");
        let mut fixed = good.as_fixed().to_vec();
        let at = at % fixed.len();
        fixed[at] ^= 1 << bit;
        if let Ok(changed) = EcdsaSignature::from_fixed(curve, &fixed) {
            prop_assert!(public.verify(Hash::Sha384, b"message", &changed).is_err());
        }
    }
}
