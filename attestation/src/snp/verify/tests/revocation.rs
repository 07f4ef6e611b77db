//! Lists of revoked certificates, as AMD signs them: by the root, for what the root issued.

use super::super::super::forge::{AT, Chip, KEYS, Signed, policy, roots};
use super::super::super::{Product, SnpRoots};
use super::super::{verify, verify_report, verify_vek};
use crate::x509::forge::{BOTH_SIGNATURES, Key, ListDraft, list_entry, pss_sha384, tlv};
use crate::x509::{RevocationList, UnixTime, oid};

const SERIAL_OF_ASK: u8 = 0x41;
const SERIAL_OF_ARK: u8 = 0x42;

/// Evidence whose root may sign lists, and whose certificates say that there is one.
fn signed() -> Signed {
    let mut chip = Chip::new(Product::Milan);
    chip.ask.serial = tlv(2, &[SERIAL_OF_ASK]);
    chip.ark.serial = tlv(2, &[SERIAL_OF_ARK]);
    chip.ark.extensions[1].2 = BOTH_SIGNATURES.to_vec();
    let place = |draft: &mut crate::x509::forge::Draft| {
        draft.extensions.push((oid::CRL_DISTRIBUTION_POINTS.to_vec(), vec![], vec![0x30, 0]));
    };
    place(&mut chip.ask);
    place(&mut chip.ark);
    chip.sign()
}

fn list(issuer: &str, serials: &[u8], key: &Key) -> RevocationList {
    let entries: Vec<Vec<u8>> = serials.iter().map(|serial| list_entry(&[*serial])).collect();
    let der = ListDraft::new(issuer, pss_sha384(), &entries).sign(key);
    RevocationList::from_der(&der).unwrap()
}

fn with(lists: &[&RevocationList]) -> SnpRoots {
    roots(Product::Milan).with_revocation_lists(lists.iter().map(|list| (*list).clone()))
}

#[test]
fn revoked_authorities_are_refused() {
    let signed = signed();
    let failed = |lists: &[&RevocationList]| {
        let verdict = verify(&signed.evidence(), &with(lists), &policy(Product::Milan), AT);
        assert_eq!(verdict.is_accepted(), verdict.checks().all_passed());
        verdict.checks().failed_ids()
    };
    let of_root = |serials: &[u8]| list("ARK-Test", serials, &KEYS.ark);
    assert_eq!(failed(&[]), [""; 0]);
    assert_eq!(failed(&[&of_root(&[])]), [""; 0]);
    // Chips have the serial zero, and no list of their issuer's.
    assert_eq!(failed(&[&of_root(&[0, 1, 0x43])]), [""; 0]);
    assert_eq!(failed(&[&of_root(&[1, SERIAL_OF_ASK])]), ["x509.crl.revoked"]);
    assert_eq!(failed(&[&of_root(&[SERIAL_OF_ARK])]), ["x509.crl.revoked"]);
    // In the root's name, by the intermediate's key.
    assert_eq!(failed(&[&list("ARK-Test", &[], &KEYS.ask)]), ["x509.crl.signature"]);
    // That of another generation lies beside it, and is none for this one.
    let other = list("ARK-Other", &[SERIAL_OF_ASK], &KEYS.ark);
    assert_eq!(failed(&[&other, &of_root(&[])]), [""; 0]);
    assert_eq!(failed(&[&other]), ["x509.crl.there"]);
    // The intermediate may not sign lists; that of a maker who lets it do so would revoke chips.
    let of_middle = list("SEV-Test", &[0], &KEYS.ask);
    assert_eq!(failed(&[&of_root(&[]), &of_middle]), ["x509.crl.key-usage", "x509.crl.revoked"]);
}

#[test]
fn a_chain_is_kept_for_as_long_as_its_list_is_current() {
    let signed = signed();
    let other = list("ARK-Other", &[], &KEYS.ark);
    let roots = with(&[&list("ARK-Test", &[], &KEYS.ark), &other]);
    let vek = verify_vek(&signed.evidence(), &roots, AT).into_result().unwrap();
    let failed = |at: &str| {
        let at = UnixTime::from_rfc3339(at).unwrap();
        verify_report(&signed.report, &vek, &policy(Product::Milan), at).checks().failed_ids()
    };
    assert_eq!(failed("2027-12-31T00:00:00Z"), [""; 0]);
    assert_eq!(failed("2028-01-01T00:00:01Z"), ["snp.chain.validity"]);
    assert_eq!(failed("2023-12-31T00:00:00Z"), ["snp.chain.validity"]);
}
