use super::super::CertificateError;
use super::super::forge::{
    CRITICAL, Draft, Key, ecdsa_sha384, ecdsa_sha512, pkcs1_sha256, sequence, tlv,
};
use super::*;
use std::sync::LazyLock;

/// Three keys: root, intermediate, end.
struct Keys {
    root: Key,
    middle: Key,
    end: Key,
}

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys { root: Key::rsa(), middle: Key::p384(2), end: Key::p384(3) });

const AT: UnixTime = UnixTime(1_750_000_000);

/// Three drafts: end, intermediate, root.
fn drafts() -> [Draft; 3] {
    [
        Draft::new("end", "middle", &KEYS.end, ecdsa_sha384()),
        Draft::new("middle", "root", &KEYS.middle, pkcs1_sha256()).authority(Some(0)),
        Draft::new("root", "root", &KEYS.root, pkcs1_sha256()).authority(None),
    ]
}

fn signed(drafts: &[Draft; 3]) -> [Vec<u8>; 3] {
    [drafts[0].sign(&KEYS.middle), drafts[1].sign(&KEYS.root), drafts[2].sign(&KEYS.root)]
}

fn rules() -> PathRules<'static> {
    PathRules {
        at: AT,
        quirks: &[],
        critical: &[],
        end_usage: &[KeyUsage::DIGITAL_SIGNATURE],
        revocation: &[],
    }
}

fn pinned(certificate: &Certificate) -> TrustRoots {
    let pin = Pin::PublicKey(certificate.spki_sha256());
    TrustRoots::new([TrustRoot { label: "test root".into(), pin }])
}

/// The checks of a path in DER that fail, under the test's root.
fn failed(path: &[Vec<u8>], rules: &PathRules<'_>) -> Vec<&'static str> {
    let certificates: Vec<Certificate> =
        path.iter().map(|der| Certificate::from_der(der).unwrap()).collect();
    let root = Certificate::from_der(&signed(&drafts())[2]).unwrap();
    failed_under(&certificates, &pinned(&root), rules)
}

fn failed_under(
    certificates: &[Certificate],
    roots: &TrustRoots,
    rules: &PathRules<'_>,
) -> Vec<&'static str> {
    let labels: Vec<String> = (0..certificates.len()).map(|depth| format!("{depth}")).collect();
    let path: Vec<(&str, &Certificate)> =
        labels.iter().map(String::as_str).zip(certificates).collect();
    let mut checks = Checks::new();
    let root = check_path(&mut checks, &path, roots, rules);
    assert_eq!(root.is_some(), checks.all_passed());
    checks.failed_ids()
}

/// The path with one change to its drafts must fail this check, and this one alone.
fn refused(check: &str, change: impl FnOnce(&mut [Draft; 3])) {
    let mut drafts = drafts();
    change(&mut drafts);
    assert_eq!(failed(&signed(&drafts), &rules()), [check]);
}

/// The end's certificate with one change is not read at all.
fn unread(change: impl FnOnce(&mut Draft)) -> CertificateError {
    let [mut end, ..] = drafts();
    change(&mut end);
    Certificate::from_der(&end.sign(&KEYS.middle)).unwrap_err()
}

#[test]
fn a_good_path_passes() {
    assert!(failed(&signed(&drafts()), &rules()).is_empty());
}

/// As makers of TPMs have it: the root on P-521, which signs with SHA-512, and one below it likewise.
#[test]
fn authorities_may_be_on_p521() {
    let (root, middle) = (Key::p521(9), Key::p521(10));
    let sha512 = ecdsa_sha512();
    let drafts = [
        Draft::new("end", "middle", &KEYS.end, sha512.clone()),
        Draft::new("middle", "root", &middle, sha512.clone()).authority(Some(0)),
        Draft::new("root", "root", &root, sha512).authority(None),
    ];
    let read = |der: Vec<u8>| Certificate::from_der(&der).expect("a certificate");
    let path = [drafts[0].sign(&middle), drafts[1].sign(&root), drafts[2].sign(&root)].map(read);
    let roots = pinned(&path[2]);
    assert_eq!(failed_under(&path, &roots, &rules()), [""; 0]);
    let mut by_another = path.clone();
    by_another[1] = read(drafts[1].sign(&Key::p521(11)));
    assert_eq!(failed_under(&by_another, &roots, &rules()), ["x509.signature"]);
    // The name of the hash is signed with the rest: here it is of another than was used.
    let mut other_hash = drafts[1].clone();
    other_hash.inner_algorithm = ecdsa_sha384();
    other_hash.outer_algorithm = ecdsa_sha384();
    let mut wrong_hash = path;
    wrong_hash[1] = read(other_hash.sign(&root));
    assert_eq!(failed_under(&wrong_hash, &roots, &rules()), ["x509.signature"]);
}

#[test]
fn dates() {
    let dates = |from: &[u8], to: &[u8]| sequence(&[&tlv(0x17, from), &tlv(0x17, to)]);
    for index in 0..3 {
        refused("x509.validity", |drafts| {
            drafts[index].validity = dates(b"200101000000Z", b"210101000000Z");
        });
        refused("x509.validity", |drafts| {
            drafts[index].validity = dates(b"300101000000Z", b"400101000000Z");
        });
    }
    refused("x509.validity", |drafts| {
        drafts[0].validity = dates(b"400101000000Z", b"200101000000Z");
    });
    let path = signed(&drafts());
    let at = |text: &str| PathRules { at: UnixTime::from_rfc3339(text).unwrap(), ..rules() };
    assert!(failed(&path, &at("2020-01-01T00:00:00Z")).is_empty(), "both ends are included");
    assert!(failed(&path, &at("2040-01-01T00:00:00Z")).is_empty());
    assert_eq!(failed(&path, &at("2019-12-31T23:59:59Z")), ["x509.validity"]);
    assert_eq!(failed(&path, &at("2040-01-01T00:00:01Z")), ["x509.validity"]);
}

#[test]
fn names() {
    use super::super::forge::name;
    refused("x509.issuer", |drafts| drafts[0].issuer = name("another"));
    refused("x509.issuer", |drafts| drafts[1].issuer = name("another"));
    refused("x509.issuer", |drafts| drafts[1].subject = name("another"));
    refused("x509.issuer", |drafts| {
        // The same text as another kind of string is another name.
        let printable = sequence(&[&tlv(6, &[0x55, 4, 3]), &tlv(0x13, b"middle")]);
        drafts[0].issuer = sequence(&[&tlv(0x31, &printable)]);
    });
    refused("x509.issuer", |drafts| {
        drafts[0].issuer = sequence(&[]);
        drafts[1].subject = sequence(&[]);
    });
}

#[test]
fn signatures() {
    let [end, middle, root] = signed(&drafts());
    let by_root = drafts()[0].clone();
    let wrong = {
        let mut draft = by_root;
        draft.inner_algorithm = pkcs1_sha256();
        draft.outer_algorithm = pkcs1_sha256();
        draft.sign(&KEYS.root)
    };
    let path = [wrong, middle.clone(), root.clone()];
    assert_eq!(failed(&path, &rules()), ["x509.signature"], "another kind of key");
    let other = drafts()[0].sign(&Key::p384(9));
    let path = [other, middle.clone(), root.clone()];
    assert_eq!(failed(&path, &rules()), ["x509.signature"], "another key");
    let mut flipped = end.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let path = [flipped, middle, root];
    assert_eq!(failed(&path, &rules()), ["x509.signature"]);
    refused("x509.signature", |drafts| {
        // ecdsa-with-SHA224, which nobody here uses.
        let sha224 = sequence(&[&tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01])]);
        drafts[0].inner_algorithm = sha224.clone();
        drafts[0].outer_algorithm = sha224;
    });
    refused("x509.signature", |drafts| {
        // ecdsa-with-SHA384 with parameters, which it has not.
        let with_null =
            sequence(&[&tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]), &[5, 0]]);
        drafts[0].inner_algorithm = with_null.clone();
        drafts[0].outer_algorithm = with_null;
    });
}

#[test]
fn authorities() {
    let constraints =
        |value: &[u8]| (oid::BASIC_CONSTRAINTS.to_vec(), CRITICAL.to_vec(), value.to_vec());
    refused("x509.authority", |drafts| drafts[1].extensions[0] = constraints(&[0x30, 0]));
    refused("x509.authority", |drafts| {
        drafts[1].extensions.remove(0);
    });
    refused("x509.key-usage", |drafts| {
        drafts[1].extensions.remove(1);
    });
    refused("x509.key-usage", |drafts| drafts[1].extensions[1].2 = vec![3, 2, 1, 2]);
    refused("x509.key-usage", |drafts| drafts[2].extensions[1].2 = vec![3, 2, 7, 0x80]);
    refused("x509.path-length", |drafts| {
        drafts[2].extensions[0] = constraints(&[0x30, 6, 1, 1, 0xff, 2, 1, 0]);
    });
    refused("x509.end", |drafts| {
        drafts[0].extensions.push(constraints(&[0x30, 3, 1, 1, 0xff]));
    });
}

#[test]
fn an_end_does_not_issue() {
    let [end, middle, root] = signed(&drafts());
    let draft = Draft::new("below", "end", &Key::p384(5), ecdsa_sha384());
    let below = draft.sign(&KEYS.end);
    assert_eq!(
        failed(&[below, end, middle, root], &rules()),
        ["x509.authority", "x509.key-usage", "x509.path-length"]
    );
}

#[test]
fn use_of_the_end() {
    let usage = |bits: &[u8]| (oid::KEY_USAGE.to_vec(), CRITICAL.to_vec(), bits.to_vec());
    refused("x509.end.key-usage", |drafts| drafts[0].extensions.push(usage(&[3, 2, 5, 0x20])));
    refused("x509.end.key-usage", |drafts| drafts[0].extensions.push(usage(&[3, 2, 2, 4])));
    let mut drafts = drafts();
    drafts[0].extensions.push(usage(&[3, 2, 7, 0x80]));
    assert!(failed(&signed(&drafts), &rules()).is_empty());
}

#[test]
fn critical_extensions() {
    let unknown = |critical: &[u8]| (vec![0x55, 0x1d, 99], critical.to_vec(), vec![5, 0]);
    for index in 0..3 {
        refused("x509.critical", |drafts| drafts[index].extensions.push(unknown(&CRITICAL)));
    }
    refused("x509.critical", |drafts| {
        drafts[1].extensions.push((
            oid::NAME_CONSTRAINTS.to_vec(),
            CRITICAL.to_vec(),
            vec![0x30, 0],
        ));
    });
    let mut idle = drafts();
    idle[0].extensions.push(unknown(&[]));
    assert!(failed(&signed(&idle), &rules()).is_empty());
    let mut known = drafts();
    known[0].extensions.push(unknown(&CRITICAL));
    let reads = PathRules { critical: &[&[0x55, 0x1d, 99]], ..rules() };
    assert!(failed(&signed(&known), &reads).is_empty());
}

#[test]
fn roots() {
    let [end, middle, root] = signed(&drafts()).map(|der| Certificate::from_der(&der).unwrap());
    let path = [end.clone(), middle.clone(), root.clone()];
    let pin = |pin: Pin| TrustRoots::new([TrustRoot { label: "pinned".into(), pin }]);
    assert_eq!(failed_under(&path, &TrustRoots::default(), &rules()), ["x509.root"]);
    assert_eq!(failed_under(&path, &pin(Pin::Certificate([7; 32])), &rules()), ["x509.root"]);
    assert_eq!(failed_under(&path, &pin(Pin::PublicKey([7; 32])), &rules()), ["x509.root"]);
    let swapped = pin(Pin::Certificate(root.spki_sha256()));
    assert_eq!(failed_under(&path, &swapped, &rules()), ["x509.root"], "a pin has one kind");
    assert!(failed_under(&path, &pin(Pin::Certificate(root.sha256())), &rules()).is_empty());

    // Another root of the same name.
    let other_key = Key::rsa();
    let other_root =
        Draft::new("root", "root", &other_key, pkcs1_sha256()).authority(None).sign(&other_key);
    let other_middle = drafts()[1].sign(&other_key);
    let forged = [
        end.clone(),
        Certificate::from_der(&other_middle).unwrap(),
        Certificate::from_der(&other_root).unwrap(),
    ];
    assert_eq!(failed_under(&forged, &pinned(&root), &rules()), ["x509.root"]);

    // The root's key in a certificate that the root did not sign.
    let dressed = drafts()[2].sign(&other_key);
    let path_dressed = [end.clone(), middle.clone(), Certificate::from_der(&dressed).unwrap()];
    assert_eq!(failed_under(&path_dressed, &pinned(&root), &rules()), ["x509.root.signature"]);

    // An intermediate can be believed by its certificate, and not by its key alone.
    let short = [end.clone(), middle.clone()];
    assert!(failed_under(&short, &pin(Pin::Certificate(middle.sha256())), &rules()).is_empty());
    assert_eq!(failed_under(&short, &pinned(&middle), &rules()), ["x509.root.signature"]);

    // An end that is believed itself proves nothing about who issued it.
    assert_eq!(failed_under(std::slice::from_ref(&end), &pinned(&end), &rules()), ["x509.path"]);
    assert_eq!(failed_under(&[], &pinned(&end), &rules()), ["x509.path"]);
    let long = vec![root.clone(); PATH_CERTIFICATES_MAX + 1];
    assert_eq!(failed_under(&long, &pinned(&root), &rules()), ["x509.path"]);
}

#[test]
fn each_quirk_is_a_check() {
    let quirk = |quirk: Quirk, change: fn(&mut Draft)| {
        let mut drafts = drafts();
        change(&mut drafts[0]);
        let path = signed(&drafts);
        let id = quirk_rule(quirk).0;
        assert!(id.ends_with(&quirk.to_string()));
        assert_eq!(failed(&path, &rules()), [id]);
        let named = PathRules { quirks: &[quirk], ..rules() };
        assert!(failed(&path, &named).is_empty(), "{quirk}");
    };
    quirk(Quirk::SerialNotPositive, |draft| draft.serial = tlv(2, &[0]));
    quirk(Quirk::SerialNotPositive, |draft| draft.serial = tlv(2, &[0x80]));
    quirk(Quirk::SerialNotMinimal, |draft| draft.serial = tlv(2, &[0, 1]));
    quirk(Quirk::SerialTooLong, |draft| draft.serial = tlv(2, &[1; 21]));
    quirk(Quirk::DefaultWritten, |draft| {
        draft.extensions.push((vec![0x55, 0x1d, 99], vec![1, 1, 0], vec![5, 0]));
    });
    quirk(Quirk::BooleanForm, |draft| {
        draft.extensions.push((oid::KEY_USAGE.to_vec(), vec![1, 1, 1], vec![3, 2, 7, 0x80]));
    });
    quirk(Quirk::BitListForm, |draft| {
        draft.extensions.push((oid::KEY_USAGE.to_vec(), vec![], vec![3, 2, 0, 0x80]));
    });
    quirk(Quirk::DateForm, |draft| {
        draft.validity = sequence(&[&tlv(0x18, b"20200101000000Z"), &tlv(0x17, b"400101000000Z")]);
    });
}

#[test]
fn padding_is_a_quirk_of_what_tpms_store() {
    let [end, middle, root] = signed(&drafts());
    let padded = [end.as_slice(), &[0xff; 40]].concat();
    assert!(Certificate::from_der(&padded).is_err());
    let end = Certificate::from_padded_der(&padded).unwrap();
    assert_eq!(end.quirks(), [Quirk::Padding]);
    let root = Certificate::from_der(&root).unwrap();
    let path = [end, Certificate::from_der(&middle).unwrap(), root.clone()];
    assert_eq!(failed_under(&path, &pinned(&root), &rules()), ["x509.quirk.padding"]);
    let mixed = [padded.as_slice(), &[0]].concat();
    assert!(Certificate::from_padded_der(&mixed).is_err());
}

#[test]
fn keys_of_other_kinds() {
    refused("x509.key", |drafts| {
        // A key on Ed25519.
        let algorithm = sequence(&[&tlv(6, &[0x2b, 0x65, 0x70])]);
        drafts[0].spki = sequence(&[&algorithm, &tlv(3, &[0; 33])]);
    });
    refused("x509.key", |drafts| {
        // RSA of 1024 bits.
        let algorithm =
            sequence(&[&tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]), &[5, 0]]);
        let modulus = [&[0], [0xff; 128].as_slice()].concat();
        let key = sequence(&[&tlv(2, &modulus), &tlv(2, &[1, 0, 1])]);
        drafts[0].spki = sequence(&[&algorithm, &tlv(3, &[&[0], key.as_slice()].concat())]);
    });
}

#[test]
fn what_is_no_certificate() {
    use crate::der::DerError;
    assert_eq!(unread(|draft| draft.version = vec![]), CertificateError::Version);
    assert_eq!(unread(|draft| draft.version = tlv(0xa0, &[2, 1, 1])), CertificateError::Version);
    assert_eq!(unread(|draft| draft.version = tlv(0xa0, &[2, 1, 3])), CertificateError::Version);
    assert_eq!(
        unread(|draft| draft.inner_algorithm = pkcs1_sha256()),
        CertificateError::Algorithms
    );
    assert_eq!(
        unread(|draft| draft.validity =
            sequence(&[&tlv(0x17, b"200230000000Z"), &tlv(0x17, b"400101000000Z")])),
        CertificateError::Date
    );
    let twice = unread(|draft| {
        for _ in 0..2 {
            draft.extensions.push((oid::KEY_USAGE.to_vec(), vec![], vec![3, 2, 7, 0x80]));
        }
    });
    assert_eq!(twice, CertificateError::Repeated("2.5.29.15".into()));
    let malformed = unread(|draft| {
        draft.extensions.push((oid::KEY_USAGE.to_vec(), vec![], vec![3, 2, 9, 0x80]));
    });
    assert!(matches!(malformed, CertificateError::Extension { .. }));
    let many = unread(|draft| {
        for index in 0..65 {
            draft.extensions.push((vec![0x55, 0x1d, index], vec![], vec![5, 0]));
        }
    });
    assert_eq!(many, CertificateError::TooManyExtensions);
    assert!(matches!(
        unread(|draft| draft.extra = vec![5, 0]),
        CertificateError::Der(DerError::Trailing)
    ));
    assert!(matches!(
        unread(|draft| draft.serial = vec![]),
        CertificateError::Der(DerError::Tag { .. })
    ));
    assert_eq!(Certificate::from_der(&vec![0x30; 20_000]), Err(CertificateError::TooLong));
}

#[test]
fn each_bit_of_a_certificate_counts() {
    let path = signed(&drafts());
    let root = Certificate::from_der(&path[2]).unwrap();
    let roots = pinned(&root);
    // An odd stride: each certificate of the path has its turn.
    crate::crypto::sparingly(61, || {
        for (index, der) in path.iter().enumerate() {
            for bit in 0..8 * der.len() {
                let mut changed = path.clone();
                changed[index][bit / 8] ^= 1 << (bit % 8);
                let certificates: Result<Vec<Certificate>, _> =
                    changed.iter().map(|der| Certificate::from_der(der)).collect();
                let Ok(certificates) = certificates else { continue };
                let failed = failed_under(&certificates, &roots, &rules());
                assert!(!failed.is_empty(), "bit {bit} of certificate {index}");
            }
        }
    });
}

/// The certificates of a pool, which hold under any name that their drafts have.
fn read(ders: &[Vec<u8>]) -> Vec<Certificate> {
    ders.iter().map(|der| Certificate::from_der(der).unwrap()).collect()
}

fn found<'c>(
    end: &'c Certificate,
    pool: &'c [Certificate],
    roots: &TrustRoots,
) -> Option<Vec<&'c Certificate>> {
    find_path(end, pool, roots, &rules())
}

#[test]
fn paths_are_found_by_names_and_signatures() {
    let [end, middle, root] = signed(&drafts()).map(|der| Certificate::from_der(&der).unwrap());
    let other_key = Key::rsa();
    let decoy = Draft::new("middle", "root", &Key::p384(8), pkcs1_sha256()).authority(Some(0));
    let decoy = Certificate::from_der(&decoy.sign(&other_key)).unwrap();
    let roots = pinned(&root);
    let pool = [decoy.clone(), root.clone(), middle.clone()];
    assert_eq!(found(&end, &pool, &roots), Some(vec![&end, &middle, &root]));
    assert_eq!(found(&end, &[decoy, root.clone()], &roots), None);
    assert_eq!(found(&end, &[], &roots), None);
    assert_eq!(found(&end, &pool, &TrustRoots::default()), None);
    assert_eq!(found(&root, std::slice::from_ref(&root), &roots), None, "a root is no end");
}

/// Every order of the pool, which is short.
fn each_order(pool: &[Certificate], check: &mut dyn FnMut(&[Certificate])) {
    fn permute(
        rest: &[Certificate],
        head: &mut Vec<Certificate>,
        check: &mut dyn FnMut(&[Certificate]),
    ) {
        if rest.is_empty() {
            return check(head);
        }
        for index in 0..rest.len() {
            let mut others = rest.to_vec();
            head.push(others.remove(index));
            permute(&others, head, check);
            head.pop();
        }
    }
    permute(pool, &mut Vec::new(), check);
}

#[test]
fn a_renewed_authority_is_found_whatever_comes_first() {
    let ended = sequence(&[&tlv(0x17, b"200101000000Z"), &tlv(0x17, b"210101000000Z")]);
    let [end, middle, root] = drafts();
    let (mut old_middle, mut old_root) = (middle.clone(), root.clone());
    old_middle.validity = ended.clone();
    old_root.validity = ended;
    // A middle that may not have issued: with the name and the key of the one that may.
    let idle = Draft { extensions: Vec::new(), ..middle.clone() };
    let other = Key::p384(7);
    let rekeyed = Draft { spki: other.spki(), ..middle.clone() };
    let end = Certificate::from_der(&end.sign(&KEYS.middle)).unwrap();
    let pool = read(&[
        old_middle.sign(&KEYS.root),
        middle.sign(&KEYS.root),
        idle.sign(&KEYS.root),
        rekeyed.sign(&KEYS.root),
        old_root.sign(&KEYS.root),
        root.sign(&KEYS.root),
    ]);
    let (middle, root) = (pool[1].clone(), pool[5].clone());
    let by_key = pinned(&root);
    let pins = [&pool[4], &pool[5]].map(|root| Pin::Certificate(root.sha256()));
    let by_certificate = TrustRoots::new(pins.map(|pin| TrustRoot { label: "one".into(), pin }));
    for roots in [&by_key, &by_certificate] {
        each_order(&pool, &mut |pool| {
            assert_eq!(found(&end, pool, roots), Some(vec![&end, &middle, &root]));
        });
    }
    // Without a good one, an ended one is shown: that it has ended is what the checks then say.
    let path = found(&end, &pool[..1], &TrustRoots::default());
    assert_eq!(path, None);
    let only_ended = [pool[0].clone(), root.clone()];
    assert_eq!(found(&end, &only_ended, &by_key), Some(vec![&end, &only_ended[0], &root]));
}

/// A chain of so many certificates, the end first.
fn chain(count: usize) -> Vec<Certificate> {
    let keys: Vec<Key> = (0..count).map(|depth| Key::p384(20 + depth as u8)).collect();
    let name = |depth: usize| format!("depth {depth}");
    let ders: Vec<Vec<u8>> = (0..count)
        .map(|depth| {
            let above = (depth + 1).min(count - 1);
            let draft = Draft::new(&name(depth), &name(above), &keys[depth], ecdsa_sha384());
            let draft = if depth == 0 { draft } else { draft.authority(None) };
            draft.sign(&keys[above])
        })
        .collect();
    read(&ders)
}

#[test]
fn paths_have_eight_certificates_at_most() {
    let check = |count: usize, is_found: bool| {
        let chain = chain(count);
        let (end, pool) = chain.split_first().unwrap();
        let roots = pinned(pool.last().unwrap());
        let path = found(end, pool, &roots);
        assert_eq!(path.is_some(), is_found, "{count}");
        if path.is_some() {
            assert!(failed_under(&chain, &roots, &rules()).is_empty(), "{count}");
        }
    };
    check(2, true);
    check(7, true);
    check(8, true);
    check(9, false);
}

/// Each certificate of the pile issued each other one, so that there are more paths than can be walked.
#[test]
fn a_pile_of_one_name_is_walked_in_bounds() {
    let key = Key::rsa();
    let end = Draft::new("end", "pile", &KEYS.end, pkcs1_sha256()).sign(&key);
    let end = Certificate::from_der(&end).unwrap();
    let piece = |serial: u8| {
        let mut draft = Draft::new("pile", "pile", &key, pkcs1_sha256()).authority(None);
        draft.serial = tlv(2, &[1, serial]);
        draft.sign(&key)
    };
    let pile = read(&(0..200).map(piece).collect::<Vec<_>>());
    let stranger = pinned(&Certificate::from_der(&signed(&drafts())[2]).unwrap());
    let before = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(found(&end, &pile, &stranger), None);
    }
    // Two searches of 64 signatures each: milliseconds. Unbounded it would not end.
    assert!(before.elapsed().as_secs() < 60, "{:?}", before.elapsed());
    // A root among the first of them is found at once.
    let last = Pin::Certificate(pile[40].sha256());
    let roots = TrustRoots::new([TrustRoot { label: "one".into(), pin: last }]);
    assert_eq!(found(&end, &pile, &roots), Some(vec![&end, &pile[40]]));
}
