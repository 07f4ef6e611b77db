//! Public areas of the keys and objects that we make: TPM 2.0 library specification, part 2, section 12.2.

use crate::error::TpmError;
use crate::policy::PolicyDigest;
use sha2::{Digest as _, Sha256};
use tss_esapi::constants::tss as tpm;
use tss_esapi::structures::{EccParameter, EccPoint, Public, PublicKeyRsa};
use tss_esapi::traits::UnMarshall;

const KEYED_HASH: u16 = 0x0008;
const ECC: u16 = 0x0023;
const NIST_P256: u16 = 0x0003;

/// TPMA_OBJECT.
mod attribute {
    pub const FIXED_TPM: u32 = 1 << 1;
    pub const FIXED_PARENT: u32 = 1 << 4;
    pub const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
    pub const USER_WITH_AUTH: u32 = 1 << 6;
    pub const ADMIN_WITH_POLICY: u32 = 1 << 7;
    /// Wrong passwords for other objects do not lock this one.
    pub const NO_DA: u32 = 1 << 10;
    pub const RESTRICTED: u32 = 1 << 16;
    pub const DECRYPT: u32 = 1 << 17;
    pub const SIGN: u32 = 1 << 18;

    /// A key that the TPM made and never lets out, usable without a password.
    pub const OWN_KEY: u32 =
        FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | NO_DA;
}

/// Makes our attestation key another one than any other software's that uses the same template.
const ATTESTATION_KEY: &str = "plinth: attestation key, version 1";

/// The attestation key: signs nothing but what the TPM itself states.
pub fn attestation_key() -> Result<Public, TpmError> {
    let attributes = attribute::OWN_KEY | attribute::RESTRICTED | attribute::SIGN;
    let label = Sha256::digest(ATTESTATION_KEY);
    let mut bytes = area(ECC, attributes, &[]);
    bytes.extend(numbers(&[tpm::TPM2_ALG_NULL, tpm::TPM2_ALG_ECDSA, tpm::TPM2_ALG_SHA256]));
    bytes.extend(numbers(&[NIST_P256, tpm::TPM2_ALG_NULL]));
    bytes.extend(sized(&label));
    bytes.extend(sized(&[]));
    read(&bytes)
}

/// The parent of sealed objects.
pub fn storage_key() -> Result<Public, TpmError> {
    let attributes = attribute::OWN_KEY | attribute::RESTRICTED | attribute::DECRYPT;
    let mut bytes = area(ECC, attributes, &[]);
    bytes.extend(numbers(&[tpm::TPM2_ALG_AES, 128, tpm::TPM2_ALG_CFB, tpm::TPM2_ALG_NULL]));
    bytes.extend(numbers(&[NIST_P256, tpm::TPM2_ALG_NULL]));
    bytes.extend(sized(&[0; 32]));
    bytes.extend(sized(&[0; 32]));
    read(&bytes)
}

/// Whether a key was made from the template of the storage key.
pub fn is_storage_key(public: &Public) -> Result<bool, TpmError> {
    Ok(without_key(public) == without_key(&storage_key()?))
}

/// A public area whose own key is left out: what a key has of its template.
pub fn without_key(public: &Public) -> Public {
    let mut public = public.clone();
    match &mut public {
        Public::Rsa { unique, .. } => *unique = PublicKeyRsa::default(),
        Public::Ecc { unique, .. } => {
            *unique = EccPoint::new(EccParameter::default(), EccParameter::default());
        }
        Public::KeyedHash { .. } | Public::SymCipher { .. } => {}
    }
    public
}

/// An object that holds a secret: it opens by the policy alone, never by a password.
pub fn sealed(policy: PolicyDigest) -> Result<Public, TpmError> {
    use attribute::{ADMIN_WITH_POLICY, FIXED_PARENT, FIXED_TPM, NO_DA};
    let attributes = FIXED_TPM | FIXED_PARENT | ADMIN_WITH_POLICY | NO_DA;
    let mut bytes = area(KEYED_HASH, attributes, &policy.0);
    bytes.extend(numbers(&[tpm::TPM2_ALG_NULL]));
    bytes.extend(sized(&[]));
    read(&bytes)
}

/// Somebody else's ECDSA key on P-256 with SHA-256, as TPMT_PUBLIC.
pub fn external_p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Vec<u8>, TpmError> {
    let mut bytes = area(ECC, attribute::USER_WITH_AUTH | attribute::SIGN, &[]);
    bytes.extend(numbers(&[tpm::TPM2_ALG_NULL, tpm::TPM2_ALG_ECDSA, tpm::TPM2_ALG_SHA256]));
    bytes.extend(numbers(&[NIST_P256, tpm::TPM2_ALG_NULL]));
    bytes.extend(sized(x));
    bytes.extend(sized(y));
    read(&bytes)?;
    Ok(bytes)
}

/// The fields that all public areas begin with. Names are made with SHA-256.
fn area(kind: u16, attributes: u32, policy: &[u8]) -> Vec<u8> {
    let mut bytes = numbers(&[kind, tpm::TPM2_ALG_SHA256]);
    bytes.extend(attributes.to_be_bytes());
    bytes.extend(sized(policy));
    bytes
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("templates have short fields");
    [length.to_be_bytes().as_slice(), bytes].concat()
}

fn read(bytes: &[u8]) -> Result<Public, TpmError> {
    Public::unmarshall(bytes)
        .map_err(|error| TpmError::bad_input(format!("a template is malformed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tss_esapi::traits::Marshall;

    #[test]
    fn templates_are_what_the_library_encodes_too() {
        for public in [attestation_key(), storage_key(), sealed(PolicyDigest([7; 32]))] {
            let public = public.unwrap();
            let again = Public::unmarshall(&public.marshall().unwrap()).unwrap();
            assert_eq!(public, again);
        }
        let bytes = external_p256(&[1; 32], &[2; 32]).unwrap();
        assert_eq!(Public::unmarshall(&bytes).unwrap().marshall().unwrap(), bytes);
    }

    /// The attestation key is the machine's identity, the storage key the parent of its secrets: a
    /// change makes other keys on every machine.
    #[test]
    fn templates_do_not_change() {
        let keys = [attestation_key(), storage_key(), sealed(PolicyDigest([7; 32]))];
        let found = keys.map(|key| hex::encode(Sha256::digest(key.unwrap().marshall().unwrap())));
        let expected = [
            "7998d9d28a12cab62513027126269ea1ac1393227257974ed15012fcaa35106a",
            "9430f5e63490113d4ed813e7afe4e3012af75fd74076f3c6efdd392701fa7204",
            "5ad75d6fc9fd2726852922a74a4b089ef0b6a7d3d2533c6ee13dcce8289ef58c",
        ];
        assert_eq!(found, expected);
    }
}
