//! What it costs to verify: a real SEV-SNP report with its whole chain, and by a chain that is kept;
//! quotes of a simulated TPM; the replay of a real event log.
//!
//! `cargo run --release -p attestation --example verify_cost`

use attestation::crypto::Hash;
use attestation::event_log;
use attestation::snp::{
    AbiVersion, Expect, GuestBits, KeyRule, PlatformBits, Product, SnpEvidence, SnpPolicy,
    SnpRoots, TcbMinima, verify, verify_report, verify_vek,
};
use attestation::tpm::{PcrSelection, PcrSet, QuoteEvidence, QuotePolicy, SignedBy, quote};
use attestation::x509::{UnixTime, read_certificates};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const REPORT: &[u8] = include_bytes!("../vectors/snp-real/milan_v2_a.report.bin");
const VEK: &[u8] = include_bytes!("../vectors/snp-real/milan_v2_a.vcek.der");
const CHAIN: &[u8] = include_bytes!("../roots/amd/milan-vcek.pem");

/// Key, message, signature and PCR values.
const QUOTES: [(&str, [&[u8]; 4]); 2] = [
    (
        "RSA",
        [
            include_bytes!("../vectors/tpm-swtpm/ak_rsa.pub"),
            include_bytes!("../vectors/tpm-swtpm/quote_rsa.msg"),
            include_bytes!("../vectors/tpm-swtpm/quote_rsa.sig"),
            include_bytes!("../vectors/tpm-swtpm/quote_rsa.pcrs"),
        ],
    ),
    (
        "P-256",
        [
            include_bytes!("../vectors/tpm-swtpm/ak_ecc.pub"),
            include_bytes!("../vectors/tpm-swtpm/quote_ecc.msg"),
            include_bytes!("../vectors/tpm-swtpm/quote_ecc.sig"),
            include_bytes!("../vectors/tpm-swtpm/quote_ecc.pcrs"),
        ],
    ),
];
const LOG: &[u8] = include_bytes!("../vectors/event-log/gtt_ubuntu-2404-amd-sevsnp.bin");

/// 2024-01-01, when the chip's certificate is valid.
const AT: UnixTime = UnixTime(1_704_067_200);

const ROUNDS: usize = 300;

fn main() {
    let chain = read_certificates(CHAIN).expect("the file is good");
    let (ask, ark) = (chain[0].as_der(), chain[1].as_der());
    let evidence = SnpEvidence { report: REPORT, vek: VEK, ask, ark };
    let roots = SnpRoots::amd();
    let policy = policy();
    let vek = verify_vek(&evidence, &roots, AT).into_result().expect("the chain is good");
    time("report and whole chain", || verify(&evidence, &roots, &policy, AT).is_accepted());
    time("chain alone", || verify_vek(&evidence, &roots, AT).is_accepted());
    time("report by a kept chain", || verify_report(REPORT, &vek, &policy, AT).is_accepted());
    let selection = PcrSet::new(&[0, 4, 7, 11]).expect("they are PCRs");
    let policy = QuotePolicy::plain(&[7; 32], PcrSelection::of(Hash::Sha256, selection));
    for (name, [key, message, signature, pcrs]) in QUOTES {
        let quoted = QuoteEvidence { signed: SignedBy { key, message, signature }, pcrs };
        time(&format!("quote {name}"), || quote::verify(&quoted, &policy).is_accepted());
    }
    time("event log", || event_log::replay(LOG, None).is_accepted());
}

/// Prints median and minimum of the wall time.
fn time(name: &str, mut verify: impl FnMut() -> bool) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            assert!(verify(), "the report is good");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{name}: median {:?}, minimum {:?}", times[ROUNDS / 2], times[0]);
}

fn policy() -> SnpPolicy {
    SnpPolicy {
        minima: Product::ALL.map(|product| (product, TcbMinima::default())).into(),
        keys: KeyRule::Chip,
        vmpl: BTreeSet::from([0]),
        guest_may_allow: GuestBits::SMT,
        guest_must_demand: GuestBits::NONE,
        guest_abi_min: AbiVersion::default(),
        platform_required: PlatformBits::NONE,
        platform_forbidden: PlatformBits::NONE,
        mitigations_required: 0,
        measurement: Expect::Any,
        report_data: Expect::Any,
        host_data: Expect::Any,
        chip_id: Expect::Any,
        id_key: Expect::Any,
        author_key: Expect::Any,
        family_id: Expect::Any,
        image_id: Expect::Any,
        guest_svn_min: 0,
    }
}
