//! Public keys as X.509 writes them: SubjectPublicKeyInfo (RFC 5280, 3279, 5480).

use super::{Curve, EcPublicKey, KeyError, RsaPublicKey};
use crate::der::{only, tag};

/// 1.2.840.113549.1.1.1, rsaEncryption.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1, id-ecPublicKey.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7, secp256r1.
const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34, secp384r1.
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.132.0.35, secp521r1.
const SECP521R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// A public key of one of the kinds that we use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// rsaEncryption, for any use of RSA.
    Rsa(RsaPublicKey),
    /// id-ecPublicKey on a named curve.
    Ec(EcPublicKey),
}

impl PublicKey {
    /// From the DER of a SubjectPublicKeyInfo, in its one form.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let mut info = only(der, tag::SEQUENCE)?.reader();
        let mut algorithm = info.expect(tag::SEQUENCE)?.reader();
        let key = info.bit_string()?;
        info.end()?;
        match algorithm.oid()? {
            RSA_ENCRYPTION => {
                let parameters = algorithm.any()?;
                algorithm.end()?;
                if parameters.whole != [tag::NULL, 0] {
                    return Err(KeyError::Parameters);
                }
                rsa_key(key).map(Self::Rsa)
            }
            EC_PUBLIC_KEY => {
                let curve = match algorithm.oid() {
                    Ok(SECP256R1) => Curve::P256,
                    Ok(SECP384R1) => Curve::P384,
                    Ok(SECP521R1) => Curve::P521,
                    _ => return Err(KeyError::Parameters),
                };
                algorithm.end()?;
                EcPublicKey::from_sec1(curve, key).map(Self::Ec)
            }
            _ => Err(KeyError::Algorithm),
        }
    }

    /// From the DER of an RSAPublicKey (RFC 8017, A.1.1), in its one form.
    pub fn from_rsa_der(der: &[u8]) -> Result<Self, KeyError> {
        rsa_key(der).map(Self::Rsa)
    }

    /// The kind and size, for people.
    pub fn kind(&self) -> String {
        match self {
            Self::Rsa(key) => format!("RSA-{}", key.bits()),
            Self::Ec(key) => key.curve().to_string(),
        }
    }
}

/// `SEQUENCE { modulus INTEGER, publicExponent INTEGER }`.
fn rsa_key(der: &[u8]) -> Result<RsaPublicKey, KeyError> {
    let mut numbers = only(der, tag::SEQUENCE)?.reader();
    let (modulus, exponent) = (numbers.unsigned()?, numbers.unsigned()?);
    numbers.end()?;
    if exponent.len() > 4 {
        return Err(KeyError::Exponent);
    }
    let exponent = exponent.iter().fold(0u32, |sum, &byte| sum << 8 | u32::from(byte));
    RsaPublicKey::new(modulus, exponent)
}

#[cfg(test)]
mod tests;
