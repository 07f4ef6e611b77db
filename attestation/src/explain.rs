//! Why a machine measured something else than it should: causes for people, and nothing more.
//!
//! ```text
//!  observed log  --align, PCR by PCR--> what is missing, what is there instead --name it--> Finding
//!  Prediction    --/                                                              ^
//!  predictions of other releases, a command line that may have been used ---------+
//! ```
//!
//! Nobody is accepted for an explanation: the verdict is the verifier's. Here, types and data of
//! events are read as hints, and an event's data counts as measured only if its hash is the event's
//! digest.

mod added;
mod align;
mod cause;
mod roots;
mod seen;
#[cfg(test)]
mod tests;

pub use added::Added;
pub use cause::{Cause, Finding};
pub use roots::{Root, roots};
pub use seen::Seen;

use crate::crypto::Hash;
use crate::event_log::EventLog;
use crate::predict::boot::{BANKS, PREDICTED, PredictedEvent, Prediction, What};
use crate::tpm::PcrValues;
use align::{Gap, gaps};
use seen::Names;

/// A release whose measurements are known, to be recognized.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What it is called.
    pub label: &'a str,
    /// What its machines measure.
    pub prediction: &'a Prediction,
}

/// What is there to explain with.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The log of the machine.
    pub log: &'a EventLog<'a>,
    /// The values that the machine's TPM quoted, if they are known.
    pub quoted: Option<&'a PcrValues>,
    /// A command line that the machine may have been started with. It is believed only if its hash was
    /// measured.
    pub command_line: Option<&'a str>,
    /// Other releases.
    pub known: &'a [Known<'a>],
}

/// The causes for which a machine's predicted PCRs differ from a prediction, in one bank. Empty if
/// they do not differ.
pub fn explain(observed: &Observed, expected: &Prediction, bank: Hash) -> Vec<Finding> {
    let not_replayed = |cause| vec![Finding { pcr: None, event: None, cause }];
    if !BANKS.contains(&bank) {
        return not_replayed(Cause::NoBank { bank });
    }
    let Ok(replayed) = observed.log.replay(bank) else {
        return not_replayed(Cause::NoBank { bank });
    };
    let names = Names::new(observed, expected, bank);
    let mut findings = Vec::new();
    let cut_off = cut_off(observed, expected, bank);
    findings.extend(cut_off.clone());
    for pcr in PREDICTED {
        if cut_off.is_none() {
            findings.extend(explain_pcr(observed, expected, &names, pcr));
        }
        findings.extend(against_quote(observed, expected, &replayed, bank, pcr));
    }
    findings
}

/// Whether each PCR has what is expected up to a point and nothing from there on, in several of them:
/// the rest of the log is missing, not one event here and one there.
fn cut_off(observed: &Observed, expected: &Prediction, bank: Hash) -> Option<Finding> {
    let (mut pcrs, mut missing) = (0, 0);
    for pcr in PREDICTED {
        let wanted = logged(expected, pcr).map(|event| event.digest(bank));
        let found = observed
            .log
            .events()
            .iter()
            .filter(|event| event.is_extended() && event.pcr == u32::from(pcr));
        let (wanted, found): (Vec<_>, Vec<_>) =
            (wanted.collect(), found.map(|event| event.digest(bank)).collect());
        if !wanted.starts_with(&found) {
            return None;
        }
        if wanted.len() > found.len() {
            pcrs += 1;
            missing += wanted.len() - found.len();
        }
    }
    let finding = Finding { pcr: None, event: None, cause: Cause::CutOff { missing } };
    (pcrs > 1).then_some(finding)
}

/// The events of a PCR that firmware logs: all but the phases, which the running system extends.
fn logged(expected: &Prediction, pcr: u8) -> impl Iterator<Item = &PredictedEvent> {
    let events = expected.events().iter();
    events.filter(move |event| event.pcr == pcr && !matches!(event.what, What::Phase(_)))
}

fn explain_pcr(observed: &Observed, expected: &Prediction, names: &Names, pcr: u8) -> Vec<Finding> {
    let bank = names.bank();
    let wanted: Vec<_> = logged(expected, pcr).collect();
    let found: Vec<_> = observed
        .log
        .events()
        .iter()
        .enumerate()
        .filter(|(_, event)| event.is_extended() && event.pcr == u32::from(pcr))
        .collect();
    let wanted_digests: Vec<_> = wanted.iter().map(|event| event.digest(bank).copied()).collect();
    let found_digests: Vec<_> =
        found.iter().map(|(_, event)| event.digest(bank).copied()).collect();
    gaps(&wanted_digests, &found_digests)
        .into_iter()
        .flat_map(|Gap { wanted: from, found: to }| {
            let image_is_ahead = wanted[from.start..].iter().any(|event| event.what == What::Image);
            cause::of_gap(pcr, &wanted[from], &found[to], image_is_ahead, names)
        })
        .collect()
}

/// What the log cannot explain: the quoted value is neither its replay nor what follows from it by
/// phases of the running system.
fn against_quote(
    observed: &Observed,
    expected: &Prediction,
    replayed: &PcrValues,
    bank: Hash,
    pcr: u8,
) -> Option<Finding> {
    let quoted = observed.quoted?.get(bank, pcr)?;
    let mut value = *replayed.get(bank, pcr)?;
    if *quoted == value {
        let phases = phases(expected, pcr).count();
        return (phases > 0).then_some(Finding {
            pcr: Some(pcr),
            event: None,
            cause: Cause::Phases { reached: 0, wanted: phases },
        });
    }
    let wanted = phases(expected, pcr).count();
    for (reached, event) in phases(expected, pcr).enumerate() {
        value = crate::tpm::extend(&value, event.digest(bank)?.as_bytes());
        if *quoted == value {
            let reached = reached + 1;
            return (reached < wanted).then_some(Finding {
                pcr: Some(pcr),
                event: None,
                cause: Cause::Phases { reached, wanted },
            });
        }
    }
    let is_expected = expected.values(bank).get(bank, pcr) == Some(quoted);
    let cause = if is_expected { Cause::LogAlone } else { Cause::NotInLog };
    Some(Finding { pcr: Some(pcr), event: None, cause })
}

fn phases(expected: &Prediction, pcr: u8) -> impl Iterator<Item = &PredictedEvent> {
    let events = expected.events().iter();
    events.filter(move |event| event.pcr == pcr && matches!(event.what, What::Phase(_)))
}
