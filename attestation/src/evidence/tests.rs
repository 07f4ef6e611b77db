mod form;
mod mutation;
mod negative;

use super::forge::{AT, HEIGHT, Machine};
use super::*;

const ROLES: [Role; 3] = Role::ALL;

#[test]
fn evidence_of_each_role_is_accepted() {
    for role in ROLES {
        let machine = Machine::new(role, 1);
        let evidence = machine.evidence();
        let bytes = evidence.encode();
        let verdict =
            verify(&bytes, &machine.read_policy(), &machine.roots(), &machine.known, machine.at);
        let failed: Vec<_> = verdict.checks().failed().collect();
        assert!(verdict.is_accepted(), "{role}: {failed:?}");
        let node = verdict.verified().expect("accepted");
        assert_eq!(node.statement(), &machine.statement);
        assert_eq!((node.at(), node.height()), (AT, HEIGHT + 50));
        assert_eq!(node.tpm().is_some(), role.has_tpm());
        assert_eq!(node.guest().is_some(), role.has_snp());
        if let Some(tpm) = node.tpm() {
            assert_eq!(Some((tpm.ek, tpm.ak)), machine.names());
            assert_eq!(
                (tpm.release.as_str(), tpm.platform.as_deref()),
                ("host 1.2.0", Some("board 7"))
            );
            assert_eq!((tpm.ek_root.as_str(), tpm.firmware_version), ("TPM root", 7));
        }
        if let Some(guest) = node.guest() {
            assert_eq!(guest.chip_id, Some([0x51; 64]));
            assert_eq!((guest.report_id, guest.release.as_str()), ([0x71; 32], "guest 1.2.0"));
        }
    }
}

/// The time of judgment is an input: the same evidence has the same verdict at any later day, and where it
/// is judged for a day on which nothing was valid, it is refused.
#[test]
fn evidence_is_judged_for_a_time_and_a_height() {
    let mut machine = Machine::new(Role::Machine, 1);
    let evidence = machine.evidence();
    // 2010 and 2050: before and after all certificates.
    for (at, accepted) in
        [(AT.0, true), (2_200_000_000, true), (1_262_304_000, false), (2_524_608_000, false)]
    {
        machine.at = crate::x509::UnixTime(at);
        let failed = machine.failed(&evidence);
        assert_eq!(failed.is_empty(), accepted, "{at}: {failed:?}");
        if !accepted {
            assert!(failed.contains(&"x509.validity"), "{failed:?}");
        }
    }
    machine.at = AT;
    for (height, failed) in [
        (HEIGHT, &[][..]),
        (HEIGHT + 100, &[]),
        (HEIGHT + 101, &["evidence.age"]),
        (HEIGHT - 1, &["evidence.height"]),
    ] {
        machine.known.height = height;
        assert_eq!(machine.failed(&evidence), failed, "{height}");
    }
}

/// Evidence of the test's machine as it was written once: whoever changes the format, a purpose of a digest or
/// the form of a policy changes what was recorded.
#[test]
fn recorded_evidence_is_accepted() {
    let read = |name: String| {
        let path = format!("{}/vectors/evidence/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    for role in ROLES {
        let bytes = read(format!("{role}.evidence"));
        let rules: serde_json::Value =
            serde_json::from_slice(&read(format!("{role}.json"))).unwrap();
        let part = |name: &str| rules[name].clone();
        let verdict = verify(
            &bytes,
            &serde_json::from_value(part("policy")).unwrap(),
            &serde_json::from_value(part("roots")).unwrap(),
            &serde_json::from_value(part("known")).unwrap(),
            AT,
        );
        let failed: Vec<_> = verdict.checks().failed().collect();
        assert!(verdict.is_accepted(), "{role}: {failed:?}");
        assert_eq!(Evidence::decode(&bytes).unwrap().encode(), bytes);
    }
}
