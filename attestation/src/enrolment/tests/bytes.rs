//! The registrar's state as bytes: one form, and each rule that the steps keep.

use super::*;

/// Two machines that are enrolled, a challenge that is open, tickets of both kinds.
fn registrar() -> Registrar {
    let mut world = super::world::World::new();
    world.settle(&[1, 2]);
    world.height += 1;
    let request = world.sides[0].hardware.join(code(0));
    world.deliver(&super::world::Message::Join(request.encode()), super::world::Crash::Never);
    world.registrar
}

#[test]
fn states_have_one_form() {
    let registrar = registrar();
    let bytes = registrar.encode();
    assert_eq!(Registrar::decode(&bytes).as_ref(), Ok(&registrar));
    for length in 0..bytes.len() {
        assert!(Registrar::decode(&bytes[..length]).is_err(), "{length}");
    }
    assert!(Registrar::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            if let Ok(other) = Registrar::decode(&changed) {
                assert_ne!(other, registrar);
                assert_eq!(other.encode(), changed);
            }
        }
    }
    assert_eq!(Registrar::decode(b"PLINTHND\0\x01"), Err(StateError::Magic("registrar's state")));
    let later = StateError::Version { structure: "registrar's state", version: 2 };
    assert_eq!(Registrar::decode(b"PLINTHRG\0\x02"), Err(later));
}

#[test]
fn states_that_no_step_leads_to_are_refused() {
    let good = registrar();
    type Change = fn(&mut Registrar);
    let changes: [(&str, Change); 16] = [
        ("a challenge has no ticket", |state| state.remove_ticket(0)),
        ("a challenge is open though its ticket is used", |state| state.use_ticket(0)),
        ("a challenge was made after its ticket's end", |state| state.end_ticket(0)),
        ("a ticket serves another TPM than it is for", |state| state.bind_ticket(0)),
        ("a ticket serves another TPM than it is for", |state| state.bind_ticket(1)),
        ("two challenges are the same", |state| state.repeat_challenge()),
        ("a machine has no used ticket", |state| state.remove_ticket(1)),
        ("a machine has no used ticket", |state| state.unuse_ticket(1)),
        ("two machines have one ticket", |state| state.equal(|to, from| to.ticket = from.ticket)),
        ("two machines have one attestation key", |state| state.equal(|to, from| to.ak = from.ak)),
        ("two machines have one chip", |state| state.equal(|to, from| to.chip_id = from.chip_id)),
        ("two machines have one signing key", |state| {
            state.equal(|to, from| to.keys.signing = from.keys.signing);
        }),
        ("two machines have one TLS key", |state| {
            state.equal(|to, from| to.keys.tls.clone_from(&from.keys.tls));
        }),
        ("two machines have one dealing key", |state| {
            state.equal(|to, from| to.keys.dealing.clone_from(&from.keys.dealing));
        }),
        ("a machine was never installed", |state| state.equal(|to, _| to.installations = 0)),
        ("there are more installations than used tickets", |state| {
            state.equal(|to, _| to.installations = 2);
        }),
    ];
    for (what, change) in changes {
        let mut state = good.clone();
        change(&mut state);
        assert_eq!(Registrar::decode(&state.encode()), Err(StateError::Unreachable(what)));
    }
}

/// Entries in another order, or twice.
#[test]
fn lists_ascend() {
    let mut state = Registrar::default();
    for number in [1, 2] {
        let binding = Binding::Site(site(1));
        state.issue(Ticket { id: ticket_id(&code(number)), binding, height_max: 9 }).unwrap();
    }
    let bytes = state.encode();
    // Head, number and length of the list; then two entries of one length, and two empty lists.
    let (head, rest) = bytes.split_at(10 + 5);
    let (entries, end) = rest.split_at(rest.len() - 10);
    let (first, second) = entries.split_at(entries.len() / 2);
    assert!(Registrar::decode(&[head, first, second, end].concat()).is_ok());
    for wrong in [[head, second, first, end], [head, first, first, end]] {
        let refused = StateError::Unreachable("a list does not ascend");
        assert_eq!(Registrar::decode(&wrong.concat()), Err(refused));
    }
}

#[test]
fn what_cannot_be_kept_is_not_issued() {
    let mut state = Registrar::default();
    let mut issue = |operator: Vec<u8>, data_center: &str| {
        let binding = Binding::Site(Site { operator, data_center: data_center.into() });
        state.issue(Ticket { id: ticket_id(&code(1)), binding, height_max: 9 })
    };
    assert_eq!(issue(vec![], "zh1"), Err(Refusal::Site));
    assert_eq!(issue(vec![1; 65], "zh1"), Err(Refusal::Site));
    assert_eq!(issue(vec![1; 64], &"z".repeat(65)), Err(Refusal::Site));
    assert_eq!(issue(vec![1; 64], &"z".repeat(64)), Ok(()));
    assert_eq!(Registrar::decode(&state.encode()), Ok(state.clone()));
    state.fill();
    let binding = Binding::Site(site(1));
    let full = state.issue(Ticket { id: ticket_id(&code(2)), binding, height_max: 9 });
    assert_eq!(full, Err(Refusal::Full { tickets: 1 << 16 }));
    assert_eq!(Registrar::decode(&state.encode()), Ok(state));
}

/// All messages and states of an enrolment, in the order of its steps.
fn steps() -> Vec<(&'static str, Vec<u8>)> {
    use super::world::{Crash, Look, Message, World};
    let mut world = World::new();
    let mut steps = Vec::new();
    let node = |world: &World| world.sides[1].node.encode().to_vec();
    let look = |world: &mut World| {
        world.height += 1;
        world.look(1, Look::Now, Crash::Never).unwrap();
    };
    steps.push(("node-ticketed", node(&world)));
    look(&mut world);
    let Message::Join(request) = world.messages[0].clone() else { panic!("it asks") };
    steps.push(("join-request", request.clone()));
    steps.push(("node-asked", node(&world)));
    world.deliver(&Message::Join(request), Crash::Never);
    steps.push(("registrar-invited", world.registrar.encode()));
    let invitation = world.answers[0].clone();
    steps.push(("invitation", invitation.clone()));
    world.invite(1, &invitation, Crash::Never);
    steps.push(("node-invited", node(&world)));
    look(&mut world);
    steps.push(("node-opened", node(&world)));
    look(&mut world);
    let evidence = world.messages[1].clone();
    world.deliver(&evidence, Crash::Never);
    steps.push(("registrar-enrolled", world.registrar.encode()));
    look(&mut world);
    steps.push(("node-enrolled", node(&world)));
    steps
}

/// As they were written once, where the fuzz target begins: whoever changes a form changes what nodes have on
/// their disks.
#[test]
fn messages_and_states_are_those_that_were_recorded() {
    for (name, bytes) in steps() {
        let path = format!("{}/../fuzz/seeds/enrolment/{name}", env!("CARGO_MANIFEST_DIR"));
        let recorded = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(hex::encode(bytes), hex::encode(recorded), "{name}");
    }
}
