//! The PCR values that a log's digests give.

use super::kind::EventKind;
use super::parse::{Event, EventLog, Startup};
use crate::crypto::{Digest, Hash};
use crate::tpm::{PCR_COUNT, PcrSet, PcrValues, extend};

/// The first of the PCRs that a PC resets to ones at start: 17 to 22.
const ONES: std::ops::RangeInclusive<u8> = 17..=22;
/// The longest digest of any bank.
const DIGEST_BYTES_MAX: usize = 64;
/// What PCR 0 holds if hardware measured before the start.
const H_CRTM: u8 = 4;

/// Why a log cannot be replayed in a bank.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The log has no digests of this bank.
    #[error("the log has no {bank} digests: replay one of its own banks")]
    NoBank {
        /// The bank.
        bank: Hash,
    },
    /// One event has no digest of this bank.
    #[error("event {event}, of PCR {pcr}, has no {bank} digest")]
    NoDigest {
        /// Its number among the events, from 0.
        event: usize,
        /// Its PCR.
        pcr: u32,
        /// The bank.
        bank: Hash,
    },
}

impl EventLog<'_> {
    /// The values of all 24 PCRs of a bank after the events of this log.
    pub fn replay(&self, bank: Hash) -> Result<PcrValues, ReplayError> {
        if !self.banks().contains(&bank) {
            return Err(ReplayError::NoBank { bank });
        }
        let mut values: Vec<Digest> =
            (0..PCR_COUNT).map(|pcr| self.start_value(bank, pcr)).collect();
        for (event, pcr, digest) in self.extensions(bank) {
            let digest = digest.ok_or(ReplayError::NoDigest { event, pcr, bank })?;
            // The parser let no other index through.
            if let Some(value) = values.get_mut(pcr as usize) {
                *value = extend(value, digest.as_bytes());
            }
        }
        let mut replayed = PcrValues::default();
        for (pcr, value) in (0..PCR_COUNT).zip(values) {
            replayed.set(pcr, value);
        }
        Ok(replayed)
    }

    /// The PCRs that at least one event extends.
    pub fn extended(&self) -> PcrSet {
        let mut indices: Vec<u8> = self
            .events()
            .iter()
            .filter(|event| event.is_extended())
            .filter_map(|event| u8::try_from(event.pcr).ok())
            .collect();
        indices.dedup();
        PcrSet::new(&indices).unwrap_or_default()
    }

    /// What extends: number of the event, PCR, digest.
    pub(super) fn extensions(
        &self,
        bank: Hash,
    ) -> impl Iterator<Item = (usize, u32, Option<&Digest>)> {
        let extended = self.events().iter().enumerate().filter(|(_, event)| event.is_extended());
        extended.map(move |(number, event)| (number, event.pcr, event.digest(bank)))
    }

    /// What a PCR holds before the first event.
    fn start_value(&self, bank: Hash, pcr: u8) -> Digest {
        let mut bytes = [if ONES.contains(&pcr) { 0xff } else { 0 }; DIGEST_BYTES_MAX];
        let bytes = &mut bytes[..bank.bytes()];
        if let (0, Some(last)) = (pcr, bytes.last_mut()) {
            *last = self.locality();
        }
        Digest::from_bytes(bank, bytes).expect("it has the bank's length")
    }

    fn locality(&self) -> u8 {
        let first_of_pcr_0 = |event: &&Event| event.is_extended() && event.pcr == 0;
        match self.startup() {
            Startup::Locality(locality) => locality,
            Startup::NotSaid => match self.events().iter().find(first_of_pcr_0) {
                Some(event) if event.kind == EventKind::EFI_HCRTM_EVENT => H_CRTM,
                _ => 0,
            },
        }
    }
}
