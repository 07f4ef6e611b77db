//! Values that go into commands and come out of them.

use super::{Held, Out};
use crate::error::TpmError;
use tss_esapi::structures::{Private, Public, Signature};
use tss_esapi::traits::Marshall;
use tss_esapi::tss2_esys as c;

/// A key that was made, with its public area and name as the TPM returned them.
pub struct Created<'t> {
    pub held: Held<'t>,
    pub public: Public,
}

/// An object that only its parent can load again.
pub struct Wrapped {
    pub private: Private,
    pub public: Public,
}

/// A statement of the TPM and the signature on it, as bytes.
pub struct Signed {
    /// TPMS_ATTEST, exactly as signed.
    pub message: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
}

/// What kind of session to start.
#[derive(Clone, Copy)]
pub enum SessionKind {
    Hmac,
    Policy,
    /// Computes a policy digest and authorizes nothing.
    Trial,
}

/// A value of a tss-esapi type that the caller's bytes do not fit into, or the TPM's do not.
pub fn checked<T>(during: &'static str, value: Result<T, tss_esapi::Error>) -> Result<T, TpmError> {
    value.map_err(|error| TpmError::nonsense(during, error.to_string()))
}

/// A C structure that held a secret is wiped when it goes.
pub struct Wiped<T: Copy + Default>(pub T);

impl<T: Copy + Default> Drop for Wiped<T> {
    fn drop(&mut self) {
        // SAFETY: a reference to a live `T` is a valid place to write one.
        unsafe { std::ptr::write_volatile(&mut self.0, T::default()) };
    }
}

pub fn signed(
    during: &'static str,
    message: Out<c::TPM2B_ATTEST>,
    signature: Out<c::TPMT_SIGNATURE>,
) -> Result<Signed, TpmError> {
    let message = message.take(during)?;
    let bytes = message.attestationData.get(..usize::from(message.size));
    let message = bytes.ok_or_else(|| TpmError::nonsense(during, "a message that is too long"))?;
    let signature = checked(during, Signature::try_from(signature.take(during)?))?;
    Ok(Signed { message: message.to_vec(), signature: checked(during, signature.marshall())? })
}
