//! Each step with each thing that can be wrong about it.

use super::*;
use crate::evidence::Evidence;
use crate::x509::UnixTime;

/// A registrar with a ticket for the first machine, the machine, and all that is around them.
struct Case {
    registrar: Registrar,
    rules: Rules,
    certified: BTreeMap<u64, [u8; 32]>,
    drawn: Vec<Activation>,
    height: u64,
}

impl Case {
    fn new() -> Self {
        let mut case = Self {
            registrar: Registrar::default(),
            rules: rules(),
            certified: certified(),
            drawn: Vec::new(),
            height: HEIGHT,
        };
        case.issue(1, Binding::Site(site(1)));
        case
    }

    fn issue(&mut self, number: u8, binding: Binding) {
        let id = ticket_id(&code(number));
        self.registrar.issue(Ticket { id, binding, height_max: HEIGHT + 300 }).unwrap();
    }

    fn join_at(&mut self, request: &JoinRequest, at: &Site) -> Result<Invitation, Refusal> {
        let activation = draw(u8::try_from(self.drawn.len() + 1).unwrap());
        self.drawn.push(activation.clone());
        let message = JoinRequest::decode(&request.encode()).unwrap();
        let invited = self.registrar.join(&message, at, activation, &self.rules, self.height)?;
        Ok(Invitation::decode(&invited.encode()).unwrap())
    }

    fn join(&mut self, node: &Hardware, ticket: u8) -> Result<Invitation, Refusal> {
        self.join_at(&node.join(code(ticket)), &site(1))
    }

    fn enrol(&mut self, evidence: &[u8]) -> Result<MachineId, Refusal> {
        let now = Now { height: self.height, time: forge::AT, certified: &self.certified };
        self.registrar.enrol(evidence, &site(1), &self.rules, &now)
    }

    fn attest(&mut self, evidence: &[u8]) -> Result<MachineId, Refusal> {
        let now = Now { height: self.height, time: forge::AT, certified: &self.certified };
        self.registrar.attest(evidence, &self.rules, &now)
    }

    /// All steps of an honest machine.
    fn enrol_honestly(&mut self, node: &mut Hardware, ticket: u8) -> Result<MachineId, Refusal> {
        let invitation = self.join(node, ticket)?;
        assert!(node.open(&invitation, &self.drawn));
        let evidence = node.evidence(self.height);
        self.enrol(&evidence)
    }
}

/// The checks by which the verifier refuses.
fn refused_by(outcome: Result<MachineId, Refusal>) -> Vec<&'static str> {
    match outcome {
        Err(Refusal::Evidence(refused)) => refused.checks.failed_ids(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_machine_is_enrolled_and_attests_at_intervals() {
    let (mut case, mut node) = (Case::new(), Hardware::new(1));
    let id = case.enrol_honestly(&mut node, 1).unwrap();
    let (ek, ak) = node.ids();
    assert_eq!(id, MachineId::of(ek));
    let machine = case.registrar.machines()[&id].clone();
    assert_eq!((machine.ek, machine.ak, machine.chip_id), (ek, ak, [0x51; 64]));
    assert_eq!(machine.keys, node.forged.statement.keys);
    for step in 1..4 {
        case.height = HEIGHT + 40 * step;
        assert!(case.registrar.overdue(&case.rules, case.height).is_empty());
        let evidence = node.evidence(case.height);
        assert_eq!(case.attest(&evidence), Ok(id));
    }
    case.height += 51;
    assert_eq!(case.registrar.overdue(&case.rules, case.height), [id]);
}

#[test]
fn tickets() {
    let (mut case, node) = (Case::new(), Hardware::new(1));
    assert_eq!(case.join(&node, 9), Err(Refusal::UnknownTicket));
    assert_eq!(case.join_at(&node.join(code(1)), &site(2)), Err(Refusal::OtherSite));
    let mut elsewhere = site(1);
    elsewhere.data_center.push('x');
    assert_eq!(case.join_at(&node.join(code(1)), &elsewhere), Err(Refusal::OtherSite));
    let (ek, _) = Hardware::new(2).ids();
    case.issue(2, Binding::Tpm(ek));
    assert_eq!(case.join(&node, 2), Err(Refusal::OtherTpm));
    // Bound to the TPM, it can be used from anywhere.
    let other = Hardware::new(2);
    assert!(case.join_at(&other.join(code(2)), &site(7)).is_ok());
    let ticket = Ticket { id: ticket_id(&code(1)), binding: Binding::Tpm(ek), height_max: 0 };
    assert_eq!(case.registrar.issue(ticket), Err(Refusal::TicketExists));
    case.height = HEIGHT + 300;
    assert!(case.join(&node, 1).is_ok());
    case.height = HEIGHT + 301;
    let expired = Refusal::TicketExpired { expired: HEIGHT + 300, height: HEIGHT + 301 };
    assert_eq!(case.join(&node, 1), Err(expired));
}

#[test]
fn a_ticket_is_used_once() {
    let (mut case, mut node) = (Case::new(), Hardware::new(1));
    let invitation = case.join(&node, 1).unwrap();
    assert!(node.open(&invitation, &case.drawn));
    let evidence = node.evidence(HEIGHT);
    case.enrol(&evidence).unwrap();
    // The same evidence again, and the ticket again: by the same machine, or by another.
    assert_eq!(case.enrol(&evidence), Err(Refusal::NoChallenge));
    assert_eq!(case.join(&node, 1), Err(Refusal::TicketUsed));
    assert_eq!(case.join(&Hardware::new(2), 1), Err(Refusal::TicketUsed));
}

#[test]
fn challenges() {
    let (mut case, mut node) = (Case::new(), Hardware::new(1));
    // Evidence that answers nothing.
    let evidence = node.evidence(HEIGHT);
    assert_eq!(case.enrol(&evidence), Err(Refusal::NoChallenge));
    // A lost message is asked for again, and the challenge of before opens nothing.
    let first = case.join(&node, 1).unwrap();
    assert!(node.open(&first, &case.drawn));
    let early = node.evidence(HEIGHT);
    let second = case.join(&node, 1).unwrap();
    assert_eq!(case.enrol(&early), Err(Refusal::NoChallenge));
    assert!(node.open(&second, &case.drawn));
    let evidence = node.evidence(HEIGHT);
    // Too late.
    case.height = HEIGHT + 11;
    let expired = Refusal::ChallengeExpired { expired: HEIGHT + 10, height: HEIGHT + 11 };
    assert_eq!(case.enrol(&evidence), Err(expired));
    case.height = HEIGHT + 10;
    case.enrol(&evidence).unwrap();
    // What is drawn twice opens two tickets at once.
    (2..4).for_each(|ticket| case.issue(ticket, Binding::Site(site(1))));
    let mut draw_again = |ticket| {
        let request = node.join(code(ticket));
        case.registrar.join(&request, &site(1), draw(99), &case.rules, case.height).map(drop)
    };
    assert_eq!(draw_again(2), Ok(()));
    assert_eq!(draw_again(2), Ok(()));
    assert_eq!(draw_again(3), Err(Refusal::DrawnTwice));
    // Keys that are none.
    let mut request = node.join(code(1));
    request.ek_public = vec![1];
    assert!(matches!(case.join_at(&request, &site(1)), Err(Refusal::Keys(_))));
    // An attestation key is not for credentials.
    let mut request = node.join(code(3));
    request.ek_public = request.ak_public.clone();
    assert!(matches!(case.join_at(&request, &site(1)), Err(Refusal::Keys(_))));
}

#[test]
fn heights() {
    let (mut case, mut node) = (Case::new(), Hardware::new(1));
    let invitation = case.join(&node, 1).unwrap();
    assert!(node.open(&invitation, &case.drawn));
    // Made before the challenge.
    let stale = node.evidence(HEIGHT - 1);
    assert!(matches!(case.enrol(&stale), Err(Refusal::NotNewer { .. })));
    // Of a height that is not there yet.
    let early = node.evidence(HEIGHT + 1);
    assert_eq!(refused_by(case.enrol(&early)), ["evidence.height"]);
    let evidence = node.evidence(HEIGHT);
    case.enrol(&evidence).unwrap();
    // A re-attestation that is the enrolment once more.
    assert!(matches!(case.attest(&evidence), Err(Refusal::NotNewer { .. })));
    case.height = HEIGHT + 20;
    let newer = node.evidence(HEIGHT + 20);
    case.attest(&newer).unwrap();
    assert!(matches!(case.attest(&newer), Err(Refusal::NotNewer { .. })));
    // Older evidence that was never shown, out of order.
    let between = node.evidence(HEIGHT + 10);
    assert!(matches!(case.attest(&between), Err(Refusal::NotNewer { .. })));
    case.height = HEIGHT + 200;
    let old = node.evidence(HEIGHT + 21);
    assert_eq!(refused_by(case.attest(&old)), ["evidence.age"]);
}

#[test]
fn a_machine_stays_the_same_over_installations() {
    let (mut case, mut node) = (Case::new(), Hardware::new(1));
    let id = case.enrol_honestly(&mut node, 1).unwrap();
    case.issue(2, Binding::Site(site(1)));
    case.height += 5;
    node.forged.statement.keys.signing = [0x99; 32];
    // Installed anew it has other keys: it must enrol, and does so as the same machine.
    let evidence = node.evidence(case.height);
    assert_eq!(case.attest(&evidence), Err(Refusal::OtherKeys));
    assert_eq!(case.enrol_honestly(&mut node, 2), Ok(id));
    let machine = &case.registrar.machines()[&id];
    assert_eq!((machine.installations, machine.keys.signing), (2, [0x99; 32]));
    assert_eq!(case.registrar.machines().len(), 1);
    // With another chip it is not the machine that it was, until that one is retired.
    case.issue(3, Binding::Site(site(1)));
    case.height += 5;
    let mut changed = node.clone();
    changed.forged.chip = Hardware::new(2).forged.chip;
    assert_eq!(refused_by(case.enrol_honestly(&mut changed, 3)), ["evidence.machine.chip"]);
    case.registrar.retire(id).unwrap();
    assert_eq!(case.registrar.retire(id), Err(Refusal::UnknownMachine));
    assert_eq!(case.enrol_honestly(&mut changed, 3), Ok(id));
}

#[test]
fn nothing_of_a_machine_is_anothers() {
    let mut case = Case::new();
    let (mut first, mut second) = (Hardware::new(1), Hardware::new(2));
    case.enrol_honestly(&mut first, 1).unwrap();
    case.issue(2, Binding::Site(site(1)));
    let good = second.forged.clone();
    type Change = fn(&mut forge::Machine, &forge::Machine);
    let changes: [(&str, Change); 4] = [
        ("signing key", |own, other| own.statement.keys.signing = other.statement.keys.signing),
        ("TLS key", |own, other| own.statement.keys.tls.clone_from(&other.statement.keys.tls)),
        ("dealing key", |own, other| {
            own.statement.keys.dealing.clone_from(&other.statement.keys.dealing);
        }),
        ("chip", |own, other| own.chip = other.chip.clone()),
    ];
    for (what, change) in changes {
        second.forged = good.clone();
        change(&mut second.forged, &first.forged);
        assert_eq!(case.enrol_honestly(&mut second, 2), Err(Refusal::InUse(what)));
    }
    second.forged = good;
    case.enrol_honestly(&mut second, 2).unwrap();
    assert_eq!(case.registrar.machines().len(), 2);
}

#[test]
fn what_is_no_evidence_of_a_machine_is_refused() {
    let mut case = Case::new();
    for role in [Role::Host, Role::Guest] {
        let evidence = forge::Machine::new(role, 1).evidence().encode();
        assert!(matches!(case.enrol(&evidence), Err(Refusal::Form(_))));
        assert!(matches!(case.attest(&evidence), Err(Refusal::Form(_))));
    }
    assert!(matches!(case.enrol(b"PLINTHEV"), Err(Refusal::Form(_))));
    let mut node = Hardware::new(1);
    let evidence = node.evidence(HEIGHT);
    assert_eq!(case.attest(&evidence), Err(Refusal::UnknownMachine));
    // A clock that went back: a TPM that was cleared, or a copy of it from before.
    let id = case.enrol_honestly(&mut node, 1).unwrap();
    case.height += 1;
    node.forged.message = std::rc::Rc::new(|message| message.clock.reset_count -= 1);
    let evidence = node.evidence(case.height);
    assert_eq!(refused_by(case.attest(&evidence)), ["tpm.clock.reset-count"]);
    node.forged.message = forge::nothing();
    // The certificates are those of a day.
    let evidence = node.evidence(case.height);
    let now = Now { height: case.height, time: UnixTime(0), certified: &case.certified };
    let refused = refused_by(case.registrar.attest(&evidence, &case.rules, &now));
    assert!(refused.contains(&"x509.validity"), "{refused:?}");
    assert_eq!(case.attest(&evidence), Ok(id));
    assert!(Evidence::decode(&evidence).is_ok());
}

#[test]
fn messages_have_one_form() {
    let request = Hardware::new(1).join(code(1));
    let bytes = request.encode();
    assert_eq!(JoinRequest::decode(&bytes).unwrap(), request);
    let invitation = Case::new().join(&Hardware::new(1), 1).unwrap();
    let invited = invitation.encode();
    assert_eq!(Invitation::decode(&invited).unwrap(), invitation);
    for length in 0..bytes.len() {
        assert!(JoinRequest::decode(&bytes[..length]).is_err());
    }
    for length in 0..invited.len() {
        assert!(Invitation::decode(&invited[..length]).is_err());
    }
    assert!(JoinRequest::decode(&[bytes, vec![0]].concat()).is_err());
    assert!(Invitation::decode(&[invited, vec![0]].concat()).is_err());
}
