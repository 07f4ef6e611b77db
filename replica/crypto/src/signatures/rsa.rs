//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.2), verification only.
//!
//! Verification handles no secret, so plain big integers do. The expected padded message is built
//! and compared as a whole; nothing of the signature's padding is parsed.

use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};

/// The bits of a modulus: below, a key is too weak; above, a check takes too long.
const MODULUS_BITS: std::ops::RangeInclusive<u64> = 2048..=4096;

/// The greatest public exponent: 65537 in practice; the bound keeps a check below a few ms.
const EXPONENT_BITS_MAX: u64 = 32;

/// DigestInfo of SHA-256 before the digest itself (RFC 8017, 9.2, note 1).
const SHA256_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A public key.
#[derive(Clone, Debug)]
pub(super) struct RsaKey {
    modulus: BigUint,
    exponent: BigUint,
}

impl RsaKey {
    /// From modulus and exponent, big-endian; `None` if their size is out of bounds or one is even.
    pub(super) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (modulus, exponent) =
            (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent));
        let is_good = MODULUS_BITS.contains(&modulus.bits())
            && (2..=EXPONENT_BITS_MAX).contains(&exponent.bits())
            && modulus.bit(0)
            && exponent.bit(0);
        is_good.then_some(Self { modulus, exponent })
    }

    /// Whether `signature` is one over `message`.
    pub(super) fn is_valid(&self, message: &[u8], signature: &[u8]) -> bool {
        // The modulus has at most 4096 bits, so this is at most 512.
        let length = self.modulus.bits().div_ceil(8) as usize;
        let signature_number = BigUint::from_bytes_be(signature);
        if signature.len() != length || signature_number >= self.modulus {
            return false;
        }
        let opened = signature_number.modpow(&self.exponent, &self.modulus);
        opened == BigUint::from_bytes_be(&padded(message, length))
    }
}

/// `00 01 ff .. ff 00 DigestInfo`, as long as the modulus.
fn padded(message: &[u8], length: usize) -> Vec<u8> {
    let digest = Sha256::digest(message);
    let mut block = vec![0xff; length];
    let info_start = length - SHA256_INFO.len() - digest.len();
    block[..2].copy_from_slice(&[0, 1]);
    block[info_start - 1] = 0;
    block[info_start..length - digest.len()].copy_from_slice(&SHA256_INFO);
    block[length - digest.len()..].copy_from_slice(&digest);
    block
}
