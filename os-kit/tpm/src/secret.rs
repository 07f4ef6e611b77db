//! Secrets of a node that come out of a TPM or go into it.

use crate::error::TpmError;
use zeroize::Zeroizing;

/// The longest secret that a TPM seals: MAX_SYM_DATA of the PC Client profile.
pub const SECRET_BYTES_MAX: usize = 128;

/// A secret. It cannot be printed, and is wiped when it goes out of scope.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes one to 128 bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, TpmError> {
        let bytes = Zeroizing::new(bytes);
        if !(1..=SECRET_BYTES_MAX).contains(&bytes.len()) {
            let length = bytes.len();
            return Err(TpmError::bad_input(format!(
                "a TPM seals secrets of 1 to {SECRET_BYTES_MAX} bytes, not {length}: \
                 seal a key and encrypt the data with it"
            )));
        }
        Ok(Self(bytes))
    }

    /// The bytes, for the one who uses them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
