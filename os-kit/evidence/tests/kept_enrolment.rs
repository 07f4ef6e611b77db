//! Enrolments as nodes go through them: with a TPM that is not ours, a simulated guest, and a state in a real folder
//! from which each step begins anew.

#[path = "machine/mod.rs"]
mod machine;

use attestation::enrolment::{
    Binding, JoinRequest, MachineId, Now, Pace, Refusal, Registrar, Rules, Site, Ticket, ticket_id,
};
use attestation::evidence::{NodeKeys, Role};
use attestation::x509::UnixTime;
use attestation_simulator::Guest;
use machine::{HEIGHT, KIND, Machine, ROOT, activation, log, selection, statement};
use os_kit_evidence::{Enrolment, EnrolmentError, Hardware, Identity, SnpInputs, Step, identity};
use os_kit_tpm::Tpm;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// 2027-01-15.
const AT: UnixTime = UnixTime(1_800_000_000);
const PACE: Pace = Pace { retry_heights: 2, challenge_heights: 6, attest_heights: 20 };
/// After so many heights a node is enrolled, though a message was lost.
const HEIGHTS_MAX: u64 = 12;

fn site() -> Site {
    Site { operator: vec![1; 29], data_center: "zh1".into() }
}

fn keys(number: u8) -> NodeKeys {
    statement(Role::Machine, number).keys
}

/// The registrar, which goes on from its bytes after each step.
struct Network {
    registrar: Registrar,
    rules: Rules,
    certified: BTreeMap<u64, [u8; 32]>,
    height: u64,
    drawn: u8,
}

impl Network {
    /// That believes the makers of these machines.
    fn new(machines: &[&Machine]) -> Self {
        let mut description = machines[0].rules(Role::Machine, &[]);
        for machine in &machines[1..] {
            let mut other = machine.rules(Role::Machine, &[]);
            for part in ["tpm", "tpm-intermediates"] {
                let more = other["roots"][part].take();
                let all = description["roots"][part].as_array_mut().unwrap();
                all.extend(more.as_array().unwrap().iter().cloned());
            }
        }
        // Each maker has a label of its own.
        for (number, root) in
            description["roots"]["tpm"].as_array_mut().unwrap().iter_mut().enumerate()
        {
            root["label"] = format!("swtpm {number}").into();
        }
        let mut part = |name: &str| description[name].take();
        let rules = Rules {
            policy: serde_json::from_value(part("policy")).unwrap(),
            roots: serde_json::from_value(part("roots")).unwrap(),
            challenge_heights: 10,
            interval_heights: 50,
        };
        let certified = (HEIGHT..HEIGHT + 300).map(|height| (height, ROOT)).collect();
        Self { registrar: Registrar::default(), rules, certified, height: HEIGHT, drawn: 0 }
    }

    fn issue(&mut self, number: u8) -> [u8; 32] {
        let code = [number; 32];
        let binding = Binding::Site(site());
        let ticket = Ticket { id: ticket_id(&code), binding, height_max: HEIGHT + 300 };
        self.registrar.issue(ticket).unwrap();
        code
    }

    /// What the registrar answers to a step.
    fn deliver(&mut self, step: &Step, own: &Identity) -> Result<Option<Vec<u8>>, Refusal> {
        let now = Now { height: self.height, time: AT, certified: &self.certified };
        let answer = match step {
            Step::Wait | Step::GetTicket => None,
            Step::Join(bytes) => {
                self.drawn += 1;
                let made = activation(own, self.drawn);
                let request = JoinRequest::decode(bytes).unwrap();
                let joined =
                    self.registrar.join(&request, &site(), made, &self.rules, self.height)?;
                Some(joined.encode())
            }
            Step::Enrol(evidence) => {
                self.registrar.enrol(evidence, &site(), &self.rules, &now)?;
                None
            }
            Step::Attest(evidence) => {
                self.registrar.attest(evidence, &self.rules, &now)?;
                None
            }
        };
        self.registrar = Registrar::decode(&self.registrar.encode()).unwrap();
        Ok(answer)
    }
}

/// A node: a machine that was switched on, a guest on it, and its disk.
struct Node {
    tpm: Tpm,
    own: Identity,
    guest: Guest,
    disk: TempDir,
    keys: NodeKeys,
}

impl Node {
    fn new(machine: &Machine, number: u8) -> Self {
        let tpm = machine.tpm.open();
        let own = identity(&tpm, KIND).unwrap();
        let guest = machine.launch(&own);
        Self { tpm, own, guest, disk: TempDir::new().unwrap(), keys: keys(number) }
    }

    fn folder(&self) -> PathBuf {
        self.disk.path().join("enrolment")
    }

    fn install(&self, code: [u8; 32]) {
        drop(Enrolment::install(&self.folder(), &self.own, self.keys.clone(), code).unwrap());
    }

    /// As after a crash.
    fn resume(&self) -> Enrolment {
        // What a write that was broken off has left.
        fs::write(self.folder().join("enrolment.partial"), b"PLINTHND").unwrap();
        Enrolment::resume(&self.folder(), &self.own, &self.keys).unwrap().unwrap()
    }

    fn id(&self) -> MachineId {
        MachineId::of(self.own.names().unwrap().0)
    }

    fn look(&self, network: &Network) -> Result<Step, EnrolmentError> {
        let mut enrolment = self.resume();
        let ticket = ticket_id(&enrolment.node().installation().code);
        let standing = network.registrar.standing(ticket, self.id(), network.height);
        let (selection, log) = (selection(), log());
        let names = self.own.names().unwrap();
        let hardware = Hardware {
            tpm: &self.tpm,
            identity: &self.own,
            selection: &selection,
            log: &log,
            guest: &self.guest,
            snp: SnpInputs { vmpl: 0, tpm: Some(names), certificates: None },
        };
        enrolment.look(&standing, ROOT, &hardware, &PACE)
    }

    /// One height: the node crashes after each of its steps. Says what was sent, and what came of it.
    fn live(&self, network: &mut Network, is_lost: bool) -> (Step, Result<(), Refusal>) {
        network.height += 1;
        let step = self.look(network).unwrap();
        if is_lost {
            return (step, Ok(()));
        }
        let answer = match network.deliver(&step, &self.own) {
            Ok(answer) => answer,
            Err(refusal) => return (step, Err(refusal)),
        };
        if let Some(answer) = answer {
            self.resume().invited(&answer).unwrap();
        }
        (step, Ok(()))
    }

    /// Enrols, though the message of this number is lost.
    fn enrol(&self, network: &mut Network, lost: Option<usize>) {
        let until = network.height + HEIGHTS_MAX;
        let mut sent = 0;
        while !self.resume().node().is_enrolled() {
            assert!(network.height < until, "it is not enrolled");
            let (step, outcome) = self.live(network, lost == Some(sent));
            assert_eq!(outcome, Ok(()));
            sent += usize::from(step != Step::Wait);
        }
    }

    /// Stays enrolled over two intervals.
    fn attest(&self, network: &mut Network) {
        let before = network.registrar.machines()[&self.id()].attested_height;
        for _ in 0..2 * PACE.attest_heights + 2 {
            assert_eq!(self.live(network, false).1, Ok(()));
        }
        let after = network.registrar.machines()[&self.id()].attested_height;
        assert_eq!(after, before + 2 * PACE.attest_heights);
        assert!(network.registrar.overdue(&network.rules, network.height).is_empty());
    }
}

#[test]
fn a_machine_is_enrolled_whatever_crashes_and_is_the_same_when_installed_anew() {
    let machine = Machine::new("node-1", 7);
    let mut network = Network::new(&[&machine]);
    let mut node = Node::new(&machine, 1);
    for (installation, lost) in [None, Some(0), Some(1)].into_iter().enumerate() {
        let number = u8::try_from(installation).unwrap() + 1;
        node.keys = keys(number);
        assert!(Enrolment::resume(&node.folder(), &node.own, &node.keys).unwrap().is_none());
        node.install(network.issue(number));
        node.enrol(&mut network, lost);
        let machines = network.registrar.machines();
        assert_eq!(machines.len(), 1);
        assert_eq!(machines[&node.id()].installations, u64::from(number));
        assert_eq!(machines[&node.id()].keys, node.keys);
        node.attest(&mut network);
        // The disk is lost. With the keys of before nothing has happened; with others the ticket opens nothing.
        fs::remove_dir_all(node.folder()).unwrap();
        node.install([number; 32]);
        assert_eq!(node.live(&mut network, false).0, Step::Wait);
        assert!(node.resume().node().is_enrolled());
        node.keys = keys(9);
        node.install([number; 32]);
        assert_eq!(node.live(&mut network, false).0, Step::GetTicket);
        fs::remove_dir_all(node.folder()).unwrap();
    }
}

#[test]
fn machines_that_are_swapped_are_refused() {
    let (first, second) = (Machine::new("node-1", 7), Machine::new("node-2", 8));
    let mut network = Network::new(&[&first, &second]);
    let (one, mut two) = (Node::new(&first, 1), Node::new(&second, 2));
    one.install(network.issue(1));
    two.install(network.issue(2));

    // An invitation for the one is not opened by the other, whose own may still come.
    network.height += 1;
    let for_one = network.deliver(&one.look(&network).unwrap(), &one.own).unwrap().unwrap();
    let for_two = network.deliver(&two.look(&network).unwrap(), &two.own).unwrap().unwrap();
    two.resume().invited(&for_one).unwrap();
    network.height += 1;
    assert_eq!(two.look(&network).unwrap(), Step::Wait);
    two.resume().invited(&for_two).unwrap();
    one.resume().invited(&for_one).unwrap();
    two.enrol(&mut network, None);
    one.enrol(&mut network, None);
    assert_eq!(network.registrar.machines().len(), 2);

    // A disk in the other machine.
    let refused = Enrolment::resume(&one.folder(), &two.own, &one.keys).err().unwrap();
    assert!(matches!(refused, EnrolmentError::Other { what: "TPM", .. }), "{refused}");
    let refused = Enrolment::resume(&one.folder(), &one.own, &two.keys).err().unwrap();
    assert!(matches!(refused, EnrolmentError::Other { .. }), "{refused}");

    // A guest of the first machine beside the TPM of the second: as it was launched, and launched for that TPM.
    network.height += PACE.attest_heights;
    for guest in [first.launch(&one.own), first.launch(&two.own)] {
        let before = network.registrar.clone();
        two.guest = guest;
        let (step, outcome) = two.live(&mut network, false);
        assert!(matches!(step, Step::Attest(_)));
        assert!(matches!(outcome, Err(Refusal::Evidence(_))), "{outcome:?}");
        assert_eq!(network.registrar, before);
        network.height += PACE.retry_heights;
    }
    // Also with a ticket of its own, and other keys.
    fs::remove_dir_all(two.folder()).unwrap();
    two.keys = keys(3);
    two.install(network.issue(3));
    let refused = (0..HEIGHTS_MAX).find_map(|_| two.live(&mut network, false).1.err());
    assert!(matches!(refused, Some(Refusal::Evidence(_))), "{refused:?}");
    // A machine that nobody knows, with the chip of one that is known.
    network.registrar.retire(two.id()).unwrap();
    let refused = (0..HEIGHTS_MAX).find_map(|_| two.live(&mut network, false).1.err());
    assert_eq!(refused, Some(Refusal::InUse("chip")));
    two.guest = second.launch(&two.own);
    two.enrol(&mut network, None);
}

/// A step that cannot be kept was not made; a file that is no state is not repaired.
#[test]
fn a_folder_that_fails_stops_the_enrolment() {
    let machine = Machine::new("node-1", 7);
    let mut network = Network::new(&[&machine]);
    let node = Node::new(&machine, 1);
    node.install(network.issue(1));
    let file = node.folder().join("enrolment");
    let resume = |folder: &Path| Enrolment::resume(folder, &node.own, &node.keys);
    let good = fs::read(&file).unwrap();
    for wrong in [&[][..], &good[1..], &[good.as_slice(), &[0]].concat()] {
        fs::write(&file, wrong).unwrap();
        let refused = resume(&node.folder()).err().unwrap();
        assert!(matches!(refused, EnrolmentError::Damaged { .. }), "{refused}");
    }
    fs::write(&file, &good).unwrap();
    let before = resume(&node.folder()).unwrap().unwrap().node().clone();
    fs::create_dir(node.folder().join("enrolment.partial")).unwrap();
    let mut enrolment = resume(&node.folder()).unwrap().unwrap();
    assert!(matches!(enrolment.invited(b"no"), Err(EnrolmentError::Message(_))));
    let names = node.own.names().unwrap();
    let (selection, log) = (selection(), log());
    let hardware = Hardware {
        tpm: &node.tpm,
        identity: &node.own,
        selection: &selection,
        log: &log,
        guest: &node.guest,
        snp: SnpInputs { vmpl: 0, tpm: Some(names), certificates: None },
    };
    let standing = network.registrar.standing(ticket_id(&[1; 32]), node.id(), HEIGHT);
    let refused = enrolment.look(&standing, ROOT, &hardware, &PACE).unwrap_err();
    assert!(matches!(refused, EnrolmentError::Keep { .. }), "{refused}");
    assert_eq!(*enrolment.node(), before);
    fs::remove_dir(node.folder().join("enrolment.partial")).unwrap();
    let step = enrolment.look(&standing, ROOT, &hardware, &PACE).unwrap();
    assert!(matches!(step, Step::Join(_)));
}
