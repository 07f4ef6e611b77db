//! What machines hand over to prove what they are.

use attestation::checks::Checks;
use attestation::snp::{
    AbiVersion, Expect, GuestBits, HclReport, KeyRule, PlatformBits, Product, REPORT_BYTES, Report,
    SnpEvidence, SnpPolicy, SnpRoots, TcbMinima, VekClaims, VerifiedVek, verify, verify_report,
    verify_vek,
};
use attestation::x509::{
    Certificate, Quirk, RevocationList, UnixTime, read_certificates, revocation_lists,
};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Within the validity of the chip's certificate.
const AT: UnixTime = UnixTime(1_704_067_200);

static VEK: &[u8] = include_bytes!("../../attestation/vectors/snp-real/milan_v2_a.vcek.der");
static REPORT: &[u8] = include_bytes!("../../attestation/vectors/snp-real/milan_v2_a.report.bin");
static AMD_CHAIN: &[u8] = include_bytes!("../../attestation/roots/amd/milan-vcek.pem");

/// A report by a real chip's key: whatever is accepted is the one report that the chip signed,
/// but for the half of `s`.
pub fn snp_report(data: &[u8]) {
    let verdict = verify_report(data, vek(), &policy(), AT);
    assert_eq!(verdict.is_accepted(), verdict.checks().all_passed());
    if verdict.is_accepted() {
        assert_eq!(data.len(), REPORT_BYTES);
        assert_eq!(data[..0x2a0], REPORT[..0x2a0], "nobody else has the key");
    }
    if let Ok(report) = Report::from_bytes(data) {
        assert_eq!(&report.as_bytes()[..], data);
        let _ = (report.mitigations(), report.cpuid(), report.signing_key(), report.policy_abi());
    }
    if let Ok(container) = HclReport::from_bytes(data) {
        assert_eq!(container.report().len(), REPORT_BYTES);
        let _ = container.check(&mut Checks::new());
    }
    // The same bytes as the certificates of the real report.
    let [ask, ark] = chain();
    let evidence = SnpEvidence { report: REPORT, vek: data, ask, ark };
    let verdict = verify(&evidence, &SnpRoots::amd(), &policy(), AT);
    assert!(!verdict.is_accepted() || data == VEK, "nobody else has the key");
}

/// Certificates in PEM, DER and padded DER.
pub fn x509(data: &[u8]) {
    let _ = Certificate::from_padded_der(data);
    let _ = read_certificates(data);
    let Ok(certificate) = Certificate::from_der(data) else { return };
    assert_eq!(certificate.as_der(), data);
    assert!(!certificate.quirks().contains(&Quirk::Padding));
    assert!(certificate.subject_text().chars().all(|letter| !letter.is_control()));
    let _ = VekClaims::of(&certificate);
    if let Ok(key) = certificate.public_key() {
        let _ = certificate.verify_signed_by(key);
    }
}

/// Lists of revoked certificates in PEM and DER: one that the authority signed is the one that it made.
pub fn revocation_list(data: &[u8]) {
    let _ = revocation_lists(data);
    let Ok(list) = RevocationList::from_der(data) else { return };
    let _ = (list.validity(), list.len(), list.revoked_since(authority()));
    let key = authority().public_key().expect("the vector has one");
    if list.verify_signed_by(key).is_ok() {
        // A signature has a second form, with the other half of `s`; what is signed has one.
        let known = [LIST, LIST_REVOKES].map(RevocationList::from_der);
        let is_known =
            known.iter().flatten().any(|known| known.signed_bytes() == list.signed_bytes());
        assert!(is_known, "nobody else has the key");
    }
}

static AUTHORITY: &[u8] = include_bytes!("../../attestation/vectors/revocation/middle.pem");
static LIST: &[u8] = include_bytes!("../../attestation/vectors/revocation/middle.crl");
static LIST_REVOKES: &[u8] =
    include_bytes!("../../attestation/vectors/revocation/middle_revokes.crl");

fn authority() -> &'static Certificate {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    CERTIFICATE
        .get_or_init(|| read_certificates(AUTHORITY).expect("the file is good").swap_remove(0))
}

fn chain() -> &'static [Vec<u8>; 2] {
    static CHAIN: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let certificates = read_certificates(AMD_CHAIN).expect("the file is good");
        [0, 1].map(|index| certificates[index].as_der().to_vec())
    })
}

fn vek() -> &'static VerifiedVek {
    static KEY: OnceLock<VerifiedVek> = OnceLock::new();
    KEY.get_or_init(|| {
        let [ask, ark] = chain();
        let evidence = SnpEvidence { report: REPORT, vek: VEK, ask, ark };
        verify_vek(&evidence, &SnpRoots::amd(), AT).into_result().expect("the chain is good")
    })
}

/// Accepts what the real report has, and more.
fn policy() -> SnpPolicy {
    SnpPolicy {
        minima: Product::ALL.map(|product| (product, TcbMinima::default())).into(),
        keys: KeyRule::ChipOrProvider(Expect::Any),
        vmpl: BTreeSet::from([0, 1, 2, 3]),
        guest_may_allow: GuestBits::SMT.and(GuestBits::CXL),
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
