//! The verifier inside of a canister, on a network of four nodes: all vectors and changed copies of them
//! get the same answers there as natively, check for check, and what they cost is bounded.

#[path = "../canisters/attestation-judge/src/judge.rs"]
mod judge;

use attestation::x509::{Certificate, UnixTime, read_certificates};
use candid::{CandidType, Deserialize, Encode, Principal};
use ic_agent::Agent;
use ic_agent::identity::BasicIdentity;
use ic_management_canister_types::CanisterInstallMode;
use judge::{Answer, Ek, Joined, Question, Quote, Replay, Snp};
use serde_bytes::ByteBuf;
use serde_json::Value;
use std::time::{Duration, Instant};
use system_tests::{LocalNetwork, development as dev, provided};

/// The most that any single verification may take.
const INSTRUCTIONS_MAX: u64 = 2_000_000_000;

/// Changed copies of each accepted piece of evidence.
const CHANGED_COUNT: usize = 6;

/// What the canister says.
#[derive(CandidType, Deserialize)]
struct Priced {
    answer: Answer,
    instructions: u64,
}

/// A question and what its vectors say about it.
struct Case {
    name: String,
    question: Question,
    accepted: bool,
}

fn file(path: &str) -> ByteBuf {
    let path = provided::source("attestation").join(path);
    ByteBuf::from(
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
}

fn seconds(time: &str) -> i64 {
    UnixTime::from_rfc3339(time).expect("the test has a time").0
}

fn der(bytes: &[u8]) -> ByteBuf {
    ByteBuf::from(bytes.to_vec())
}

/// Reports of real chips.
fn real_reports() -> Vec<Case> {
    let real = |report: &str, vek: &str, chain: &str, at: &str, accepted| {
        let chain = read_certificates(&file(&format!("roots/amd/{chain}.pem"))).unwrap();
        let question = Question::Snp(Snp {
            report: file(&format!("vectors/snp-real/{report}.report.bin")),
            vek: file(&format!("vectors/snp-real/{vek}.der")),
            ask: der(chain[0].as_der()),
            ark: der(chain[1].as_der()),
            further_root: None,
            measurement: None,
            report_data: None,
            min_tcb: vec![0; 4],
            allows_provider: vek.ends_with("vlek"),
            vmpl: vec![0, 1],
            at: seconds(at),
        });
        Case { name: report.to_owned(), question, accepted }
    };
    let (early, late) = ("2024-01-01T00:00:00Z", "2025-08-01T00:00:00Z");
    vec![
        real("milan_v2_a", "milan_v2_a.vcek", "milan-vcek", early, true),
        real("azure_milan_v3", "azure_milan_v3.vcek", "milan-vcek", late, true),
        real("milan_v2_debugpolicy", "milan_v2_debugpolicy.vcek", "milan-vcek", early, false),
        real("milan_v3_vlek", "milan_v3_vlek.vlek", "milan-vlek", "2025-06-01T00:00:00Z", true),
        real("milan_v2_a", "azure_milan_v3.vcek", "milan-vcek", late, false),
        real("milan_v2_a", "turin_vcek_only", "turin-vcek", late, false),
    ]
}

/// Reports of a simulated chip, under its own root.
fn simulated_reports() -> Vec<Case> {
    let folder = |name: &str| file(&format!("vectors/snp-sim/{name}"));
    let manifest: Value = serde_json::from_slice(&folder("manifest.json")).unwrap();
    let hex_text =
        |name: &str| ByteBuf::from(hex::decode(manifest[name].as_str().unwrap()).unwrap());
    let minimum = |part: &str| u8::try_from(manifest["min_tcb"][part].as_u64().unwrap()).unwrap();
    let root = Certificate::from_der(&folder("ark.der")).unwrap().spki_sha256();
    let cases = manifest["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 34);
    let case = |case: &Value| {
        let text = |key: &str| case[key].as_str().unwrap();
        let prefix = if text("chain") == "evil" { "evil_" } else { "" };
        Case {
            name: text("name").to_owned(),
            question: Question::Snp(Snp {
                report: folder(text("report")),
                vek: folder(text("vek")),
                ask: folder(&format!("{prefix}ask.der")),
                ark: folder(&format!("{prefix}ark.der")),
                further_root: Some(der(&root)),
                measurement: Some(hex_text("allowed_measurement")),
                report_data: Some(hex_text("expected_report_data")),
                min_tcb: ["bootloader", "tee", "snp", "microcode"].map(minimum).to_vec(),
                allows_provider: true,
                vmpl: vec![0],
                at: seconds("2026-06-01T00:00:00Z"),
            }),
            accepted: text("expect") == "accept",
        }
    };
    cases.iter().map(case).collect()
}

/// Quotes and endorsement certificates of a simulated TPM and of a cloud's.
fn tpms() -> Vec<Case> {
    let swtpm = |name: &str| file(&format!("vectors/tpm-swtpm/{name}"));
    let quote = |kind: &str, nonce: u8, log: Option<&str>, accepted| Case {
        name: format!("quote {kind}, nonce {nonce}, log {log:?}"),
        question: Question::Quote(Quote {
            ak: swtpm(&format!("ak_{kind}.pub")),
            message: swtpm(&format!("quote_{kind}.msg")),
            signature: swtpm(&format!("quote_{kind}.sig")),
            pcrs: swtpm(&format!("quote_{kind}.pcrs")),
            bank: "sha256".to_owned(),
            selection: vec![0, 4, 7, 11],
            nonce: der(&[nonce; 32]),
            log: log.map(|log| file(&format!("vectors/event-log/{log}"))),
        }),
        accepted,
    };
    let ek = |name: &str, certificate: ByteBuf, others: &[&str], root: &str, accepted| Case {
        name: format!("EK {name}"),
        question: Question::Ek(Ek {
            certificate,
            intermediates: others.iter().map(|name| file(&format!("vectors/{name}"))).collect(),
            roots: vec![file(&format!("vectors/{root}"))],
            at: seconds("2026-12-01T00:00:00Z"),
        }),
        accepted,
    };
    let google = |name: &str, end: &str, intermediate: &str, root: &str| {
        let found = read_certificates(&file(&format!("vectors/certs/{end}"))).unwrap();
        ek(name, der(found[0].as_der()), &[intermediate], root, true)
    };
    let local = "tpm-swtpm/issuercert.pem";
    let local_root = "tpm-swtpm/swtpm-localca-rootca-cert.pem";
    let other_root = "certs/gtt_gcp_ek_ak_ca_root.crt";
    vec![
        quote("rsa", 7, None, true),
        quote("ecc", 7, None, true),
        quote("ecc", 8, None, false),
        quote("rsa", 7, Some("gtt_ubuntu-2404-amd-sevsnp.bin"), false),
        ek("RSA", swtpm("ek_rsa.der"), &[local], local_root, true),
        ek("P-384", swtpm("ek_ecc384.der"), &[local], local_root, true),
        ek("RSA under another root", swtpm("ek_rsa.der"), &[local], other_root, false),
        google(
            "RSA of a cloud",
            "gtt_uca_tpm_rsa_enc_cert.pem",
            "certs/gtt_tpm_ek_intermediate_3.crt",
            "certs/gtt_tpm_ek_root_1.cer",
        ),
        google(
            "RSA of a cloud, newer",
            "gtt_pca_tpm_rsa_enc_cert.pem",
            "certs/gtt_gcp_ek_ak_ca_intermediate_v3.crt",
            other_root,
        ),
        ek("a platform's", swtpm("platform.der"), &[local], local_root, false),
    ]
}

/// Event logs: every one replays, and one that is cut does not.
fn logs() -> Vec<Case> {
    let names = [
        "goatt_crypto_agile_eventlog",
        "gtt_cos-101-amd-sev.bin",
        "gtt_debian-10.bin",
        "gtt_rhel8-uefi.bin",
        "gtt_ubuntu-2404-amd-sevsnp.bin",
        "kl_bios_sb.bin",
    ];
    let case = |name: &str, cut: usize| {
        let mut log = file(&format!("vectors/event-log/{name}"));
        let kept = log.len() - cut;
        log.truncate(kept);
        let question = Question::Replay(Replay { log, bank: None });
        Case { name: format!("log {name}, {cut} bytes less"), question, accepted: cut == 0 }
    };
    names.iter().flat_map(|name| [case(name, 0), case(name, 1)]).collect()
}

/// Joined evidence of each role.
fn joined() -> Vec<Case> {
    let case = |role: &str| {
        let rules = file(&format!("vectors/evidence/{role}.json"));
        let question = Question::Joined(Joined {
            evidence: file(&format!("vectors/evidence/{role}.evidence")),
            rules: String::from_utf8(rules.into_vec()).expect("JSON is text"),
            at: seconds("2025-06-15T15:06:40Z"),
        });
        Case { name: format!("evidence of a {role}"), question, accepted: true }
    };
    ["host", "guest", "machine"].map(case).into()
}

/// The part of a question that a machine makes up, to be changed.
fn evidence(question: &mut Question) -> &mut Vec<u8> {
    match question {
        Question::Snp(snp) => &mut snp.report,
        Question::Quote(quote) => &mut quote.message,
        Question::Ek(ek) => &mut ek.certificate,
        Question::Replay(replay) => &mut replay.log,
        Question::Joined(joined) => &mut joined.evidence,
    }
}

/// Copies of an accepted case with one bit changed each, spread over the evidence. Logs are left out: what
/// nobody signed may change, and then has other values.
fn changed(case: &Case) -> Vec<Case> {
    if !case.accepted || matches!(case.question, Question::Replay(_)) {
        return Vec::new();
    }
    let copy = |at: usize| {
        let mut question = case.question.clone();
        let bytes = evidence(&mut question);
        let bit = (2 * at + 1) * 8 * bytes.len() / (2 * CHANGED_COUNT) + at % 8;
        bytes[bit / 8] ^= 1 << (bit % 8);
        Case { name: format!("{}, bit {bit} changed", case.name), question, accepted: false }
    };
    (0..CHANGED_COUNT).map(copy).collect()
}

#[test]
fn verdicts_in_a_canister_are_the_native_ones() {
    let lists = [real_reports(), simulated_reports(), tpms(), logs(), joined()];
    let mut cases: Vec<Case> = lists.into_iter().flatten().collect();
    cases.extend(cases.iter().flat_map(changed).collect::<Vec<_>>());
    assert!(cases.len() > 100, "{} cases", cases.len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let network = LocalNetwork::start();
        let identity = BasicIdentity::from_raw_key(&[7; 32]);
        let agent = dev::agent(&network, network.endpoint(), identity);
        let canister = dev::create(&agent, &network).await.unwrap();
        let module = provided::test_module("attestation-judge");
        let argument = Encode!().unwrap();
        dev::install_chunked(&agent, canister, CanisterInstallMode::Install, &module, argument)
            .await
            .unwrap();
        let mut prices = Vec::new();
        for case in &cases {
            prices.push(ask(&agent, canister, case).await);
        }
        report(&cases, &prices);
    });
}

/// Asks both, and compares.
async fn ask(agent: &Agent, canister: Principal, case: &Case) -> (u64, Duration) {
    let native = judge::judge(&case.question);
    assert_eq!(native.accepted, case.accepted, "{}: {native:#?}", case.name);
    let start = Instant::now();
    let (priced,): (Priced,) =
        dev::query(agent, canister, "judge", (&case.question,)).await.unwrap();
    let took = start.elapsed();
    assert_eq!(priced.answer, native, "{}", case.name);
    assert!(priced.instructions <= INSTRUCTIONS_MAX, "{}: {}", case.name, priced.instructions);
    (priced.instructions, took)
}

/// What the unchanged cases cost.
fn report(cases: &[Case], prices: &[(u64, Duration)]) {
    for (case, (instructions, took)) in cases.iter().zip(prices) {
        if !case.name.contains("changed") {
            let millions = instructions / 1_000_000;
            println!("{millions:>6} million instructions, {took:>9.1?}: {}", case.name);
        }
    }
    println!("{} cases, the same answers", cases.len());
}
