use super::*;
use crate::x509::{Pin, TrustRoot, read_certificates};
use std::fs;
use std::path::{Path, PathBuf};

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn bytes(path: &str) -> Vec<u8> {
    let path = vectors().join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn certificate(path: &str) -> Certificate {
    let found = read_certificates(&bytes(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    found.into_iter().next().expect("one certificate")
}

/// A day on which all good vectors are valid.
const DAY: UnixTime = UnixTime(1_795_800_000);

const SWTPM_ISSUER: &str = "tpm-swtpm/issuercert.pem";
const SWTPM_ROOT: &str = "tpm-swtpm/swtpm-localca-rootca-cert.pem";
const GOOGLE_2: [&str; 2] =
    ["certs/gtt_gcp_ek_ak_ca_intermediate_v3.crt", "certs/gtt_gcp_ek_ak_ca_root.crt"];
const GOOGLE_1: [&str; 2] = ["certs/gtt_tpm_ek_intermediate_3.crt", "certs/gtt_tpm_ek_root_1.cer"];

/// A certificate with its chain, to be spoiled.
#[derive(Clone)]
struct Case {
    der: Vec<u8>,
    others: Vec<Certificate>,
    roots: Vec<TrustRoot>,
    at: UnixTime,
    x509_quirks: Vec<Quirk>,
    quirks: Vec<EkQuirk>,
}

impl Case {
    fn new(der: Vec<u8>, others: &[&str], root: &str) -> Self {
        let root_certificate = certificate(root);
        let pin = Pin::Certificate(root_certificate.sha256());
        let mut others: Vec<_> = others.iter().map(|path| certificate(path)).collect();
        others.push(root_certificate);
        Self {
            der,
            others,
            roots: vec![TrustRoot { label: root.to_owned(), pin }],
            at: DAY,
            x509_quirks: Vec::new(),
            quirks: Vec::new(),
        }
    }

    fn swtpm(kind: &str) -> Self {
        Self::new(bytes(&format!("tpm-swtpm/ek_{kind}.der")), &[SWTPM_ISSUER], SWTPM_ROOT)
    }

    fn google_1() -> Self {
        let der = certificate("certs/gtt_uca_tpm_rsa_enc_cert.pem").as_der().to_vec();
        Self::new(der, &GOOGLE_1[..1], GOOGLE_1[1])
    }

    fn google_2() -> Self {
        let der = certificate("certs/gtt_pca_tpm_rsa_enc_cert.pem").as_der().to_vec();
        let mut case = Self::new(der, &GOOGLE_2[..1], GOOGLE_2[1]);
        case.quirks = vec![EkQuirk::NoPurpose, EkQuirk::NoAltName];
        case
    }

    fn verdict(&self) -> Verdict<VerifiedEkCertificate> {
        let roots = TrustRoots::new(self.roots.clone());
        let policy = EkPolicy {
            roots: &roots,
            at: self.at,
            x509_quirks: &self.x509_quirks,
            quirks: &self.quirks,
            revocation: &[],
        };
        verify_certificate(&self.der, &self.others, &policy)
    }

    fn refused_by(&self, id: &str, change: impl FnOnce(&mut Self)) {
        let mut case = self.clone();
        change(&mut case);
        let verdict = case.verdict();
        assert!(!verdict.is_accepted(), "{id}");
        let ids = verdict.checks().failed_ids();
        assert!(ids.contains(&id), "{id} is not among {ids:?}");
    }
}

fn good() -> [(&'static str, Case); 4] {
    [
        ("swtpm RSA", Case::swtpm("rsa")),
        ("swtpm P-384", Case::swtpm("ecc384")),
        ("Google, first authority", Case::google_1()),
        ("Google, second authority", Case::google_2()),
    ]
}

#[test]
fn good_chains_are_accepted() {
    for (name, case) in good() {
        let verdict = case.verdict();
        let failed: Vec<_> = verdict.checks().failed().collect();
        assert!(verdict.is_accepted(), "{name}: {failed:?}");
    }
    let verdict = Case::google_1().verdict();
    let google = verdict.verified().expect("accepted");
    let name = google.alt_name().expect("it names the TPM").to_string();
    assert_eq!(name, "maker 474f4f47 (GOOG), model vTPM, version id:20160511");
    assert_eq!(google.root(), GOOGLE_1[1]);
    assert_eq!(google.key().kind(), "RSA-2048");
    assert_eq!(Case::swtpm("ecc384").verdict().verified().expect("accepted").key().kind(), "P-384");
}

#[test]
fn padding_of_nv_storage_is_a_quirk_of_its_own() {
    for byte in [0, 0xff] {
        let mut case = Case::swtpm("rsa");
        case.der.extend([byte; 40]);
        case.refused_by("x509.quirk.padding", |_| {});
        case.x509_quirks.push(Quirk::Padding);
        assert!(case.verdict().is_accepted());
    }
    Case::swtpm("rsa").refused_by("ek.form", |case| case.der.push(7));
}

#[test]
fn other_roots_are_refused() {
    for (name, case) in good() {
        case.refused_by("ek.path", |case| case.roots.clear());
        case.refused_by("ek.path", |case| {
            let Pin::Certificate(pin) = &mut case.roots[0].pin else { panic!("{name}") };
            pin[0] ^= 1;
        });
        case.refused_by("ek.path", |case| case.others.clear());
        case.refused_by("ek.path", |case| drop(case.others.remove(0)));
        case.refused_by("ek.path", |case| drop(case.others.pop()));
    }
    // The chain of one maker under the root of another.
    let google = Case::google_1();
    Case::swtpm("rsa").refused_by("ek.path", |case| case.roots.clone_from(&google.roots));
    Case::google_2().refused_by("ek.path", |case| {
        case.others.clone_from(&google.others);
        case.roots.clone_from(&google.roots);
    });
}

#[test]
fn other_times_are_refused() {
    for (_, case) in good() {
        case.refused_by("x509.validity", |case| case.at = UnixTime(0));
        case.refused_by("x509.validity", |case| case.at = UnixTime(1_500_000_000));
    }
    Case::google_1().refused_by("x509.validity", |case| case.at = UnixTime(3_000_000_000));
}

#[test]
fn certificates_for_other_things_are_refused() {
    // Attestation keys' certificates of the same authorities.
    let of = |path: &str| certificate(path).as_der().to_vec();
    for (case, sign) in [
        (Case::google_1(), "certs/gtt_uca_tpm_rsa_sign_cert.pem"),
        (Case::google_2(), "certs/gtt_pca_tpm_rsa_sign_cert.pem"),
    ] {
        case.refused_by("ek.key-usage", |case| case.der = of(sign));
        case.refused_by("x509.end.key-usage", |case| case.der = of(sign));
    }
    let swtpm = Case::swtpm("rsa");
    swtpm.refused_by("ek.purpose", |case| case.der = bytes("tpm-swtpm/platform.der"));
    swtpm.refused_by("ek.alt-name", |case| case.der = bytes("tpm-swtpm/platform.der"));
    swtpm.refused_by("x509.end", |case| case.der = of(SWTPM_ISSUER));
    swtpm.refused_by("ek.key-usage", |case| case.der = of(SWTPM_ISSUER));
    swtpm.refused_by("ek.path", |case| case.der = of(SWTPM_ROOT));
}

#[test]
fn departures_must_be_named() {
    let google = Case::google_2();
    google.refused_by("ek.quirk.no-purpose", |case| case.quirks = vec![EkQuirk::NoAltName]);
    google.refused_by("ek.quirk.no-alt-name", |case| case.quirks = vec![EkQuirk::NoPurpose]);
    assert_eq!(
        {
            let mut case = google.clone();
            case.quirks.clear();
            case.verdict().checks().failed_ids()
        },
        ["ek.quirk.no-purpose", "ek.quirk.no-alt-name"]
    );
}

/// Replaces one text in the certificate, as often as it stands there, by one of the same length.
fn replaced(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut der = der.to_vec();
    let places: Vec<usize> =
        (0..=der.len() - from.len()).filter(|&at| der[at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "the text is there");
    for at in places {
        der[at..at + from.len()].copy_from_slice(to);
    }
    der
}

#[test]
fn changed_certificates_are_refused() {
    let purpose = [0x67, 0x81, 0x05, 0x08, 0x01];
    for kind in ["rsa", "ecc384"] {
        let case = Case::swtpm(kind);
        // No certificate of another purpose can be signed here, so two checks refuse each.
        case.refused_by("ek.purpose", |case| {
            case.der = replaced(&case.der, &purpose, &[0x67, 0x81, 0x05, 0x08, 0x03]);
        });
        case.refused_by("ek.path", |case| {
            case.der = replaced(&case.der, &purpose, &[0x67, 0x81, 0x05, 0x08, 0x03]);
        });
        case.refused_by("ek.alt-name", |case| {
            case.der = replaced(&case.der, b"id:00001014", b"id:0000101x");
        });
        case.refused_by("ek.alt-name", |case| {
            let model = [0x67, 0x81, 0x05, 0x02, 0x02];
            case.der = replaced(&case.der, &model, &[0x67, 0x81, 0x05, 0x02, 0x09]);
        });
        case.refused_by("ek.form", |case| case.der.truncate(300));
        case.refused_by("ek.form", |case| case.der.clear());
    }
}

#[test]
fn every_flipped_bit_of_a_certificate_is_refused() {
    // One chain of each kind of key and of quirk: the others would only take time.
    let [_, swtpm, _, google] = good();
    for (name, case) in [swtpm, google] {
        for bit in 0..8 * case.der.len() {
            let mut case = case.clone();
            case.der[bit / 8] ^= 1 << (bit % 8);
            assert!(!case.verdict().is_accepted(), "{name}: bit {bit}");
        }
    }
}

fn pem_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// The makers' authorities: each can be read, and each that another one issued is found to be so.
#[test]
fn authorities_of_makers_can_be_read_and_joined() {
    let files = pem_files(&vectors().join("certs/tpm_vendor_roots"));
    let all: Vec<Certificate> = files
        .iter()
        .map(|path| {
            let found = read_certificates(&fs::read(path).expect("a file"));
            let found = found.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.into_iter().next().expect("one certificate")
        })
        .collect();
    assert_eq!(all.len(), 51);
    let mut joined = 0;
    for certificate in &all {
        assert!(certificate.public_key().is_ok(), "{}", certificate.subject_text());
        let issuers = all.iter().filter(|other| other.subject() == certificate.issuer());
        for issuer in issuers {
            let key = issuer.public_key().expect("it was read above");
            assert_eq!(certificate.verify_signed_by(key), Ok(()), "{}", certificate.subject_text());
            joined += 1;
        }
    }
    assert!(joined > 35, "{joined} of them have their issuer here");
}

#[test]
fn a_public_area_must_be_the_certificates_key() {
    let verdict = Case::swtpm("rsa").verdict();
    let certificate = verdict.verified().expect("accepted");
    let good = template(certificate.key());
    let bound = bind(certificate, &good);
    assert!(bound.is_accepted(), "{:?}", bound.checks().failed_ids());
    let check = |id: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut public = good.clone();
        change(&mut public);
        assert!(bind(certificate, &public).checks().failed_ids().contains(&id), "{id}");
    };
    let last = good.len() - 200;
    check("ek.public.key", &|public| public[last] ^= 1);
    check("ek.public.form", &|public| public.truncate(100));
    check("ek.public.storage", &|public| public[5] ^= 0x01); // restricted
    check("ek.public.storage", &|public| public[5] ^= 0x02); // decrypt
    check("ek.public.storage", &|public| public[5] ^= 0x04); // sign
    check("ek.public.fixed", &|public| public[7] ^= 0x02); // fixedTPM
    check("ek.public.fixed", &|public| public[7] ^= 0x10); // fixedParent
    check("ek.public.fixed", &|public| public[7] ^= 0x20); // sensitiveDataOrigin
    check("ek.public.cipher", &|public| {
        public.splice(42..48, [0, 0x10]);
    });
    // The key of another certificate.
    let other = Case::google_1().verdict().verified().expect("accepted").clone();
    assert_eq!(bind(&other, &good).checks().failed_ids(), ["ek.public.key"]);
}

/// The public area of an RSA-2048 endorsement key by the TCG's low-range template.
fn template(key: &PublicKey) -> Vec<u8> {
    let PublicKey::Rsa(key) = key else { panic!("the case is RSA") };
    let policy = hex::decode("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");
    let mut public = hex::decode("0001000b000300b20020").expect("hex");
    public.extend(policy.expect("hex"));
    public.extend(hex::decode("00060080004300100800000000000100").expect("hex"));
    public.extend(key.modulus());
    public
}
