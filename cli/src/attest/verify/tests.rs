use super::*;

fn verify_recorded(role: &str, at: &str) -> Vec<&'static str> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors/evidence");
    let arguments = Verify {
        evidence: format!("{folder}/{role}.evidence").into(),
        policy: format!("{folder}/{role}.json").into(),
        activation: Vec::new(),
        at: UnixTime::from_rfc3339(at),
        json: true,
    };
    let shown = run(&arguments).unwrap();
    assert_eq!(shown.is_accepted, shown.checks.all_passed());
    shown.checks.failed_ids()
}

/// Years later, and by who has nothing but the files.
#[test]
fn recorded_evidence_is_judged_for_a_day() {
    for role in ["host", "guest", "machine"] {
        assert!(verify_recorded(role, "2025-06-15T12:00:00Z").is_empty(), "{role}");
        assert!(verify_recorded(role, "2039-12-31T12:00:00+02:00").is_empty(), "{role}");
        assert!(verify_recorded(role, "2041-01-01T00:00:00Z").contains(&"x509.validity"), "{role}");
    }
}
