//! Evidence: read, written again, verified whole under the rules that accept the seeds.

use attestation::evidence::{Evidence, Known, Policy, Role, Roots, verify};
use attestation::x509::UnixTime;
use std::sync::OnceLock;

const SEEDS: [(Role, &[u8], &[u8]); 3] = [
    (
        Role::Host,
        include_bytes!("../../attestation/vectors/evidence/host.evidence"),
        include_bytes!("../../attestation/vectors/evidence/host.json"),
    ),
    (
        Role::Guest,
        include_bytes!("../../attestation/vectors/evidence/guest.evidence"),
        include_bytes!("../../attestation/vectors/evidence/guest.json"),
    ),
    (
        Role::Machine,
        include_bytes!("../../attestation/vectors/evidence/machine.evidence"),
        include_bytes!("../../attestation/vectors/evidence/machine.json"),
    ),
];

/// 2025-06-15.
const AT: UnixTime = UnixTime(1_750_000_000);

#[derive(serde::Deserialize)]
pub(crate) struct Rules {
    pub policy: Policy,
    pub roots: Roots,
    known: Known,
}

pub(crate) fn rules(role: Role) -> &'static Rules {
    static RULES: OnceLock<Vec<(Role, Rules)>> = OnceLock::new();
    let all = RULES.get_or_init(|| {
        let read = |json: &[u8]| serde_json::from_slice(json).expect("the file is good");
        SEEDS.iter().map(|(role, _, json)| (*role, read(json))).collect()
    });
    &all.iter().find(|(known, _)| *known == role).expect("each role has a file").1
}

/// Nobody signs mutants: what is accepted is a seed. Two forms of an ECDSA signature are both good, and
/// no mutation finds the second.
pub fn evidence(data: &[u8]) {
    let Ok(evidence) = Evidence::decode(data) else { return };
    assert_eq!(evidence.encode(), data, "there is one form");
    let role = evidence.statement().role;
    let Rules { policy, roots, known } = rules(role);
    let verdict = verify(data, policy, roots, known, AT);
    let is_seed = SEEDS.iter().any(|(_, seed, _)| *seed == data);
    assert_eq!(verdict.is_accepted(), is_seed);
}

/// Policies, roots and what a verifier knows, in JSON.
pub fn evidence_rules(data: &[u8]) {
    let _ = serde_json::from_slice::<Rules>(data);
    if let Ok(policy) = serde_json::from_slice::<Policy>(data) {
        assert!(!policy.roles().is_empty());
    }
}
