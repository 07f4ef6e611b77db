//! Messages of an enrolment, in the form of evidence: fields in order, each once. Evidence itself is the third.

use crate::cursor::Cursor;
use crate::evidence::EvidenceError;
use crate::evidence::fields::{Field, Fields, put};
use crate::tpm::credential::Challenge;

const CODE: Field = Field { tag: 1, name: "ticket code", bytes: 32..=32 };
const EK_PUBLIC: Field = Field { tag: 2, name: "EK public area", bytes: 1..=1024 };
const AK_PUBLIC: Field = Field { tag: 3, name: "AK public area", bytes: 1..=1024 };

const ID_OBJECT: Field = Field { tag: 1, name: "credential", bytes: 2..=1024 };
const ENCRYPTED_SECRET: Field = Field { tag: 2, name: "encrypted secret", bytes: 2..=1024 };

/// A machine wants to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// The ticket's code.
    pub code: [u8; 32],
    /// The endorsement key of its TPM: TPMT_PUBLIC.
    pub ek_public: Vec<u8>,
    /// Its attestation key: TPMT_PUBLIC.
    pub ak_public: Vec<u8>,
}

impl JoinRequest {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, &CODE, &self.code);
        put(&mut bytes, &EK_PUBLIC, &self.ek_public);
        put(&mut bytes, &AK_PUBLIC, &self.ak_public);
        bytes
    }

    /// From bytes, in the one form.
    pub fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let mut fields = Fields::new("join request", Cursor::new(bytes));
        let code = fields.take_array(&CODE)?;
        let ek_public = fields.take(&EK_PUBLIC)?.to_vec();
        let ak_public = fields.take(&AK_PUBLIC)?.to_vec();
        fields.finish()?;
        Ok(Self { code, ek_public, ak_public })
    }
}

/// A machine may join if its TPM opens this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// What the TPM must open.
    pub challenge: Challenge,
}

impl Invitation {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, &ID_OBJECT, &self.challenge.id_object);
        put(&mut bytes, &ENCRYPTED_SECRET, &self.challenge.encrypted_secret);
        bytes
    }

    /// From bytes, in the one form.
    pub fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let mut fields = Fields::new("invitation", Cursor::new(bytes));
        let id_object = fields.take(&ID_OBJECT)?.to_vec();
        let encrypted_secret = fields.take(&ENCRYPTED_SECRET)?.to_vec();
        fields.finish()?;
        Ok(Self { challenge: Challenge { id_object, encrypted_secret } })
    }
}
