use super::super::forge::{
    BOTH_SIGNATURES, CRITICAL, Draft, Key, ListDraft, ecdsa_sha384, list_entry as entry, name,
    sequence, tlv,
};
use super::super::{Pin, TrustRoot, TrustRoots, check_path, read_certificates, revocation_lists};
use super::*;
use std::path::Path;

/// Within the validity of the certificates and lists of the vectors.
const AT: &str = "2027-01-01T00:00:00Z";

fn vector(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/revocation").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn vector_path() -> [Certificate; 3] {
    ["ek.pem", "middle.pem", "root.pem"]
        .map(|name| read_certificates(&vector(name)).unwrap().swap_remove(0))
}

fn vector_lists(names: &[&str]) -> Vec<RevocationList> {
    names.iter().flat_map(|name| revocation_lists(&vector(name)).unwrap()).collect()
}

/// The checks of a path that fail, with the label of each; its last certificate is believed.
fn failed(path: &[Certificate], lists: &[RevocationList], at: &str) -> Vec<String> {
    let labels = ["end", "middle", "root"];
    let named: Vec<(&str, &Certificate)> = labels.into_iter().zip(path).collect();
    let pin = Pin::Certificate(path[2].sha256());
    let roots = TrustRoots::new([TrustRoot { label: "test".into(), pin }]);
    let rules = PathRules {
        at: UnixTime::from_rfc3339(at).unwrap(),
        quirks: &[Quirk::DefaultWritten],
        critical: &[],
        end_usage: &[KeyUsage::KEY_ENCIPHERMENT, KeyUsage::DIGITAL_SIGNATURE],
        revocation: lists,
    };
    let mut checks = Checks::new();
    let root = check_path(&mut checks, &named, &roots, &rules);
    assert_eq!(root.is_some(), checks.all_passed());
    let failed = checks.iter().filter(|check| !check.passed);
    failed.map(|check| format!("{} {}", check.id, check.on)).collect()
}

#[test]
fn lists_of_another_maker_are_read_and_count() {
    let path = vector_path();
    let check = |names: &[&str], at: &str, expected: &[&str]| {
        assert_eq!(failed(&path, &vector_lists(names), at), expected, "{names:?} {at}");
    };
    check(&[], AT, &[]);
    check(&["root.crl", "middle.crl"], AT, &[]);
    check(&["root.crl", "middle.crl.pem"], AT, &[]);
    check(&["root.crl", "middle_revokes.crl"], AT, &["x509.crl.revoked end"]);
    check(&["root_revokes.crl", "middle.crl"], AT, &["x509.crl.revoked middle"]);
    // A list that revokes counts beside one that does not.
    check(&["root.crl", "root_revokes.crl", "middle.crl"], AT, &["x509.crl.revoked middle"]);
    check(&["middle.crl"], AT, &["x509.crl.there middle"]);
    check(&["root.crl"], AT, &["x509.crl.there end"]);
    let late = "2036-06-01T00:00:01Z";
    check(
        &["root.crl", "middle.crl"],
        late,
        &["x509.crl.validity middle", "x509.crl.validity root"],
    );
    assert_eq!(vector_lists(&["middle.crl"]), vector_lists(&["middle.crl.pem"]));
    let [list] = vector_lists(&["root_revokes.crl"]).try_into().unwrap();
    assert_eq!((list.len(), list.is_empty()), (2, false));
    // Positive serials whose first bit is set have a zero byte before it, on both sides.
    let since = list.revoked_since(&path[1]).map(|since| since.to_string());
    assert_eq!(since.as_deref(), Some("2026-03-01T12:00:00Z"));
    assert_eq!(list.revoked_since(&path[0]), None);
}

#[test]
fn each_bit_of_a_list_counts() {
    let path = vector_path();
    let good = vector("middle_revokes.crl");
    let root = vector_lists(&["root.crl"]).swap_remove(0);
    for bit in 0..8 * good.len() {
        let mut der = good.clone();
        der[bit / 8] ^= 1 << (bit % 8);
        if let Ok(list) = RevocationList::from_der(&der) {
            let found = failed(&path, &[root.clone(), list], AT);
            // Whatever it says now, nobody has signed it, or it is a list of nobody.
            let is_refused = found.contains(&"x509.crl.signature middle".to_owned())
                || found.contains(&"x509.crl.there end".to_owned());
            assert!(is_refused, "bit {bit}: {found:?}");
        }
    }
    for length in 0..good.len() {
        RevocationList::from_der(&good[..length]).unwrap_err();
    }
}

fn extension(oid: &[u8], critical: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(6, oid), critical, &tlv(4, value)])
}

/// End, middle and root, whose authorities may sign lists too; all have serial 7.
fn forged(usage: [u8; 4]) -> [Certificate; 3] {
    let (root, middle, end) = (Key::p384(1), Key::p384(2), Key::p384(3));
    let authority = |subject, issuer, key, usage: [u8; 4]| {
        let mut draft = Draft::new(subject, issuer, key, ecdsa_sha384()).authority(None);
        draft.extensions[1].2 = usage.to_vec();
        draft
    };
    let read = |der: Vec<u8>| Certificate::from_der(&der).unwrap();
    [
        read(Draft::new("end", "middle", &end, ecdsa_sha384()).sign(&middle)),
        read(authority("middle", "root", &middle, usage).sign(&root)),
        read(authority("root", "root", &root, BOTH_SIGNATURES).sign(&root)),
    ]
}

#[test]
fn what_a_list_must_be() {
    let middle = Key::p384(2);
    let path = forged(BOTH_SIGNATURES);
    let found = |draft: &ListDraft, key: &Key| {
        let list = RevocationList::from_der(&draft.sign(key)).unwrap();
        failed(&path, &[list], "2027-01-01T00:00:00Z")
    };
    let good = || ListDraft::new("middle", ecdsa_sha384(), &[entry(&[8])]);
    assert_eq!(found(&good(), &middle), [""; 0]);
    assert_eq!(found(&ListDraft::new("middle", ecdsa_sha384(), &[]), &middle), [""; 0]);
    assert_eq!(
        found(&ListDraft::new("middle", ecdsa_sha384(), &[entry(&[7])]), &middle),
        ["x509.crl.revoked end"]
    );
    assert_eq!(
        found(&ListDraft::new("middle", ecdsa_sha384(), &[entry(&[0, 7])]), &middle),
        ["x509.crl.revoked end"]
    );
    assert_eq!(found(&good(), &Key::p384(9)), ["x509.crl.signature middle"]);
    // One of a stranger says nothing of this path, and so nothing is said.
    let stranger = ListDraft { issuer: name("stranger"), ..good() };
    assert_eq!(found(&stranger, &middle), ["x509.crl.there path"]);
    let endless = ListDraft { dates: tlv(0x17, b"260101000000Z"), ..good() };
    assert_eq!(found(&endless, &middle), ["x509.crl.validity middle"]);
    let early = ListDraft { dates: tlv(0x17, b"270101000001Z").repeat(2), ..good() };
    assert_eq!(found(&early, &middle), ["x509.crl.validity middle"]);
    let long = ListDraft { dates: tlv(0x18, b"20260101000000Z").repeat(2), ..good() };
    assert!(found(&long, &middle).contains(&"x509.quirk.date-form middle".to_owned()));
    let with = |extensions: &[Vec<u8>]| ListDraft {
        extensions: tlv(0xa0, &tlv(0x30, &extensions.concat())),
        ..good()
    };
    let (number, part) = ([0x55, 0x1d, 20], [0x55, 0x1d, 28]);
    assert_eq!(found(&with(&[extension(&number, &[], &[2, 1, 9])]), &middle), [""; 0]);
    assert_eq!(found(&with(&[extension(&number, &CRITICAL, &[2, 1, 9])]), &middle), [""; 0]);
    // For some certificates alone: issuingDistributionPoint.
    let partial = with(&[extension(&part, &CRITICAL, &[0x30, 0])]);
    assert_eq!(found(&partial, &middle), ["x509.crl.critical middle"]);
    // Of somebody else's certificates: certificateIssuer, in an entry.
    let others = sequence(&[&extension(&[0x55, 0x1d, 29], &CRITICAL, &[0x30, 0])]);
    let indirect = sequence(&[&tlv(2, &[8]), &tlv(0x17, b"260601000000Z"), &others]);
    assert_eq!(
        found(&ListDraft::new("middle", ecdsa_sha384(), &[indirect]), &middle),
        ["x509.crl.critical middle"]
    );
    // An authority that may issue, and not revoke.
    let list = RevocationList::from_der(&good().sign(&middle)).unwrap();
    assert_eq!(failed(&forged([3, 2, 2, 4]), &[list], AT), ["x509.crl.key-usage middle"]);
}

#[test]
fn what_is_no_list() {
    let middle = Key::p384(2);
    let error = |change: fn(&mut ListDraft)| {
        let mut draft = ListDraft::new("middle", ecdsa_sha384(), &[entry(&[8])]);
        change(&mut draft);
        RevocationList::from_der(&draft.sign(&middle)).unwrap_err()
    };
    use RevocationListError as Error;
    assert_eq!(error(|draft| draft.version = tlv(2, &[2])), Error::Version);
    assert_eq!(
        error(|draft| {
            // The first version has no extensions.
            draft.version.clear();
            draft.extensions = tlv(0xa0, &tlv(0x30, &[]));
        }),
        Error::Version
    );
    assert_eq!(
        error(|draft| draft.inner_algorithm = sequence(&[&tlv(6, &[42])])),
        Error::Algorithms
    );
    assert_eq!(error(|draft| draft.dates = tlv(0x17, b"261301000000Z")), Error::Date);
    assert_eq!(
        error(|draft| draft.entries = tlv(0x30, &[entry(&[8]), entry(&[0, 8])].concat())),
        Error::Repeated
    );
    let twice = |draft: &mut ListDraft| {
        let one = extension(&[0x55, 0x1d, 20], &[], &[2, 1, 9]);
        draft.extensions = tlv(0xa0, &tlv(0x30, &one.repeat(2)));
    };
    assert!(matches!(error(twice), Error::Extensions(CertificateError::Repeated(_))));
    assert!(matches!(
        error(|draft| draft.extensions = tlv(0xa1, &[])),
        Error::Der(DerError::Trailing)
    ));
    assert_eq!(
        RevocationList::from_der(&vec![0x30; LIST_BYTES_MAX + 1]).unwrap_err(),
        Error::TooLong
    );
    let mut first = ListDraft::new("middle", ecdsa_sha384(), &[]);
    first.version.clear();
    RevocationList::from_der(&first.sign(&middle)).unwrap();
}
