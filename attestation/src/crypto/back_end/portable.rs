//! What RustCrypto does for both back ends: encryption to endorsement keys and key agreement, which
//! decide nothing, and whether a point is on its curve, which has to be one question for both.

use super::super::{Curve, EcPublicKey, RsaPublicKey};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rsa::BoxedUint;
use zeroize::Zeroizing;

/// The key in the library's form; a key that keeps our rules has one.
pub(in super::super) fn rsa_key(key: &RsaPublicKey) -> Option<rsa::PublicKey> {
    let modulus_bits = u32::try_from(key.bits()).ok()?;
    let modulus = BoxedUint::from_be_slice(key.modulus(), modulus_bits).ok()?;
    let exponent = BoxedUint::from_be_slice(&key.exponent().to_be_bytes(), 32).ok()?;
    rsa::PublicKey::new(modulus, exponent).ok()
}

/// Whether an uncompressed point is on the curve.
pub(in super::super) fn is_on_curve(curve: Curve, point: &[u8]) -> bool {
    match curve {
        Curve::P256 => p256::PublicKey::from_sec1_bytes(point).is_ok(),
        Curve::P384 => p384::PublicKey::from_sec1_bytes(point).is_ok(),
        Curve::P521 => p521::PublicKey::from_sec1_bytes(point).is_ok(),
    }
}

/// The public point of a secret scalar, and the first coordinate of the shared point.
pub(in super::super) fn agree(
    key: &EcPublicKey,
    secret: &[u8],
) -> Option<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    macro_rules! on {
        ($curve:ident) => {{
            let secret = $curve::SecretKey::from_slice(secret).ok()?;
            let other = $curve::PublicKey::from_sec1_bytes(key.as_sec1()).ok()?;
            let shared =
                $curve::ecdh::diffie_hellman(secret.to_nonzero_scalar(), other.as_affine());
            let shared_x = Zeroizing::new(shared.raw_secret_bytes().to_vec());
            let point = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
            Some((point, shared_x))
        }};
    }
    match key.curve() {
        Curve::P256 => on!(p256),
        Curve::P384 => on!(p384),
        Curve::P521 => on!(p521),
    }
}
