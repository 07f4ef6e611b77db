//! What an unexpected event is, as far as it can be told.

use super::Observed;
use crate::crypto::{Digest, Hash};
use crate::event_log::{Event, EventKind};
use crate::predict::boot::{Prediction, What};
use crate::predict::uki::load_options;
use std::fmt;

/// The longest text of an event that is shown.
const SHOWN_CHARS_MAX: usize = 120;
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
    /// The given command line.
    CommandLine,
    /// A text that was measured.
    Text(String),
    /// An event that claims to be something.
    Claims {
        /// Its claimed type.
        kind: EventKind,
    },
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(what) => write!(f, "{what}, which belongs elsewhere"),
            Self::OfRelease { label, what } => write!(f, "{what} of release {label}"),
            Self::BootOption => f.write_str("start of a boot option"),
            Self::BootOptionEnded => f.write_str("end of a boot option"),
            Self::Separator => f.write_str("separator"),
            Self::ErrorSeparator => f.write_str("separator that reports an error"),
            Self::SectionName(name) => write!(f, "name of section {name}"),
            Self::CommandLine => f.write_str("the given command line"),
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::Claims { kind } => write!(f, "something that claims to be {kind}"),
        }
    }
}

/// Digests with a meaning.
pub(super) struct Names<'a> {
    bank: Hash,
    own: Vec<(Digest, &'a What)>,
    releases: Vec<(Digest, &'a str, &'a What)>,
    words: Vec<(Digest, Seen)>,
    /// The given command line, with the digests by which it would be measured.
    pub command_line: Option<(&'a str, [Digest; 2])>,
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
        let command_line = observed
            .command_line
            .map(|text| (text, [bank.digest(&load_options(text)), bank.digest(text.as_bytes())]));
        Self {
            bank,
            own: digests(expected).collect(),
            releases: releases.collect(),
            words,
            command_line,
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

    /// Whether the given command line is what was measured.
    pub fn is_command_line(&self, event: &Event) -> bool {
        let (Some(digest), Some((_, known))) = (event.digest(self.bank), &self.command_line) else {
            return false;
        };
        known.contains(digest)
    }

    /// What an event is.
    pub fn seen(&self, event: &Event) -> Seen {
        let claims = Seen::Claims { kind: event.kind };
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
        if self.is_command_line(event) {
            return Seen::CommandLine;
        }
        if event.data_is_measured(self.bank)
            && let Some(text) = text(event.data)
        {
            return Seen::Text(text);
        }
        claims
    }
}

/// The text in some bytes, UTF-16 as firmware writes it or UTF-8, cut to what can be shown.
fn text(bytes: &[u8]) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let wide = char::decode_utf16(units).collect::<Result<String, _>>().ok();
    let narrow = std::str::from_utf8(bytes).ok().map(str::to_owned);
    let is_text = |text: &String| {
        !text.is_empty() && text.chars().all(|letter| !letter.is_control() && letter <= '\u{24f}')
    };
    let trimmed = |text: Option<String>| {
        text.map(|text| text.trim_end_matches('\0').to_owned()).filter(is_text)
    };
    let found = trimmed(narrow).or_else(|| trimmed(wide))?;
    Some(found.chars().take(SHOWN_CHARS_MAX).collect())
}
