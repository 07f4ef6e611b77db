//! AES in CFB mode with full blocks, as TPMs use it.

use super::KeyError;
use aes::{Aes128, Aes256};
use cfb_mode::cipher::KeyIvInit as _;
use cfb_mode::{Decryptor, Encryptor};

/// Encrypts in place, by AES-128 or AES-256 as the length of the key says.
pub fn aes_cfb_encrypt(key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), KeyError> {
    match key.len() {
        16 => Encryptor::<Aes128>::new_from_slices(key, iv).map(|cipher| cipher.encrypt(data)),
        32 => Encryptor::<Aes256>::new_from_slices(key, iv).map(|cipher| cipher.encrypt(data)),
        _ => return Err(KeyError::Symmetric),
    }
    .map_err(|_| KeyError::Symmetric)
}

/// Decrypts in place, by AES-128 or AES-256 as the length of the key says.
pub fn aes_cfb_decrypt(key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), KeyError> {
    match key.len() {
        16 => Decryptor::<Aes128>::new_from_slices(key, iv).map(|cipher| cipher.decrypt(data)),
        32 => Decryptor::<Aes256>::new_from_slices(key, iv).map(|cipher| cipher.decrypt(data)),
        _ => return Err(KeyError::Symmetric),
    }
    .map_err(|_| KeyError::Symmetric)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SP 800-38A, F.3.13 and F.3.17: the first two blocks.
    #[test]
    fn published_vectors() {
        let iv: [u8; 16] = std::array::from_fn(|index| index as u8);
        let plain = hex::decode("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
            .unwrap();
        let check = |key: &str, expected: &str| {
            let key = hex::decode(key).unwrap();
            let mut data = plain.clone();
            aes_cfb_encrypt(&key, &iv, &mut data).unwrap();
            assert_eq!(hex::encode(&data), expected);
            aes_cfb_decrypt(&key, &iv, &mut data).unwrap();
            assert_eq!(data, plain);
        };
        check(
            "2b7e151628aed2a6abf7158809cf4f3c",
            "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b",
        );
        check(
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b",
        );
    }

    #[test]
    fn other_key_lengths_are_refused() {
        for length in [0, 15, 17, 24, 33] {
            let refused = aes_cfb_encrypt(&vec![0; length], &[0; 16], &mut [0; 4]);
            assert_eq!(refused, Err(KeyError::Symmetric));
        }
    }
}
