//! Reports of real chips and of the simulated one, with their verdicts.

use super::super::super::forge::roots_of;
use super::super::super::{
    AbiVersion, Expect, GuestBits, KeyRule, PlatformBits, Product, SnpPolicy, SnpRoots, TcbMinima,
    TcbVersion, VekKind,
};
use super::super::{SnpEvidence, verify, verify_report, verify_vek};
use crate::crypto::sparingly;
use crate::x509::{Certificate, UnixTime, read_certificates};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn file(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The intermediate and the root of a file of AMD's.
fn amd_chain(name: &str) -> [Vec<u8>; 2] {
    let certificates = read_certificates(&file(&format!("roots/amd/{name}.pem"))).unwrap();
    [0, 1].map(|index| certificates[index].as_der().to_vec())
}

fn time(text: &str) -> UnixTime {
    UnixTime::from_rfc3339(text).unwrap()
}

/// What any honest guest on any chip has; tests narrow it.
fn open_policy() -> SnpPolicy {
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

/// A real report with its certificates.
struct Real {
    report: Vec<u8>,
    vek: Vec<u8>,
    chain: [Vec<u8>; 2],
}

impl Real {
    fn new(report: &str, vek: &str, chain: &str) -> Self {
        Self {
            report: file(&format!("vectors/snp-real/{report}.report.bin")),
            vek: file(&format!("vectors/snp-real/{vek}.der")),
            chain: amd_chain(chain),
        }
    }

    fn milan() -> Self {
        Self::new("milan_v2_a", "milan_v2_a.vcek", "milan-vcek")
    }

    fn evidence(&self) -> SnpEvidence<'_> {
        let [ask, ark] = &self.chain;
        SnpEvidence { report: &self.report, vek: &self.vek, ask, ark }
    }

    fn failed(&self, policy: &SnpPolicy, at: &str) -> Vec<&'static str> {
        let verdict = verify(&self.evidence(), &SnpRoots::amd(), policy, time(at));
        assert_eq!(verdict.is_accepted(), verdict.checks().all_passed());
        verdict.checks().failed_ids()
    }
}

#[test]
fn real_reports() {
    let policy = open_policy();
    let none: [&str; 0] = [];
    assert_eq!(Real::milan().failed(&policy, "2024-01-01T00:00:00Z"), none);
    let azure = Real::new("azure_milan_v3", "azure_milan_v3.vcek", "milan-vcek");
    assert_eq!(azure.failed(&policy, "2025-08-01T00:00:00Z"), none);
    let debug = Real::new("milan_v2_debugpolicy", "milan_v2_debugpolicy.vcek", "milan-vcek");
    assert_eq!(debug.failed(&policy, "2024-01-01T00:00:00Z"), ["snp.policy.debug"]);
}

#[test]
fn a_real_report_by_a_providers_key() {
    let real = Real::new("milan_v3_vlek", "milan_v3_vlek.vlek", "milan-vlek");
    let at = "2025-06-01T00:00:00Z";
    assert_eq!(
        real.failed(&open_policy(), at),
        ["snp.signing-key.allowed", "snp.vmpl"],
        "neither the provider's key nor level 1 is accepted unless a policy says so"
    );
    let accepts = |provider: Expect<String>| SnpPolicy {
        keys: KeyRule::ChipOrProvider(provider),
        vmpl: BTreeSet::from([1]),
        ..open_policy()
    };
    assert!(real.failed(&accepts(Expect::Any), at).is_empty());
    let named = Expect::exactly("CN=cc-us-east-2.amazonaws.com".to_owned());
    assert!(real.failed(&accepts(named), at).is_empty());
    let other = Expect::exactly("CN=cc-us-east-1.amazonaws.com".to_owned());
    assert_eq!(real.failed(&accepts(other), at), ["snp.signing-key.allowed"]);
    assert_eq!(
        real.failed(&accepts(Expect::Any), "2026-01-01T00:00:00Z"),
        ["x509.validity"],
        "such keys are certified for a year"
    );
}

#[test]
fn real_chains_of_all_generations() {
    let check = |vek: &str, chain: &str, at: &str| {
        let real = Real {
            report: Vec::new(),
            vek: file(&format!("vectors/snp-real/{vek}.der")),
            chain: amd_chain(chain),
        };
        verify_vek(&real.evidence(), &SnpRoots::amd(), time(at))
    };
    let turin = check("turin_vcek_only", "turin-vcek", "2025-06-01T00:00:00Z");
    let turin = turin.into_result().unwrap();
    assert_eq!(turin.claims().product, Product::Turin);
    assert!(
        matches!(&turin.claims().kind, VekKind::Vcek { hardware_id } if hardware_id.len() == 8)
    );
    assert_eq!(turin.root(), "ARK-Turin");
    let under_other = check("turin_vcek_only", "genoa-vcek", "2025-06-01T00:00:00Z");
    assert_eq!(under_other.checks().failed_ids(), ["x509.issuer", "x509.signature"]);
    // The intermediates of all files chain to their pinned roots.
    for name in ["milan-vcek", "milan-vlek", "genoa-vcek", "genoa-vlek", "turin-vcek", "turin-vlek"]
    {
        let [ask, ark] = amd_chain(name);
        let evidence = SnpEvidence { report: &[], vek: &ask, ask: &ask, ark: &ark };
        let verdict = verify_vek(&evidence, &SnpRoots::amd(), time("2025-06-01T00:00:00Z"));
        let root = verdict.checks().iter().find(|check| check.id == "x509.root").unwrap();
        assert!(root.passed, "{name}");
        let signature = verdict
            .checks()
            .iter()
            .find(|check| check.id == "x509.signature" && check.on == "ASK")
            .unwrap();
        assert!(signature.passed, "{name}: {}", signature.detail);
        assert!(!verdict.is_accepted(), "an intermediate is no signing key");
    }
}

#[test]
fn parts_of_two_machines_do_not_mix() {
    let at = "2025-08-01T00:00:00Z";
    let milan = Real::milan();
    let azure = Real::new("azure_milan_v3", "azure_milan_v3.vcek", "milan-vcek");
    let crossed = Real { report: azure.report.clone(), ..Real::milan() };
    let failed = crossed.failed(&open_policy(), at);
    assert_eq!(failed, ["snp.signature", "snp.chip", "snp.tcb"]);
    let crossed = Real { vek: azure.vek, ..milan };
    let failed = crossed.failed(&open_policy(), at);
    assert_eq!(failed, ["snp.signature", "snp.chip", "snp.tcb"]);
}

/// The verdicts of the manifest, each refusal by the checks that must make it.
#[test]
fn simulated_reports() {
    let folder = |name: &str| file(&format!("vectors/snp-sim/{name}"));
    let manifest: serde_json::Value = serde_json::from_slice(&folder("manifest.json")).unwrap();
    let minimum = |part: &str| manifest["min_tcb"][part].as_u64().unwrap() as u8;
    let minimum = TcbVersion {
        fmc: 0,
        bootloader: minimum("bootloader"),
        tee: minimum("tee"),
        snp: minimum("snp"),
        microcode: minimum("microcode"),
    };
    let mut measurement = [0; 48];
    let hex_text = |name: &str| manifest[name].as_str().unwrap().to_owned();
    hex::decode_to_slice(hex_text("allowed_measurement"), &mut measurement).unwrap();
    let mut report_data = [0; 64];
    hex::decode_to_slice(hex_text("expected_report_data"), &mut report_data).unwrap();
    let policy = SnpPolicy {
        minima: BTreeMap::from([(Product::Milan, TcbMinima::all(minimum))]),
        keys: KeyRule::ChipOrProvider(Expect::exactly("csp-sim".to_owned())),
        measurement: Expect::exactly(measurement),
        report_data: Expect::exactly(report_data),
        ..open_policy()
    };
    let roots = roots_of(&Certificate::from_der(&folder("ark.der")).unwrap(), Product::Milan);

    let refusals: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("bad_flip_vmpl", &["snp.signature", "snp.vmpl"][..]),
        ("bad_flip_cur_tcb", &["snp.signature"]),
        ("bad_flip_reserved_4c", &["snp.reserved", "snp.signature"]),
        ("bad_flip_report_data", &["snp.signature", "snp.report-data"]),
        ("bad_flip_host_data", &["snp.signature"]),
        ("bad_flip_id_key", &["snp.signature"]),
        ("bad_flip_reserved_190", &["snp.reserved", "snp.signature"]),
        ("bad_flip_chip_id", &["snp.signature", "snp.chip"]),
        ("bad_flip_launch_tcb_reserved", &["snp.signature", "snp.tcb.reserved"]),
        ("bad_flip_reserved_210", &["snp.reserved", "snp.signature"]),
        ("bad_flip_sig_s", &["snp.signature"]),
        ("bad_sig_r_high", &["snp.signature.padding"]),
        ("bad_sig_zero", &["snp.signature.form"]),
        ("bad_sig_r_ge_n", &["snp.signature.padding", "snp.signature"]),
        ("bad_migrate_ma", &["snp.policy.migration"]),
        ("bad_policy_rsv", &["snp.policy.reserved"]),
        ("bad_vmpl_host", &["snp.vmpl"]),
        ("bad_sigalgo", &["snp.algorithm"]),
        ("bad_rep_tcb_vs_vcek", &["snp.tcb", "snp.tcb.reported"]),
        (
            "bad_old_tcb",
            &["snp.tcb.current", "snp.tcb.reported", "snp.tcb.committed", "snp.tcb.launch"],
        ),
        ("bad_chip_vs_vcek", &["snp.chip"]),
        ("bad_chip_masked", &["snp.chip"]),
        ("bad_vlek_flag_vcek_cert", &["snp.signing-key"]),
        ("bad_measurement", &["snp.measurement"]),
        ("bad_wrong_key", &["snp.signature"]),
        ("bad_untrusted_root", &["x509.root"]),
        ("bad_vcek_expired", &["x509.validity"]),
        ("bad_vcek_issuer_name", &["x509.issuer"]),
        ("bad_short", &["snp.length"]),
        ("bad_long", &["snp.length"]),
    ]);
    let mut wrong = Vec::new();
    let cases = manifest["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 34);
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let prefix = if text("chain") == "evil" { "evil_" } else { "" };
        let (report, vek) = (folder(text("report")), folder(text("vek")));
        let (ask, ark) = (folder(&format!("{prefix}ask.der")), folder(&format!("{prefix}ark.der")));
        let evidence = SnpEvidence { report: &report, vek: &vek, ask: &ask, ark: &ark };
        let verdict = verify(&evidence, &roots, &policy, time("2026-06-01T00:00:00Z"));
        assert_eq!(verdict.is_accepted(), text("expect") == "accept", "{}", text("name"));
        let expected = refusals.get(text("name")).copied().unwrap_or_default();
        let failed = verdict.checks().failed_ids();
        if failed != expected {
            wrong.push(format!("{}: {failed:?}, not {expected:?}", text("name")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// No bit of an accepted report is free.
#[test]
fn each_bit_of_a_real_report_counts() {
    let real = Real::milan();
    let (roots, policy, at) = (SnpRoots::amd(), open_policy(), time("2024-01-01T00:00:00Z"));
    let vek = verify_vek(&real.evidence(), &roots, at).into_result().unwrap();
    assert!(verify_report(&real.report, &vek, &policy, at).is_accepted());
    sparingly(97, || {
        for bit in 0..8 * real.report.len() {
            let mut report = real.report.clone();
            report[bit / 8] ^= 1 << (bit % 8);
            let verdict = verify_report(&report, &vek, &policy, at);
            assert!(!verdict.is_accepted(), "bit {bit} of the report");
        }
    });
}

/// No bit of its certificates is free either.
#[test]
fn each_bit_of_real_certificates_counts() {
    let real = Real::milan();
    let (roots, at) = (SnpRoots::amd(), time("2024-01-01T00:00:00Z"));
    let [ask, ark] = &real.chain;
    sparingly(397, || {
        for (which, der) in [&real.vek, ask, ark].into_iter().enumerate() {
            for bit in 0..8 * der.len() {
                let mut parts = [real.vek.clone(), ask.clone(), ark.clone()];
                parts[which][bit / 8] ^= 1 << (bit % 8);
                let [vek, ask, ark] = &parts;
                let evidence = SnpEvidence { report: &[], vek, ask, ark };
                let verdict = verify_vek(&evidence, &roots, at);
                assert!(!verdict.is_accepted(), "bit {bit} of certificate {which}");
            }
        }
    });
}
