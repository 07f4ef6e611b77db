use super::*;
use crate::crypto::{Digest, Hash};
use crate::cursor::ReadError;
use crate::tpm::quote::SignedQuote;
use crate::tpm::{PcrSelection, PcrSet, extend};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/event-log").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn bank(name: &str) -> Hash {
    crate::tpm::hash_from_name(name).expect("a bank of the vectors")
}

#[test]
fn all_vectors_give_their_values() {
    let expected: Value = serde_json::from_slice(&vector("expected_pcrs.json")).unwrap();
    let mut values = 0;
    for (name, expectation) in expected.as_object().unwrap() {
        let bytes = vector(name);
        let log = EventLog::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(log.events().len() as u64, expectation["events"], "{name}");
        for (bank_name, pcrs) in expectation["pcrs"].as_object().unwrap() {
            let replayed = log.replay(bank(bank_name)).unwrap();
            for (pcr, value) in pcrs.as_object().unwrap() {
                let own = replayed.get(bank(bank_name), pcr.parse().unwrap()).unwrap();
                assert_eq!(own.to_string(), value.as_str().unwrap(), "{name} {bank_name} {pcr}");
                values += 1;
            }
            let listed = pcrs
                .as_object()
                .unwrap()
                .keys()
                .map(|pcr| pcr.parse().unwrap())
                .collect::<Vec<u8>>();
            assert!(PcrSet::new(&listed).unwrap().covers(log.extended()), "{name}");
        }
    }
    assert!(values > 60, "{values} values were compared");
}

/// Builds logs event by event.
struct Builder(Vec<u8>);

const SEPARATOR: u32 = 4;

impl Builder {
    fn old() -> Self {
        Self(Vec::new())
    }

    /// A crypto-agile log with these algorithms and digest lengths.
    fn with(algorithms: &[(u16, u16)]) -> Self {
        let mut data = b"Spec ID Event03\0".to_vec();
        data.extend([0, 0, 0, 0, 0, 2, 0, 2]);
        data.extend((algorithms.len() as u32).to_le_bytes());
        for (id, bytes) in algorithms {
            data.extend(id.to_le_bytes());
            data.extend(bytes.to_le_bytes());
        }
        data.push(0);
        Self::old().old_event(0, 3, &[0; 20], &data)
    }

    fn sha256() -> Self {
        Self::with(&[(0x0b, 32)])
    }

    fn old_event(mut self, pcr: u32, kind: u32, digest: &[u8; 20], data: &[u8]) -> Self {
        self.0.extend(pcr.to_le_bytes());
        self.0.extend(kind.to_le_bytes());
        self.0.extend(digest);
        self.0.extend((data.len() as u32).to_le_bytes());
        self.0.extend(data);
        self
    }

    fn event(mut self, pcr: u32, kind: u32, digests: &[(u16, &[u8])], data: &[u8]) -> Self {
        self.0.extend(pcr.to_le_bytes());
        self.0.extend(kind.to_le_bytes());
        self.0.extend((digests.len() as u32).to_le_bytes());
        for (id, digest) in digests {
            self.0.extend(id.to_le_bytes());
            self.0.extend(*digest);
        }
        self.0.extend((data.len() as u32).to_le_bytes());
        self.0.extend(data);
        self
    }

    /// An event with the SHA-256 digest of its data.
    fn measured(self, pcr: u32, kind: u32, data: &[u8]) -> Self {
        self.event(pcr, kind, &[(0x0b, Hash::Sha256.digest(data).as_bytes())], data)
    }

    fn startup(self, pcr: u32, locality: &[u8]) -> Self {
        let data = [b"StartupLocality\0", locality].concat();
        self.event(pcr, 3, &[(0x0b, &[0; 32])], &data)
    }

    fn bytes(mut self, more: &[u8]) -> Vec<u8> {
        self.0.extend(more);
        self.0
    }

    fn error(self) -> LogError {
        EventLog::parse(&self.0).expect_err("the log is wrong")
    }

    fn value(self, pcr: u8) -> Digest {
        let log = EventLog::parse(&self.0).expect("the log is right");
        *log.replay(Hash::Sha256).expect("it has SHA-256").get(Hash::Sha256, pcr).expect("below 24")
    }
}

fn starting_with(last: u8, data: &[u8]) -> Digest {
    let mut bytes = [0; 32];
    bytes[31] = last;
    let start = Digest::from_bytes(Hash::Sha256, &bytes).unwrap();
    extend(&start, Hash::Sha256.digest(data).as_bytes())
}

#[test]
fn pcr_0_begins_as_the_log_says() {
    let plain = || Builder::sha256();
    assert_eq!(plain().measured(0, 8, b"v").value(0), starting_with(0, b"v"));
    for locality in [0, 3, 4] {
        let log = plain().startup(0, &[locality]).measured(0, 8, b"v");
        assert_eq!(log.value(0), starting_with(locality, b"v"));
    }
    // Hardware measured first, and the log does not say so otherwise.
    assert_eq!(plain().measured(0, 0x8000_0010, b"v").value(0), starting_with(4, b"v"));
    let later = plain().measured(1, 1, b"x").measured(0, 0x8000_0010, b"v");
    assert_eq!(later.value(0), starting_with(4, b"v"));
    // Other PCRs do not depend on it.
    assert_eq!(plain().startup(0, &[3]).measured(1, 8, b"v").value(1), starting_with(0, b"v"));
}

#[test]
fn untouched_pcrs_begin_with_zeros_or_ones() {
    for pcr in 0..24 {
        let byte = if (17..=22).contains(&pcr) { 0xff } else { 0 };
        let value = Builder::sha256().value(pcr);
        assert_eq!(value.as_bytes(), [byte; 32], "PCR {pcr}");
    }
}

#[test]
fn events_without_action_extend_nothing() {
    let log = Builder::sha256().measured(7, 3, b"words").measured(u32::MAX, 3, b"manifest");
    assert_eq!(log.value(7), Digest::zero(Hash::Sha256));
}

#[test]
fn filler_ends_a_log() {
    let log = || Builder::sha256().measured(7, SEPARATOR, &[0; 4]);
    let count = |bytes: &[u8]| {
        let log = EventLog::parse(bytes).unwrap();
        (log.events().len(), log.quirks().len())
    };
    assert_eq!(count(&log().bytes(&[])), (1, 0));
    assert_eq!(count(&log().bytes(&[0xff; 3])), (1, 0));
    assert_eq!(count(&log().bytes(&[0xff; 300])), (1, 0));
    assert_eq!(count(&log().bytes(&[0; 5])), (1, 0));
    assert_eq!(count(&log().bytes(&[0; 300])), (1, 0));
    // Behind the end mark nothing is read, but it is noted.
    assert_eq!(count(&log().bytes(&[&[0xff; 8][..], b"rubbish"].concat())), (1, 1));
    // Zeros before an event are an event themselves, not an end.
    let hidden = log().bytes(&[0; 16]);
    let hidden = Builder(hidden).measured(7, SEPARATOR, &[0; 4]);
    assert_ne!(EventLog::parse(&hidden.0).map(|log| log.events().len()), Ok(1));
}

#[test]
fn other_banks_are_skipped_by_their_length() {
    let sha256 = Hash::Sha256.digest(b"v");
    let log = Builder::with(&[(0x12, 32), (0x0b, 32), (0x27, 32), (0x7777, 9)]).event(
        4,
        1,
        &[(0x7777, &[1; 9]), (0x12, &[2; 32]), (0x0b, sha256.as_bytes()), (0x27, &[3; 32])],
        b"v",
    );
    let parsed = EventLog::parse(&log.0).unwrap();
    assert_eq!(parsed.banks(), [Hash::Sha256]);
    assert_eq!(log.value(4), starting_with(0, b"v"));
}

#[test]
fn a_bank_without_all_digests_is_not_replayed() {
    let digest = [7; 20];
    let log = Builder::with(&[(0x04, 20), (0x0b, 32)])
        .event(4, 1, &[(0x04, &digest), (0x0b, &[7; 32])], b"")
        .event(5, 3, &[], b"no action")
        .event(6, 1, &[(0x04, &digest)], b"");
    let log = EventLog::parse(&log.0).unwrap();
    assert!(log.replay(Hash::Sha1).is_ok());
    let no_digest = ReplayError::NoDigest { event: 2, pcr: 6, bank: Hash::Sha256 };
    assert_eq!(log.replay(Hash::Sha256), Err(no_digest));
    assert_eq!(log.replay(Hash::Sha384), Err(ReplayError::NoBank { bank: Hash::Sha384 }));
}

#[test]
fn wrong_logs_are_refused_with_the_reason() {
    let sha256 = Builder::sha256;
    let index = |pcr| LogError::PcrIndex { event: 1, pcr };
    assert_eq!(sha256().measured(24, 1, b"").error(), index(24));
    assert_eq!(sha256().measured(u32::MAX, 1, b"").error(), index(u32::MAX));
    // Like the first bytes of a text that was read as a log.
    assert_eq!(sha256().measured(0x4141_4141, 1, b"").error(), index(0x4141_4141));
    assert_eq!(sha256().measured(25, 3, b"").error(), index(25));
    let old = Builder::old().old_event(99, 1, &[0; 20], b"");
    assert_eq!(old.error(), LogError::PcrIndex { event: 0, pcr: 99 });

    let startup = |what| LogError::Startup { event: 1, what };
    let none = startup("the locality is none of 0, 3 and 4");
    assert_eq!(sha256().startup(0, &[1]).error(), none);
    assert_eq!(sha256().startup(0, &[5]).error(), none);
    assert_eq!(sha256().startup(0, &[]).error(), startup("it does not have 17 bytes"));
    assert_eq!(sha256().startup(0, &[3, 0]).error(), startup("it does not have 17 bytes"));
    assert_eq!(sha256().startup(1, &[3]).error(), startup("it stands at another PCR than 0"));
    let twice = LogError::Startup { event: 2, what: "it comes a second time" };
    assert_eq!(sha256().startup(0, &[3]).startup(0, &[3]).error(), twice);
    let late = LogError::Startup { event: 2, what: "it comes after PCR 0 was extended" };
    assert_eq!(sha256().measured(0, 8, b"v").startup(0, &[3]).error(), late);

    let digests = |what| LogError::Digests { event: 1, what };
    let many = sha256().event(0, 1, &[(0x0b, &[0; 32]), (0x0b, &[0; 32])], b"");
    assert_eq!(many.error(), digests("more of them than algorithms in the log's first event"));
    let foreign = sha256().event(0, 1, &[(0x04, &[0; 20])], b"");
    assert_eq!(foreign.error(), digests("an algorithm that is not in the log's first event"));
    let two = Builder::with(&[(0x0b, 32), (0x04, 20)]).event(
        0,
        1,
        &[(0x0b, &[0; 32]), (0x0b, &[0; 32])],
        b"",
    );
    assert_eq!(two.error(), digests("two of one algorithm"));

    let algorithms = LogError::Algorithms;
    let length = algorithms("a digest has another length than its algorithm's");
    assert_eq!(Builder::with(&[(0x0b, 20)]).error(), length);
    assert_eq!(Builder::with(&[(0x12, 20)]).error(), length);
    assert_eq!(Builder::with(&[(0x7777, 65)]).error(), length);
    assert_eq!(Builder::with(&[(0x7777, 0)]).error(), length);
    assert_eq!(Builder::with(&[(0x0b, 32); 2]).error(), algorithms("it has one twice"));
    assert_eq!(Builder::with(&[]).error(), algorithms("it must have 1 to 16"));
    assert_eq!(Builder::with(&[(0x0b, 32); 17]).error(), algorithms("it must have 1 to 16"));
    assert_eq!(EventLog::parse(b""), Err(LogError::Empty));
}

#[test]
fn bounds_are_kept() {
    let too_long = vec![0xff; parse::LOG_BYTES_MAX + 1];
    let bytes = too_long.len();
    assert_eq!(EventLog::parse(&too_long), Err(LogError::TooLong { bytes }));

    let mut claims = Builder::sha256().event(0, 1, &[(0x0b, &[0; 32])], b"").bytes(&[]);
    let size = claims.len() - 4;
    claims[size..].copy_from_slice(&u32::MAX.to_le_bytes());
    let source = ReadError::TooLong { field: "Event", bytes: 0xffff_ffff, bytes_max: 1 << 20 };
    assert_eq!(EventLog::parse(&claims), Err(LogError::Event { event: 1, source }));

    let mut many = Builder::old();
    for _ in 0..=parse::EVENT_COUNT_MAX {
        many = many.old_event(1, 1, &[7; 20], b"");
    }
    assert_eq!(many.error(), LogError::TooManyEvents);
}

/// Events of zeros up to the last byte: each is read, and what follows is not looked at again and again.
#[test]
fn zeros_that_are_no_filler_take_no_long_time() {
    let mut bytes = Builder::sha256().bytes(&vec![0; 16 * 10_000]);
    bytes.push(1);
    let source = ReadError::Short { field: "PCRIndex", at: bytes.len() - 1 };
    assert_eq!(EventLog::parse(&bytes), Err(LogError::Event { event: 10_001, source }));
}

#[test]
fn every_cut_is_an_error_or_a_shorter_log() {
    let bytes = vector("goatt_crypto_agile_eventlog");
    let whole = EventLog::parse(&bytes).unwrap();
    for end in 0..bytes.len() {
        if let Ok(cut) = EventLog::parse(&bytes[..end]) {
            assert!(whole.events().starts_with(cut.events()), "cut at {end}");
        }
    }
}

#[test]
fn data_counts_as_measured_only_if_its_hash_is_the_digest() {
    let bytes = Builder::sha256()
        .measured(7, SEPARATOR, &[0; 4])
        .event(7, SEPARATOR, &[(0x0b, &[9; 32])], &[0; 4])
        .bytes(&[]);
    let log = EventLog::parse(&bytes).unwrap();
    assert!(log.events()[0].data_is_measured(Hash::Sha256));
    assert!(!log.events()[1].data_is_measured(Hash::Sha256));
    assert!(!log.events()[0].data_is_measured(Hash::Sha1));
}

/// A quote over PCR 4 and 7 of a log of these events, and what the log of other events is refused by.
fn held_against_a_quote(other: Vec<u8>, judged: &[u8]) -> Vec<&'static str> {
    let set = |indices: &[u8]| PcrSet::new(indices).unwrap();
    let quoted = believed().bytes(&[]);
    let values = EventLog::parse(&quoted).unwrap().replay(Hash::Sha256).unwrap();
    let selection = PcrSelection::of(Hash::Sha256, set(&[4, 7]));
    let quote = SignedQuote::for_test(selection, values);
    verify(&other, &quote, set(judged)).checks().failed_ids()
}

fn believed() -> Builder {
    Builder::sha256()
        .measured(7, 0x8000_0001, b"variable")
        .measured(4, 0x8000_0003, b"loader")
        .measured(7, SEPARATOR, &[0; 4])
        .measured(4, 0x8000_0003, b"kernel")
}

#[test]
fn logs_are_believed_where_a_quote_confirms_them() {
    let none: [&str; 0] = [];
    let check = |other: Builder, expected: &[&str]| {
        assert_eq!(held_against_a_quote(other.bytes(&[]), &[4, 7]), expected);
    };
    check(believed(), &none);
    // What extends nothing, or a PCR that is not judged, makes no difference.
    check(believed().measured(4, 3, b"words").measured(5, 1, b"partitions"), &none);
    let replay = ["log.replay"];
    // One event more, one less, two in another order, one twice.
    check(believed().measured(4, 0x8000_0003, b"tool"), &replay);
    let missing = Builder::sha256()
        .measured(7, 0x8000_0001, b"variable")
        .measured(7, SEPARATOR, &[0; 4])
        .measured(4, 0x8000_0003, b"kernel");
    check(missing, &replay);
    let swapped = Builder::sha256()
        .measured(7, 0x8000_0001, b"variable")
        .measured(4, 0x8000_0003, b"kernel")
        .measured(7, SEPARATOR, &[0; 4])
        .measured(4, 0x8000_0003, b"loader");
    check(swapped, &replay);
    check(believed().measured(7, SEPARATOR, &[0; 4]), &replay);
    // An event that is hidden by the type that extends nothing.
    let hidden = Builder::sha256()
        .measured(7, 0x8000_0001, b"variable")
        .measured(4, 3, b"loader")
        .measured(7, SEPARATOR, &[0; 4])
        .measured(4, 0x8000_0003, b"kernel");
    check(hidden, &replay);
    // An event that is moved to another PCR.
    let moved = Builder::sha256()
        .measured(7, 0x8000_0001, b"variable")
        .measured(5, 0x8000_0003, b"loader")
        .measured(7, SEPARATOR, &[0; 4])
        .measured(4, 0x8000_0003, b"kernel");
    check(moved, &replay);
    // Other types and contents with the same digests change nothing, as they are not believed.
    let digest = |data: &[u8]| Hash::Sha256.digest(data);
    let renamed = Builder::sha256()
        .event(7, 1, &[(0x0b, digest(b"variable").as_bytes())], b"a lie")
        .event(4, 1, &[(0x0b, digest(b"loader").as_bytes())], b"another")
        .measured(7, SEPARATOR, &[0; 4])
        .measured(4, 0x8000_0003, b"kernel");
    check(renamed, &none);
}

#[test]
fn logs_that_a_quote_is_not_about_are_refused() {
    let good = || believed().bytes(&[]);
    assert_eq!(held_against_a_quote(good(), &[4]), [""; 0]);
    assert_eq!(held_against_a_quote(good(), &[4, 5]), ["log.quoted"]);
    assert_eq!(held_against_a_quote(good(), &[]), ["log.quoted"]);
    assert_eq!(held_against_a_quote(Vec::new(), &[4]), ["log.form"]);
    assert_eq!(held_against_a_quote(good()[..90].to_vec(), &[4]), ["log.form"]);
    let beyond = believed().measured(24, 1, b"").bytes(&[]);
    assert_eq!(held_against_a_quote(beyond, &[4]), ["log.form"]);
    let sha1 = Builder::old().old_event(4, 1, &[7; 20], b"").bytes(&[]);
    assert_eq!(held_against_a_quote(sha1, &[4]), ["log.bank"]);
    let gap = believed().event(4, 1, &[], b"without digest").bytes(&[]);
    assert_eq!(held_against_a_quote(gap, &[4]), ["log.bank"]);
    let started = Builder::sha256().startup(0, &[9]).bytes(&[]);
    assert_eq!(held_against_a_quote(started, &[4]), ["log.form"]);
}

#[test]
fn logs_are_replayed_by_themselves() {
    let bytes = believed().bytes(&[]);
    let verdict = replay(&bytes, None);
    let values = verdict.verified().expect("a log");
    let indices: Vec<u8> = values.iter().map(|(index, _)| index).collect();
    assert_eq!(indices, [4, 7]);
    let failed = |bytes: &[u8], bank| replay(bytes, bank).checks().failed_ids();
    assert_eq!(failed(&bytes, Some(Hash::Sha256)), [""; 0]);
    assert_eq!(failed(&bytes, Some(Hash::Sha1)), ["log.bank"]);
    assert_eq!(failed(b"no log", None), ["log.form"]);
}
