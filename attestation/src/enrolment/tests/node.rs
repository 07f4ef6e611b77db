//! A node's side: each step, and what changes nothing.

use super::*;

struct Case {
    hardware: Hardware,
    node: Node,
    drawn: Activation,
}

impl Case {
    fn new() -> Self {
        let hardware = Hardware::new(1);
        let node = Node::new(hardware.installation(code(1))).unwrap();
        Self { hardware, node, drawn: draw(9) }
    }

    fn look(&mut self, height: u64, ticket_is_open: bool, machine: Option<Machine>) -> Next {
        let standing = Standing { height, ticket_is_open, machine };
        let next = self.node.look(&standing, &PACE).unwrap();
        self.check_form();
        next
    }

    /// The state has one form, wherever it is cut or changed.
    fn check_form(&self) {
        let bytes = self.node.encode();
        assert_eq!(Node::decode(&bytes).as_ref(), Ok(&self.node));
        for length in 0..bytes.len() {
            assert!(Node::decode(&bytes[..length]).is_err(), "{length}");
        }
        assert!(Node::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            if let Ok(other) = Node::decode(&changed) {
                assert_ne!(other, self.node);
                assert_eq!(*other.encode(), changed);
            }
        }
    }

    fn challenge(&self) -> Challenge {
        let ek = Public::parse(&self.hardware.forged.ek_public).unwrap();
        self.drawn.challenge(&ek, self.hardware.ids().1).unwrap()
    }

    fn invite(&mut self) -> Result<(), Ignored> {
        self.node.invited(Invitation { challenge: self.challenge() })
    }

    fn open(&mut self) {
        let id = challenge_id(&self.challenge());
        self.node.opened(&id, Some(self.drawn.secret())).unwrap();
        self.check_form();
    }

    fn record(&self, attested_height: u64) -> Machine {
        let (ek, ak) = self.hardware.ids();
        Machine {
            ek,
            ak,
            chip_id: [1; 64],
            keys: self.hardware.forged.statement.keys.clone(),
            clock: crate::tpm::ClockInfo {
                clock_ms: 0,
                reset_count: 0,
                restart_count: 0,
                safe: true,
            },
            attested_height,
            installations: 1,
            ticket: ticket_id(&code(1)),
            activation: self.drawn.clone(),
        }
    }
}

#[test]
fn each_message_is_sent_again_after_a_while() {
    let mut case = Case::new();
    let ask = Next::Ask(case.hardware.join(code(1)));
    assert_eq!(case.look(10, true, None), ask);
    for height in [10, 11, 12] {
        assert_eq!(case.look(height, true, None), Next::Wait);
    }
    assert_eq!(case.look(13, true, None), ask);
    case.invite().unwrap();
    // A crash loses nothing: the challenge is to be opened until it is.
    for _ in 0..2 {
        assert_eq!(case.look(14, true, None), Next::Open(case.challenge()));
    }
    case.open();
    for height in 15..=21 {
        let next = case.look(height, true, None);
        assert_eq!(matches!(next, Next::Enrol(_)), [15, 18, 21].contains(&height), "{next:?}");
    }
    // The registrar has another challenge, or has lost the request: all begins anew.
    assert_eq!(case.look(22, true, None), ask);
    assert!(!case.node.is_enrolled());
    // It has not: what was answered is in its record, though the node has forgotten it.
    assert_eq!(case.look(23, false, Some(case.record(21))), Next::Wait);
    assert!(case.node.is_enrolled());
    for height in 24..=44 {
        let next = case.look(height, false, Some(case.record(21)));
        assert_eq!(matches!(next, Next::Attest(_)), [41, 44].contains(&height), "{next:?}");
    }
    assert_eq!(case.look(45, false, Some(case.record(44))), Next::Wait);
    assert!(matches!(case.look(64, false, Some(case.record(44))), Next::Attest(_)));
}

#[test]
fn what_is_not_for_the_node_changes_nothing() {
    let mut case = Case::new();
    assert_eq!(case.invite(), Err(Ignored::Uninvited));
    assert!(matches!(case.look(10, true, None), Next::Ask(_)));
    let id = challenge_id(&case.challenge());
    assert_eq!(case.node.opened(&id, Some(&[0; 32])), Err(Ignored::OtherChallenge));
    let stale = Standing { height: 9, ticket_is_open: false, machine: None };
    assert_eq!(case.node.look(&stale, &PACE), Err(Ignored::Stale { height: 9, known: 10 }));
    let mut others = case.record(5);
    others.ek = Hardware::new(2).ids().0;
    let early = case.record(12);
    for machine in [others, early] {
        let standing = Standing { height: 11, ticket_is_open: true, machine: Some(machine) };
        assert_eq!(case.node.look(&standing, &PACE), Err(Ignored::OtherMachine));
    }
    case.invite().unwrap();
    assert_eq!(case.invite(), Err(Ignored::Uninvited));
    assert_eq!(case.node.opened(&[0; 32], Some(&[0; 32])), Err(Ignored::OtherChallenge));
    // The TPM does not open it, or finds what no registrar has made: the right one may still come.
    for secret in [None, Some(&[0; 31][..])] {
        case.node.opened(&id, secret).unwrap();
        assert_eq!(case.look(11, true, None), Next::Wait);
        case.invite().unwrap();
    }
    case.open();
    assert_eq!(case.node.opened(&id, Some(&[0; 32])), Err(Ignored::OtherChallenge));
}

#[test]
fn a_node_whose_ticket_opens_nothing_says_so() {
    let mut case = Case::new();
    // It was used by an installation of before: with other keys, or by another machine.
    let mut before = case.record(5);
    before.keys.signing = [9; 32];
    for machine in [Some(before.clone()), None] {
        assert_eq!(case.look(10, false, machine), Next::GetTicket);
        assert!(!case.node.is_enrolled());
    }
    // A state from before the ticket was issued had said so.
    assert!(matches!(case.look(11, true, Some(before)), Next::Ask(_)));
    // The record of another ticket is not this installation's.
    let mut earlier = case.record(5);
    earlier.ticket = ticket_id(&code(2));
    assert_eq!(case.look(12, true, Some(earlier)), Next::Wait);
    assert_eq!(case.look(13, false, Some(case.record(12))), Next::Wait);
    assert!(case.node.is_enrolled());
    // It was retired.
    assert_eq!(case.look(14, false, None), Next::GetTicket);
    assert!(!case.node.is_enrolled());
    assert_eq!(Node::new(case.hardware.installation(code(3))).unwrap().machine_id(), {
        case.node.machine_id()
    });
}

#[test]
fn an_installation_is_checked() {
    let good = Hardware::new(1).installation(code(1));
    assert!(Node::new(good.clone()).is_ok());
    let ek = Installation { ek_public: vec![1], ..good.clone() };
    assert!(matches!(Node::new(ek), Err(StateError::Key { what: "endorsement key", .. })));
    let ak = Installation { ak_public: vec![1], ..good.clone() };
    assert!(matches!(Node::new(ak), Err(StateError::Key { what: "attestation key", .. })));
    let mut keys = good.clone();
    keys.keys.dealing = None;
    assert!(matches!(Node::new(keys), Err(StateError::Field(_))));
    let mut keys = good;
    keys.keys.tls = vec![0; 2000];
    assert!(matches!(Node::new(keys), Err(StateError::Field(_))));
}
