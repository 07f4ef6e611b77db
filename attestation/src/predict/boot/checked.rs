//! Predictions that come from a file: what somebody else predicted, checked before it is used.

use super::{BANKS, PREDICTED, PredictedEvent, Prediction, What};

/// Far more events than a boot has.
const EVENT_COUNT_MAX: usize = 1024;

/// Why events are no prediction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredictionError {
    /// There are too many.
    #[error("there are more than {EVENT_COUNT_MAX} events")]
    TooMany,
    /// One of them cannot be.
    #[error("event {event} ({id}) {problem}")]
    Event {
        /// Its number, from 0.
        event: usize,
        /// What it is.
        id: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Prediction {
    /// From events in the order in which [`Prediction::events`] gives them.
    pub fn from_events(events: Vec<PredictedEvent>) -> Result<Self, PredictionError> {
        if events.len() > EVENT_COUNT_MAX {
            return Err(PredictionError::TooMany);
        }
        let mut before: Option<&PredictedEvent> = None;
        for (number, event) in events.iter().enumerate() {
            if let Some(problem) = problem(event, before) {
                let id = event.what.id();
                return Err(PredictionError::Event { event: number, id, problem });
            }
            before = Some(event);
        }
        Ok(Self { events })
    }
}

/// What is wrong with an event.
fn problem(event: &PredictedEvent, before: Option<&PredictedEvent>) -> Option<&'static str> {
    let PredictedEvent { pcr, what, digests, data } = event;
    if !PREDICTED.contains(pcr) || !what.pcrs().contains(pcr) {
        return Some("does not extend this PCR");
    }
    if digests.iter().zip(BANKS).any(|(digest, bank)| digest.hash() != bank) {
        return Some("does not have its digests in the order of the banks");
    }
    let differs =
        |data: &[u8]| digests.iter().zip(BANKS).any(|(own, bank)| *own != bank.digest(data));
    if data.as_deref().is_some_and(differs) {
        return Some("has another digest than its content");
    }
    let is_phase = |what: &What| matches!(what, What::Phase(_));
    if let What::Phase(word) = what
        && data.as_deref().is_none_or(|data| data != word.as_bytes())
    {
        return Some("does not measure its word");
    }
    match before {
        Some(before) if before.pcr > *pcr => Some("comes after one of a higher PCR"),
        Some(before) if is_phase(&before.what) && !is_phase(what) => Some("comes after a phase"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
