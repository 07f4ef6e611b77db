//! The two back ends, and which of them answers.
//!
//! Both get inputs that keep the rules of [`super`], and both answer yes or no. In the tests of
//! this crate every question goes to both, and it is a failure if they answer differently: so the
//! equality of verdicts is tested over each vector and each mutant that a test looks at. Tests that
//! ask ten thousand times compare a part of the answers ([`sparingly`]), as one back end is slow.

#[cfg(not(target_family = "wasm"))]
mod aws_lc;
pub(super) mod portable;
#[cfg(any(test, target_family = "wasm"))]
mod rust_crypto;

use super::{Digest, EcPublicKey, EcdsaSignature, Hash, PssSalt, RsaPublicKey};

#[cfg(all(not(target_family = "wasm"), not(test)))]
use aws_lc as chosen;
#[cfg(target_family = "wasm")]
use rust_crypto as chosen;

/// Asks the chosen back end; in tests both.
macro_rules! ask {
    ($question:ident($($argument:expr),*)) => {{
        #[cfg(any(not(test), target_family = "wasm"))]
        let answer = chosen::$question($($argument),*);
        #[cfg(all(test, not(target_family = "wasm")))]
        let answer = {
            let answer = aws_lc::$question($($argument),*);
            if compares() {
                let other = rust_crypto::$question($($argument),*);
                let question = stringify!($question);
                assert_eq!(answer, other, "the back ends differ in {question}");
            }
            answer
        };
        answer
    }};
}

/// The digest of the parts, one after the other.
pub(super) fn digest(hash: Hash, parts: &[&[u8]]) -> Digest {
    ask!(digest(hash, parts))
}

/// `signature` is as long as the modulus, and below it.
pub(super) fn verify_rsa_pkcs1(
    key: &RsaPublicKey,
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> bool {
    ask!(verify_rsa_pkcs1(key, hash, message, signature))
}

/// `signature` is as long as the modulus, and below it; `hash` is not SHA-1.
pub(super) fn verify_rsa_pss(
    key: &RsaPublicKey,
    hash: Hash,
    salt: PssSalt,
    message: &[u8],
    signature: &[u8],
) -> bool {
    ask!(verify_rsa_pss(key, hash, salt, message, signature))
}

/// The signature is on the curve of the key; `hash` is not SHA-1.
pub(super) fn verify_ecdsa(
    key: &EcPublicKey,
    hash: Hash,
    message: &[u8],
    signature: &EcdsaSignature,
) -> bool {
    ask!(verify_ecdsa(key, hash, message, signature))
}

#[cfg(test)]
thread_local! {
    /// How many answers are compared: one of each so many. And how many were given.
    static COMPARED: std::cell::Cell<(u32, u32)> = const { std::cell::Cell::new((1, 0)) };
}

/// Runs a test that compares one answer of each `stride`.
#[cfg(test)]
pub fn sparingly<T>(stride: u32, test: impl FnOnce() -> T) -> T {
    COMPARED.set((stride, 0));
    let outcome = test();
    COMPARED.set((1, 0));
    outcome
}

#[cfg(all(test, not(target_family = "wasm")))]
fn compares() -> bool {
    let (stride, given) = COMPARED.get();
    COMPARED.set((stride, given.wrapping_add(1)));
    given % stride == 0
}
