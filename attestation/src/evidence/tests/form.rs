//! One form of bytes for each evidence, and a bound on everything.

use super::super::forge::{Machine, nothing};
use super::super::*;
use super::ROLES;

#[test]
fn what_is_read_is_written_again_byte_by_byte() {
    for role in ROLES {
        let bytes = Machine::new(role, 1).evidence().encode();
        let read = Evidence::decode(&bytes).unwrap();
        assert_eq!(read.encode(), bytes, "{role}");
        assert_eq!(read.statement().role, role);
    }
}

#[test]
fn cut_and_prolonged_evidence_is_none() {
    for role in ROLES {
        let bytes = Machine::new(role, 1).evidence().encode();
        for length in 0..bytes.len() {
            assert!(Evidence::decode(&bytes[..length]).is_err(), "{role}, {length} bytes");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        let error = Evidence::decode(&longer).unwrap_err();
        assert!(matches!(error, EvidenceError::Read(_)), "{error}");
        let huge = vec![0; (1 << 20) + 1];
        assert!(matches!(Evidence::decode(&huge), Err(EvidenceError::TooLong { .. })));
    }
}

/// Changes of the head of a machine's evidence: offsets follow from docs/evidence.md.
#[test]
fn unknown_versions_roles_and_fields_are_refused() {
    let bytes = Machine::new(Role::Machine, 1).evidence().encode();
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Evidence::decode(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, b'Q'), EvidenceError::Magic);
    assert_eq!(changed(9, 2), EvidenceError::Version(2));
    assert!(matches!(changed(10, 9), EvidenceError::Tag { wanted: 1, found: 9, .. }));
    assert!(matches!(changed(14, 2), EvidenceError::Length { name: "role", bytes: 2, .. }));
    assert!(matches!(changed(11, 0xff), EvidenceError::Length { name: "role", .. }));
    for number in [0, 4, 255] {
        assert_eq!(changed(15, number), EvidenceError::Role(number));
    }
    // The field behind the role, as if it were the role once more.
    assert!(matches!(changed(16, 1), EvidenceError::Tag { wanted: 2, found: 1, .. }));
    // As a host it would have no dealing key and no SNP part.
    assert!(matches!(changed(15, 1), EvidenceError::Tag { wanted: 6, found: 5, .. }));
}

#[test]
fn parts_and_keys_are_those_of_the_role() {
    let machine = Machine::new(Role::Machine, 1).evidence();
    let (tpm, snp) = (machine.tpm().cloned(), machine.snp().cloned());
    for role in ROLES {
        let mut statement = machine.statement().clone();
        statement.role = role;
        if role == Role::Host {
            statement.keys.dealing = None;
        }
        for (tpm, snp) in [(&tpm, &snp), (&tpm, &None), (&None, &snp), (&None, &None)] {
            let fits = tpm.is_some() == role.has_tpm() && snp.is_some() == role.has_snp();
            let joined = Evidence::new(statement.clone(), tpm.clone(), snp.clone());
            assert_eq!(joined.is_ok(), fits, "{role}");
            if let Err(error) = joined {
                assert!(matches!(error, EvidenceError::Parts { .. }), "{error}");
            }
        }
        let mut other = statement.clone();
        other.keys.dealing = match role {
            Role::Host => Some(vec![1; 96]),
            Role::Guest | Role::Machine => None,
        };
        let parts = (role.has_tpm().then(|| tpm.clone()), role.has_snp().then(|| snp.clone()));
        let error = Evidence::new(other, parts.0.flatten(), parts.1.flatten()).unwrap_err();
        assert!(matches!(error, EvidenceError::Parts { .. }), "{error}");
    }
}

#[test]
fn each_field_has_its_bounds() {
    let check = |name: &str, change: fn(&mut TpmPart)| {
        let evidence = Machine::new(Role::Host, 1).evidence();
        let mut part = evidence.tpm().unwrap().clone();
        change(&mut part);
        let error = Evidence::new(evidence.statement().clone(), Some(part), None).unwrap_err();
        assert!(error.to_string().contains(name), "{name}: {error}");
    };
    check("EK certificate", |part| part.ek_certificate.clear());
    check("EK certificate", |part| part.ek_certificate = vec![0; (16 << 10) + 1]);
    check("EK issuer", |part| part.issuers = vec![vec![]]);
    check("EK issuer", |part| part.issuers = vec![vec![0; (16 << 10) + 1]]);
    check("more than 7", |part| part.issuers = vec![vec![0]; 8]);
    check("EK public area", |part| part.ek_public.clear());
    check("AK public area", |part| part.ak_public = vec![0; 1025]);
    check("quote", |part| part.message.clear());
    check("quote signature", |part| part.signature = vec![0; 1025]);
    check("event log", |part| part.log.clear());
    check("event log", |part| part.log = vec![0; (768 << 10) + 1]);
    check("PCR values", |part| (part.selection, part.pcrs) = Default::default());
    check("values", |part| part.pcrs.truncate(part.pcrs.len() - 1));
    check("bank", |part| part.pcrs.push(0));
    check("banks must ascend", |part| part.selection.0.reverse());
    check("no register", |part| part.selection.0[0].1 = Default::default());
    let mut machine = Machine::new(Role::Guest, 1);
    machine.snp = nothing();
    let evidence = machine.evidence();
    let with = |change: fn(&mut SnpPart)| {
        let mut part = evidence.snp().unwrap().clone();
        change(&mut part);
        Evidence::new(evidence.statement().clone(), None, Some(part)).unwrap_err().to_string()
    };
    assert!(with(|part| part.report.truncate(1183)).contains("SNP report"));
    assert!(with(|part| part.report.push(0)).contains("SNP report"));
    assert!(with(|part| part.vek.clear()).contains("VEK"));
    assert!(with(|part| part.ask.clear()).contains("ASK"));
    assert!(with(|part| part.ark = vec![0; (16 << 10) + 1]).contains("ARK"));
    let keys = |change: fn(&mut NodeKeys)| {
        let mut statement = evidence.statement().clone();
        change(&mut statement.keys);
        let error = Evidence::new(statement, None, evidence.snp().cloned()).unwrap_err();
        error.to_string()
    };
    assert!(keys(|keys| keys.tls = vec![0; 31]).contains("TLS key"));
    assert!(keys(|keys| keys.tls = vec![0; 1025]).contains("TLS key"));
    assert!(keys(|keys| keys.dealing = Some(vec![0; 31])).contains("dealing key"));
    assert!(keys(|keys| keys.dealing = Some(vec![0; 513])).contains("dealing key"));
}
