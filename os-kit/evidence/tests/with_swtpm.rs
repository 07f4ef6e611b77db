//! Evidence of a TPM that is not ours and of a simulated guest, judged as in production.

#[path = "machine/mod.rs"]
mod machine;

use attestation::evidence::{Activation, Evidence, Role, verify};
use attestation::snp::Product;
use attestation::x509::UnixTime;
use attestation_simulator::Guest;
use machine::{KIND, Machine, activation, challenge, extend_pcr, log, selection, statement};
use os_kit_evidence::{
    Identity, MakeError, SnpInputs, TpmInputs, guest_name, identity, open_challenge, snp_part,
    tpm_part,
};
use os_kit_tpm::EkKind;
use serde_json::Value;

/// 2027-01-15: swtpm's certificates are made when the test is.
const AT: UnixTime = UnixTime(1_800_000_000);

/// The TPM opens the challenge and both parts are made.
fn make(
    machine: &Machine,
    role: Role,
    made: &Activation,
    identity: &Identity,
    guest: &Guest,
) -> Evidence {
    let tpm = machine.tpm.open();
    let statement = statement(role, 1);
    let opened = open_challenge(&tpm, identity.kind, &challenge(identity, made)).unwrap();
    let name = role.has_snp().then(|| guest_name(guest, 0).unwrap());
    let (selection, log) = (selection(), log());
    let inputs = TpmInputs {
        identity,
        challenge: &opened,
        selection: &selection,
        log: &log,
        guest: name.as_ref(),
    };
    let tpm_part = role.has_tpm().then(|| tpm_part(&tpm, &statement, &inputs).unwrap());
    let names = role.has_tpm().then(|| identity.names().unwrap());
    let inputs = SnpInputs { vmpl: 0, tpm: names, certificates: None };
    let snp_part = role.has_snp().then(|| snp_part(guest, &statement, &inputs).unwrap());
    Evidence::new(statement, tpm_part, snp_part).unwrap()
}

fn failed(evidence: &Evidence, rules: &Value) -> Vec<&'static str> {
    let part = |name: &str| rules[name].clone();
    let verdict = verify(
        &evidence.encode(),
        &serde_json::from_value(part("policy")).unwrap(),
        &serde_json::from_value(part("roots")).unwrap(),
        &serde_json::from_value(part("known")).unwrap(),
        AT,
    );
    verdict.checks().failed_ids()
}

#[test]
fn evidence_of_each_role_and_kind_of_key_is_accepted() {
    let machine = Machine::new("node-1", 7);
    for kind in [EkKind::P384, EkKind::Rsa2048] {
        let identity = identity(&machine.tpm.open(), kind).unwrap();
        let guest = machine.launch(&identity);
        let made = activation(&identity, 1);
        for role in Role::ALL {
            let evidence = make(&machine, role, &made, &identity, &guest);
            let mut rules = machine.rules(role, &[&made]);
            let none: [&str; 0] = [];
            assert_eq!(failed(&evidence, &rules), none, "{role} {kind:?}");
            rules["known"]["activations"] = Value::Array(Vec::new());
            let unknown: &[&str] = match role.has_tpm() {
                true => &["evidence.tpm.activation", "evidence.tpm.answer"],
                false => &[],
            };
            assert_eq!(failed(&evidence, &rules), unknown, "{role} {kind:?}");
        }
    }
    let without = identity(&machine.tpm.open(), EkKind::P256).unwrap_err();
    assert!(matches!(without, MakeError::NoCertificate("P-256")), "{without}");
}

#[test]
fn a_machine_that_measured_more_is_refused() {
    let machine = Machine::new("node-1", 7);
    let identity = identity(&machine.tpm.open(), KIND).unwrap();
    let (guest, made) = (machine.launch(&identity), activation(&identity, 1));
    extend_pcr(&machine.tpm.open(), 11, b"another command line");
    let evidence = make(&machine, Role::Machine, &made, &identity, &guest);
    let rules = machine.rules(Role::Machine, &[&made]);
    assert_eq!(failed(&evidence, &rules), ["evidence.tpm.release", "log.replay"]);
}

#[test]
fn a_machine_whose_guest_was_launched_elsewhere_is_refused() {
    let (machine, other) = (Machine::new("node-1", 7), Machine::new("node-2", 8));
    let own = identity(&machine.tpm.open(), KIND).unwrap();
    let theirs = identity(&other.tpm.open(), KIND).unwrap();
    let made = activation(&own, 1);
    // The guest of the other machine says the names of this TPM: what it was launched with says more.
    let evidence = make(&machine, Role::Machine, &made, &own, &other.launch(&theirs));
    let rules = machine.rules(Role::Machine, &[&made]);
    assert_eq!(failed(&evidence, &rules), ["snp.host-data"]);
}

#[test]
fn a_challenge_for_another_machine_does_not_open() {
    let (machine, other) = (Machine::new("node-1", 7), Machine::new("node-2", 8));
    let (own, theirs) =
        (identity(&machine.tpm.open(), KIND).unwrap(), identity(&other.tpm.open(), KIND).unwrap());
    let made = activation(&own, 1);
    let asked = challenge(&own, &made);
    open_challenge(&machine.tpm.open(), KIND, &asked).unwrap();
    let opened = open_challenge(&other.tpm.open(), KIND, &asked).map(|_| ());
    assert!(matches!(opened, Err(MakeError::Tpm(_))));
    // Both keys of one TPM, but the attestation key of the other.
    let mixed = Identity { ak_public: theirs.ak_public.clone(), ..own.clone() };
    let opened = open_challenge(&machine.tpm.open(), KIND, &challenge(&mixed, &made)).map(|_| ());
    assert!(matches!(opened, Err(MakeError::Tpm(_))));
    let mut wrong = asked;
    wrong.id_object.push(0);
    let opened = open_challenge(&machine.tpm.open(), KIND, &wrong).map(|_| ());
    assert!(matches!(opened, Err(MakeError::Challenge(_))));
    assert_eq!(machine.chip.product(), Product::Genoa);
}
