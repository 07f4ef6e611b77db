use super::*;
use clap::Parser;

/// The options alone, as a command line.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    check: CheckEk,
}

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors");

/// A folder with these files of the vectors.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let name = Path::new(file).file_name().unwrap();
        std::fs::copy(Path::new(VECTORS).join(file), folder.path().join(name)).unwrap();
    }
    folder
}

fn check(cert: &str, intermediates: &[&str], roots: &Path, at: &str) -> Result<Shown, Unusable> {
    let file = |name: &str| format!("{VECTORS}/{name}");
    let mut line = vec!["check-ek".to_owned(), "--cert".to_owned(), file(cert)];
    for path in intermediates {
        line.extend(["--intermediate".to_owned(), file(path)]);
    }
    line.extend(["--roots".to_owned(), roots.to_str().unwrap().to_owned()]);
    line.extend(["--at".to_owned(), at.to_owned()]);
    run(&Line::try_parse_from(line).unwrap().check)
}

fn failed(cert: &str, intermediates: &[&str], roots: &[&str], at: &str) -> Vec<&'static str> {
    let shown = check(cert, intermediates, folder(roots).path(), at).unwrap();
    let failed = shown.checks.failed_ids();
    assert_eq!(shown.is_accepted, failed.is_empty());
    failed
}

const DAY: &str = "2026-11-25T12:00:00Z";
const GOOGLE: &str = "certs/gtt_pca_tpm_rsa_enc_cert.pem";
const GOOGLE_ISSUER: &str = "certs/gtt_gcp_ek_ak_ca_intermediate_v3.crt";
const GOOGLE_ROOT: &str = "certs/gtt_gcp_ek_ak_ca_root.crt";
const SWTPM_ISSUER: &str = "tpm-swtpm/issuercert.pem";
const SWTPM_ROOT: &str = "tpm-swtpm/swtpm-localca-rootca-cert.pem";

#[test]
fn chains_are_accepted_and_refused() {
    for cert in ["tpm-swtpm/ek_rsa.der", "tpm-swtpm/ek_ecc384.der"] {
        assert!(failed(cert, &[SWTPM_ISSUER], &[SWTPM_ROOT], DAY).is_empty());
        // An intermediate among the roots is a root.
        assert!(failed(cert, &[], &[SWTPM_ISSUER], DAY).is_empty());
        assert!(failed(cert, &[], &[SWTPM_ROOT], DAY).contains(&"ek.path"));
        assert!(failed(cert, &[SWTPM_ISSUER], &[GOOGLE_ROOT], DAY).contains(&"ek.path"));
        let early = failed(cert, &[SWTPM_ISSUER], &[SWTPM_ROOT], "2020-01-01T00:00:00Z");
        assert_eq!(early, ["x509.validity"]);
    }
    assert!(failed(GOOGLE, &[GOOGLE_ISSUER], &[GOOGLE_ROOT], DAY).is_empty());
    let first = "certs/gtt_uca_tpm_rsa_enc_cert.pem";
    let issuer = "certs/gtt_tpm_ek_intermediate_3.crt";
    assert!(failed(first, &[issuer], &["certs/gtt_tpm_ek_root_1.cer"], DAY).is_empty());
    let platform = failed("tpm-swtpm/platform.der", &[SWTPM_ISSUER], &[SWTPM_ROOT], DAY);
    assert_eq!(platform, ["ek.purpose", "ek.alt-name"]);
    let sign = "certs/gtt_pca_tpm_rsa_sign_cert.pem";
    let sign = failed(sign, &[GOOGLE_ISSUER], &[GOOGLE_ROOT], DAY);
    assert_eq!(sign, ["x509.end.key-usage", "ek.key-usage"]);
    assert_eq!(failed("tpm-swtpm/ak_rsa.pub", &[], &[SWTPM_ROOT], DAY), ["ek.form"]);
}

#[test]
fn folders_and_files_that_cannot_be_used() {
    let roots = folder(&["tpm-swtpm/README.md"]);
    let outcome = check(GOOGLE, &[], roots.path(), DAY);
    assert!(matches!(outcome, Err(Unusable::Content { .. })), "it holds no certificate");
    let missing = check(GOOGLE, &[], Path::new("no such folder"), DAY);
    assert!(matches!(missing, Err(Unusable::Read { .. })));
    let roots = folder(&[GOOGLE_ROOT, "tpm-swtpm/README.md"]);
    assert!(check(GOOGLE, &[GOOGLE_ISSUER], roots.path(), DAY).unwrap().is_accepted);
    let several = check("certs/gsg_ask_ark_milan.pem", &[], roots.path(), DAY);
    assert!(matches!(several, Err(Unusable::Ambiguous { .. })));
    let intermediate = check(GOOGLE, &["tpm-swtpm/README.md"], roots.path(), DAY);
    assert!(matches!(intermediate, Err(Unusable::Certificates { .. })));
}

/// As collections of makers' roots are kept: a folder for each maker, and bundles.
#[test]
fn roots_are_found_in_folders_and_bundles() {
    let roots = tempfile::tempdir().unwrap();
    let makers = roots.path().join("makers/google");
    std::fs::create_dir_all(&makers).unwrap();
    std::fs::copy(format!("{VECTORS}/{GOOGLE_ROOT}"), makers.join("root.crt")).unwrap();
    let unread = "-----BEGIN CERTIFICATE-----\nTWFu\n-----END CERTIFICATE-----\n";
    let root = std::fs::read_to_string(format!("{VECTORS}/{SWTPM_ROOT}")).unwrap();
    std::fs::write(makers.join("bundle.pem"), format!("{unread}{root}")).unwrap();
    // A folder that has itself in it ends somewhere.
    std::os::unix::fs::symlink(roots.path(), makers.join("again")).unwrap();
    for (cert, issuer, root) in [
        (GOOGLE, GOOGLE_ISSUER, "makers/google/root.crt"),
        ("tpm-swtpm/ek_rsa.der", SWTPM_ISSUER, "makers/google/bundle.pem"),
    ] {
        let shown = check(cert, &[issuer], roots.path(), DAY).unwrap();
        assert!(shown.is_accepted, "{:?}", shown.checks.failed_ids());
        assert!(shown.checks.iter().any(|check| check.detail.contains(root)), "{root}");
    }
}

#[test]
fn lists_of_revoked_certificates() {
    let roots = folder(&["revocation/root.pem"]);
    let check = |lists: &[&str]| {
        let file = |name: &str| format!("{VECTORS}/revocation/{name}");
        let mut line = vec!["check-ek".to_owned(), "--cert".to_owned(), file("ek.pem")];
        line.extend(["--intermediate".to_owned(), file("middle.pem")]);
        line.extend(["--roots".to_owned(), roots.path().to_str().unwrap().to_owned()]);
        line.extend(["--at".to_owned(), "2027-01-01T00:00:00Z".to_owned()]);
        for list in lists {
            line.extend(["--crl".to_owned(), file(list)]);
        }
        run(&Line::try_parse_from(line).unwrap().check)
    };
    let failed = |lists: &[&str]| check(lists).unwrap().checks.failed_ids();
    assert_eq!(failed(&[]), [""; 0]);
    assert_eq!(failed(&["root.crl", "middle.crl.pem"]), [""; 0]);
    assert_eq!(failed(&["root.crl", "middle_revokes.crl"]), ["x509.crl.revoked"]);
    assert_eq!(failed(&["root.crl"]), ["x509.crl.there"]);
    let Err(unusable) = check(&["root.pem"]) else { panic!("a certificate is no list") };
    assert!(unusable.to_string().contains("give it the list (CRL) itself"), "{unusable}");
}
