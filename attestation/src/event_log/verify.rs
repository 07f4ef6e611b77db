//! A log is believed where its replay gives the quoted values.

use super::parse::EventLog;
use crate::checks::{Checks, Verdict};
use crate::crypto::Hash;
use crate::tpm::quote::SignedQuote;
use crate::tpm::{PcrSet, PcrValues, reasons};

type Named = (&'static str, &'static str);

const FORM: Named = ("log.form", "The bytes are an event log of the TCG.");
const QUOTED: Named = ("log.quoted", "Each judged PCR was quoted, in the same banks.");
const BANK: Named = ("log.bank", "The log can be replayed in each quoted bank.");
const REPLAY: Named = ("log.replay", "The replay of the log gives the quoted value.");

/// A log whose events, as far as they extend the judged PCRs, are those that were extended: each of
/// their digests, in this order, and no others. Made by [`verify`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedLog<'a> {
    log: EventLog<'a>,
    banks: Vec<Hash>,
    judged: PcrSet,
}

impl<'a> VerifiedLog<'a> {
    /// The log. Types and descriptions in it are claims, and so are the events of PCRs that were not
    /// judged.
    pub fn log(&self) -> &EventLog<'a> {
        &self.log
    }

    /// The PCRs whose events are believed.
    pub fn judged(&self) -> PcrSet {
        self.judged
    }

    /// The banks in which they are.
    pub fn banks(&self) -> &[Hash] {
        &self.banks
    }
}

/// Reads a log and holds its replay against quoted values. `judged` are the PCRs that must be
/// explained by the log alone: not those that the system extends after the firmware's log ends.
pub fn verify<'a>(
    bytes: &'a [u8],
    quote: &SignedQuote,
    judged: PcrSet,
) -> Verdict<VerifiedLog<'a>> {
    let mut checks = Checks::new();
    let Some(log) = check_form(&mut checks, bytes) else {
        return Verdict::conclude(checks, None);
    };
    let banks: Vec<Hash> = quote.selection().0.iter().map(|(bank, _)| *bank).collect();
    let something = !judged.is_empty() && !banks.is_empty();
    for &(bank, set) in &quote.selection().0 {
        let found = format!("judged {judged}, quoted {set}");
        checks.record(QUOTED, &bank.to_string(), something && set.covers(judged), found);
        check_bank(&mut checks, &log, bank, quote, judged);
    }
    if !something {
        checks.record(QUOTED, "quote", false, "there is nothing to judge");
    }
    Verdict::conclude(checks, Some(VerifiedLog { log, banks, judged }))
}

/// Replays a log by itself: the values of the PCRs that it extends, in one bank or in all of its own.
/// That a machine has these values is what a quote says, and no log.
pub fn replay(bytes: &[u8], bank: Option<Hash>) -> Verdict<PcrValues> {
    let mut checks = Checks::new();
    let Some(log) = check_form(&mut checks, bytes) else {
        return Verdict::conclude(checks, None);
    };
    let mut values = PcrValues::default();
    let banks = bank.map_or_else(|| log.banks().to_vec(), |bank| vec![bank]);
    for bank in banks {
        let Some(replayed) = replay_bank(&mut checks, &log, bank) else { continue };
        for index in log.extended().indices() {
            values.extend(replayed.get(bank, index).map(|value| (index, *value)));
        }
    }
    Verdict::conclude(checks, Some(values))
}

fn check_form<'a>(checks: &mut Checks, bytes: &'a [u8]) -> Option<EventLog<'a>> {
    match EventLog::parse(bytes) {
        Ok(log) => {
            let odd: Vec<String> = log.quirks().iter().map(|quirk| quirk.to_string()).collect();
            checks.record(FORM, "log", true, odd.join("; "));
            Some(log)
        }
        Err(error) => {
            checks.record(FORM, "log", false, reasons(&error));
            None
        }
    }
}

fn replay_bank(checks: &mut Checks, log: &EventLog, bank: Hash) -> Option<PcrValues> {
    checks.record_result(BANK, &bank.to_string(), log.replay(bank))
}

fn check_bank(
    checks: &mut Checks,
    log: &EventLog,
    bank: Hash,
    quote: &SignedQuote,
    judged: PcrSet,
) {
    let Some(replayed) = replay_bank(checks, log, bank) else { return };
    for index in judged.indices() {
        let (log, quoted) = (replayed.get(bank, index), quote.values().get(bank, index));
        let text = |value: Option<&crate::crypto::Digest>| {
            value.map_or("none".to_owned(), |value| value.to_string())
        };
        let found = format!("replayed {}, quoted {}", text(log), text(quoted));
        checks.record(
            REPLAY,
            &format!("PCR {index} {bank}"),
            quoted.is_some() && log == quoted,
            found,
        );
    }
}
