//! An adversary carries all messages: it reorders, drops and repeats them, mixes those of several machines, and
//! joins parts of their evidence. Whatever it does, what the registrar believes is true.

use super::*;
use crate::crypto::sparingly;
use crate::evidence::{Evidence, NodeKeys};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NODES: u8 = 3;
const TICKETS: u8 = 4;

/// What the adversary does next. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Move {
    /// A node asks to join with a ticket; the adversary keeps the message.
    Ask { node: u8, ticket: u8 },
    /// A message that was kept reaches the registrar, whose answer is kept.
    Deliver { message: u8 },
    /// A request with the endorsement key of one node and the attestation key of another.
    AskMixed { ek: u8, ak: u8, ticket: u8 },
    /// An answer that was kept reaches a node, whose TPM opens it or does not.
    Invite { answer: u8, node: u8 },
    /// A node makes evidence, for what it has opened last; the adversary keeps it.
    Make { node: u8 },
    /// Parts of two kept evidences are joined, under the statement of the first or the second.
    Join { statement: u8, tpm: u8, snp: u8 },
    /// The keys of another node are put into a statement.
    Rename { evidence: u8, node: u8 },
    /// Evidence that was kept reaches the registrar: to enrol, or as attestation.
    Show { evidence: u8, enrols: bool },
    /// Time goes on.
    Wait { heights: u8 },
    /// A node is installed anew: it makes new keys.
    Reinstall { node: u8 },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let node = || 0..NODES;
    let byte = || any::<u8>();
    let one = prop_oneof![
        4 => (node(), 0..TICKETS).prop_map(|(node, ticket)| Move::Ask { node, ticket }),
        6 => byte().prop_map(|message| Move::Deliver { message }),
        1 => (node(), node(), 0..TICKETS).prop_map(|(ek, ak, ticket)| Move::AskMixed { ek, ak, ticket }),
        6 => (byte(), node()).prop_map(|(answer, node)| Move::Invite { answer, node }),
        5 => node().prop_map(|node| Move::Make { node }),
        2 => (byte(), byte(), byte()).prop_map(|(statement, tpm, snp)| Move::Join { statement, tpm, snp }),
        1 => (byte(), node()).prop_map(|(evidence, node)| Move::Rename { evidence, node }),
        8 => (byte(), any::<bool>()).prop_map(|(evidence, enrols)| Move::Show { evidence, enrols }),
        2 => (1u8..8).prop_map(|heights| Move::Wait { heights }),
        1 => node().prop_map(|node| Move::Reinstall { node }),
    ];
    prop::collection::vec(one, 20..60)
}

/// What is true, whatever the registrar believes.
struct World {
    registrar: Registrar,
    rules: Rules,
    certified: BTreeMap<u64, [u8; 32]>,
    height: u64,
    nodes: Vec<Node>,
    /// All keys that each node ever had.
    keys: Vec<Vec<NodeKeys>>,
    drawn: Vec<Activation>,
    requests: Vec<JoinRequest>,
    answers: Vec<Invitation>,
    evidence: Vec<Vec<u8>>,
    /// Evidence that an honest node made.
    honest: BTreeSet<Vec<u8>>,
    /// Evidence that was accepted.
    accepted: Vec<Vec<u8>>,
    enrolments: u64,
}

fn pick<T: Clone>(list: &[T], number: u8) -> Option<T> {
    list.get(usize::from(number) % list.len().max(1)).cloned()
}

impl World {
    fn new() -> Self {
        let mut registrar = Registrar::default();
        let nodes: Vec<Node> = (1..=NODES).map(Node::new).collect();
        for ticket in 0..TICKETS {
            let binding = match nodes.get(usize::from(ticket)) {
                Some(node) if ticket == 0 => Binding::Tpm(node.ids().0),
                _ => Binding::Site(site(1)),
            };
            let id = ticket_id(&code(ticket));
            registrar.issue(Ticket { id, binding, height_max: HEIGHT + 60 }).unwrap();
        }
        let keys = nodes.iter().map(|node| vec![node.forged.statement.keys.clone()]).collect();
        Self {
            registrar,
            rules: rules(),
            certified: certified(),
            height: HEIGHT,
            nodes,
            keys,
            drawn: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            evidence: Vec::new(),
            honest: BTreeSet::new(),
            accepted: Vec::new(),
            enrolments: 0,
        }
    }

    fn make_move(&mut self, next: &Move) {
        match *next {
            Move::Ask { node, ticket } => {
                let request = self.nodes[usize::from(node)].join(code(ticket));
                self.requests.push(request);
            }
            Move::AskMixed { ek, ak, ticket } => {
                let mut request = self.nodes[usize::from(ek)].join(code(ticket));
                request.ak_public = self.nodes[usize::from(ak)].forged.ak_public.clone();
                self.requests.push(request);
            }
            Move::Deliver { message } => self.deliver(message),
            Move::Invite { answer, node } => {
                if let Some(invitation) = pick(&self.answers, answer) {
                    self.nodes[usize::from(node)].open(&invitation, &self.drawn);
                }
            }
            Move::Make { node } => {
                let evidence = self.nodes[usize::from(node)].evidence(self.height);
                self.honest.insert(evidence.clone());
                self.evidence.push(evidence);
            }
            Move::Join { statement, tpm, snp } => self.join_parts(statement, tpm, snp),
            Move::Rename { evidence, node } => self.rename(evidence, node),
            Move::Show { evidence, enrols } => self.show(evidence, enrols),
            Move::Wait { heights } => self.height += u64::from(heights),
            Move::Reinstall { node } => {
                let node = usize::from(node);
                let keys = &mut self.nodes[node].forged.statement.keys;
                keys.signing[0] = keys.signing[0].wrapping_add(16);
                self.keys[node].push(keys.clone());
            }
        }
    }

    /// All messages of a node in their order, before there were others.
    fn enrol_honestly(&mut self, node: u8) {
        for next in [
            Move::Ask { node, ticket: node },
            Move::Deliver { message: node },
            Move::Invite { answer: node, node },
            Move::Make { node },
            Move::Show { evidence: node, enrols: true },
        ] {
            self.make_move(&next);
            self.check();
        }
        assert_eq!(self.enrolments, u64::from(node) + 1);
    }

    fn deliver(&mut self, message: u8) {
        let Some(request) = pick(&self.requests, message) else { return };
        let number = u8::try_from(self.drawn.len() + 1).unwrap();
        let activation = draw(number);
        self.drawn.push(activation.clone());
        let joined = self.registrar.join(&request, &site(1), activation, &self.rules, self.height);
        self.answers.extend(joined);
    }

    fn join_parts(&mut self, statement: u8, tpm: u8, snp: u8) {
        let read =
            |number| pick(&self.evidence, number).map(|bytes| Evidence::decode(&bytes).unwrap());
        let (Some(first), Some(second), Some(third)) = (read(statement), read(tpm), read(snp))
        else {
            return;
        };
        let parts = (second.tpm().cloned(), third.snp().cloned());
        let joined = Evidence::new(first.statement().clone(), parts.0, parts.1).unwrap();
        self.evidence.push(joined.encode());
    }

    fn rename(&mut self, evidence: u8, node: u8) {
        let Some(bytes) = pick(&self.evidence, evidence) else { return };
        let read = Evidence::decode(&bytes).unwrap();
        let mut statement = read.statement().clone();
        statement.keys = self.nodes[usize::from(node)].forged.statement.keys.clone();
        let renamed = Evidence::new(statement, read.tpm().cloned(), read.snp().cloned());
        self.evidence.push(renamed.unwrap().encode());
    }

    fn show(&mut self, evidence: u8, enrols: bool) {
        let Some(bytes) = pick(&self.evidence, evidence) else { return };
        let before = self.registrar.machines().clone();
        let now = Now { height: self.height, time: forge::AT, certified: &self.certified };
        let outcome = match enrols {
            true => self.registrar.enrol(&bytes, &site(1), &self.rules, &now),
            false => self.registrar.attest(&bytes, &self.rules, &now),
        };
        match outcome {
            Ok(id) => {
                // Only what one honest node made as it is, and each only once.
                assert!(self.honest.contains(&bytes), "somebody else's evidence is accepted");
                assert!(!self.accepted.contains(&bytes), "evidence is accepted twice");
                let height = self.registrar.machines()[&id].attested_height;
                assert!(height <= self.height);
                if let Some(machine) = before.get(&id) {
                    assert!(height > machine.attested_height, "heights go back");
                }
                self.enrolments += u64::from(enrols);
                self.accepted.push(bytes);
            }
            Err(_) => {
                assert_eq!(*self.registrar.machines(), before, "a refused step changes something")
            }
        }
    }

    fn check(&self) {
        let machines = self.registrar.machines();
        let mut tickets = BTreeSet::new();
        for (id, machine) in machines {
            // All of it is of one node.
            let owner = self.nodes.iter().position(|node| node.ids().0 == machine.ek).unwrap();
            assert_eq!(*id, MachineId::of(machine.ek));
            assert_eq!(machine.ak, self.nodes[owner].ids().1);
            assert_eq!(machine.chip_id, [0x51 + u8::try_from(owner).unwrap(); 64]);
            assert!(self.keys[owner].contains(&machine.keys));
            assert!(tickets.insert(machine.ticket), "two machines by one ticket");
            // The first ticket is for the first node.
            assert!(machine.ticket != ticket_id(&code(0)) || owner == 0);
        }
        let installations: u64 = machines.values().map(|machine| machine.installations).sum();
        assert_eq!(installations, self.enrolments);
        assert!(self.enrolments <= u64::from(TICKETS), "a ticket is used twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Some nodes are enrolled before the adversary begins: there is something to take.
    #[test]
    fn what_is_believed_is_true(enrolled in 0..NODES, moves in moves()) {
        sparingly(101, || {
            let mut world = World::new();
            (0..enrolled).for_each(|node| world.enrol_honestly(node));
            for next in &moves {
                world.make_move(next);
                world.check();
            }
        });
    }
}

/// The adversary of above lets all through: the protocol is not safe by doing nothing.
#[test]
fn without_an_adversary_all_machines_are_enrolled() {
    let mut world = World::new();
    (0..NODES).for_each(|node| world.enrol_honestly(node));
    assert_eq!(world.registrar.machines().len(), usize::from(NODES));
    world.make_move(&Move::Wait { heights: 5 });
    for node in 0..NODES {
        world.make_move(&Move::Make { node });
        world.make_move(&Move::Show { evidence: NODES + node, enrols: false });
        world.check();
    }
    assert_eq!(world.accepted.len(), 2 * usize::from(NODES));
}
