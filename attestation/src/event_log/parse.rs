//! The two formats: SHA-1 alone (TCG_PCClientPCREvent) and crypto-agile (TCG_PCR_EVENT2).
//!
//! Source: "TCG PC Client Platform Firmware Profile", sections on event log structures.

use super::kind::EventKind;
use crate::crypto::{Digest, Hash};
use crate::cursor::{Cursor, ReadError};
use crate::tpm::{PCR_COUNT, SM3_ID, hash_from_id};
use std::fmt;

/// The longest log that is read. Real ones have 5 to 200 KiB; the table in which firmware hands
/// a log over has 64 KiB to 1 MiB.
pub(super) const LOG_BYTES_MAX: usize = 4 << 20;
/// The most events that are read. Real logs have 20 to 500.
pub(super) const EVENT_COUNT_MAX: usize = 1 << 14;
/// The longest event data that is read: a `dbx`, a firmware table.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// The most hash algorithms of a log: the registry knows nine.
const ALGORITHM_COUNT_MAX: usize = 16;
/// The longest digest of any algorithm.
const DIGEST_BYTES_MAX: usize = 64;

/// The length of an SM3 digest.
const SM3_BYTES: usize = 32;

const SPEC_ID_EVENT03: &[u8; 16] = b"Spec ID Event03\0";
const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";

/// Why bytes are not an event log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// There are no bytes.
    #[error("the log is empty: read it from the firmware's table, binary_bios_measurements")]
    Empty,
    /// The log is over its bound.
    #[error("the log has {bytes} bytes, more than the {LOG_BYTES_MAX} that are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// There are too many events.
    #[error("the log has more than {EVENT_COUNT_MAX} events")]
    TooManyEvents,
    /// An event could not be read.
    #[error("event {event} cannot be read: is the log cut off?")]
    Event {
        /// Its number, from 0.
        event: usize,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
    /// An event extends a PCR that no PC has.
    #[error("event {event} extends PCR {pcr}, but PCs have 0 to 23")]
    PcrIndex {
        /// Its number, from 0.
        event: usize,
        /// The index.
        pcr: u32,
    },
    /// The first event's list of algorithms is wrong.
    #[error("the list of algorithms in the log's first event is wrong: {0}")]
    Algorithms(&'static str),
    /// An event's list of digests is wrong.
    #[error("the digests of event {event} are wrong: {what}")]
    Digests {
        /// Its number, from 0.
        event: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// What the log says about the start of the TPM is wrong.
    #[error("event {event} says the TPM was started in a way that cannot be: {what}")]
    Startup {
        /// Its number, from 0.
        event: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// Which of the two formats a log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Each event has a SHA-1 digest.
    Sha1,
    /// Each event has a digest for each bank.
    CryptoAgile,
}

/// How the TPM was started: what PCR 0 holds before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// The log does not say; PCR 0 is zero, or 4 if the first event of PCR 0 is the H-CRTM's.
    #[default]
    NotSaid,
    /// The log names a locality: 0, 3, or 4 for a measurement by hardware before the start.
    Locality(u8),
}

/// What is odd in a log and harmless, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogQuirk {
    /// Bytes follow the vendor's information in the first event.
    SpecIdTrailing {
        /// How many.
        bytes: usize,
    },
    /// Other bytes than filler follow the end mark.
    BehindTheEnd {
        /// How many.
        bytes: usize,
    },
}

impl fmt::Display for LogQuirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpecIdTrailing { bytes } => {
                write!(f, "odd: {bytes} bytes follow the list of algorithms")
            }
            Self::BehindTheEnd { bytes } => write!(f, "odd: {bytes} bytes follow the end mark"),
        }
    }
}

/// One event. Only the digests count; the rest is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The PCR it extends; over 23 only if it extends none.
    pub pcr: u32,
    /// What it claims to be.
    pub kind: EventKind,
    /// Its digests in banks known here, each bank at most once.
    pub digests: Vec<Digest>,
    /// What it claims to have measured, or a description of it.
    pub data: &'a [u8],
}

impl Event<'_> {
    /// Whether it extends a PCR.
    pub fn is_extended(&self) -> bool {
        self.kind != EventKind::NO_ACTION
    }

    /// Its digest in a bank.
    pub fn digest(&self, bank: Hash) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.hash() == bank)
    }

    /// Whether the digest in a bank is the hash of the data: only then the data is what was
    /// measured, and not a description.
    pub fn data_is_measured(&self, bank: Hash) -> bool {
        self.digest(bank).is_some_and(|digest| *digest == bank.digest(self.data))
    }
}

/// A log that was read. Nothing in it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog<'a> {
    format: LogFormat,
    banks: Vec<Hash>,
    events: Vec<Event<'a>>,
    startup: Startup,
    quirks: Vec<LogQuirk>,
}

impl<'a> EventLog<'a> {
    /// Reads a log of either format.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LogError> {
        if bytes.is_empty() {
            return Err(LogError::Empty);
        }
        if bytes.len() > LOG_BYTES_MAX {
            return Err(LogError::TooLong { bytes: bytes.len() });
        }
        let mut parser = Parser::new(bytes);
        parser.first_event()?;
        while !parser.is_at_end() {
            parser.event()?;
        }
        Ok(parser.log)
    }

    /// Its format.
    pub fn format(&self) -> LogFormat {
        self.format
    }

    /// The banks it has digests for, those known here.
    pub fn banks(&self) -> &[Hash] {
        &self.banks
    }

    /// All events, also those that extend nothing; without the first one of a crypto-agile log,
    /// which is its header.
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// How it says that the TPM was started.
    pub fn startup(&self) -> Startup {
        self.startup
    }

    /// What is odd in it.
    pub fn quirks(&self) -> &[LogQuirk] {
        &self.quirks
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    /// How many bytes at the end are filler, of zeros or of ones. Counted once: to look at what is left
    /// after each event would take the square of the log's length.
    filler_bytes: usize,
    /// Ids and digest lengths of the header.
    algorithms: Vec<(u16, usize)>,
    /// The number of the event that is being read.
    event: usize,
    pcr_0_extended: bool,
    log: EventLog<'a>,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let at_end = |filler| bytes.iter().rev().take_while(|byte| **byte == filler).count();
        Self {
            cursor: Cursor::new(bytes),
            filler_bytes: at_end(0).max(at_end(0xff)),
            algorithms: Vec::new(),
            event: 0,
            pcr_0_extended: false,
            log: EventLog {
                format: LogFormat::Sha1,
                banks: vec![Hash::Sha1],
                events: Vec::new(),
                startup: Startup::NotSaid,
                quirks: Vec::new(),
            },
        }
    }

    /// The first event has the old format in both; in a crypto-agile log it is the header.
    fn first_event(&mut self) -> Result<(), LogError> {
        let event = self.old_event()?;
        if !event.is_extended() && event.data.starts_with(SPEC_ID_EVENT03) {
            self.header(event.data)?;
            self.log.format = LogFormat::CryptoAgile;
            self.event = 1;
            return Ok(());
        }
        self.add(event)
    }

    fn event(&mut self) -> Result<(), LogError> {
        let event = match self.log.format {
            LogFormat::Sha1 => self.old_event()?,
            LogFormat::CryptoAgile => self.new_event()?,
        };
        self.add(event)
    }

    fn old_event(&mut self) -> Result<Event<'a>, LogError> {
        let event = self.event;
        let at = |source| LogError::Event { event, source };
        let pcr = self.cursor.u32_le("PCRIndex").map_err(at)?;
        let kind = EventKind(self.cursor.u32_le("EventType").map_err(at)?);
        let digest = self.cursor.take(Hash::Sha1.bytes(), "Digest").map_err(at)?;
        let digests = Digest::from_bytes(Hash::Sha1, digest).into_iter().collect();
        let data = self.data()?;
        Ok(Event { pcr, kind, digests, data })
    }

    fn new_event(&mut self) -> Result<Event<'a>, LogError> {
        let event = self.event;
        let at = |source| LogError::Event { event, source };
        let pcr = self.cursor.u32_le("PCRIndex").map_err(at)?;
        let kind = EventKind(self.cursor.u32_le("EventType").map_err(at)?);
        let digests = self.digests()?;
        let data = self.data()?;
        Ok(Event { pcr, kind, digests, data })
    }

    /// TPML_DIGEST_VALUES. Digests in banks unknown here are skipped.
    fn digests(&mut self) -> Result<Vec<Digest>, LogError> {
        let event = self.event;
        let at = |source| LogError::Event { event, source };
        let wrong = |what| LogError::Digests { event, what };
        let count = self.cursor.u32_le("Digests.count").map_err(at)?;
        if count as usize > self.algorithms.len() {
            return Err(wrong("more of them than algorithms in the log's first event"));
        }
        let mut seen = Vec::with_capacity(self.algorithms.len());
        let mut digests = Vec::with_capacity(self.log.banks.len());
        for _ in 0..count {
            let id = self.cursor.u16_le("Digests.hashAlg").map_err(at)?;
            let Some(&(_, bytes)) = self.algorithms.iter().find(|(known, _)| *known == id) else {
                return Err(wrong("an algorithm that is not in the log's first event"));
            };
            if seen.contains(&id) {
                return Err(wrong("two of one algorithm"));
            }
            seen.push(id);
            let digest = self.cursor.take(bytes, "Digests.digest").map_err(at)?;
            digests.extend(hash_from_id(id).and_then(|bank| Digest::from_bytes(bank, digest)));
        }
        Ok(digests)
    }

    fn data(&mut self) -> Result<&'a [u8], LogError> {
        let event = self.event;
        let at = |source| LogError::Event { event, source };
        let bytes = self.cursor.u32_le("EventSize").map_err(at)? as usize;
        if bytes > EVENT_BYTES_MAX {
            let (field, bytes_max) = ("Event", EVENT_BYTES_MAX);
            return Err(at(ReadError::TooLong { field, bytes, bytes_max }));
        }
        self.cursor.take(bytes, "Event").map_err(at)
    }

    /// TCG_EfiSpecIDEvent: which algorithms the log has, and how long their digests are.
    fn header(&mut self, data: &[u8]) -> Result<(), LogError> {
        let at = |source| LogError::Event { event: 0, source };
        let mut cursor = Cursor::new(data);
        // Signature, platform class, version of the profile, errata, size of a pointer.
        cursor.take(SPEC_ID_EVENT03.len() + 8, "TCG_EfiSpecIDEvent").map_err(at)?;
        let count = cursor.u32_le("numberOfAlgorithms").map_err(at)? as usize;
        if !(1..=ALGORITHM_COUNT_MAX).contains(&count) {
            return Err(LogError::Algorithms("it must have 1 to 16"));
        }
        self.log.banks.clear();
        for _ in 0..count {
            let id = cursor.u16_le("algorithmId").map_err(at)?;
            let bytes = usize::from(cursor.u16_le("digestSize").map_err(at)?);
            self.algorithm(id, bytes)?;
        }
        let vendor_bytes = usize::from(cursor.u8("vendorInfoSize").map_err(at)?);
        cursor.take(vendor_bytes, "vendorInfo").map_err(at)?;
        if !cursor.rest().is_empty() {
            self.log.quirks.push(LogQuirk::SpecIdTrailing { bytes: cursor.rest().len() });
        }
        Ok(())
    }

    fn algorithm(&mut self, id: u16, bytes: usize) -> Result<(), LogError> {
        if self.algorithms.iter().any(|(known, _)| *known == id) {
            return Err(LogError::Algorithms("it has one twice"));
        }
        let bank = hash_from_id(id);
        let right = match bank {
            Some(bank) => bytes == bank.bytes(),
            None if id == SM3_ID => bytes == SM3_BYTES,
            None => (1..=DIGEST_BYTES_MAX).contains(&bytes),
        };
        if !right {
            return Err(LogError::Algorithms("a digest has another length than its algorithm's"));
        }
        self.algorithms.push((id, bytes));
        self.log.banks.extend(bank);
        Ok(())
    }

    fn add(&mut self, event: Event<'a>) -> Result<(), LogError> {
        let number = self.event;
        if self.log.events.len() == EVENT_COUNT_MAX {
            return Err(LogError::TooManyEvents);
        }
        // What extends nothing may name PCR -1: so do reference manifests.
        let names_none = !event.is_extended() && event.pcr == u32::MAX;
        if event.pcr >= u32::from(PCR_COUNT) && !names_none {
            return Err(LogError::PcrIndex { event: number, pcr: event.pcr });
        }
        if !event.is_extended()
            && let Some(locality) = event.data.strip_prefix(STARTUP_LOCALITY)
        {
            self.startup(event.pcr, locality)?;
        }
        self.pcr_0_extended |= event.is_extended() && event.pcr == 0;
        self.log.events.push(event);
        self.event += 1;
        Ok(())
    }

    /// TCG_EfiStartupLocalityEvent.
    fn startup(&mut self, pcr: u32, locality: &[u8]) -> Result<(), LogError> {
        let wrong = |what| Err(LogError::Startup { event: self.event, what });
        if pcr != 0 {
            return wrong("it stands at another PCR than 0");
        }
        if self.log.startup != Startup::NotSaid {
            return wrong("it comes a second time");
        }
        if self.pcr_0_extended {
            return wrong("it comes after PCR 0 was extended");
        }
        match locality {
            [locality @ (0 | 3 | 4)] => {
                self.log.startup = Startup::Locality(*locality);
                Ok(())
            }
            [_] => wrong("the locality is none of 0, 3 and 4"),
            _ => wrong("it does not have 17 bytes"),
        }
    }

    /// Whether only filler follows: firmware hands a log over in a table that is longer than it.
    fn is_at_end(&mut self) -> bool {
        let rest = self.cursor.rest();
        // An event of zeros would extend PCR 0, so zeros are filler only if nothing else follows.
        if rest.len() <= self.filler_bytes {
            return true;
        }
        // The end mark of the formats: an index and a type that no event has.
        let marked = rest.starts_with(&[0xff; 8]);
        if marked {
            self.log.quirks.push(LogQuirk::BehindTheEnd { bytes: rest.len() });
        }
        marked
    }
}
