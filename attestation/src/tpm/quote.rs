//! A quote: PCR values under the signature of an attestation key.
//!
//! Source: "TPM 2.0 Library, Part 3: Commands", TPM2_Quote.

use super::attest::{Attested, ClockInfo};
use super::name::Name;
use super::pcr::{PcrSelection, PcrValues};
use super::public::Public;
use super::signed::{self, ClockRule, Rules, SignedBy};
use crate::checks::{Checks, Verdict};
use crate::crypto::{Digest, Hash};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

type Named = (&'static str, &'static str);

const TYPE: Named = ("tpm.quote.type", "The message attests PCR values.");
const SELECTION: Named =
    ("tpm.quote.selection", "The quote selects exactly the PCRs and banks of the policy.");
const PCRS_FORM: Named =
    ("tpm.quote.pcrs-form", "There is one value for each selected PCR, and nothing else.");
const PCRS_DIGEST: Named =
    ("tpm.quote.pcrs-digest", "The quote's digest is that of the PCR values.");
const PCR_SELECTED: Named =
    ("tpm.quote.pcr-selected", "Each PCR that the policy judges is among those selected.");
const PCR_EXPECTED: Named =
    ("tpm.quote.pcr-expected", "Each judged PCR has one of the values that the policy allows.");

/// A quote as received.
#[derive(Clone, Copy, Debug)]
pub struct QuoteEvidence<'a> {
    /// Key, message, signature.
    pub signed: SignedBy<'a>,
    /// The PCR values, one after the other: banks in the order of the policy's selection, indices
    /// ascending.
    pub pcrs: &'a [u8],
}

/// What is asked of a quote.
#[derive(Clone, Debug)]
pub struct QuotePolicy {
    /// What the qualifying data must be.
    pub nonce: Vec<u8>,
    /// What must be selected, neither more nor less.
    pub selection: PcrSelection,
    /// For each judged PCR, by bank and index, the values that are allowed.
    pub expected: BTreeMap<(Hash, u8), Vec<Digest>>,
    /// The name of the attestation key, if it is known: by an activated credential it becomes known
    /// as one in a TPM of a known maker. Without it a quote is only what some key says.
    pub key_name: Option<Name>,
    /// The qualified name of the attestation key, if the verifier knows its parents.
    pub signer: Option<Name>,
    /// The firmware versions of TPMs that are allowed, if they are limited.
    pub firmware: Option<BTreeSet<u64>>,
    /// What is asked of clock and counters.
    pub clock: ClockRule,
}

impl QuotePolicy {
    /// A policy on selection and nonce alone, as for an artifact of unknown origin.
    pub fn plain(nonce: &[u8], selection: PcrSelection) -> Self {
        Self {
            nonce: nonce.to_vec(),
            selection,
            expected: BTreeMap::new(),
            key_name: None,
            signer: None,
            firmware: None,
            clock: ClockRule::NoHistory,
        }
    }
}

/// PCR values that some key signed. Of the key nothing is known: it can be any program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedQuote {
    selection: PcrSelection,
    values: PcrValues,
    clock: ClockInfo,
    firmware_version: u64,
}

impl SignedQuote {
    /// Values that nobody signed, for tests of what is done with a quote.
    #[cfg(test)]
    pub(crate) fn for_test(selection: PcrSelection, values: PcrValues) -> Self {
        let clock = ClockInfo { clock_ms: 0, reset_count: 0, restart_count: 0, safe: true };
        Self { selection, values, clock, firmware_version: 0 }
    }

    /// Which PCRs were quoted.
    pub fn selection(&self) -> &PcrSelection {
        &self.selection
    }

    /// Their values.
    pub fn values(&self) -> &PcrValues {
        &self.values
    }

    /// The TPM's clock and counters, to be kept for [`ClockRule::Since`].
    pub fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The version of the TPM's firmware.
    pub fn firmware_version(&self) -> u64 {
        self.firmware_version
    }
}

/// PCR values signed by a key with the attributes of an attestation key. Made by [`verify`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedQuote {
    quote: SignedQuote,
    key: Public,
}

impl VerifiedQuote {
    /// What was quoted.
    pub fn quote(&self) -> &SignedQuote {
        &self.quote
    }

    /// The attestation key.
    pub fn key(&self) -> &Public {
        &self.key
    }
}

/// Verifies a quote by a key of a TPM.
pub fn verify(evidence: &QuoteEvidence, policy: &QuotePolicy) -> Verdict<VerifiedQuote> {
    let mut checks = Checks::new();
    let signer = signed::check_key(&mut checks, evidence.signed.key, policy.key_name);
    let key = signer.as_ref().and_then(|signer| signer.public().cloned());
    let quote = check(&mut checks, signer.as_ref(), evidence, policy);
    let verified = quote.zip(key).map(|(quote, key)| VerifiedQuote { quote, key });
    Verdict::conclude(checks, verified)
}

/// Verifies a quote by a key that is given as the DER of a SubjectPublicKeyInfo, without a public area:
/// whether a TPM holds the key, and what else it signs, stays unknown.
pub fn verify_by_bare_key(evidence: &QuoteEvidence, policy: &QuotePolicy) -> Verdict<SignedQuote> {
    let mut checks = Checks::new();
    let signer = signed::check_bare_key(&mut checks, evidence.signed.key);
    let quote = check(&mut checks, signer.as_ref(), evidence, policy);
    // Without a key the check of its form failed.
    Verdict::conclude(checks, quote)
}

fn check(
    checks: &mut Checks,
    signer: Option<&signed::Signer>,
    evidence: &QuoteEvidence,
    policy: &QuotePolicy,
) -> Option<SignedQuote> {
    let rules = Rules {
        nonce: &policy.nonce,
        signer: policy.signer,
        firmware: policy.firmware.as_ref(),
        clock: policy.clock,
    };
    let SignedBy { message, signature, .. } = evidence.signed;
    let read = signed::check(checks, signer, message, signature, &rules);
    let values = PcrValues::from_concatenated(&policy.selection, evidence.pcrs);
    let found = format!("{} bytes for {}", evidence.pcrs.len(), policy.selection);
    checks.record(PCRS_FORM, "pcrs", values.is_some(), found);
    if let Some(values) = &values {
        check_expected(checks, values, policy);
    }
    let attest = read.attest?;
    let Attested::Quote { selection, digest } = &attest.attested else {
        checks.record(TYPE, "message", false, "");
        return None;
    };
    checks.record(TYPE, "message", true, "");
    let same = selection.selects_the_same(&policy.selection);
    let found = format!("{selection}, wanted {}", policy.selection);
    checks.record(SELECTION, "message", same, found);
    let (values, hash) = (values?, read.hash?);
    let computed = values.digest(selection, hash);
    let holds = computed.is_some_and(|computed| computed.as_bytes() == digest.as_slice());
    checks.record(PCRS_DIGEST, "pcrs", holds, hex::encode(digest));
    Some(SignedQuote {
        selection: selection.clone(),
        values,
        clock: attest.clock,
        firmware_version: attest.firmware_version,
    })
}

fn check_expected(checks: &mut Checks, values: &PcrValues, policy: &QuotePolicy) {
    for (&(bank, index), allowed) in &policy.expected {
        let on = format!("PCR {index} {bank}");
        let value = values.get(bank, index);
        let selected = policy.selection.set(bank).contains(index) && value.is_some();
        checks.record(PCR_SELECTED, &on, selected, "");
        let found = value.map_or(String::new(), |value| value.to_string());
        checks.record(PCR_EXPECTED, &on, value.is_some_and(|value| allowed.contains(value)), found);
    }
}
