//! The TPM's part.

use crate::error::MakeError;
use attestation::crypto::Hash;
use attestation::evidence::{self, GuestName, Statement, TpmPart};
use attestation::tpm::credential::Challenge;
use attestation::tpm::{Name, PcrSelection, Public};
use os_kit_tpm::{Bank, EkKind, Secret, Tpm};

/// Who a TPM is: what a challenge is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which endorsement key.
    pub kind: EkKind,
    /// Its certificate in DER.
    pub ek_certificate: Vec<u8>,
    /// The certificates of the issuers that the TPM stores.
    pub issuers: Vec<Vec<u8>>,
    /// The endorsement key: TPMT_PUBLIC.
    pub ek_public: Vec<u8>,
    /// The attestation key: TPMT_PUBLIC.
    pub ak_public: Vec<u8>,
}

impl Identity {
    /// The names of endorsement key and attestation key: what a guest's report names the TPM by.
    pub fn names(&self) -> Result<(Name, Name), MakeError> {
        let name = |what, bytes: &[u8]| {
            let read = Public::parse(bytes);
            read.map(|public| public.name())
                .map_err(|error| MakeError::Unreadable { what, reason: error.to_string() })
        };
        Ok((
            name("the endorsement key", &self.ek_public)?,
            name("the attestation key", &self.ak_public)?,
        ))
    }
}

/// Asks a TPM who it is: by the endorsement key of this kind.
pub fn identity(tpm: &Tpm, kind: EkKind) -> Result<Identity, MakeError> {
    let ek = tpm.endorsement_key(kind)?;
    let stored = ek.certificate.ok_or(MakeError::NoCertificate(kind_name(kind)))?;
    let unreadable = |what, reason: &str| MakeError::Unreadable { what, reason: reason.into() };
    let (ek_certificate, _) = first_certificate(&stored)
        .ok_or_else(|| unreadable("the certificate of the endorsement key", "it is no DER"))?;
    let mut issuers = Vec::new();
    let mut rest = ek.issuers.as_slice();
    // Behind the last one is padding, or nothing.
    while let Some((certificate, behind)) = first_certificate(rest) {
        issuers.push(certificate.to_vec());
        rest = behind;
    }
    let ak_public = tpm.attestation_key()?.public().to_vec();
    Ok(Identity {
        kind,
        ek_certificate: ek_certificate.to_vec(),
        issuers,
        ek_public: ek.public,
        ak_public,
    })
}

fn kind_name(kind: EkKind) -> &'static str {
    match kind {
        EkKind::Rsa2048 => "RSA-2048",
        EkKind::P256 => "P-256",
        EkKind::P384 => "P-384",
    }
}

/// The DER value at the beginning, without the padding that TPMs store behind it.
fn first_certificate(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x30, length, rest @ ..] = bytes else { return None };
    let (head, content) = match (length, rest) {
        (0x81, [a, ..]) => (3, usize::from(*a)),
        (0x82, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (short @ 1..=0x7f, _) => (2, usize::from(*short)),
        _ => return None,
    };
    bytes.split_at_checked(head + content)
}

/// A challenge that this TPM has opened.
pub struct OpenedChallenge {
    /// Its name.
    pub id: [u8; 32],
    /// Its secret: known to who made it, and now to this machine.
    pub secret: Secret,
}

/// Lets the TPM open a challenge: it does so if both keys of `kind` and its attestation key are its own.
pub fn open_challenge(
    tpm: &Tpm,
    kind: EkKind,
    challenge: &Challenge,
) -> Result<OpenedChallenge, MakeError> {
    let credential = content(&challenge.id_object)?;
    let seed = content(&challenge.encrypted_secret)?;
    let key = tpm.attestation_key()?;
    let secret = tpm.activate_credential(&key, kind, credential, seed)?;
    Ok(OpenedChallenge { id: evidence::challenge_id(challenge), secret })
}

/// What stands behind the length of a TPM2B.
fn content(sized: &[u8]) -> Result<&[u8], MakeError> {
    const FORM: MakeError = MakeError::Challenge("a part of it is no TPM2B");
    let (length, content) = sized.split_first_chunk().ok_or(FORM)?;
    if usize::from(u16::from_be_bytes(*length)) != content.len() {
        return Err(FORM);
    }
    Ok(content)
}

/// What the TPM's part is made of, beside the TPM.
pub struct TpmInputs<'a> {
    /// Who the TPM is.
    pub identity: &'a Identity,
    /// The challenge that it has opened.
    pub challenge: &'a OpenedChallenge,
    /// Which registers are quoted: those of the verifier's policy.
    pub selection: &'a PcrSelection,
    /// The firmware's event log.
    pub log: &'a [u8],
    /// The guest that the host vouches for, in the role of a machine.
    pub guest: Option<&'a GuestName>,
}

/// Quotes the registers over the statement and all of the rest.
pub fn tpm_part(
    tpm: &Tpm,
    statement: &Statement,
    inputs: &TpmInputs<'_>,
) -> Result<TpmPart, MakeError> {
    let TpmInputs { identity, challenge, selection, log, guest } = *inputs;
    let mut part = TpmPart {
        ek_certificate: identity.ek_certificate.clone(),
        issuers: identity.issuers.clone(),
        ek_public: identity.ek_public.clone(),
        ak_public: identity.ak_public.clone(),
        challenge: challenge.id,
        answer: [0; 32],
        message: Vec::new(),
        signature: Vec::new(),
        selection: selection.clone(),
        pcrs: Vec::new(),
        log: log.to_vec(),
    };
    let nonce = statement.tpm_nonce(&part.identity(), guest);
    part.answer = evidence::answer(challenge.secret.expose(), &nonce);
    let key = tpm.attestation_key()?;
    let quote = tpm.quote(&key, &to_quote(selection)?, &nonce)?;
    part.message = quote.statement.message;
    part.signature = quote.statement.signature;
    part.pcrs = quote.pcrs.iter().flat_map(|(_, _, value)| value.to_vec()).collect();
    Ok(part)
}

fn to_quote(selection: &PcrSelection) -> Result<os_kit_tpm::PcrSelection, MakeError> {
    let mut all = os_kit_tpm::PcrSelection::default();
    for (bank, set) in &selection.0 {
        let bank = match bank {
            Hash::Sha1 => Bank::Sha1,
            Hash::Sha256 => Bank::Sha256,
            Hash::Sha384 => Bank::Sha384,
            Hash::Sha512 => Bank::Sha512,
        };
        all = all.and(bank, &set.indices().collect::<Vec<u8>>())?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_taken_without_their_padding() {
        let long = [&[0x30, 0x82, 1, 0][..], &[7; 256]].concat();
        let padded = [long.as_slice(), &[0x30, 1, 9], &[0xff; 3]].concat();
        let (first, rest) = first_certificate(&padded).unwrap();
        assert_eq!(first, long);
        let (second, rest) = first_certificate(rest).unwrap();
        assert_eq!((second, rest), (&[0x30, 1, 9][..], &[0xff; 3][..]));
        for none in
            [&[0xff, 0xff][..], &[0x30], &[0x30, 0x80, 0, 0], &[0x30, 5, 0], &[0x30, 0x82, 1]]
        {
            assert_eq!(first_certificate(none), None);
        }
    }

    #[test]
    fn challenges_have_the_form_of_tpms() {
        assert_eq!(content(&[0, 2, 8, 9]).unwrap(), [8, 9]);
        for wrong in [&[][..], &[0], &[0, 1], &[0, 0, 1]] {
            assert!(content(wrong).is_err());
        }
    }
}
