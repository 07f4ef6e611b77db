//! Digests and HMAC.

use super::back_end;
use ::hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The hash functions that TPMs, certificates and SEV-SNP use.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// 20 bytes. Collisions can be made: good for what a policy says alone.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

impl Hash {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Length of the digest in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of `message`.
    pub fn digest(self, message: &[u8]) -> Digest {
        back_end::digest(self, &[message])
    }

    /// The digest of the parts, one after the other.
    pub fn digest_parts(self, parts: &[&[u8]]) -> Digest {
        back_end::digest(self, parts)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        })
    }
}

/// A digest, or an HMAC, with the function that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub struct Digest {
    hash: Hash,
    // What is beyond the length of the digest is zero.
    bytes: [u8; 64],
}

impl Digest {
    /// A digest read from somewhere; none if its length is not that of `hash`.
    pub fn from_bytes(hash: Hash, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == hash.bytes()).then(|| Self::filled(hash, bytes))
    }

    /// All zero bytes, as PCRs start.
    pub const fn zero(hash: Hash) -> Self {
        Self { hash, bytes: [0; 64] }
    }

    /// From what a library computed.
    pub(super) fn filled(hash: Hash, digest: &[u8]) -> Self {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(digest) {
            *to = *from;
        }
        Self { hash, bytes }
    }

    /// The function that made it.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// As many bytes as the function gives.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.hash.bytes()]
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{self}", self.hash)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The HMAC of the parts, one after the other, under `key` of any length.
pub fn hmac(hash: Hash, key: &[u8], parts: &[&[u8]]) -> Digest {
    macro_rules! with {
        ($function:ty) => {{
            let mut mac =
                Hmac::<$function>::new_from_slice(key).expect("HMAC takes keys of any length");
            parts.iter().for_each(|part| mac.update(part));
            Digest::filled(hash, &mac.finalize().into_bytes())
        }};
    }
    match hash {
        Hash::Sha1 => with!(sha1::Sha1),
        Hash::Sha256 => with!(sha2::Sha256),
        Hash::Sha384 => with!(sha2::Sha384),
        Hash::Sha512 => with!(sha2::Sha512),
    }
}

/// Whether two secrets are equal, in a time that depends on their lengths alone.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |bits, (a, b)| bits | (a ^ b));
    left.len() == right.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_abc() {
        let check = |hash: Hash, expected: &str| {
            assert_eq!(hash.digest(b"abc").to_string(), expected);
            assert_eq!(hash.digest_parts(&[b"a", b"", b"bc"]).to_string(), expected);
            assert_eq!(expected.len(), 2 * hash.bytes());
        };
        check(Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(
            Hash::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        );
        check(
            Hash::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        );
    }

    #[test]
    fn hmac_of_rfc_4231_case_2() {
        let mac = |hash| hmac(hash, b"Jefe", &[b"what do ya want ", b"for nothing?"]).to_string();
        assert_eq!(
            mac(Hash::Sha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            mac(Hash::Sha384),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
        );
    }

    #[test]
    fn digests_have_the_length_of_their_function() {
        assert!(Digest::from_bytes(Hash::Sha256, &[0; 31]).is_none());
        assert_eq!(Digest::from_bytes(Hash::Sha1, &[0; 20]), Some(Digest::zero(Hash::Sha1)));
    }

    #[test]
    fn secrets_are_equal_whole() {
        assert!(equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd"));
        assert!(!equal(b"abc", b"ab"));
        assert!(equal(b"", b""));
    }
}
