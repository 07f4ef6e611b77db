use super::*;
use clap::Parser;

/// The options alone, as a command line.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    check: CheckSnp,
}

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors");
const AMD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/roots/amd");

fn line(files: [&str; 4], more: &str) -> Vec<String> {
    let names = ["--report", "--vek", "--ask", "--ark"];
    let files = names.iter().zip(files).flat_map(|(name, file)| [name.to_string(), file.into()]);
    let more = more.split_whitespace().map(str::to_owned);
    std::iter::once("check-snp".to_owned()).chain(files).chain(more).collect()
}

fn check(files: [&str; 4], more: &str) -> Result<Shown, Unusable> {
    run(&Line::try_parse_from(line(files, more)).unwrap().check)
}

/// The checks that fail; none if it is accepted.
fn failed(files: [&str; 4], more: &str) -> Vec<&'static str> {
    let shown = check(files, more).unwrap();
    let failed = shown.checks.failed_ids();
    assert_eq!(shown.is_accepted, failed.is_empty());
    failed
}

fn real(name: &str, more: &str) -> Vec<&'static str> {
    let (vek, chain) = match name.ends_with("vlek") {
        true => ("vlek", "milan-vlek"),
        false => ("vcek", "milan-vcek"),
    };
    let report = format!("{VECTORS}/snp-real/{name}.report.bin");
    let vek = format!("{VECTORS}/snp-real/{name}.{vek}.der");
    // One file with both, as AMD serves them.
    let chain = format!("{AMD}/{chain}.pem");
    failed([&report, &vek, &chain, &chain], more)
}

fn simulated(report: &str, vek: &str, more: &str) -> Vec<&'static str> {
    let file = |name: &str| format!("{VECTORS}/snp-sim/{name}");
    let report = file(&format!("{report}.report.bin"));
    failed([&report, &file(vek), &file("ask.der"), &file("ark.der")], more)
}

#[test]
fn real_reports() {
    assert!(real("milan_v2_a", "--at 2024-01-01T00:00:00Z").is_empty());
    assert!(real("azure_milan_v3", "--at 2025-08-01T02:00:00+02:00 --product milan").is_empty());
    assert_eq!(real("milan_v2_debugpolicy", "--at 2024-01-01T00:00:00Z"), ["snp.policy.debug"]);
    assert_eq!(
        real("milan_v2_a", "--at 2024-01-01T00:00:00Z --product genoa"),
        ["snp.product.allowed"]
    );
    assert_eq!(real("milan_v2_a", "--at 2019-01-01T00:00:00Z"), ["x509.validity"]);
    let vlek = "milan_v3_vlek";
    assert_eq!(real(vlek, "--at 2025-06-01T00:00:00Z"), ["snp.signing-key.allowed"]);
    assert!(real(vlek, "--at 2025-06-01T00:00:00Z --allow-vlek").is_empty());
    assert_eq!(real(vlek, "--at 2025-06-01T00:00:00Z --allow-vlek --vmpl 0"), ["snp.vmpl"]);
}

#[test]
fn options_narrow_what_is_accepted() {
    let at = "--at 2026-06-01T00:00:00Z";
    assert_eq!(simulated("ok_v3", "vcek.der", at), ["x509.root"], "a root must be named one");
    let trusted = format!("{at} --trust-ark");
    assert!(simulated("ok_v3", "vcek.der", &trusted).is_empty());
    let minimum = |tcb: &str| simulated("ok_v3", "vcek.der", &format!("{trusted} --min-tcb {tcb}"));
    assert!(minimum("bootloader=4,tee=0,snp=24,microcode=219").is_empty());
    assert!(minimum("snp=24").is_empty());
    let below = ["snp.tcb.current", "snp.tcb.reported", "snp.tcb.committed", "snp.tcb.launch"];
    assert_eq!(minimum("microcode=220"), below);
    let with = |option: &str, bytes: usize| {
        simulated("ok_v3", "vcek.der", &format!("{trusted} {option} {}", "5a".repeat(bytes)))
    };
    assert_eq!(with("--measurement", 48), ["snp.measurement"]);
    assert_eq!(with("--report-data", 64), ["snp.report-data"]);
    assert_eq!(with("--host-data", 32), ["snp.host-data"]);
    assert_eq!(with("--chip-id", 64), ["snp.chip.allowed"]);
    assert_eq!(with("--chip-id", 8), ["snp.chip.allowed"]);
    // A root that is believed is so for one generation.
    let genoa = simulated("ok_v3", "vcek.der", &format!("{trusted} --product genoa"));
    assert_eq!(genoa, ["snp.product.root", "snp.product.allowed"]);
}

/// The container of a report is taken off, and its claims are checked; this chip's certificate is not public.
#[test]
fn a_report_in_its_container() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hcl").to_str().unwrap().to_owned();
    let real = std::fs::read(format!("{VECTORS}/snp-real/azure_milan_v2.hcl.bin")).unwrap();
    let vek = format!("{VECTORS}/snp-real/milan_v2_a.vcek.der");
    let chain = format!("{AMD}/milan-vcek.pem");
    let with = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        check([&path, &vek, &chain, &chain], "--at 2024-01-01T00:00:00Z")
    };
    let shown = with(&real).unwrap();
    let claims = shown.checks.iter().find(|check| check.id == "snp.claims").unwrap();
    assert!(claims.passed && !shown.is_accepted, "another chip's key did not sign it");
    assert!(!shown.checks.failed_ids().contains(&"snp.length"));
    let mut changed = real.clone();
    changed[0x500] ^= 1;
    assert!(with(&changed).unwrap().checks.failed_ids().contains(&"snp.claims"));
    changed[8] ^= 1;
    let Err(unusable) = with(&changed) else { panic!("its lengths do not fit") };
    assert!(unusable.to_string().contains("no HCL report"), "{unusable}");
}

/// The claims' key, which an option names.
#[test]
fn the_key_of_the_claims() {
    let vek = format!("{VECTORS}/snp-real/milan_v2_a.vcek.der");
    let chain = format!("{AMD}/milan-vcek.pem");
    let at = "--at 2024-01-01T00:00:00Z";
    let with = |report: &str, ak: &str| {
        let report = format!("{VECTORS}/snp-real/{report}");
        check([&report, &vek, &chain, &chain], &format!("{at} --ak {VECTORS}/{ak}"))
    };
    let outcome = |ak: &str| {
        let shown = with("azure_milan_v2.hcl.bin", ak).unwrap();
        shown.checks.iter().find(|check| check.id == "snp.claims.ak").unwrap().passed
    };
    assert!(outcome("snp-real/azure_milan_v2.ak.pem"));
    assert!(!outcome("tpm-real/azure_vtpm.ak.pem"));
    let Err(unusable) = with("milan_v2_a.report.bin", "tpm-real/azure_vtpm.ak.pem") else {
        panic!("a report alone has no claims")
    };
    assert!(unusable.to_string().contains("HCL report"), "{unusable}");
}

/// What hosts leave beside a report.
#[test]
fn a_table_of_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let sim = |name: &str| format!("{VECTORS}/snp-sim/{name}");
    let read = |name: &str| std::fs::read(sim(name)).unwrap();
    let ids = [
        "63da758de6644564adc5f4b93be8accd",
        "a8074bc2a25a483eaae639c045a0b8a1",
        "4ab7b379bbac4fe4a02f05aef327c782",
        "c0b406a4a803495297433fb6014cd0ae",
    ];
    let table = |name: &str, entries: &[(usize, Vec<u8>)]| {
        let mut place = 24 * (entries.len() + 1);
        let (mut head, mut contents) = (Vec::new(), Vec::new());
        for (id, der) in entries {
            head.extend(hex::decode(ids[*id]).unwrap());
            head.extend((place as u32).to_le_bytes());
            head.extend((der.len() as u32).to_le_bytes());
            contents.extend_from_slice(der);
            place += der.len();
        }
        let path = dir.path().join(name);
        std::fs::write(&path, [head, vec![0; 24], contents].concat()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (vcek, ask, ark) = (read("vcek.der"), read("ask.der"), read("ark.der"));
    let provider = read("vlek.der");
    let whole = table("whole", &[(0, vcek.clone()), (2, ask.clone()), (3, ark.clone())]);
    let at = "--at 2026-06-01T00:00:00Z --trust-ark";
    let with = |report: &str, more: &str| {
        let line = format!("check-snp --report {} {at} {more}", sim(report));
        run(&Line::try_parse_from(line.split_whitespace()).unwrap().check)
    };
    let failed = |report: &str, more: &str| with(report, more).unwrap().checks.failed_ids();
    let report = "ok_v3.report.bin";
    assert!(failed(report, &format!("--certs {whole}")).is_empty());
    // An option goes before the table.
    let other = format!("--certs {whole} --vek {}", sim("vlek.der"));
    assert!(!failed(report, &other).is_empty());
    // Of two keys the one that the report names.
    let both = table("both", &[(1, provider), (0, vcek.clone()), (2, ask), (3, ark)]);
    assert!(failed(report, &format!("--certs {both}")).is_empty());
    // What it lacks comes from options, or the message says which.
    let alone = table("alone", &[(0, vcek)]);
    let rest = format!("--certs {alone} --ask {} --ark {}", sim("ask.der"), sim("ark.der"));
    assert!(failed(report, &rest).is_empty());
    let Err(unusable) = with(report, &format!("--certs {alone}")) else { panic!("no chain") };
    assert!(unusable.to_string().contains("give that with --ask"), "{unusable}");
    let cut = dir.path().join("cut");
    std::fs::write(&cut, &std::fs::read(&whole).unwrap()[..30]).unwrap();
    let Err(unusable) = with(report, &format!("--certs {}", cut.display())) else {
        panic!("half a table")
    };
    assert!(unusable.to_string().contains("points out of it"), "{unusable}");
    assert!(Line::try_parse_from(["check-snp", "--report", "r", "--vek", "v"]).is_err());
}

/// No list of AMD's is public outside of its own server: one of another authority must not count as one.
#[test]
fn a_list_of_another_authority_is_none() {
    let files = ["ok_v3.report.bin", "vcek.der", "ask.der", "ark.der"];
    let [report, vek, ask, ark] = files.map(|name| format!("{VECTORS}/snp-sim/{name}"));
    let list = format!("{VECTORS}/revocation/root.crl");
    let line = format!(
        "check-snp --report {report} --vek {vek} --ask {ask} --ark {ark} --trust-ark \
         --at 2026-06-01T00:00:00Z"
    );
    let check = |line: &str| {
        run(&Line::try_parse_from(line.split_whitespace()).unwrap().check).unwrap().checks
    };
    assert_eq!(check(&line).failed_ids(), [""; 0]);
    let failed = check(&format!("{line} --crl {list}")).failed_ids();
    assert!(failed.contains(&"x509.crl.there"), "{failed:?}");
}

#[test]
fn wrong_usage() {
    let refused = |more: &str| {
        assert!(Line::try_parse_from(line(["r", "v", "k", "a"], more)).is_err(), "{more}");
    };
    refused("--measurement 5a");
    refused("--report-data zz");
    refused("--chip-id 5a5a");
    refused("--min-tcb snp");
    refused("--min-tcb snp=256");
    refused("--min-tcb snp=1,snp=2");
    refused("--min-tcb other=1");
    refused("--at yesterday");
    refused("--product rome");
    refused("--vmpl 4");
    assert!(Line::try_parse_from(line(["r", "v", "k", "a"], "--vmpl 0,3")).is_ok());
}

#[test]
fn unusable_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let report = format!("{VECTORS}/snp-real/milan_v2_a.report.bin");
    let vek = format!("{VECTORS}/snp-real/milan_v2_a.vcek.der");
    let chain = format!("{AMD}/milan-vcek.pem");
    let none = path("none");
    assert!(matches!(check([&none, &vek, &chain, &chain], ""), Err(Unusable::Read { .. })));
    let text = path("text");
    std::fs::write(&text, "no certificate").unwrap();
    let unusable = check([&report, &text, &chain, &chain], "");
    assert!(matches!(unusable, Err(Unusable::Certificates { .. })));
    let unusable = check([&report, &chain, &chain, &chain], "");
    assert!(matches!(unusable, Err(Unusable::Ambiguous { count: 2, .. })));
    // Damaged evidence is refused, not unusable.
    let short = path("short");
    std::fs::write(&short, &std::fs::read(&report).unwrap()[..1183]).unwrap();
    let at = "--at 2024-01-01T00:00:00Z";
    assert_eq!(failed([&short, &vek, &chain, &chain], at), ["snp.length"]);
    let damaged = path("damaged");
    let mut der = std::fs::read(&vek).unwrap();
    der[20] ^= 0x80;
    std::fs::write(&damaged, der).unwrap();
    assert!(failed([&report, &damaged, &chain, &chain], at).contains(&"snp.certificate"));
    // A report in hex is the same report.
    let digits = path("digits");
    std::fs::write(&digits, hex::encode(std::fs::read(&report).unwrap()) + "\n").unwrap();
    assert!(failed([&digits, &vek, &chain, &chain], at).is_empty());
}
