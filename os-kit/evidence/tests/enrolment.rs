//! An enrolment from the first message to the last, with a TPM that is not ours, and what it costs the TPM.

#[path = "machine/mod.rs"]
mod machine;

use attestation::enrolment::{
    Binding, Invitation, JoinRequest, MachineId, Now, Refusal, Registrar, Rules, Site, Ticket,
    ticket_id,
};
use attestation::evidence::{Evidence, Role, Statement};
use attestation::x509::UnixTime;
use machine::{HEIGHT, Machine, ROOT, activation, log, selection, statement};
use os_kit_evidence::{
    Identity, OpenedChallenge, SnpInputs, TpmInputs, guest_name, identity, open_challenge,
    snp_part, tpm_part,
};
use os_kit_snp::SnpGuest;
use os_kit_tpm::{EkKind, Tpm};
use std::collections::BTreeMap;
use std::time::Duration;

/// 2027-01-15.
const AT: UnixTime = UnixTime(1_800_000_000);
const CODE: [u8; 32] = [7; 32];

/// What the TPM may spend on an enrolment, from the first command to the last.
const TPM_TIME_MAX: Duration = Duration::from_millis(150);

fn site() -> Site {
    Site { operator: vec![1; 29], data_center: "zh1".into() }
}

fn evidence(
    tpm: &Tpm,
    guest: &dyn SnpGuest,
    statement: Statement,
    identity: &Identity,
    challenge: &OpenedChallenge,
) -> Vec<u8> {
    let name = guest_name(guest, 0).unwrap();
    let (selection, log) = (selection(), log());
    let inputs =
        TpmInputs { identity, challenge, selection: &selection, log: &log, guest: Some(&name) };
    let tpm_part = tpm_part(tpm, &statement, &inputs).unwrap();
    let inputs = SnpInputs { vmpl: 0, tpm: Some(identity.names().unwrap()), certificates: None };
    let snp_part = snp_part(guest, &statement, &inputs).unwrap();
    Evidence::new(statement, Some(tpm_part), Some(snp_part)).unwrap().encode()
}

fn enrols(kind: EkKind) {
    let machine = Machine::new("node-1", 7);
    let description = machine.rules(Role::Machine, &[]);
    let part = |name: &str| description[name].clone();
    let rules = Rules {
        policy: serde_json::from_value(part("policy")).unwrap(),
        roots: serde_json::from_value(part("roots")).unwrap(),
        challenge_heights: 10,
        interval_heights: 50,
    };
    let certified: BTreeMap<u64, [u8; 32]> =
        (HEIGHT..HEIGHT + 30).map(|height| (height, ROOT)).collect();
    let now = |height| Now { height, time: AT, certified: &certified };
    let mut registrar = Registrar::default();
    let ticket =
        Ticket { id: ticket_id(&CODE), binding: Binding::Site(site()), height_max: HEIGHT + 20 };
    registrar.issue(ticket).unwrap();

    let before = machine.tpm.processor_time();
    let tpm = machine.tpm.open();
    let own = identity(&tpm, kind).unwrap();
    let request = JoinRequest {
        code: CODE,
        ek_public: own.ek_public.clone(),
        ak_public: own.ak_public.clone(),
    };
    let drawn = activation(&own, 9);
    let invited = registrar.join(&request, &site(), drawn, &rules, HEIGHT).unwrap();
    let Invitation { challenge } = Invitation::decode(&invited.encode()).unwrap();
    let opened = open_challenge(&tpm, kind, &challenge).unwrap();
    let guest = machine.launch(&own);
    let first = evidence(&tpm, &guest, statement(Role::Machine, 1), &own, &opened);
    let spent = machine.tpm.processor_time() - before;
    let id = registrar.enrol(&first, &site(), &rules, &now(HEIGHT + 1)).unwrap();
    assert_eq!(id, MachineId::of(own.names().unwrap().0));
    println!("{kind:?}: the TPM spent {spent:?}");
    assert!(spent <= TPM_TIME_MAX, "{kind:?}: the TPM spent {spent:?}");

    // The same once more, and a later one.
    let again = registrar.enrol(&first, &site(), &rules, &now(HEIGHT + 2));
    assert_eq!(again, Err(Refusal::NoChallenge));
    let mut later = statement(Role::Machine, 1);
    later.anchor.height = HEIGHT + 20;
    let second = evidence(&tpm, &guest, later, &own, &opened);
    assert_eq!(registrar.attest(&second, &rules, &now(HEIGHT + 21)), Ok(id));
    let again = registrar.attest(&second, &rules, &now(HEIGHT + 22));
    assert!(matches!(again, Err(Refusal::NotNewer { .. })));
}

#[test]
fn a_machine_enrols_by_its_p384_key() {
    enrols(EkKind::P384);
}

#[test]
fn a_machine_enrols_by_its_rsa_key() {
    enrols(EkKind::Rsa2048);
}
