//! Messages and states of both sides of an enrolment: what is read has one form, and no step from there leads to a
//! state that cannot be read.

use crate::attestation_evidence::rules;
use attestation::enrolment::{
    Binding, Invitation, JoinRequest, Next, Node, Pace, Registrar, Rules, Site, Standing, Ticket,
    TicketId,
};
use attestation::evidence::{Activation, Role, challenge_id};
use std::sync::OnceLock;

const REQUEST: &[u8] = include_bytes!("../seeds/enrolment/join-request");
/// Of the seeds.
const HEIGHT: u64 = 1001;

/// Requests, invitations and kept states: read, written again, carried on.
pub fn enrolment(data: &[u8]) {
    if let Ok(request) = JoinRequest::decode(data) {
        assert_eq!(request.encode(), data);
    }
    if let Ok(invitation) = Invitation::decode(data) {
        assert_eq!(invitation.encode(), data);
    }
    if let Ok(node) = Node::decode(data) {
        assert_eq!(*node.encode(), data);
        try_node(&node);
    }
    if let Ok(registrar) = Registrar::decode(data) {
        assert_eq!(registrar.encode(), data);
        try_registrar(&registrar);
    }
}

fn try_node(before: &Node) {
    let pace = Pace { retry_heights: 3, challenge_heights: 8, attest_heights: 20 };
    for (height, ticket_is_open) in [(0, true), (HEIGHT, true), (HEIGHT, false), (u64::MAX, true)] {
        let mut node = before.clone();
        match node.look(&Standing { height, ticket_is_open, machine: None }, &pace) {
            Err(_) => assert_eq!(node, *before),
            Ok(Next::Ask(request)) => {
                assert_eq!(JoinRequest::decode(&request.encode()), Ok(request));
            }
            Ok(Next::Open(challenge)) => {
                let opened = node.opened(&challenge_id(&challenge), Some(&[7; 32]));
                opened.expect("it is the one to be opened");
            }
            Ok(_) => {}
        }
        assert_eq!(Node::decode(&node.encode()).as_ref(), Ok(&node));
    }
}

fn try_registrar(before: &Registrar) {
    let mut registrar = before.clone();
    let request = JoinRequest::decode(REQUEST).expect("the seed is good");
    let site = Site { operator: vec![1; 29], data_center: "dc1".into() };
    let drawn = Activation::new([0x99; 32], vec![0x99; 48]);
    if registrar.join(&request, &site, drawn, enrolment_rules(), HEIGHT).is_err() {
        assert_eq!(registrar, *before);
    }
    let id = TicketId([0x99; 32]);
    let ticket = Ticket { id, binding: Binding::Site(site), height_max: HEIGHT };
    let _ = registrar.issue(ticket);
    for (id, machine) in before.machines() {
        let standing = registrar.standing(machine.ticket, *id, HEIGHT);
        assert!(!standing.ticket_is_open, "a ticket is used once");
        assert_eq!(standing.machine.as_ref(), Some(machine));
    }
    assert_eq!(Registrar::decode(&registrar.encode()).as_ref(), Ok(&registrar));
    if let Some(id) = before.machines().keys().next() {
        registrar.retire(*id).expect("it is enrolled");
        assert_eq!(Registrar::decode(&registrar.encode()).as_ref(), Ok(&registrar));
    }
}

fn enrolment_rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| {
        let rules = rules(Role::Machine);
        Rules {
            policy: rules.policy.clone(),
            roots: rules.roots.clone(),
            challenge_heights: 10,
            interval_heights: 50,
        }
    })
}
