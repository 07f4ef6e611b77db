//! Credentials: a secret that only the TPM with a certain endorsement key and attestation key can open.
//!
//! This is what joins an attestation key to a TPM of a known maker: TPM2_ActivateCredential gives the
//! secret away only if both keys are in one TPM, and the attestation key has the name we put in.
//! Source: "TPM 2.0 Library, Part 1: Architecture", credential protection and annexes B (RSA) and
//! C (ECC); Part 3, TPM2_MakeCredential.

use super::name::Name;
use super::public::{Attributes, Public};
use crate::crypto::{self, Digest, Hash, PublicKey, aes_cfb_encrypt, hmac};
use zeroize::Zeroizing;

/// Bound to what the seed is for, with its final zero byte.
const IDENTITY: &[u8] = b"IDENTITY\0";
/// Bound to what a key derived from the seed is for, without a zero byte.
const STORAGE: &[u8] = b"STORAGE";
const INTEGRITY: &[u8] = b"INTEGRITY";

/// What TPM2_ActivateCredential gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// TPM2B_ID_OBJECT: the secret, encrypted, with its HMAC.
    pub id_object: Vec<u8>,
    /// TPM2B_ENCRYPTED_SECRET: the seed of both, to the endorsement key.
    pub encrypted_secret: Vec<u8>,
}

/// Why no credential can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The key is not for decryption of what is the TPM's.
    #[error("the endorsement key must be restricted and decrypt: its attributes are {0:#010x}")]
    Attributes(u32),
    /// The key has no cipher.
    #[error("the endorsement key has no symmetric cipher: a storage key has AES-CFB")]
    NoCipher,
    /// The secret does not fit.
    #[error("the secret must have 1 to {bytes_max} bytes, not {bytes}")]
    Secret {
        /// Its length.
        bytes: usize,
        /// The length of the key's name digest.
        bytes_max: usize,
    },
    /// The randomness does not fit.
    #[error("the randomness for this endorsement key must have {bytes} bytes")]
    Randomness {
        /// How many it must have.
        bytes: usize,
    },
    /// The seed cannot be encrypted.
    #[error("the seed cannot be encrypted to the endorsement key")]
    Encrypt(#[from] crypto::EncryptionError),
    /// The seed cannot be agreed on.
    #[error("the randomness is no scalar of the endorsement key's curve: draw again")]
    Agree(#[source] crypto::KeyError),
    /// The key's cipher is not usable with its name algorithm.
    #[error("AES-{0} is not supported for an endorsement key of this name algorithm")]
    Cipher(u16),
}

/// How many random bytes [`make_credential`] needs for this endorsement key.
pub fn randomness_bytes(endorsement_key: &Public) -> usize {
    match endorsement_key.key() {
        // The seed, and that of the padding.
        PublicKey::Rsa(_) => 2 * endorsement_key.name_hash().bytes(),
        // The ephemeral secret.
        PublicKey::Ec(key) => key.curve().bytes(),
    }
}

/// Encrypts a secret so that only the TPM of the endorsement key opens it, and only if the object
/// `name` is loaded there too. `randomness` is fresh, secret, and used once.
pub fn make_credential(
    endorsement_key: &Public,
    name: Name,
    secret: &[u8],
    randomness: &[u8],
) -> Result<Challenge, CredentialError> {
    let attributes = endorsement_key.attributes();
    if !attributes.has(Attributes::RESTRICTED) || !attributes.has(Attributes::DECRYPT) {
        return Err(CredentialError::Attributes(attributes.0));
    }
    let cipher = endorsement_key.symmetric().ok_or(CredentialError::NoCipher)?;
    let hash = endorsement_key.name_hash();
    let (bytes, bytes_max) = (secret.len(), hash.bytes());
    if bytes == 0 || bytes > bytes_max {
        return Err(CredentialError::Secret { bytes, bytes_max });
    }
    let bytes = randomness_bytes(endorsement_key);
    if randomness.len() != bytes {
        return Err(CredentialError::Randomness { bytes });
    }
    let (seed, encrypted) = shared_seed(endorsement_key, randomness)?;
    let id_object = protect(hash, cipher.key_bits, &seed, name, secret)?;
    Ok(Challenge { id_object: sized(&id_object), encrypted_secret: sized(&encrypted) })
}

/// The seed, and what lets the TPM find it.
fn shared_seed(
    endorsement_key: &Public,
    randomness: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), CredentialError> {
    let hash = endorsement_key.name_hash();
    match endorsement_key.key() {
        PublicKey::Rsa(key) => {
            let (seed, padding) = randomness.split_at(hash.bytes());
            let encrypted = key.encrypt_oaep(hash, IDENTITY, padding, seed)?;
            Ok((Zeroizing::new(seed.to_vec()), encrypted))
        }
        PublicKey::Ec(key) => {
            let agreed = key.agree(randomness).map_err(CredentialError::Agree)?;
            let ephemeral = &agreed.ephemeral;
            let seed = kdf_e(hash, &agreed.shared_x, IDENTITY, ephemeral.x(), key.x());
            let point = [sized(ephemeral.x()), sized(ephemeral.y())].concat();
            Ok((seed, point))
        }
    }
}

/// TPMS_ID_OBJECT: the HMAC over the encrypted secret and the name, then the encrypted secret.
fn protect(
    hash: Hash,
    key_bits: u16,
    seed: &[u8],
    name: Name,
    secret: &[u8],
) -> Result<Vec<u8>, CredentialError> {
    let name = name.to_bytes();
    let key_bytes = usize::from(key_bits) / 8;
    if key_bytes > hash.bytes() {
        return Err(CredentialError::Cipher(key_bits));
    }
    let key = kdf_a(hash, seed, STORAGE, &name, key_bytes);
    let mut encrypted = sized(secret);
    aes_cfb_encrypt(&key, &[0; 16], &mut encrypted)
        .map_err(|_| CredentialError::Cipher(key_bits))?;
    let hmac_key = kdf_a(hash, seed, INTEGRITY, &[], hash.bytes());
    let mac: Digest = hmac(hash, &hmac_key, &[&encrypted, &name]);
    Ok([sized(mac.as_bytes()), encrypted].concat())
}

/// KDFa for up to one digest of bytes, with an empty second context (Part 1, section 11.4.10.2).
fn kdf_a(hash: Hash, key: &[u8], label: &[u8], context: &[u8], bytes: usize) -> Zeroizing<Vec<u8>> {
    let bits = (8 * bytes as u32).to_be_bytes();
    let block = hmac(hash, key, &[&1u32.to_be_bytes(), label, &[0], context, &bits]);
    Zeroizing::new(block.as_bytes()[..bytes].to_vec())
}

/// KDFe for one digest of bytes (Part 1, section 11.4.10.3). The label has its zero byte.
fn kdf_e(
    hash: Hash,
    shared_x: &[u8],
    label: &[u8],
    party_u: &[u8],
    party_v: &[u8],
) -> Zeroizing<Vec<u8>> {
    let block = hash.digest_parts(&[&1u32.to_be_bytes(), shared_x, label, party_u, party_v]);
    Zeroizing::new(block.as_bytes().to_vec())
}

/// With the length of a TPM2B before it.
fn sized(bytes: &[u8]) -> Vec<u8> {
    // All of them are digests, coordinates, or RSA numbers of at most 512 bytes.
    let length = u16::try_from(bytes.len()).expect("under 64 KiB");
    [&length.to_be_bytes()[..], bytes].concat()
}
