//! ECDSA and Diffie-Hellman on P-256, P-384 and P-521.

use super::{Hash, KeyError, SignatureError, back_end};
use crate::der::{Reader, tag};
use serde::Serialize;
use std::fmt;
use zeroize::Zeroizing;

/// First byte of an uncompressed point.
const UNCOMPRESSED: u8 = 0x04;

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
const P521_ORDER: [u8; 66] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xfa, 0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09,
    0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38,
    0x64, 0x09,
];

/// The curves of NIST that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Curve {
    /// secp256r1, prime256v1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1, of authorities: no TPM profile that we accept has keys on it.
    P521,
}

impl Curve {
    /// Length of a coordinate, and of `r` and `s`, in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The order of the group, big endian.
    const fn order(self) -> &'static [u8] {
        match self {
            Self::P256 => &P256_ORDER,
            Self::P384 => &P384_ORDER,
            Self::P521 => &P521_ORDER,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        })
    }
}

/// A point on a curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcPublicKey {
    curve: Curve,
    /// `0x04 || x || y`.
    point: Vec<u8>,
}

impl EcPublicKey {
    /// From `0x04 || x || y`.
    pub fn from_sec1(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        let has_form = point.len() == 1 + 2 * curve.bytes() && point.first() == Some(&UNCOMPRESSED);
        if !has_form || !back_end::portable::is_on_curve(curve, point) {
            return Err(KeyError::Point);
        }
        Ok(Self { curve, point: point.to_vec() })
    }

    /// From the coordinates, big endian; leading zero bytes may be missing, as TPMs leave them out.
    pub fn from_coordinates(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let mut point = vec![UNCOMPRESSED];
        for coordinate in [x, y] {
            point.extend(padded(curve, coordinate).ok_or(KeyError::Point)?);
        }
        Self::from_sec1(curve, &point)
    }

    /// The curve that the point is on.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// `0x04 || x || y`.
    pub fn as_sec1(&self) -> &[u8] {
        &self.point
    }

    /// The first coordinate, as long as the curve's field.
    pub fn x(&self) -> &[u8] {
        &self.point[1..1 + self.curve.bytes()]
    }

    /// The second coordinate, as long as the curve's field.
    pub fn y(&self) -> &[u8] {
        &self.point[1 + self.curve.bytes()..]
    }

    /// Checks a signature over `message`.
    pub fn verify(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &EcdsaSignature,
    ) -> Result<(), SignatureError> {
        if signature.curve != self.curve {
            return Err(SignatureError::KeyKind);
        }
        if hash == Hash::Sha1 {
            return Err(SignatureError::Form("ECDSA with SHA-1 is not used"));
        }
        if back_end::verify_ecdsa(self, hash, message, signature) {
            Ok(())
        } else {
            Err(SignatureError::Invalid)
        }
    }

    /// Diffie-Hellman with this key. `secret` is the randomness: a scalar as long as the field,
    /// not zero and below the order, used once.
    pub fn agree(&self, secret: &[u8]) -> Result<Agreement, KeyError> {
        if secret.len() != self.curve.bytes() {
            return Err(KeyError::Scalar);
        }
        let (point, shared_x) = back_end::portable::agree(self, secret).ok_or(KeyError::Scalar)?;
        Ok(Agreement { ephemeral: Self { curve: self.curve, point }, shared_x })
    }
}

/// What comes of a key agreement.
pub struct Agreement {
    /// The public side of the secret.
    pub ephemeral: EcPublicKey,
    /// The first coordinate of the shared point, as long as the field.
    pub shared_x: Zeroizing<Vec<u8>>,
}

/// An ECDSA signature with `r` and `s` in their range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcdsaSignature {
    curve: Curve,
    /// `r || s`, each as long as the order.
    fixed: Vec<u8>,
}

impl EcdsaSignature {
    /// From `r` and `s`, big endian; leading zero bytes may be missing, as TPMs leave them out.
    pub fn from_parts(curve: Curve, r: &[u8], s: &[u8]) -> Result<Self, SignatureError> {
        let mut fixed = Vec::with_capacity(2 * curve.bytes());
        for number in [r, s] {
            let padded = padded(curve, number)
                .ok_or(SignatureError::Form("`r` or `s` is longer than the order"))?;
            if padded.iter().all(|byte| *byte == 0) || padded.as_slice() >= curve.order() {
                return Err(SignatureError::Form("`r` or `s` is zero or not below the order"));
            }
            fixed.extend(padded);
        }
        Ok(Self { curve, fixed })
    }

    /// From `r || s`, each exactly as long as the order.
    pub fn from_fixed(curve: Curve, fixed: &[u8]) -> Result<Self, SignatureError> {
        if fixed.len() != 2 * curve.bytes() {
            return Err(SignatureError::Form("`r || s` has not twice the length of the order"));
        }
        let (r, s) = fixed.split_at(curve.bytes());
        Self::from_parts(curve, r, s)
    }

    /// From the DER of `SEQUENCE { r INTEGER, s INTEGER }`, in its one form.
    pub fn from_der(curve: Curve, der: &[u8]) -> Result<Self, SignatureError> {
        let read = || {
            let mut outer = Reader::new(der);
            let mut numbers = outer.expect(tag::SEQUENCE)?.reader();
            outer.end()?;
            let (r, s) = (numbers.unsigned()?, numbers.unsigned()?);
            numbers.end()?;
            Ok((r, s))
        };
        let (r, s) = read().map_err(|_: crate::der::DerError| {
            SignatureError::Form("it is not the DER of two numbers")
        })?;
        Self::from_parts(curve, r, s)
    }

    /// The curve whose order limits it.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// `r || s`, each as long as the order.
    pub fn as_fixed(&self) -> &[u8] {
        &self.fixed
    }
}

/// A number with as many bytes as the curve's, or none if it is longer.
fn padded(curve: Curve, number: &[u8]) -> Option<Vec<u8>> {
    let missing = curve.bytes().checked_sub(number.len())?;
    let mut bytes = vec![0; missing];
    bytes.extend_from_slice(number);
    Some(bytes)
}

#[cfg(test)]
mod tests;
