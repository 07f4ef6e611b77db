//! SHA-256 of short messages, which is all that most nodes of a tree are: a fork has 81 bytes.
//!
//! A hasher that takes any number of bytes buffers them and finds out late where the message ends;
//! for two blocks that costs a third more than the compression itself.

use super::Digest;
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

const BLOCK_BYTES: usize = 64;

/// Messages up to here fit into two blocks, with the byte and the length that end them.
const SHORT_BYTES_MAX: usize = 2 * BLOCK_BYTES - 9;

/// The state before the first block (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The digest of the parts, one after the other.
pub(super) fn sha256(parts: [&[u8]; 3]) -> Digest {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > SHORT_BYTES_MAX {
        let hasher = parts.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part));
        return hasher.finalize().into();
    }
    let mut blocks = [[0; BLOCK_BYTES]; 2];
    let used = if length > BLOCK_BYTES - 9 { 2 } else { 1 };
    let message = blocks[..used].as_flattened_mut();
    let mut at = 0;
    for part in parts {
        message[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    message[at] = 0x80;
    let bits = (length as u64 * 8).to_be_bytes();
    let end = message.len();
    message[end - bits.len()..].copy_from_slice(&bits);
    let mut state = INITIAL;
    compress256(&mut state, &blocks[..used]);
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sha256_at_every_length() {
        let bytes: Vec<u8> = (0..200u8).collect();
        for length in 0..=bytes.len() {
            let message = &bytes[..length];
            let expected: Digest = Sha256::digest(message).into();
            for cut in [0, length / 3, length] {
                let (first, rest) = message.split_at(cut);
                let (second, third) = rest.split_at(rest.len() / 2);
                assert_eq!(sha256([first, second, third]), expected, "{length} bytes");
            }
        }
    }
}
