//! What is true, whatever the registrar believes: machines with both sides' states in memory and as they were kept
//! last, all messages that were ever sent, and the honest way through.

use super::*;
use crate::evidence::NodeKeys;
use std::collections::BTreeSet;

pub const NODES: u8 = 3;
/// Tickets at the beginning: the first is for the first node's TPM, the others for a site.
pub const FIRST_TICKETS: u8 = NODES;

/// How many heights the slowest enrolment takes once nobody disturbs it: what was begun has ended, a ticket that
/// another machine has used is replaced, and the node has asked.
const SETTLED_HEIGHTS: u64 = 2 * (PACE.challenge_heights + PACE.retry_heights);

/// Whether a side crashes in a step: it goes on from what it had kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    Never,
    /// The step was not made.
    BeforeKept,
    /// The step was made, and nobody hears of it.
    OnceKept,
}

/// Which state of the registrar a node looks at.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    Now,
    /// One of those that were looked at before.
    Old(u8),
}

/// To the registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Join(Vec<u8>),
    Enrol(Vec<u8>),
    Attest(Vec<u8>),
}

pub struct Side {
    pub hardware: Hardware,
    pub node: Node,
    kept: Vec<u8>,
    /// All keys that it ever had.
    keys: Vec<NodeKeys>,
    ticket: u8,
}

impl Side {
    fn restart(&mut self) {
        self.node = Node::decode(&self.kept).unwrap();
    }

    /// Keeps a step, or crashes. Says whether the side lives on.
    fn keep(&mut self, crash: Crash) -> bool {
        if crash != Crash::BeforeKept {
            self.kept = self.node.encode().to_vec();
        }
        if crash != Crash::Never {
            self.restart();
        }
        crash == Crash::Never
    }
}

pub struct World {
    pub registrar: Registrar,
    kept: Vec<u8>,
    pub height: u64,
    pub sides: Vec<Side>,
    pub drawn: Vec<Activation>,
    pub messages: Vec<Message>,
    pub answers: Vec<Vec<u8>>,
    standings: Vec<Standing>,
    /// Evidence that an honest node made.
    pub honest: BTreeSet<Vec<u8>>,
    pub accepted: Vec<Vec<u8>>,
    pub enrolments: u64,
    tickets: u8,
    rules: Rules,
    certified: BTreeMap<u64, [u8; 32]>,
}

pub fn pick<T: Clone>(list: &[T], number: u8) -> Option<T> {
    list.get(usize::from(number) % list.len().max(1)).cloned()
}

impl World {
    pub fn new() -> Self {
        let side = |number: u8| {
            let hardware = Hardware::new(number);
            let ticket = number - 1;
            let node = Node::new(hardware.installation(code(ticket))).unwrap();
            let keys = vec![hardware.forged.statement.keys.clone()];
            Side { kept: node.encode().to_vec(), hardware, node, keys, ticket }
        };
        let mut world = Self {
            registrar: Registrar::default(),
            kept: Registrar::default().encode(),
            height: HEIGHT,
            sides: (1..=NODES).map(side).collect(),
            drawn: Vec::new(),
            messages: Vec::new(),
            answers: Vec::new(),
            standings: Vec::new(),
            honest: BTreeSet::new(),
            accepted: Vec::new(),
            enrolments: 0,
            tickets: 0,
            rules: rules(),
            certified: certified(),
        };
        let first = world.sides[0].hardware.ids().0;
        world.issue(Binding::Tpm(first));
        for _ in 1..FIRST_TICKETS {
            world.issue(Binding::Site(site(1)));
        }
        world
    }

    fn issue(&mut self, binding: Binding) -> u8 {
        let ticket = self.tickets;
        self.tickets += 1;
        let id = ticket_id(&code(ticket));
        self.registrar.issue(Ticket { id, binding, height_max: HEIGHT + 400 }).unwrap();
        self.kept = self.registrar.encode();
        ticket
    }

    pub fn draw(&mut self) -> Activation {
        let activation = draw(u8::try_from(self.drawn.len() + 1).unwrap());
        self.drawn.push(activation.clone());
        activation
    }

    fn standing(&mut self, node: usize, look: Look) -> Option<Standing> {
        if let Look::Old(number) = look {
            return pick(&self.standings, number);
        }
        let side = &self.sides[node];
        let ticket = ticket_id(&side.node.installation().code);
        let standing = self.registrar.standing(ticket, side.node.machine_id(), self.height);
        self.standings.push(standing.clone());
        Some(standing)
    }

    /// A node looks, keeps its state, and does what is next, unless it crashes.
    pub fn look(&mut self, node: usize, look: Look, crash: Crash) -> Option<Next> {
        let standing = self.standing(node, look)?;
        let side = &mut self.sides[node];
        let before = side.node.clone();
        let Ok(next) = side.node.look(&standing, &PACE) else {
            assert_eq!(side.node, before, "what is ignored changes something");
            return None;
        };
        if !side.keep(crash) {
            return None;
        }
        let Side { hardware, node, .. } = side;
        let mut evidence = |proof: &Proof| {
            let evidence = hardware.prove(proof, standing.height, &self.drawn);
            self.honest.insert(evidence.clone());
            evidence
        };
        match next.clone() {
            Next::Ask(request) => self.messages.push(Message::Join(request.encode())),
            Next::Enrol(proof) => self.messages.push(Message::Enrol(evidence(&proof))),
            Next::Attest(proof) => self.messages.push(Message::Attest(evidence(&proof))),
            Next::Open(challenge) => {
                hardware.open_for(node, challenge, &self.drawn);
                side.keep(Crash::Never);
            }
            Next::Wait | Next::GetTicket => {}
        }
        Some(next)
    }

    pub fn invite(&mut self, node: usize, answer: &[u8], crash: Crash) {
        let side = &mut self.sides[node];
        if side.node.invited(Invitation::decode(answer).unwrap()).is_ok() {
            side.keep(crash);
        }
    }

    /// The registrar makes a step, keeps its state, and answers, unless it crashes.
    pub fn deliver(&mut self, message: &Message, crash: Crash) {
        let before = self.registrar.clone();
        let now = Now { height: self.height, time: forge::AT, certified: &self.certified };
        let outcome = match message {
            Message::Join(bytes) => {
                let request = JoinRequest::decode(bytes).unwrap();
                let made = draw(u8::try_from(self.drawn.len() + 1).unwrap());
                self.drawn.push(made.clone());
                let joined =
                    self.registrar.join(&request, &site(1), made, &self.rules, self.height);
                joined.map(Some)
            }
            Message::Enrol(bytes) => {
                let id = self.registrar.enrol(bytes, &site(1), &self.rules, &now);
                id.map(|id| self.accept(bytes, id, before.machines(), crash, 1))
            }
            Message::Attest(bytes) => {
                let id = self.registrar.attest(bytes, &self.rules, &now);
                id.map(|id| self.accept(bytes, id, before.machines(), crash, 0))
            }
        };
        let is_lost = crash == Crash::BeforeKept;
        match outcome {
            Err(_) => assert_eq!(self.registrar, before, "a refused step changes something"),
            Ok(_) if is_lost => self.registrar = Registrar::decode(&self.kept).unwrap(),
            Ok(answer) => {
                self.kept = self.registrar.encode();
                self.registrar = Registrar::decode(&self.kept).unwrap();
                self.answers.extend(answer.filter(|_| crash == Crash::Never).map(|i| i.encode()));
            }
        }
    }

    /// Only what one honest node made as it is, and each only once.
    fn accept(
        &mut self,
        bytes: &[u8],
        id: MachineId,
        before: &BTreeMap<MachineId, Machine>,
        crash: Crash,
        enrolments: u64,
    ) -> Option<Invitation> {
        assert!(self.honest.contains(bytes), "somebody else's evidence is accepted");
        assert!(!self.accepted.contains(&bytes.to_vec()), "evidence is accepted twice");
        let height = self.registrar.machines()[&id].attested_height;
        assert!(height <= self.height);
        if let Some(machine) = before.get(&id) {
            assert!(height > machine.attested_height, "heights go back");
        }
        if crash != Crash::BeforeKept {
            self.enrolments += enrolments;
            self.accepted.push(bytes.to_vec());
        }
        None
    }

    pub fn reinstall(&mut self, node: usize, has_ticket: bool) {
        let keys = &mut self.sides[node].hardware.forged.statement.keys;
        keys.signing[0] = keys.signing[0].wrapping_add(16);
        let keys = keys.clone();
        self.sides[node].keys.push(keys);
        self.install(node, has_ticket);
    }

    /// The operator's part: a state from nothing.
    fn install(&mut self, node: usize, has_ticket: bool) {
        if has_ticket {
            self.sides[node].ticket = self.issue(Binding::Site(site(1)));
        }
        let side = &mut self.sides[node];
        let id = side.node.machine_id();
        side.node = Node::new(side.hardware.installation(code(side.ticket))).unwrap();
        assert_eq!(side.node.machine_id(), id, "the machine is another one after an installation");
        side.keep(Crash::Never);
    }

    pub fn check(&self) {
        assert_eq!(Registrar::decode(&self.kept).as_ref(), Ok(&self.registrar));
        for side in &self.sides {
            assert_eq!(Node::decode(&side.kept).as_ref(), Ok(&side.node));
        }
        let machines = self.registrar.machines();
        let mut tickets = BTreeSet::new();
        for (id, machine) in machines {
            // All of it is of one node.
            let is_it = |side: &Side| side.hardware.ids().0 == machine.ek;
            let owner = self.sides.iter().position(is_it).unwrap();
            assert_eq!(*id, MachineId::of(machine.ek));
            assert_eq!(machine.ak, self.sides[owner].hardware.ids().1);
            assert_eq!(machine.chip_id, [0x51 + u8::try_from(owner).unwrap(); 64]);
            assert!(self.sides[owner].keys.contains(&machine.keys));
            assert!(tickets.insert(machine.ticket), "two machines by one ticket");
            // The first ticket is for the first node.
            assert!(machine.ticket != ticket_id(&code(0)) || owner == 0);
        }
        let installations: u64 = machines.values().map(|machine| machine.installations).sum();
        assert_eq!(installations, self.enrolments);
        assert!(self.enrolments <= u64::from(self.tickets), "a ticket is used twice");
    }

    /// One height at which nobody disturbs these nodes.
    fn undisturbed_height(&mut self, nodes: &[usize]) {
        self.height += 1;
        for node in nodes {
            let sent = self.messages.len();
            if self.look(*node, Look::Now, Crash::Never) == Some(Next::GetTicket) {
                self.install(*node, true);
            }
            let answered = self.answers.len();
            if let Some(message) = self.messages.get(sent).cloned() {
                self.deliver(&message, Crash::Never);
            }
            if let Some(answer) = self.answers.get(answered).cloned() {
                self.invite(*node, &answer, Crash::Never);
            }
            self.check();
        }
    }

    /// Nobody disturbs these nodes: they are enrolled, as what they are now.
    pub fn settle(&mut self, nodes: &[usize]) {
        for _ in 0..SETTLED_HEIGHTS {
            self.undisturbed_height(nodes);
            if nodes.iter().all(|node| self.sides[*node].node.is_enrolled()) {
                break;
            }
        }
        for node in nodes {
            let Side { node, hardware, ticket, .. } = &self.sides[*node];
            assert!(node.is_enrolled(), "{node:?} at {}", self.height);
            let machine = &self.registrar.machines()[&node.machine_id()];
            assert_eq!(machine.keys, hardware.forged.statement.keys);
            assert_eq!(machine.ticket, ticket_id(&code(*ticket)));
        }
    }

    /// Nobody disturbs any node: none is overdue, ever.
    pub fn attest_all(&mut self) {
        for _ in 0..=PACE.attest_heights + PACE.retry_heights {
            self.undisturbed_height(&[0, 1, 2]);
        }
        for machine in self.registrar.machines().values() {
            assert!(machine.attested_height + PACE.attest_heights >= self.height);
        }
        assert!(self.registrar.overdue(&self.rules, self.height).is_empty());
    }
}
