//! What certificates and lists of revoked certificates have around them (RFC 5280, 4.1.1 and 5.1.1).

use super::{Quirk, SignatureAlgorithm};
use crate::crypto::{PublicKey, SignatureError};
use crate::der::{DerError, Reader, Value, only, tag};

/// The three parts of what is signed, not yet read further.
pub(super) struct Envelope<'a> {
    /// What the signature is over.
    pub tbs: Value<'a>,
    algorithm: Value<'a>,
    signature: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub fn from_der(der: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = only(der, tag::SEQUENCE)?.reader();
        let tbs = outer.expect(tag::SEQUENCE)?;
        let algorithm = outer.expect(tag::SEQUENCE)?;
        let signature = outer.bit_string()?;
        outer.end()?;
        Ok(Self { tbs, algorithm, signature })
    }

    /// Reads the algorithm, which the signed part names as well; nothing if it names another there.
    pub fn signed(
        &self,
        fields: &mut Reader<'a>,
        quirks: &mut Vec<Quirk>,
    ) -> Result<Option<Signed>, DerError> {
        let inner = fields.expect(tag::SEQUENCE)?;
        if inner.whole != self.algorithm.whole {
            return Ok(None);
        }
        Ok(Some(Signed {
            tbs: self.tbs.whole.to_vec(),
            algorithm: SignatureAlgorithm::from_der(&inner, quirks)?,
            signature: self.signature.to_vec(),
        }))
    }
}

/// Bytes as received, and their signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub tbs: Vec<u8>,
    pub algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

impl Signed {
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        self.algorithm.verify(key, &self.tbs, &self.signature)
    }
}
