//! Digests, signatures and the few other primitives that evidence is made of.
//!
//! One interface and one set of rules, two back ends with the same verdicts: aws-lc-rs in native
//! programs, RustCrypto in WebAssembly (docs/decisions/050). What the two could see differently is
//! decided here, before either is asked:
//!
//! | matter | rule |
//! | --- | --- |
//! | RSA modulus | exactly 2048, 3072 or 4096 bits, odd, without leading zero |
//! | RSA exponent | odd, from 65537 to 2^32 - 1 |
//! | RSA signature | as long as the modulus, and a smaller number |
//! | PSS | the mask has the hash of the message; salt as long as the digest, or the longest that fits |
//! | EC point | uncompressed, on the curve P-256, P-384 or P-521, not the point at infinity |
//! | ECDSA `r` and `s` | from 1 to the order - 1; `s` may be in either half |
//! | ECDSA in DER | the one form of DER, nothing after it |
//! | SHA-1 | digests of TPM banks and old certificates; a caller that accepts it says so in its policy |
//!
//! Verification alone has two back ends. Encryption to an endorsement key and key agreement decide
//! nothing, and have one.

mod back_end;
mod cipher;
mod digest;
mod ec;
mod rsa;
mod spki;

#[cfg(test)]
pub(crate) use back_end::sparingly;
pub use cipher::{aes_cfb_decrypt, aes_cfb_encrypt};
pub use digest::{Digest, Hash, equal, hmac};
pub use ec::{Agreement, Curve, EcPublicKey, EcdsaSignature};
pub use rsa::{PssSalt, RsaPublicKey};
pub use spki::PublicKey;

use crate::der::DerError;

/// Why bytes are not a public key that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each one means")]
pub enum KeyError {
    #[error("the public key is not well-formed DER")]
    Der(#[from] DerError),
    #[error("the kind of public key is not RSA, P-256, P-384 or P-521")]
    Algorithm,
    #[error("the parameters of the public key are not those of its algorithm")]
    Parameters,
    #[error("the RSA modulus must be an odd number of 2048, 3072 or 4096 bits")]
    Modulus,
    #[error("the RSA exponent must be odd, at least 65537 and less than 2^32")]
    Exponent,
    #[error("the point is not uncompressed and on its curve")]
    Point,
    #[error("the secret is not a scalar between zero and the order of the curve")]
    Scalar,
    #[error("the symmetric key must have 16 or 32 bytes")]
    Symmetric,
}

/// A signature that does not hold, and what is known of the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each one means")]
pub enum SignatureError {
    #[error("the signature has not the form of its algorithm: {0}")]
    Form(&'static str),
    #[error("the signature was not made by this key over these bytes")]
    Invalid,
    #[error("the key is of another kind than the signature")]
    KeyKind,
}

/// Encryption that could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each one means")]
pub enum EncryptionError {
    #[error("the seed must be as long as the digest")]
    Seed,
    #[error("the message is too long for the key")]
    TooLong,
}
