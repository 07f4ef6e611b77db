//! An adversary carries all messages: it reorders, drops and repeats them, mixes those of several machines, joins
//! parts of their evidence, shows nodes old states of the registrar, and lets both sides crash. Whatever it does,
//! what the registrar believes is true; and when it stops, all machines are enrolled soon.

use super::world::{Crash, FIRST_TICKETS, Look, Message, NODES, World, pick};
use super::*;
use crate::crypto::sparingly;
use crate::evidence::Evidence;
use proptest::prelude::*;

/// What the adversary does next. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Move {
    /// A node looks at the registrar's state, of now or of before, and does what is next.
    Look { node: u8, old: Option<u8>, crash: Crash },
    /// A message that was kept reaches the registrar, whose answer is kept.
    Deliver { message: u8, crash: Crash },
    /// A request with the keys and the ticket of different nodes.
    AskMixed { ek: u8, ak: u8, ticket: u8 },
    /// An answer that was kept reaches a node.
    Invite { answer: u8, node: u8, crash: Crash },
    /// An invitation that the registrar knows nothing of, for the keys of a node.
    Lure { node: u8 },
    /// A node makes evidence that nobody asked for.
    Make { node: u8 },
    /// Parts of kept evidence are joined, under the statement of one of them.
    Join { statement: u8, tpm: u8, snp: u8 },
    /// The keys of another node are put into a statement.
    Rename { evidence: u8, node: u8 },
    /// Evidence that was kept is shown for the other purpose.
    Redirect { message: u8 },
    /// Time goes on.
    Wait { heights: u8 },
    /// A node is installed anew: it makes new keys, and gets a new ticket or the one of before.
    Reinstall { node: u8, has_ticket: bool },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let node = || 0..NODES;
    let byte = || any::<u8>();
    let crash = || prop_oneof![8 => Just(Crash::Never), 1 => Just(Crash::BeforeKept), 1 => Just(Crash::OnceKept)];
    let old = prop_oneof![4 => Just(None), 1 => byte().prop_map(Some)];
    let one = prop_oneof![
        14 => (node(), old, crash()).prop_map(|(node, old, crash)| Move::Look { node, old, crash }),
        10 => (byte(), crash()).prop_map(|(message, crash)| Move::Deliver { message, crash }),
        1 => (node(), node(), 0..FIRST_TICKETS)
            .prop_map(|(ek, ak, ticket)| Move::AskMixed { ek, ak, ticket }),
        6 => (byte(), node(), crash())
            .prop_map(|(answer, node, crash)| Move::Invite { answer, node, crash }),
        1 => node().prop_map(|node| Move::Lure { node }),
        1 => node().prop_map(|node| Move::Make { node }),
        2 => (byte(), byte(), byte())
            .prop_map(|(statement, tpm, snp)| Move::Join { statement, tpm, snp }),
        1 => (byte(), node()).prop_map(|(evidence, node)| Move::Rename { evidence, node }),
        2 => byte().prop_map(|message| Move::Redirect { message }),
        3 => (1u8..8).prop_map(|heights| Move::Wait { heights }),
        1 => (node(), any::<bool>())
            .prop_map(|(node, has_ticket)| Move::Reinstall { node, has_ticket }),
    ];
    prop::collection::vec(one, 20..60)
}

impl World {
    fn make_move(&mut self, next: &Move) {
        match *next {
            Move::Look { node, old, crash } => {
                let look = old.map_or(Look::Now, Look::Old);
                self.look(usize::from(node), look, crash);
            }
            Move::Deliver { message, crash } => {
                if let Some(message) = pick(&self.messages, message) {
                    self.deliver(&message, crash);
                }
            }
            Move::AskMixed { ek, ak, ticket } => {
                let mut request = self.sides[usize::from(ek)].hardware.join(code(ticket));
                request.ak_public = self.sides[usize::from(ak)].hardware.forged.ak_public.clone();
                self.messages.push(Message::Join(request.encode()));
            }
            Move::Invite { answer, node, crash } => {
                if let Some(answer) = pick(&self.answers, answer) {
                    self.invite(usize::from(node), &answer, crash);
                }
            }
            Move::Lure { node } => self.lure(usize::from(node)),
            Move::Make { node } => {
                let evidence = self.sides[usize::from(node)].hardware.evidence(self.height);
                self.honest.insert(evidence.clone());
                self.messages.push(Message::Enrol(evidence));
            }
            Move::Join { statement, tpm, snp } => self.join_parts(statement, tpm, snp),
            Move::Rename { evidence, node } => self.rename(evidence, node),
            Move::Redirect { message } => match pick(&self.messages, message) {
                Some(Message::Enrol(bytes)) => self.messages.push(Message::Attest(bytes)),
                Some(Message::Attest(bytes)) => self.messages.push(Message::Enrol(bytes)),
                _ => {}
            },
            Move::Wait { heights } => self.height += u64::from(heights),
            Move::Reinstall { node, has_ticket } => {
                self.reinstall(usize::from(node), has_ticket);
            }
        }
    }

    fn kept_evidence(&self, number: u8) -> Option<Evidence> {
        let evidence = self.messages.iter().filter_map(|message| match message {
            Message::Enrol(bytes) | Message::Attest(bytes) => Some(bytes),
            Message::Join(_) => None,
        });
        pick(&evidence.collect::<Vec<_>>(), number).map(|bytes| Evidence::decode(bytes).unwrap())
    }

    fn lure(&mut self, node: usize) {
        let activation = self.draw();
        let hardware = &self.sides[node].hardware;
        let ek = Public::parse(&hardware.forged.ek_public).unwrap();
        let challenge = activation.challenge(&ek, hardware.ids().1).unwrap();
        self.answers.push(Invitation { challenge }.encode());
    }

    fn join_parts(&mut self, statement: u8, tpm: u8, snp: u8) {
        let read = |number| self.kept_evidence(number);
        let (Some(first), Some(second), Some(third)) = (read(statement), read(tpm), read(snp))
        else {
            return;
        };
        let parts = (second.tpm().cloned(), third.snp().cloned());
        let joined = Evidence::new(first.statement().clone(), parts.0, parts.1).unwrap();
        self.messages.push(Message::Enrol(joined.encode()));
    }

    fn rename(&mut self, evidence: u8, node: u8) {
        let Some(read) = self.kept_evidence(evidence) else { return };
        let mut statement = read.statement().clone();
        statement.keys = self.sides[usize::from(node)].hardware.forged.statement.keys.clone();
        let renamed = Evidence::new(statement, read.tpm().cloned(), read.snp().cloned());
        self.messages.push(Message::Enrol(renamed.unwrap().encode()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Some nodes are enrolled before the adversary begins: there is something to take.
    #[test]
    fn what_is_believed_is_true_and_all_are_enrolled_once_it_stops(
        enrolled in 0..NODES,
        moves in moves(),
    ) {
        sparingly(101, || {
            let mut world = World::new();
            (0..usize::from(enrolled)).for_each(|node| world.settle(&[node]));
            for next in &moves {
                world.make_move(next);
                world.check();
            }
            world.settle(&[0, 1, 2]);
            world.attest_all();
        });
    }
}

/// Without an adversary nothing is asked twice.
#[test]
fn without_an_adversary_each_message_is_sent_once() {
    let mut world = World::new();
    world.settle(&[0, 1, 2]);
    assert_eq!(world.messages.len(), 2 * usize::from(NODES));
    assert_eq!(world.enrolments, u64::from(NODES));
    world.attest_all();
    assert_eq!(world.accepted.len(), 2 * usize::from(NODES));
}
