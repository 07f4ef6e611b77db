//! The events of a believed log, held against those that are expected: by digest, in order.

use super::verify::VerifiedLog;
use crate::checks::{Checks, Verdict};
use crate::crypto::{Digest, Hash};

type Named = (&'static str, &'static str);

const COVERED: Named =
    ("log.judge.covered", "The expectation is about a PCR and a bank whose events are believed.");
const KNOWN: Named =
    ("log.judge.known", "Each event of the PCR is the expected one at its place: none is unknown.");
const COMPLETE: Named = ("log.judge.complete", "No expected event of the PCR is missing.");

/// An event that is expected at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedEvent {
    /// What it is, for people.
    pub name: String,
    /// The digests that it may have, in any banks.
    pub allowed: Vec<Digest>,
    /// Whether it may be absent.
    pub may_be_absent: bool,
}

/// All events of one PCR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedPcr {
    /// The PCR.
    pub pcr: u8,
    /// Its events, in order.
    pub events: Vec<ExpectedEvent>,
}

/// A log all of whose judged events are expected ones. Made by [`judge`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedLog(());

/// Judges each PCR that an expectation is given for, in one bank. Types and data of events are not
/// looked at.
pub fn judge(log: &VerifiedLog, bank: Hash, expected: &[ExpectedPcr]) -> Verdict<JudgedLog> {
    let mut checks = Checks::new();
    for expectation in expected {
        let on = format!("PCR {} {bank}", expectation.pcr);
        let covered = log.judged().contains(expectation.pcr) && log.banks().contains(&bank);
        checks.record(COVERED, &on, covered, "");
        if covered {
            judge_pcr(&mut checks, log, bank, expectation, &on);
        }
    }
    Verdict::conclude(checks, Some(JudgedLog(())))
}

fn judge_pcr(
    checks: &mut Checks,
    log: &VerifiedLog,
    bank: Hash,
    expectation: &ExpectedPcr,
    on: &str,
) {
    let mut ahead = expectation.events.iter();
    let own = log.log().extensions(bank).filter(|(_, pcr, _)| *pcr == u32::from(expectation.pcr));
    for (number, _, digest) in own {
        let matches =
            |event: &&ExpectedEvent| digest.is_some_and(|digest| event.allowed.contains(digest));
        let mut skipped = ahead.clone();
        let found = skipped.find(|event| matches(event) || !event.may_be_absent);
        if !found.as_ref().is_some_and(matches) {
            let wanted = found.map_or("nothing more", |event| &event.name);
            let text = digest.map_or("no digest".to_owned(), |digest| digest.to_string());
            checks.record(
                KNOWN,
                on,
                false,
                format!("event {number} is {text}, expected: {wanted}"),
            );
            return;
        }
        ahead = skipped;
    }
    checks.record(KNOWN, on, true, "");
    let missing: Vec<&str> =
        ahead.filter(|event| !event.may_be_absent).map(|event| event.name.as_str()).collect();
    checks.record(COMPLETE, on, missing.is_empty(), missing.join(", "));
}
