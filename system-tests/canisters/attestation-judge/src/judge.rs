//! Questions to the verifier, and its answers, as plain values.
//!
//! This file is compiled twice: into the canister, with the back end for Wasm, and into the system test,
//! with the native one. Both must give the same answers.

use attestation::checks::{Checks, Verdict};
use attestation::event_log;
use attestation::evidence::{Known, Policy, Roots, verify as verify_evidence};
use attestation::snp::{
    AbiVersion, Expect, GuestBits, KeyRule, PlatformBits, Product, SnpEvidence, SnpPolicy, SnpRoot,
    SnpRoots, TcbMinima, TcbVersion, VekClaims, verify,
};
use attestation::tpm::ek::{EkPolicy, EkQuirk, verify_certificate};
use attestation::tpm::{
    PcrSelection, PcrSet, QuoteEvidence, QuotePolicy, SignedBy, hash_from_name, quote,
};
use attestation::x509::{
    Certificate, Pin, Quirk, TrustRoot, TrustRoots, UnixTime, read_certificates,
};
use candid::CandidType;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;

/// Evidence of one kind with what it is held against.
#[derive(CandidType, Clone, Debug, Deserialize)]
pub enum Question {
    /// A report of SEV-SNP and its chain.
    Snp(Snp),
    /// A quote of a TPM, and the log that explains it.
    Quote(Quote),
    /// The certificate of an endorsement key.
    Ek(Ek),
    /// An event log alone.
    Replay(Replay),
    /// Evidence that joins all of these.
    Joined(Joined),
}

/// A report of SEV-SNP, with certificates in DER.
#[derive(CandidType, Clone, Debug, Deserialize)]
pub struct Snp {
    pub report: ByteBuf,
    pub vek: ByteBuf,
    pub ask: ByteBuf,
    pub ark: ByteBuf,
    /// The public key (SHA-256 of its SPKI) of a root beside AMD's.
    pub further_root: Option<ByteBuf>,
    pub measurement: Option<ByteBuf>,
    pub report_data: Option<ByteBuf>,
    /// Boot loader, TEE, SNP, microcode.
    pub min_tcb: Vec<u8>,
    pub allows_provider: bool,
    pub vmpl: Vec<u32>,
    /// Seconds since 1970.
    pub at: i64,
}

/// A quote.
#[derive(CandidType, Clone, Debug, Deserialize)]
pub struct Quote {
    /// TPMT_PUBLIC.
    pub ak: ByteBuf,
    pub message: ByteBuf,
    pub signature: ByteBuf,
    pub pcrs: ByteBuf,
    pub bank: String,
    pub selection: Vec<u8>,
    pub nonce: ByteBuf,
    pub log: Option<ByteBuf>,
}

/// The certificate of an endorsement key; others are files in PEM or DER.
#[derive(CandidType, Clone, Debug, Deserialize)]
pub struct Ek {
    pub certificate: ByteBuf,
    pub intermediates: Vec<ByteBuf>,
    pub roots: Vec<ByteBuf>,
    pub at: i64,
}

/// An event log.
#[derive(CandidType, Clone, Debug, Deserialize)]
pub struct Replay {
    pub log: ByteBuf,
    /// All of its banks if there is none.
    pub bank: Option<String>,
}

/// Joined evidence.
#[derive(CandidType, Clone, Debug, Deserialize)]
pub struct Joined {
    pub evidence: ByteBuf,
    /// Policy, roots and what is known of the node, as JSON.
    pub rules: String,
    pub at: i64,
}

/// What joined evidence is held against.
#[derive(Deserialize)]
struct Rules {
    policy: Policy,
    roots: Roots,
    known: Known,
}

/// One check, as the verifier's own.
#[derive(CandidType, Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Check {
    pub id: String,
    pub on: String,
    pub passed: bool,
    pub detail: String,
}

/// A verdict.
#[derive(CandidType, Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Answer {
    pub accepted: bool,
    pub checks: Vec<Check>,
    /// PCR values, if the question was for them: `sha256:4:<hexadecimal>`.
    pub values: Vec<String>,
}

/// Answers a question.
pub fn judge(question: &Question) -> Answer {
    match question {
        Question::Snp(snp) => judge_snp(snp),
        Question::Quote(quote) => judge_quote(quote),
        Question::Ek(ek) => judge_ek(ek),
        Question::Replay(replay) => judge_replay(replay),
        Question::Joined(joined) => judge_joined(joined),
    }
}

fn answer(accepted: bool, checks: &Checks, values: Vec<String>) -> Answer {
    let plain = |check: &attestation::checks::Check| Check {
        id: check.id.to_owned(),
        on: check.on.clone(),
        passed: check.passed,
        detail: check.detail.clone(),
    };
    Answer { accepted, checks: checks.iter().map(plain).collect(), values }
}

fn verdict<T>(verdict: &Verdict<T>) -> Answer {
    answer(verdict.is_accepted(), verdict.checks(), Vec::new())
}

fn judge_snp(snp: &Snp) -> Answer {
    let evidence = SnpEvidence { report: &snp.report, vek: &snp.vek, ask: &snp.ask, ark: &snp.ark };
    let product = Certificate::from_der(&snp.vek)
        .ok()
        .and_then(|certificate| Some(VekClaims::of(&certificate).ok()?.product));
    let further = snp.further_root.as_ref().and_then(|pin| <[u8; 32]>::try_from(&pin[..]).ok());
    let roots = match (further, product) {
        (Some(pin), Some(product)) => SnpRoots::amd().and(SnpRoot {
            root: TrustRoot { label: "further root".to_owned(), pin: Pin::PublicKey(pin) },
            product,
        }),
        _ => SnpRoots::amd(),
    };
    fn only<const N: usize>(value: Option<&ByteBuf>) -> Expect<[u8; N]> {
        value.map_or(Expect::Any, |bytes| {
            Expect::exactly(<[u8; N]>::try_from(&bytes[..]).expect("the test has its length"))
        })
    }
    let tcb = TcbVersion {
        bootloader: snp.min_tcb[0],
        tee: snp.min_tcb[1],
        snp: snp.min_tcb[2],
        microcode: snp.min_tcb[3],
        ..TcbVersion::default()
    };
    let policy = SnpPolicy {
        minima: Product::ALL.map(|product| (product, TcbMinima::all(tcb))).into(),
        keys: match snp.allows_provider {
            true => KeyRule::ChipOrProvider(Expect::Any),
            false => KeyRule::Chip,
        },
        vmpl: snp.vmpl.iter().copied().collect::<BTreeSet<_>>(),
        guest_may_allow: GuestBits::SMT,
        guest_must_demand: GuestBits::NONE,
        guest_abi_min: AbiVersion::default(),
        platform_required: PlatformBits::NONE,
        platform_forbidden: PlatformBits::NONE,
        mitigations_required: 0,
        measurement: only(snp.measurement.as_ref()),
        report_data: only(snp.report_data.as_ref()),
        host_data: Expect::Any,
        chip_id: Expect::Any,
        id_key: Expect::Any,
        author_key: Expect::Any,
        family_id: Expect::Any,
        image_id: Expect::Any,
        guest_svn_min: 0,
    };
    verdict(&verify(&evidence, &roots, &policy, UnixTime(snp.at)))
}

fn judge_quote(asked: &Quote) -> Answer {
    let bank = hash_from_name(&asked.bank).expect("the test names a bank");
    let selection = PcrSet::new(&asked.selection).expect("the test names PCRs");
    let policy = QuotePolicy::plain(&asked.nonce, PcrSelection::of(bank, selection));
    let signed = SignedBy { key: &asked.ak, message: &asked.message, signature: &asked.signature };
    let quoted = quote::verify(&QuoteEvidence { signed, pcrs: &asked.pcrs }, &policy);
    let mut checks = quoted.checks().clone();
    let mut accepted = quoted.is_accepted();
    if let (Some(quoted), Some(log)) = (quoted.verified(), &asked.log) {
        let replayed = event_log::verify(log, quoted.quote(), selection);
        accepted &= replayed.is_accepted();
        checks.append(replayed.checks().clone());
    }
    answer(accepted, &checks, Vec::new())
}

fn judge_ek(ek: &Ek) -> Answer {
    let certificates = |files: &[ByteBuf]| -> Vec<Certificate> {
        files.iter().flat_map(|file| read_certificates(file).unwrap_or_default()).collect()
    };
    let roots = certificates(&ek.roots);
    let mut others = certificates(&ek.intermediates);
    others.extend(roots.iter().cloned());
    let believed = roots.iter().enumerate().map(|(at, root)| TrustRoot {
        label: format!("root {at}"),
        pin: Pin::Certificate(root.sha256()),
    });
    let policy = EkPolicy {
        roots: &TrustRoots::new(believed),
        at: UnixTime(ek.at),
        x509_quirks: &Quirk::ALL,
        quirks: &EkQuirk::ALL,
        revocation: &[],
    };
    verdict(&verify_certificate(&ek.certificate, &others, &policy))
}

fn judge_replay(replay: &Replay) -> Answer {
    let bank = replay.bank.as_deref().map(|name| hash_from_name(name).expect("a bank"));
    let replayed = event_log::replay(&replay.log, bank);
    let values = replayed
        .verified()
        .into_iter()
        .flat_map(|values| values.iter())
        .map(|(index, value)| format!("{}:{index}:{value}", value.hash()))
        .collect();
    answer(replayed.is_accepted(), replayed.checks(), values)
}

fn judge_joined(joined: &Joined) -> Answer {
    let Rules { policy, roots, known } =
        serde_json::from_str(&joined.rules).expect("the test has good rules");
    verdict(&verify_evidence(&joined.evidence, &policy, &roots, &known, UnixTime(joined.at)))
}
