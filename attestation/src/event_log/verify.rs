//! A log is believed where its replay gives the quoted values.

use super::parse::EventLog;
use crate::checks::{Checks, Verdict};
use crate::crypto::Hash;
use crate::tpm::quote::SignedQuote;
use crate::tpm::{PcrSet, reasons};

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
    let log = match EventLog::parse(bytes) {
        Ok(log) => log,
        Err(error) => {
            checks.record(FORM, "log", false, reasons(&error));
            return Verdict::conclude(checks, None);
        }
    };
    let odd: Vec<String> = log.quirks().iter().map(|quirk| quirk.to_string()).collect();
    checks.record(FORM, "log", true, odd.join("; "));
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

fn check_bank(
    checks: &mut Checks,
    log: &EventLog,
    bank: Hash,
    quote: &SignedQuote,
    judged: PcrSet,
) {
    let replayed = match log.replay(bank) {
        Ok(values) => values,
        Err(error) => {
            checks.record(BANK, &bank.to_string(), false, error.to_string());
            return;
        }
    };
    checks.record(BANK, &bank.to_string(), true, "");
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
