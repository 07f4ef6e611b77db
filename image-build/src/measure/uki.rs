//! From a unified kernel image to what machines measure of it, and back to a prediction.

#[cfg(test)]
mod tests;

use super::data::{Content, Hex, MeasuredEvent, Measurements, PcrValue, SecureBootState};
use super::variables::{Variables, are_of_state};
use attestation::crypto::{Digest, Hash};
use attestation::predict::boot::{
    PREDICTED, PredictedEvent, Prediction, PredictionError, UkiBoot, What,
};
use attestation::predict::uki::{Uki, UkiError};
use thiserror::Error;

/// The phases that our images go through: systemd's units measure these two words. There is no systemd
/// in the initrd, so its two phases are not among them.
pub const PHASES: [&str; 2] = ["sysinit", "ready"];

/// How an image is booted, as far as the image does not say it.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// The variables of secure boot.
    pub variables: Variables<'a>,
    /// How many boot options firmware tries, and that end, before it starts the image.
    pub options_ended: u8,
    /// The phases of the running system.
    pub phases: &'a [&'a str],
}

impl Default for Conditions<'_> {
    /// As a node boots: firmware starts the image itself, from the disk that it tries first.
    fn default() -> Self {
        Self { variables: Variables::OffNoKeys, options_ended: 0, phases: &PHASES }
    }
}

/// Measurements that contradict themselves.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MeasurementsFault {
    /// An event that is none, or is written in another form.
    #[error("event {event} ({what}) {problem}; the file was changed, or is of another version")]
    Event {
        /// Its number, from 0.
        event: usize,
        /// What it says it is.
        what: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Events that no boot has.
    #[error("the events are no prediction")]
    Prediction(#[from] PredictionError),
    /// Values that do not follow from the events.
    #[error("the PCR values are not what the events give; the file was changed")]
    Values,
    /// Variables of another state than the named one.
    #[error("the events of PCR 7 are not those of the named state of secure boot")]
    SecureBoot,
}

/// What a machine measures of an image.
pub fn measurements(image: &[u8], conditions: &Conditions) -> Result<Measurements, UkiError> {
    let uki = Uki::parse(image)?;
    let prediction = Prediction::of(&UkiBoot {
        uki: &uki,
        secure_boot: &conditions.variables.contents(),
        authority: conditions.variables.authority(),
        options_ended: conditions.options_ended,
        loader: None,
        initrd: &uki.initrd_by_stub(),
        phases: conditions.phases,
    })?;
    Ok(Measurements::of(&prediction, conditions.variables.state()))
}

impl Measurements {
    /// A prediction as plain data.
    pub fn of(prediction: &Prediction, secure_boot: SecureBootState) -> Self {
        Self { secure_boot, pcrs: values(prediction), events: events(prediction) }
    }

    /// The prediction: the same that these measurements were made of, or what is wrong with them.
    pub fn prediction(&self) -> Result<Prediction, MeasurementsFault> {
        let numbered = self.events.iter().enumerate();
        let events = numbered.map(|(number, event)| predicted(number, event));
        let prediction = Prediction::from_events(events.collect::<Result<_, _>>()?)?;
        if values(&prediction) != self.pcrs {
            return Err(MeasurementsFault::Values);
        }
        if !are_of_state(&prediction, self.secure_boot) {
            return Err(MeasurementsFault::SecureBoot);
        }
        Ok(prediction)
    }
}

fn predicted(number: usize, event: &MeasuredEvent) -> Result<PredictedEvent, MeasurementsFault> {
    let wrong =
        |problem| MeasurementsFault::Event { event: number, what: event.what.clone(), problem };
    let what = What::from_id(&event.what).ok_or_else(|| wrong("is of no known kind"))?;
    let data = match &event.content {
        Some(content) => {
            Some(content.bytes().ok_or_else(|| wrong("has its content in another form"))?)
        }
        None => None,
    };
    let digests = [of_hex(Hash::Sha256, &event.sha256.0), of_hex(Hash::Sha384, &event.sha384.0)];
    Ok(PredictedEvent { pcr: event.pcr, what, digests, data })
}

fn values(prediction: &Prediction) -> Vec<PcrValue> {
    let (first, second) = (prediction.values(Hash::Sha256), prediction.values(Hash::Sha384));
    let value = |pcr| {
        let predicted = "a prediction has each of these PCRs in both banks";
        PcrValue {
            pcr,
            sha256: to_hex(first.get(Hash::Sha256, pcr).expect(predicted)),
            sha384: to_hex(second.get(Hash::Sha384, pcr).expect(predicted)),
        }
    };
    PREDICTED.into_iter().map(value).collect()
}

fn events(prediction: &Prediction) -> Vec<MeasuredEvent> {
    let event = |event: &PredictedEvent| {
        let [first, second] = &event.digests;
        MeasuredEvent {
            pcr: event.pcr,
            what: event.what.id(),
            sha256: to_hex(first),
            sha384: to_hex(second),
            content: event.data.as_deref().map(Content::of),
        }
    };
    prediction.events().iter().map(event).collect()
}

fn to_hex<const N: usize>(digest: &Digest) -> Hex<N> {
    Hex(digest.as_bytes().try_into().expect("a digest is as long as its bank's"))
}

fn of_hex(bank: Hash, bytes: &[u8]) -> Digest {
    Digest::from_bytes(bank, bytes).expect("the type has the bank's length")
}
