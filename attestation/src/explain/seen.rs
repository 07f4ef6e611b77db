//! What an unexpected event is, as far as it can be told.

use super::Observed;
use crate::crypto::{Digest, Hash};
use crate::event_log::{Event, EventKind};
use crate::predict::boot::{PredictedEvent, Prediction, What};
use crate::predict::uki::load_options;
use crate::predict::variable::read_variable_data;
use std::fmt;

/// The longest text of an event that is shown.
const SHOWN_CHARS_MAX: usize = 120;
/// Where the stub measures what is added to an image.
const ADDITIONS_PCR: u32 = 12;
/// The content of a separator that reports an error of the firmware.
const SEPARATOR_ERRORS: [[u8; 4]; 2] = [[0xff; 4], [1, 0, 0, 0]];
/// Words of the firmware that are known by their digest.
const WORDS: [(&str, &[u8]); 3] = [
    ("start of a boot option", b"Calling EFI Application from Boot Option"),
    ("end of a boot option", b"Returning from EFI Application from Boot Option"),
    ("separator", &[0; 4]),
];
/// The names of sections that stubs measure.
const SECTIONS: [&str; 14] = [
    ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat",
    ".pcrpkey", ".profile", ".dtbauto", ".hwids", ".efifw",
];

/// What an event in the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The digest is one that the expected release has at another place.
    Own(What),
    /// The digest is one of another release.
    OfRelease {
        /// The release.
        label: String,
        /// What it is there.
        what: What,
    },
    /// Firmware says that a boot option starts.
    BootOption,
    /// Firmware says that a boot option ended.
    BootOptionEnded,
    /// A separator.
    Separator,
    /// A separator that reports an error.
    ErrorSeparator,
    /// The name of a section.
    SectionName(&'static str),
    /// A command line that may have been used.
    CommandLine,
    /// A text that was measured.
    Text(String),
    /// A variable of firmware or of a boot loader, whose content was measured.
    Variable(String),
    /// An event that claims to be something.
    Claims {
        /// Its claimed type.
        kind: EventKind,
        /// Its description, if it is text.
        text: Option<String>,
    },
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(what) => write!(f, "the {what}, which belongs elsewhere"),
            Self::OfRelease { label, what } => write!(f, "the {what} of release {label}"),
            Self::BootOption => f.write_str("a start of a boot option"),
            Self::BootOptionEnded => f.write_str("an end of a boot option"),
            Self::Separator => f.write_str("a separator"),
            Self::ErrorSeparator => f.write_str("a separator that reports an error"),
            Self::SectionName(name) => write!(f, "the name of section {name}"),
            Self::CommandLine => f.write_str("a command line"),
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Claims { kind, text: None } => write!(f, "something that claims to be {kind}"),
            Self::Claims { kind, text: Some(text) } => {
                write!(f, "something that claims to be {kind} {text:?}")
            }
        }
    }
}

/// Digests with a meaning.
pub(super) struct Names<'a> {
    bank: Hash,
    own: Vec<(Digest, &'a What)>,
    releases: Vec<(Digest, &'a str, &'a What)>,
    words: Vec<(Digest, Seen)>,
    /// Command lines that may have been used, each with the digests by which it would be measured.
    command_lines: Vec<(String, [Digest; 2])>,
}

impl<'a> Names<'a> {
    pub fn new(observed: &Observed<'a>, expected: &'a Prediction, bank: Hash) -> Self {
        let digests = |prediction: &'a Prediction| {
            let events = prediction.events().iter();
            events.filter_map(move |event| Some((*event.digest(bank)?, &event.what)))
        };
        let releases = observed.known.iter().flat_map(|known| {
            digests(known.prediction).map(|(digest, what)| (digest, known.label, what))
        });
        let mut words: Vec<_> = WORDS
            .iter()
            .zip([Seen::BootOption, Seen::BootOptionEnded, Seen::Separator])
            .map(|((_, bytes), seen)| (bank.digest(bytes), seen))
            .collect();
        words.extend(
            SEPARATOR_ERRORS.iter().map(|bytes| (bank.digest(bytes), Seen::ErrorSeparator)),
        );
        words.extend(
            SECTIONS.iter().map(|&name| {
                (bank.digest_parts(&[name.as_bytes(), &[0]]), Seen::SectionName(name))
            }),
        );
        let digests_of = |text: String| {
            let measured = [bank.digest(&load_options(&text)), bank.digest(text.as_bytes())];
            (text, measured)
        };
        let command_lines = command_lines(observed, bank).into_iter().map(digests_of).collect();
        Self {
            bank,
            own: digests(expected).collect(),
            releases: releases.collect(),
            words,
            command_lines,
        }
    }

    pub fn bank(&self) -> Hash {
        self.bank
    }

    /// The release that has this digest, and what it is there.
    pub fn release(&self, event: &Event) -> Option<(&'a str, &'a What)> {
        let digest = event.digest(self.bank)?;
        let (_, label, what) = self.releases.iter().find(|(known, ..)| known == digest)?;
        Some((label, what))
    }

    /// The command line that was measured, if it is one that may have been used.
    pub fn command_line(&self, event: &Event) -> Option<&str> {
        let digest = event.digest(self.bank)?;
        let found = self.command_lines.iter().find(|(_, known)| known.contains(digest));
        found.map(|(text, _)| text.as_str())
    }

    /// What an event is.
    pub fn seen(&self, event: &Event) -> Seen {
        let claims = Seen::Claims { kind: event.kind, text: text(event.data) };
        let Some(digest) = event.digest(self.bank) else { return claims };
        if let Some((_, seen)) = self.words.iter().find(|(known, _)| known == digest) {
            return seen.clone();
        }
        if let Some((_, what)) = self.own.iter().find(|(known, _)| known == digest) {
            return Seen::Own((*what).clone());
        }
        if let Some((label, what)) = self.release(event) {
            return Seen::OfRelease { label: label.to_owned(), what: what.clone() };
        }
        if event.data_is_measured(self.bank) {
            if let Some(text) = text(event.data) {
                return Seen::Text(text);
            }
            if let Ok((name, _)) = read_variable_data(event.data) {
                return Seen::Variable(name);
            }
        }
        match self.command_line(event) {
            Some(_) => Seen::CommandLine,
            None => claims,
        }
    }
}

/// Command lines that may have been used: the given one, those of other releases, and those that the log
/// itself has, as what is added beside the image is logged in full.
fn command_lines(observed: &Observed, bank: Hash) -> Vec<String> {
    let given = observed.command_line.map(str::to_owned);
    let events = observed.known.iter().flat_map(|known| known.prediction.events());
    let of_releases =
        events.filter(|event| matches!(event.what, What::LoadOptions | What::Section(".cmdline")));
    let logged = observed.log.events().iter().filter(|event| {
        event.is_extended() && event.pcr == ADDITIONS_PCR && event.data_is_measured(bank)
    });
    given
        .into_iter()
        .chain(of_releases.filter_map(command_line_of))
        .chain(logged.filter_map(|event| whole_text(event.data)))
        .collect()
}

/// The command line that an event measures.
pub(super) fn command_line_of(event: &PredictedEvent) -> Option<String> {
    let data = event.data.as_deref()?;
    let text = match event.what {
        What::LoadOptions => {
            let units = data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|letter| letter.unwrap_or('?')).collect()
        }
        _ => String::from_utf8_lossy(data).into_owned(),
    };
    Some(text.trim_end_matches('\0').to_owned())
}

/// The text in some bytes, cut to what can be shown.
fn text(bytes: &[u8]) -> Option<String> {
    whole_text(bytes).map(|text| text.chars().take(SHOWN_CHARS_MAX).collect())
}

/// The text in some bytes, UTF-16 as firmware writes it or UTF-8.
fn whole_text(bytes: &[u8]) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let wide = char::decode_utf16(units).collect::<Result<String, _>>().ok();
    let narrow = std::str::from_utf8(bytes).ok().map(str::to_owned);
    // A few bytes of anything can be letters of some script.
    let is_text = |text: &String| {
        text.contains(|letter: char| letter.is_ascii_alphanumeric())
            && text.chars().all(|letter| !letter.is_control() && letter <= '\u{24f}')
    };
    let trimmed = |text: Option<String>| {
        text.map(|text| text.trim_end_matches('\0').to_owned()).filter(is_text)
    };
    trimmed(narrow).or_else(|| trimmed(wide))
}
