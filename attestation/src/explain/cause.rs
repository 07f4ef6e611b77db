//! Causes: what differs at one place of one PCR.

use super::added::Added;
use super::seen::{Names, Seen, command_line_of};
use crate::crypto::Hash;
use crate::event_log::Event;
use crate::predict::boot::{PredictedEvent, What};
use crate::predict::variable::{SecureBootVariable, Signature, read_variable_data, signatures};
use std::collections::BTreeSet;
use std::fmt;

/// A cause, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The PCR; none if all of them are meant.
    pub pcr: Option<u8>,
    /// The event in the log, from 0; none if it is missing there.
    pub event: Option<usize>,
    /// Why.
    pub cause: Cause,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pcr) = self.pcr {
            write!(f, "PCR {pcr}: ")?;
        }
        write!(f, "{}", self.cause)?;
        if let Some(event) = self.event {
            write!(f, " (event {event})")?;
        }
        Ok(())
    }
}

/// Why a machine measured something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Another content stands at its place.
    Replaced {
        /// What was expected there.
        what: What,
        /// The release that the found one belongs to, if it is known.
        release: Option<String>,
    },
    /// The command line is another one, which is known.
    CommandLine {
        /// The first byte that differs.
        at: usize,
        /// The expected text from there on.
        expected: String,
        /// The found text from there on.
        found: String,
    },
    /// Secure boot was switched.
    SecureBoot {
        /// Whether it is on now.
        is_on: bool,
    },
    /// A list of keys or digests changed.
    List {
        /// The variable.
        variable: SecureBootVariable,
        /// How many certificates it gained and lost.
        certificates: [usize; 2],
        /// How many digests it gained and lost.
        digests: [usize; 2],
    },
    /// A list has the same entries in another order or form.
    ListForm {
        /// The variable.
        variable: SecureBootVariable,
    },
    /// An expected event is not there.
    Missing {
        /// What was expected.
        what: What,
    },
    /// A program was started that is not expected: another loader before the image, or a tool.
    Program {
        /// Whether it was started before the image.
        is_before: bool,
        /// The release that it belongs to, if it is known.
        release: Option<String>,
    },
    /// An event is there that is not expected.
    Extra {
        /// What it is.
        seen: Seen,
    },
    /// A boot option was tried before, and ended.
    OptionEnded,
    /// Firmware reports an error.
    FirmwareError,
    /// A section of the image is not expected.
    ExtraSection {
        /// Its name.
        name: &'static str,
    },
    /// Something was added beside the image.
    Added {
        /// What it is.
        added: Added,
    },
    /// The log ends before the events that were expected last.
    CutOff {
        /// How many are missing.
        missing: usize,
    },
    /// The quoted value is as expected, but the log does not give it.
    LogAlone,
    /// The quoted value is not what the log gives: the log hides or makes up events.
    NotInLog,
    /// The running system has gone through fewer phases.
    Phases {
        /// How many.
        reached: usize,
        /// How many were expected.
        wanted: usize,
    },
    /// The log has no digests of the bank, or the prediction has none.
    NoBank {
        /// The bank.
        bank: Hash,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { what, release: Some(label) } => {
                write!(f, "the {what} is that of release {label}")
            }
            Self::Replaced { what, release: None } => write!(f, "the {what} was replaced"),
            Self::CommandLine { at, expected, found } => {
                write!(
                    f,
                    "the command line differs at byte {at}: expected {}, found {}",
                    shown(expected),
                    shown(found)
                )
            }
            Self::SecureBoot { is_on: true } => f.write_str("secure boot is on"),
            Self::SecureBoot { is_on: false } => f.write_str("secure boot is off"),
            Self::List { variable, certificates, digests } => {
                write!(f, "{variable} {}", changes(*certificates, *digests))
            }
            Self::ListForm { variable } => {
                write!(f, "{variable} has the same entries in another order or form")
            }
            Self::Missing { what } => write!(f, "the {what} is missing"),
            Self::Program { is_before, release } => {
                let program = match release {
                    Some(label) => format!("a program of release {label}"),
                    None => "another program".to_owned(),
                };
                let place =
                    if *is_before { "before the image, as a boot loader is" } else { "after it" };
                write!(f, "{program} was started {place}")
            }
            Self::Extra { seen } => write!(f, "there is also {seen}"),
            Self::OptionEnded => f.write_str("another boot option was tried first, and ended"),
            Self::FirmwareError => f.write_str("firmware reports an error by its separator"),
            Self::ExtraSection { name } => write!(f, "the image has one more section, {name}"),
            Self::Added { added } => write!(f, "{added}"),
            Self::CutOff { missing } => {
                let plural = if *missing == 1 { "" } else { "s" };
                write!(f, "the log ends early: its last {missing} event{plural} are missing")
            }
            Self::LogAlone => f.write_str(
                "the quoted value is as expected, but the log does not give it: the log was changed",
            ),
            Self::NotInLog => {
                f.write_str("the quoted value is not what the log gives: events are hidden")
            }
            Self::Phases { reached, wanted } => {
                write!(f, "the system has gone through {reached} of {wanted} phases")
            }
            Self::NoBank { bank } => write!(f, "there are no {bank} digests to compare"),
        }
    }
}

/// The rest of a command line, as long as it is of use.
fn shown(rest: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    if rest.is_empty() {
        return "its end".to_owned();
    }
    match rest.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?} and more", &rest[..end]),
        None => format!("{rest:?}"),
    }
}

/// How a list changed: `gained 1 certificate, lost 2 digests`.
fn changes(certificates: [usize; 2], digests: [usize; 2]) -> String {
    let mut changes = Vec::new();
    for ([gained, lost], noun) in [(certificates, "certificate"), (digests, "digest")] {
        for (verb, count) in [("gained", gained), ("lost", lost)] {
            let plural = if count == 1 { "" } else { "s" };
            if count > 0 {
                changes.push(format!("{verb} {count} {noun}{plural}"));
            }
        }
    }
    changes.join(", ")
}

/// The causes of one gap: expected events, and what stands there instead. Both are joined from their
/// ends on, as what is added stands before most often: a loader, an option that was tried.
pub(super) fn of_gap(
    pcr: u8,
    wanted: &[&PredictedEvent],
    found: &[(usize, &Event)],
    image_is_ahead: bool,
    names: &Names,
) -> Vec<Finding> {
    let finding = |event, cause| Finding { pcr: Some(pcr), event, cause };
    let mut findings = Vec::new();
    let mut rest: Vec<(usize, &Event)> = found.to_vec();
    let mut missing = Vec::new();
    for event in wanted.iter().rev() {
        match partner(event, &rest, names) {
            Some(at) => {
                let (number, other) = rest.remove(at);
                findings.push(finding(Some(number), replaced(event, other, names)));
            }
            None => missing.push(event.what.clone()),
        }
    }
    let is_told = |what: &What| match what {
        // The name of a section goes with its content.
        What::SectionName(name) => !missing.contains(&What::Section(name)),
        _ => true,
    };
    let told: Vec<_> = missing.iter().filter(|what| is_told(what)).cloned().collect();
    findings.extend(told.into_iter().map(|what| finding(None, Cause::Missing { what })));
    let mut before = None;
    for (number, event) in rest {
        let seen = names.seen(event);
        let is_told = match (&before, &seen) {
            // A content goes with the name of its section, a start with the end before it.
            (Some(Seen::SectionName(_)), seen) => matches!(seen, Seen::SectionName(_)),
            (Some(Seen::BootOptionEnded), Seen::BootOption) => false,
            _ => true,
        };
        before = Some(seen.clone());
        if is_told {
            findings.push(finding(Some(number), extra(pcr, seen, image_is_ahead)));
        }
    }
    findings.reverse();
    findings
}

/// The found event that stands for an expected one.
fn partner(wanted: &PredictedEvent, found: &[(usize, &Event)], names: &Names) -> Option<usize> {
    let last = |test: &dyn Fn(&Event) -> bool| found.iter().rposition(|(_, event)| test(event));
    let is_unknown = |event: &Event| {
        matches!(
            names.seen(event),
            Seen::Claims { .. } | Seen::Text(_) | Seen::CommandLine | Seen::Variable(_)
        )
    };
    match &wanted.what {
        // A variable says its name, in what was measured.
        What::Variable(variable) => last(&|event| {
            variable_of(event, names).is_some_and(|(name, _)| name == variable.name())
        })
        .or_else(|| last(&|event| is_unknown(event) && variable_of(event, names).is_none())),
        // What has one form only is there or is missing.
        What::SectionName(_) | What::BootOption | What::BootOptionEnded => None,
        What::Separator => last(&|event| names.seen(event) == Seen::ErrorSeparator),
        what => last(&|event| names.release(event).is_some_and(|(_, other)| other == what))
            .or_else(|| last(&is_unknown)),
    }
}

/// Name and content of the variable that an event measured; none if it only says so.
fn variable_of<'e>(event: &Event<'e>, names: &Names) -> Option<(String, &'e [u8])> {
    event.data_is_measured(names.bank()).then(|| read_variable_data(event.data).ok()).flatten()
}

fn replaced(wanted: &PredictedEvent, found: &Event, names: &Names) -> Cause {
    match &wanted.what {
        What::Variable(variable) => {
            if let Some(cause) = variable_changed(*variable, wanted, found, names) {
                return cause;
            }
        }
        What::LoadOptions | What::Section(".cmdline") => {
            let known = names.command_line(found);
            if let Some(cause) = known.and_then(|known| command_line(wanted, known)) {
                return cause;
            }
        }
        What::Separator => return Cause::FirmwareError,
        _ => {}
    }
    let release = names.release(found).map(|(label, _)| label.to_owned());
    Cause::Replaced { what: wanted.what.clone(), release }
}

/// Where the command line that was measured differs from the expected one.
fn command_line(wanted: &PredictedEvent, found: &str) -> Option<Cause> {
    let expected = command_line_of(wanted)?;
    let same = expected.char_indices().zip(found.chars()).find(|((_, a), b)| a != b);
    let at = same.map_or(expected.len().min(found.len()), |((at, _), _)| at);
    let rest = |text: &str| text.get(at..).unwrap_or_default().to_owned();
    Some(Cause::CommandLine { at, expected: rest(&expected), found: rest(found) })
}

/// What changed in a variable, whose content is known on both sides.
fn variable_changed(
    variable: SecureBootVariable,
    wanted: &PredictedEvent,
    found: &Event,
    names: &Names,
) -> Option<Cause> {
    let (_, expected) = read_variable_data(wanted.data.as_deref()?).ok()?;
    let (_, content) = variable_of(found, names)?;
    if variable == SecureBootVariable::SecureBoot {
        return Some(Cause::SecureBoot { is_on: content == [1] });
    }
    let (before, after) = (signatures(expected).ok()?, signatures(content).ok()?);
    let (before, after): (BTreeSet<Signature>, BTreeSet<_>) =
        (before.into_iter().collect(), after.into_iter().collect());
    let count = |from: &BTreeSet<Signature>, without: &BTreeSet<_>, certificates: bool| {
        from.difference(without).filter(|entry| entry.is_certificate() == certificates).count()
    };
    let change =
        |certificates| [count(&after, &before, certificates), count(&before, &after, certificates)];
    let (certificates, digests) = (change(true), change(false));
    if certificates == [0, 0] && digests == [0, 0] {
        return Some(Cause::ListForm { variable });
    }
    Some(Cause::List { variable, certificates, digests })
}

fn extra(pcr: u8, seen: Seen, image_is_ahead: bool) -> Cause {
    match (pcr, seen) {
        (_, Seen::ErrorSeparator) => Cause::FirmwareError,
        (4, Seen::BootOptionEnded) => Cause::OptionEnded,
        (4, Seen::Claims { .. }) => Cause::Program { is_before: image_is_ahead, release: None },
        (4, Seen::OfRelease { label, .. }) => {
            Cause::Program { is_before: image_is_ahead, release: Some(label) }
        }
        (11, Seen::SectionName(name)) => Cause::ExtraSection { name },
        (12..=14, seen) => Cause::Added { added: Added::of(pcr, seen) },
        (_, seen) => Cause::Extra { seen },
    }
}
