//! How causes are shown.

use attestation::crypto::Hash;
use attestation::explain::{Finding, Root};
use attestation::predict::boot::{PREDICTED, Prediction};
use attestation::tpm::PcrValues;
use serde::Serialize;

use crate::expected::Expected;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Explained {
    verdict: &'static str,
    /// What was expected.
    expected: String,
    /// The bank that was compared.
    bank: String,
    /// Why it deviates: empty if it does not.
    pub causes: Vec<ShownCause>,
    /// Each predicted PCR.
    pcrs: Vec<ShownPcr>,
    /// Whether there was a quote to hold the log against.
    has_quote: bool,
}

/// A cause.
#[derive(Debug, Serialize)]
pub struct ShownCause {
    /// The cause in words.
    cause: String,
    /// Where it was found.
    found: Vec<Place>,
    /// What follows from it.
    consequences: Vec<String>,
}

/// A place in the log.
#[derive(Debug, Serialize)]
struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pcr: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<usize>,
}

/// A PCR.
#[derive(Debug, Serialize)]
struct ShownPcr {
    pcr: u8,
    expected: String,
    /// By the log.
    log: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    quoted: Option<String>,
}

impl Explained {
    /// Of causes and values.
    pub fn new(
        expected: &Expected<Prediction>,
        bank: Hash,
        roots: &[Root],
        replayed: &PcrValues,
        quoted: Option<&PcrValues>,
    ) -> Self {
        let values = expected.measured.values(bank);
        let text = |values: &PcrValues, pcr| values.get(bank, pcr).map(ToString::to_string);
        let pcr = |pcr| ShownPcr {
            pcr,
            expected: text(&values, pcr).unwrap_or_default(),
            log: text(replayed, pcr).unwrap_or_default(),
            quoted: quoted.and_then(|quoted| text(quoted, pcr)),
        };
        Self {
            verdict: if roots.is_empty() { "as expected" } else { "deviates" },
            expected: expected.label.clone(),
            bank: bank.to_string(),
            causes: roots.iter().map(ShownCause::of).collect(),
            pcrs: PREDICTED.into_iter().map(pcr).collect(),
            has_quote: quoted.is_some(),
        }
    }

    /// For people: each cause with its place and what follows from it.
    pub fn as_text(&self) -> String {
        let Self { expected, bank, causes, has_quote, .. } = self;
        let mut text = match causes.len() {
            0 => format!("as expected: {expected}, {bank}\n"),
            1 => format!("deviates from {expected}, {bank}, for one cause:\n"),
            count => format!("deviates from {expected}, {bank}, for {count} causes:\n"),
        };
        for (number, cause) in (1..).zip(causes) {
            text += &format!("{number}. {}\n", cause.cause);
            let places: Vec<String> = cause.found.iter().filter_map(Place::text).collect();
            if !places.is_empty() {
                text += &format!("   in {}\n", places.join(", "));
            }
            for consequence in &cause.consequences {
                text += &format!("   so also {consequence}\n");
            }
        }
        if !has_quote {
            text += "not compared with a quote: the phases of PCR 11, and what the log may hide; see --pcrs\n";
        }
        text
    }
}

impl ShownCause {
    fn of(root: &Root) -> Self {
        let place = |finding: &Finding| Place { pcr: finding.pcr, event: finding.event };
        Self {
            cause: root.cause.to_string(),
            found: root.found.iter().map(place).collect(),
            consequences: root.consequences.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Place {
    fn text(&self) -> Option<String> {
        match (self.pcr?, self.event) {
            (pcr, Some(event)) => Some(format!("PCR {pcr} (event {event})")),
            (pcr, None) => Some(format!("PCR {pcr}")),
        }
    }
}
