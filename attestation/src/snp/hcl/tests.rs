use super::*;
use crate::snp::forge::{AT, Chip, KEYS, policy, roots, sign_report};
use crate::snp::{Expect, Product, verify};

/// Of a machine in Azure.
const REAL: &[u8] = include_bytes!("../../../vectors/snp-real/azure_milan_v2.hcl.bin");

/// A container around a report whose data is the hash of the claims.
fn container(hash: Hash, claims: &[u8]) -> (Chip, Vec<u8>) {
    let mut chip = Chip::new(Product::Genoa);
    let digest = hash.digest(claims);
    chip.report[0x50..0x90].fill(0);
    chip.report[0x50..][..digest.as_bytes().len()].copy_from_slice(digest.as_bytes());
    let mut report = chip.report.clone();
    sign_report(&KEYS.vek, &mut report);
    let number = match hash {
        Hash::Sha256 => 1_u32,
        Hash::Sha384 => 2,
        Hash::Sha512 => 3,
        Hash::Sha1 => 0,
    };
    let length = |more: usize| u32::try_from(more + claims.len()).unwrap().to_le_bytes();
    let bytes = [
        &b"HCLA"[..],
        &2_u32.to_le_bytes(),
        &length(HEADER_BYTES + REPORT_BYTES + DATA_BYTES),
        &[2, 0, 0, 0],
        &[0; 16],
        &report,
        &length(DATA_BYTES),
        &1_u32.to_le_bytes(),
        &2_u32.to_le_bytes(),
        &number.to_le_bytes(),
        &length(0),
        claims,
        &[0; 33],
    ]
    .concat();
    (chip, bytes)
}

fn is_bound(container: &HclReport<'_>) -> bool {
    let mut checks = Checks::new();
    let is_bound = container.check(&mut checks);
    assert_eq!(checks.all_passed(), is_bound);
    is_bound
}

#[test]
fn a_real_container_is_bound_to_its_report() {
    let read = HclReport::from_bytes(REAL).unwrap();
    assert_eq!(read.report(), &REAL[32..32 + REPORT_BYTES]);
    assert!(read.claims().starts_with(b"{\"keys\":[{\"kid\":\"HCLAkPub\""));
    assert!(is_bound(&read));
    // Any bit of the claims, and of the hash in the report, counts.
    let claims = 32 + REPORT_BYTES + DATA_BYTES;
    for at in (32 + 0x50..32 + 0x90).chain(claims..claims + read.claims().len()) {
        let mut changed = REAL.to_vec();
        changed[at] ^= 1 << (at % 8);
        assert!(!is_bound(&HclReport::from_bytes(&changed).unwrap()), "byte {at}");
    }
}

#[test]
fn the_report_in_it_is_the_one_that_is_verified() {
    for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let (chip, bytes) = container(hash, b"{\"keys\":[]}");
        let read = HclReport::from_bytes(&bytes).unwrap();
        assert!(is_bound(&read), "{hash}");
        let signed = chip.sign();
        let evidence = crate::snp::SnpEvidence { report: read.report(), ..signed.evidence() };
        let policy = crate::snp::SnpPolicy { report_data: Expect::Any, ..policy(Product::Genoa) };
        assert!(verify(&evidence, &roots(Product::Genoa), &policy, AT).is_accepted());
    }
}

/// Every field, wrong in one way.
#[test]
fn other_bytes_are_no_container() {
    let (_, good) = container(Hash::Sha256, b"claims");
    let refused = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        HclReport::from_bytes(&bytes).unwrap_err()
    };
    let data = HEADER_BYTES + REPORT_BYTES;
    let whole = u32::try_from(data + DATA_BYTES + 6).unwrap();
    assert_eq!(refused(0, 0x414c_4347), HclError::Magic);
    assert_eq!(refused(4, 0), HclError::Version { part: "header", found: 0 });
    assert_eq!(refused(4, 3), HclError::Version { part: "header", found: 3 });
    assert_eq!(refused(8, whole + 1), HclError::Lengths("of the whole and of its parts"));
    assert_eq!(refused(28, 1 << 24), HclError::NotZero("reserved bytes"));
    assert_eq!(refused(data, 25), HclError::Lengths("of the data and of the claims in it"));
    assert_eq!(refused(data + 4, 2), HclError::Version { part: "data", found: 2 });
    assert_eq!(refused(data + 8, 4), HclError::Type(4));
    assert_eq!(refused(data + 12, 0), HclError::Hash(0));
    assert_eq!(refused(data + 12, 4), HclError::Hash(4));
    assert_eq!(refused(data + 16, 7), HclError::Lengths("of the data and of the claims in it"));
    let long = HclError::Lengths("the claims are longer than an NV index");
    assert_eq!(refused(data + 16, u32::MAX), long);
    let end = good.len() - 4;
    assert_eq!(refused(end, 1), HclError::NotZero("the bytes after its end"));
    for length in 0..good.len() - 33 {
        let cut = HclReport::from_bytes(&good[..length]);
        assert!(matches!(cut, Err(HclError::Read(ReadError::Short { .. }))), "{length}");
    }
    assert!(HclReport::from_bytes(&good[..good.len() - 33]).is_ok());
    assert!(HclReport::is_claimed(&good) && !HclReport::is_claimed(&good[1..]));
}
