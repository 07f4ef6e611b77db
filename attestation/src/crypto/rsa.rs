//! RSA: verification by PKCS#1 v1.5 and PSS, encryption by OAEP (RFC 8017).

use super::{EncryptionError, Hash, KeyError, SignatureError, back_end};
use ::rsa::traits::RandomizedEncryptor as _;
use ::rsa::{oaep, rand_core};

/// Lengths of the modulus in bits.
const MODULUS_BITS: [usize; 3] = [2048, 3072, 4096];

/// The smallest exponent: smaller ones have no use today, and some had trouble.
const EXPONENT_MIN: u32 = 65_537;

/// How long the salt of a PSS signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PssSalt {
    /// As long as the digest: certificates, and TPMs in FIPS mode.
    AsDigest,
    /// The longest that fits the key: other TPMs.
    Longest,
}

/// An RSA public key that keeps the rules of [`super`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublicKey {
    /// Big endian, without leading zero.
    modulus: Vec<u8>,
    exponent: u32,
}

impl RsaPublicKey {
    /// From the modulus, big endian without leading zero bytes, and the exponent.
    pub fn new(modulus: &[u8], exponent: u32) -> Result<Self, KeyError> {
        let top = modulus.first().copied().unwrap_or(0);
        let is_odd = modulus.last().is_some_and(|last| last & 1 == 1);
        if top & 0x80 == 0 || !is_odd || !MODULUS_BITS.contains(&(8 * modulus.len())) {
            return Err(KeyError::Modulus);
        }
        if exponent < EXPONENT_MIN || exponent & 1 == 0 {
            return Err(KeyError::Exponent);
        }
        Ok(Self { modulus: modulus.to_vec(), exponent })
    }

    /// Big endian, without leading zero.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent.
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// Length of the modulus in bits.
    pub fn bits(&self) -> usize {
        8 * self.modulus.len()
    }

    /// Checks an RSASSA-PKCS1-v1_5 signature over `message`.
    pub fn verify_pkcs1(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.check_form(signature)?;
        valid(back_end::verify_rsa_pkcs1(self, hash, message, signature))
    }

    /// Checks an RSASSA-PSS signature over `message`; the mask is made by the same hash.
    pub fn verify_pss(
        &self,
        hash: Hash,
        salt: PssSalt,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.check_form(signature)?;
        if hash == Hash::Sha1 {
            // No evidence needs it, and no new signature should.
            return Err(SignatureError::Form("PSS with SHA-1 is not used"));
        }
        valid(back_end::verify_rsa_pss(self, hash, salt, message, signature))
    }

    /// The signature must be a number below the modulus, in as many bytes.
    fn check_form(&self, signature: &[u8]) -> Result<(), SignatureError> {
        if signature.len() != self.modulus.len() {
            return Err(SignatureError::Form("its length is not that of the RSA modulus"));
        }
        if signature >= self.modulus.as_slice() {
            return Err(SignatureError::Form("it is not below the RSA modulus"));
        }
        Ok(())
    }

    /// Encrypts with OAEP, `hash` for label and mask alike. `seed` is the randomness: secret, used
    /// once, as long as the digest. The label is hashed as given, with its zero byte if it has one.
    pub fn encrypt_oaep(
        &self,
        hash: Hash,
        label: &[u8],
        seed: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, EncryptionError> {
        if seed.len() != hash.bytes() {
            return Err(EncryptionError::Seed);
        }
        let key = back_end::portable::rsa_key(self).ok_or(EncryptionError::TooLong)?;
        macro_rules! with {
            ($function:ty) => {
                oaep::EncryptingKey::<$function>::new_with_label(key, label)
                    .encrypt_with_rng(&mut Seed(seed), message)
            };
        }
        match hash {
            Hash::Sha1 => with!(sha1::Sha1),
            Hash::Sha256 => with!(sha2::Sha256),
            Hash::Sha384 => with!(sha2::Sha384),
            Hash::Sha512 => with!(sha2::Sha512),
        }
        .map_err(|_| EncryptionError::TooLong)
    }
}

fn valid(is_valid: bool) -> Result<(), SignatureError> {
    if is_valid { Ok(()) } else { Err(SignatureError::Invalid) }
}

/// Hands out the given seed, once, as the randomness of one encryption.
struct Seed<'a>(&'a [u8]);

/// More randomness was asked for than the seed has.
#[derive(Debug, thiserror::Error)]
#[error("the seed is used up")]
struct UsedUp;

impl rand_core::TryRng for Seed<'_> {
    type Error = UsedUp;

    fn try_next_u32(&mut self) -> Result<u32, UsedUp> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, UsedUp> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, wanted: &mut [u8]) -> Result<(), UsedUp> {
        let (given, rest) = self.0.split_at_checked(wanted.len()).ok_or(UsedUp)?;
        wanted.copy_from_slice(given);
        self.0 = rest;
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Seed<'_> {}

#[cfg(test)]
mod tests;
