//! States of secure boot: the variables that firmware measures into PCR 7.

use super::data::SecureBootState;
use attestation::crypto::Hash;
use attestation::event_log::{EventKind, EventLog};
use attestation::predict::boot::{Prediction, What};
use attestation::predict::variable::{
    SecureBoot, SecureBootVariable, Signature, read_variable_data, signatures,
};
use std::borrow::Cow;

/// The bank by which contents in a log are believed.
const BANK: Hash = Hash::Sha256;

/// The variables of secure boot on a machine.
#[derive(Clone, Copy, Debug)]
pub enum Variables<'a> {
    /// As in [`SecureBootState::OffNoKeys`].
    OffNoKeys,
    /// As in [`SecureBootState::Absent`].
    Absent,
    /// Those of one machine.
    Keys {
        /// The contents.
        contents: &'a SecureBoot,
        /// The entry of `db` that lets the image start, if secure boot is on.
        authority: Option<Signature<'a>>,
    },
}

impl<'a> Variables<'a> {
    /// The state that they are.
    pub fn state(&self) -> SecureBootState {
        match self {
            Self::OffNoKeys => SecureBootState::OffNoKeys,
            Self::Absent => SecureBootState::Absent,
            Self::Keys { .. } => SecureBootState::Keys,
        }
    }

    pub(super) fn contents(&self) -> Cow<'a, SecureBoot> {
        match self {
            Self::OffNoKeys => Cow::Owned(without_keys(Some(false))),
            Self::Absent => Cow::Owned(without_keys(None)),
            Self::Keys { contents, .. } => Cow::Borrowed(contents),
        }
    }

    pub(super) fn authority(&self) -> Option<Signature<'a>> {
        match self {
            Self::Keys { authority, .. } => *authority,
            Self::OffNoKeys | Self::Absent => None,
        }
    }
}

fn without_keys(is_on: Option<bool>) -> SecureBoot {
    SecureBoot { is_on, ..SecureBoot::default() }
}

/// The variables that a machine's log has. None if one of the five is missing, or its content is not what
/// was measured.
pub fn variables_of_log(log: &EventLog) -> Option<SecureBoot> {
    let contents: Vec<(String, &[u8])> = log
        .events()
        .iter()
        .filter(|event| event.pcr == 7 && event.kind == EventKind::EFI_VARIABLE_DRIVER_CONFIG)
        .filter(|event| event.data_is_measured(BANK))
        .filter_map(|event| read_variable_data(event.data).ok())
        .collect();
    let content = |variable: SecureBootVariable| {
        let mut own = contents.iter().filter(|(name, _)| name == variable.name());
        match (own.next(), own.next()) {
            (Some((_, content)), None) => Some(*content),
            _ => None,
        }
    };
    Some(SecureBoot {
        is_on: match content(SecureBootVariable::SecureBoot)? {
            [] => None,
            [0] => Some(false),
            [1] => Some(true),
            _ => return None,
        },
        platform_key: content(SecureBootVariable::PlatformKey)?.to_vec(),
        key_exchange_keys: content(SecureBootVariable::KeyExchangeKeys)?.to_vec(),
        allowed: content(SecureBootVariable::Allowed)?.to_vec(),
        forbidden: content(SecureBootVariable::Forbidden)?.to_vec(),
    })
}

/// The entry of `db` that let a program start, by a machine's log.
pub fn authority_of_log<'a>(log: &EventLog, contents: &'a SecureBoot) -> Option<Signature<'a>> {
    let entries = signatures(&contents.allowed).ok()?;
    let measured = log
        .events()
        .iter()
        .filter(|event| event.pcr == 7 && event.kind == EventKind::EFI_VARIABLE_AUTHORITY);
    let digests: Vec<_> = measured.filter_map(|event| event.digest(BANK)).collect();
    entries.into_iter().find(|entry| {
        let data = attestation::predict::variable::authority_data(entry);
        digests.contains(&&BANK.digest(&data))
    })
}

/// Whether PCR 7 has the five variables, with the contents that the state names.
pub(super) fn are_of_state(prediction: &Prediction, state: SecureBootState) -> bool {
    let found: Vec<_> = prediction
        .events()
        .iter()
        .filter_map(|event| match event.what {
            What::Variable(variable) => Some((variable, event)),
            _ => None,
        })
        .collect();
    let is_order = found.iter().map(|(variable, _)| *variable).eq(SecureBootVariable::ALL);
    let equals = |contents: &SecureBoot| {
        found.iter().all(|(variable, event)| {
            event.digest(BANK) == Some(&BANK.digest(&contents.measured(*variable)))
        })
    };
    let (off, absent) = (equals(&without_keys(Some(false))), equals(&without_keys(None)));
    is_order
        && match state {
            SecureBootState::OffNoKeys => off,
            SecureBootState::Absent => absent,
            // What stands in no other file must stand in this one.
            SecureBootState::Keys => {
                !off && !absent && found.iter().all(|(_, event)| event.data.is_some())
            }
        }
}
