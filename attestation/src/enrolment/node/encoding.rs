//! A node's state as bytes, in one form.

use super::{Installation, Node, Proof, Stage};
use crate::enrolment::Invitation;
use crate::enrolment::form::{
    Head, KEYS_BYTES, StateError, put_keys, put_number, read_keys, read_number,
};
use crate::evidence::fields::{Field, Fields, put};
use zeroize::Zeroizing;

const HEAD: Head = Head { magic: *b"PLINTHND", structure: "node's state" };

const CODE: Field = Field { tag: 1, name: "ticket code", bytes: 32..=32 };
const EK_PUBLIC: Field = Field { tag: 2, name: "EK public area", bytes: 1..=1024 };
const AK_PUBLIC: Field = Field { tag: 3, name: "AK public area", bytes: 1..=1024 };
const KEYS: Field = Field { tag: 4, name: "node's keys", bytes: KEYS_BYTES };
const KNOWN: Field = Field { tag: 5, name: "known height", bytes: 8..=8 };
const STAGE: Field = Field { tag: 6, name: "stage", bytes: 1..=1 };
/// What a stage has of these.
const REACHED: Field = Field { tag: 7, name: "height of the stage", bytes: 8..=8 };
const INVITATION: Field = Field { tag: 8, name: "invitation", bytes: 1..=2058 };
const DUE: Field = Field { tag: 9, name: "height of the next evidence", bytes: 8..=8 };
const CHALLENGE: Field = Field { tag: 10, name: "challenge", bytes: 32..=32 };
const SECRET: Field = Field { tag: 11, name: "secret", bytes: 32..=32 };

const TICKETED: u8 = 1;
const ASKED: u8 = 2;
const INVITED: u8 = 3;
const OPENED: u8 = 4;
const ENROLLED: u8 = 5;
const STRANDED: u8 = 6;

impl Node {
    /// As bytes. They hold the ticket's code, and what the TPM opened: nobody else may read them.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Installation { code, ek_public, ak_public, keys } = &self.installation;
        let mut bytes = Zeroizing::new(HEAD.begin());
        put(&mut bytes, &CODE, code);
        put(&mut bytes, &EK_PUBLIC, ek_public);
        put(&mut bytes, &AK_PUBLIC, ak_public);
        put_keys(&mut bytes, &KEYS, keys);
        put_number(&mut bytes, &KNOWN, self.known);
        put(&mut bytes, &STAGE, &[self.stage.number()]);
        self.stage.put(&mut bytes);
        bytes
    }

    /// From bytes, in the one form, if steps can lead there.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut fields = HEAD.read(bytes)?;
        let installation = Installation {
            code: fields.take_array(&CODE)?,
            ek_public: fields.take(&EK_PUBLIC)?.to_vec(),
            ak_public: fields.take(&AK_PUBLIC)?.to_vec(),
            keys: read_keys(&mut fields, &KEYS)?,
        };
        let known = read_number(&mut fields, &KNOWN)?;
        let [number] = fields.take_array(&STAGE)?;
        let stage = Stage::read(number, &mut fields)?;
        fields.finish()?;
        if stage.reached().is_some_and(|height| height > known) {
            return Err(StateError::Unreachable("the stage is of a height that is not known yet"));
        }
        Self::at(installation, known, stage)
    }
}

impl Stage {
    fn number(&self) -> u8 {
        match self {
            Self::Ticketed => TICKETED,
            Self::Asked { .. } => ASKED,
            Self::Invited { .. } => INVITED,
            Self::Opened { .. } => OPENED,
            Self::Enrolled { .. } => ENROLLED,
            Self::Stranded => STRANDED,
        }
    }

    /// The height of what led to it.
    fn reached(&self) -> Option<u64> {
        match self {
            Self::Asked { asked } | Self::Invited { asked, .. } | Self::Opened { asked, .. } => {
                Some(*asked)
            }
            Self::Enrolled { attested, .. } => Some(*attested),
            Self::Ticketed | Self::Stranded => None,
        }
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        if let Some(height) = self.reached() {
            put_number(bytes, &REACHED, height);
        }
        match self {
            Self::Ticketed | Self::Asked { .. } | Self::Stranded => {}
            Self::Invited { challenge, .. } => {
                let invitation = Invitation { challenge: challenge.clone() };
                put(bytes, &INVITATION, &invitation.encode());
            }
            Self::Opened { due, proof, .. } | Self::Enrolled { due, proof, .. } => {
                put_number(bytes, &DUE, *due);
                put(bytes, &CHALLENGE, &proof.challenge);
                put(bytes, &SECRET, proof.secret.as_slice());
            }
        }
    }

    fn read(number: u8, fields: &mut Fields<'_>) -> Result<Self, StateError> {
        match number {
            TICKETED => Ok(Self::Ticketed),
            ASKED => Ok(Self::Asked { asked: read_number(fields, &REACHED)? }),
            INVITED => {
                let asked = read_number(fields, &REACHED)?;
                let Invitation { challenge } = Invitation::decode(fields.take(&INVITATION)?)?;
                Ok(Self::Invited { asked, challenge })
            }
            OPENED => {
                let asked = read_number(fields, &REACHED)?;
                let (due, proof) = read_proof(fields)?;
                Ok(Self::Opened { asked, due, proof })
            }
            ENROLLED => {
                let attested = read_number(fields, &REACHED)?;
                let (due, proof) = read_proof(fields)?;
                Ok(Self::Enrolled { attested, due, proof })
            }
            STRANDED => Ok(Self::Stranded),
            _ => Err(StateError::Value(STAGE.name)),
        }
    }
}

fn read_proof(fields: &mut Fields<'_>) -> Result<(u64, Proof), StateError> {
    let due = read_number(fields, &DUE)?;
    let challenge = fields.take_array(&CHALLENGE)?;
    let secret = Zeroizing::new(fields.take_array(&SECRET)?);
    Ok((due, Proof { challenge, secret }))
}
