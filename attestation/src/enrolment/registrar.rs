//! The side that enrols: its state, and what changes it.

mod encoding;
#[cfg(test)]
mod forge;

use super::{Binding, Invitation, JoinRequest, Refusal, Site, Ticket, TicketId, ticket_id};
use crate::crypto::Hash;
use crate::evidence::{
    Activation, AttestedNode, Evidence, Known, MachineRecord, NodeKeys, Policy, Role, Roots,
    challenge_id, verify,
};
use crate::tpm::{ClockInfo, Name, Public};
use crate::x509::UnixTime;
use std::collections::BTreeMap;

/// How many tickets are remembered, used ones too: so many installations a network can have. Whoever issues
/// more was careless or hostile, and the state stays one that can be read in a second.
const TICKETS_COUNT_MAX: usize = 1 << 16;

/// Which machine: its endorsement key. The same after each installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineId(pub [u8; 32]);

impl MachineId {
    /// Of the machine whose TPM has this endorsement key.
    pub fn of(ek: Name) -> Self {
        let purpose = b"plinth machine, version 1";
        let digest = Hash::Sha256.digest_parts(&[purpose, &ek.to_bytes()]);
        let mut id = [0; 32];
        id.copy_from_slice(digest.as_bytes());
        Self(id)
    }
}

/// What is accepted, and for how long.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Of evidence.
    pub policy: Policy,
    /// Makers.
    pub roots: Roots,
    /// How many heights a challenge can be answered.
    pub challenge_heights: u64,
    /// How many heights a machine may be silent.
    pub interval_heights: u64,
}

/// When a step is made.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The height.
    pub height: u64,
    /// The time, for certificates.
    pub time: UnixTime,
    /// Certified roots of the heights that evidence may name.
    pub certified: &'a BTreeMap<u64, [u8; 32]>,
}

/// A machine that is enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The name of its endorsement key.
    pub ek: Name,
    /// The name of its attestation key.
    pub ak: Name,
    /// Its chip.
    pub chip_id: [u8; 64],
    /// The node's keys.
    pub keys: NodeKeys,
    /// The clock of its TPM when it was last seen.
    pub clock: ClockInfo,
    /// The height that its last evidence names.
    pub attested_height: u64,
    /// How often it was enrolled.
    pub installations: u64,
    /// The ticket of the last enrolment.
    pub ticket: TicketId,
    /// The challenge of the last enrolment: public from now on.
    pub activation: Activation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Issued {
    ticket: Ticket,
    is_used: bool,
}

/// A challenge that was not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    id: [u8; 32],
    activation: Activation,
    ek: Name,
    ak: Name,
    height: u64,
}

/// What a node is told of itself out of the registrar's state. Who reads it checks that it is certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The height of the state.
    pub height: u64,
    /// Whether the machine can join with its ticket.
    pub ticket_is_open: bool,
    /// What is enrolled of the machine, by whatever ticket.
    pub machine: Option<Machine>,
}

/// Tickets, challenges and machines. What it answers is sent when the state after it is kept: see
/// [`encode`](Self::encode).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registrar {
    tickets: BTreeMap<TicketId, Issued>,
    /// One for each ticket at most: a later one takes the place of the one before.
    open: BTreeMap<TicketId, Open>,
    machines: BTreeMap<MachineId, Machine>,
}

impl Registrar {
    /// Issues a ticket. Who may do so is the caller's matter.
    pub fn issue(&mut self, ticket: Ticket) -> Result<(), Refusal> {
        if self.tickets.contains_key(&ticket.id) {
            return Err(Refusal::TicketExists);
        }
        if self.tickets.len() >= TICKETS_COUNT_MAX {
            return Err(Refusal::Full { tickets: TICKETS_COUNT_MAX });
        }
        if let Binding::Site(site) = &ticket.binding {
            site.check()?;
        }
        self.tickets.insert(ticket.id, Issued { ticket, is_used: false });
        Ok(())
    }

    /// The machines that are enrolled.
    pub fn machines(&self) -> &BTreeMap<MachineId, Machine> {
        &self.machines
    }

    /// What a node is told of itself: as the state says it at this height, certified by who keeps the state.
    pub fn standing(&self, ticket: TicketId, machine: MachineId, height: u64) -> Standing {
        let ticket_is_open = self.tickets.get(&ticket).is_some_and(|issued| {
            let is_for_it = match &issued.ticket.binding {
                Binding::Tpm(ek) => MachineId::of(*ek) == machine,
                Binding::Site(_) => true,
            };
            is_for_it && !issued.is_used && height <= issued.ticket.height_max
        });
        Standing { height, ticket_is_open, machine: self.machines.get(&machine).cloned() }
    }

    /// A machine wants to join. `site` is who the caller knows the sender to be; `activation` is drawn for this
    /// step alone. A repeated request gets a new challenge, and the one before opens nothing any more.
    pub fn join(
        &mut self,
        request: &JoinRequest,
        site: &Site,
        activation: Activation,
        rules: &Rules,
        height: u64,
    ) -> Result<Invitation, Refusal> {
        let id = ticket_id(&request.code);
        let read =
            |bytes: &[u8]| Public::parse(bytes).map_err(|error| Refusal::Keys(error.to_string()));
        let (ek, ak) = (read(&request.ek_public)?, read(&request.ak_public)?);
        self.check_ticket(id, ek.name(), site, height)?;
        let challenge = activation
            .challenge(&ek, ak.name())
            .map_err(|error| Refusal::Keys(error.to_string()))?;
        let id_of_challenge = challenge_id(&challenge);
        let is_same =
            |(other, open): (&TicketId, &Open)| *other != id && open.id == id_of_challenge;
        if self.open.iter().any(is_same) {
            return Err(Refusal::DrawnTwice);
        }
        let open = Open { id: id_of_challenge, activation, ek: ek.name(), ak: ak.name(), height };
        // Challenges that nobody answers are forgotten: there is one for each ticket at most, and tickets are
        // issued by who may.
        self.open.retain(|_, open| height <= open.height.saturating_add(rules.challenge_heights));
        self.open.insert(id, open);
        Ok(Invitation { challenge })
    }

    fn check_ticket(
        &self,
        id: TicketId,
        ek: Name,
        site: &Site,
        height: u64,
    ) -> Result<(), Refusal> {
        let issued = self.tickets.get(&id).ok_or(Refusal::UnknownTicket)?;
        if issued.is_used {
            return Err(Refusal::TicketUsed);
        }
        let expired = issued.ticket.height_max;
        if height > expired {
            return Err(Refusal::TicketExpired { expired, height });
        }
        match &issued.ticket.binding {
            Binding::Tpm(wanted) if *wanted != ek => Err(Refusal::OtherTpm),
            Binding::Site(wanted) if wanted != site => Err(Refusal::OtherSite),
            _ => Ok(()),
        }
    }

    /// Evidence that answers a challenge: the machine is enrolled, and its ticket used up.
    pub fn enrol(
        &mut self,
        evidence: &[u8],
        site: &Site,
        rules: &Rules,
        now: &Now<'_>,
    ) -> Result<MachineId, Refusal> {
        let read = read_machine(evidence)?;
        let part = read.tpm().ok_or_else(|| Refusal::Form("it has no TPM's part".into()))?;
        let found = self.open.iter().find(|(_, open)| open.id == part.challenge);
        let (ticket, open) =
            found.map(|(ticket, open)| (*ticket, open.clone())).ok_or(Refusal::NoChallenge)?;
        let expired = open.height.saturating_add(rules.challenge_heights);
        if now.height > expired {
            return Err(Refusal::ChallengeExpired { expired, height: now.height });
        }
        // The ticket may have ended since.
        self.check_ticket(ticket, open.ek, site, now.height)?;
        let height = read.statement().anchor.height;
        if height < open.height {
            return Err(Refusal::NotNewer { height, after: open.height.saturating_sub(1) });
        }
        let id = MachineId::of(open.ek);
        let before = self.machines.get(&id);
        check_newer(before, height)?;
        let record = MachineRecord {
            ek: Some(open.ek),
            ak: Some(open.ak),
            // A machine that is installed anew has the chip that it had.
            chip_id: before.map(|machine| machine.chip_id),
            clock: before.map(|machine| machine.clock),
        };
        let node = judge(evidence, rules, now, &open.activation, record)?;
        let machine = self.machine_of(&node, id, ticket, open.activation)?;
        if let Some(issued) = self.tickets.get_mut(&ticket) {
            issued.is_used = true;
        }
        self.open.remove(&ticket);
        self.machines.insert(id, machine);
        Ok(id)
    }

    /// What is enrolled of an attested node, if nothing of it is another machine's.
    fn machine_of(
        &self,
        node: &AttestedNode,
        id: MachineId,
        ticket: TicketId,
        activation: Activation,
    ) -> Result<Machine, Refusal> {
        let missing = || Refusal::Form("a part is missing".into());
        let (tpm, guest) = (node.tpm().ok_or_else(missing)?, node.guest().ok_or_else(missing)?);
        let chip_id = guest.chip_id.ok_or_else(missing)?;
        let keys = &node.statement().keys;
        for (_, other) in self.machines.iter().filter(|(known, _)| **known != id) {
            let same = [
                ("attestation key", other.ak == tpm.ak),
                ("chip", other.chip_id == chip_id),
                ("signing key", other.keys.signing == keys.signing),
                ("TLS key", other.keys.tls == keys.tls),
                ("dealing key", other.keys.dealing == keys.dealing),
            ];
            if let Some((what, _)) = same.into_iter().find(|(_, is_same)| *is_same) {
                return Err(Refusal::InUse(what));
            }
        }
        let installations = self.machines.get(&id).map_or(0, |machine| machine.installations);
        Ok(Machine {
            ek: tpm.ek,
            ak: tpm.ak,
            chip_id,
            keys: keys.clone(),
            clock: tpm.clock,
            attested_height: node.statement().anchor.height,
            installations: installations.saturating_add(1),
            ticket,
            activation,
        })
    }

    /// Evidence of a machine that is enrolled: it is still the same, and runs what is accepted.
    pub fn attest(
        &mut self,
        evidence: &[u8],
        rules: &Rules,
        now: &Now<'_>,
    ) -> Result<MachineId, Refusal> {
        let read = read_machine(evidence)?;
        let part = read.tpm().ok_or_else(|| Refusal::Form("it has no TPM's part".into()))?;
        let ek =
            Public::parse(&part.ek_public).map_err(|error| Refusal::Keys(error.to_string()))?;
        let id = MachineId::of(ek.name());
        let machine = self.machines.get(&id).ok_or(Refusal::UnknownMachine)?;
        let height = read.statement().anchor.height;
        check_newer(Some(machine), height)?;
        if read.statement().keys != machine.keys {
            return Err(Refusal::OtherKeys);
        }
        let record = MachineRecord {
            ek: Some(machine.ek),
            ak: Some(machine.ak),
            chip_id: Some(machine.chip_id),
            clock: Some(machine.clock),
        };
        let node = judge(evidence, rules, now, &machine.activation, record)?;
        let clock = node.tpm().map(|tpm| tpm.clock);
        if let (Some(machine), Some(clock)) = (self.machines.get_mut(&id), clock) {
            machine.clock = clock;
            machine.attested_height = height;
        }
        Ok(id)
    }

    /// The machines that were silent for longer than they may.
    pub fn overdue(&self, rules: &Rules, height: u64) -> Vec<MachineId> {
        let is_late = |machine: &Machine| {
            height > machine.attested_height.saturating_add(rules.interval_heights)
        };
        self.machines.iter().filter(|(_, machine)| is_late(machine)).map(|(id, _)| *id).collect()
    }

    /// Forgets a machine: its chip, TPM and keys can be enrolled again.
    pub fn retire(&mut self, id: MachineId) -> Result<Machine, Refusal> {
        self.machines.remove(&id).ok_or(Refusal::UnknownMachine)
    }
}

/// Evidence that is shown again, or was made before the last one.
fn check_newer(machine: Option<&Machine>, height: u64) -> Result<(), Refusal> {
    match machine {
        Some(machine) if height <= machine.attested_height => {
            Err(Refusal::NotNewer { height, after: machine.attested_height })
        }
        _ => Ok(()),
    }
}

fn read_machine(evidence: &[u8]) -> Result<Evidence, Refusal> {
    let read = Evidence::decode(evidence).map_err(|error| Refusal::Form(error.to_string()))?;
    let role = read.statement().role;
    if role != Role::Machine {
        return Err(Refusal::Form(format!("it is of a {role}")));
    }
    Ok(read)
}

fn judge(
    evidence: &[u8],
    rules: &Rules,
    now: &Now<'_>,
    activation: &Activation,
    machine: MachineRecord,
) -> Result<AttestedNode, Refusal> {
    let known = Known {
        height: now.height,
        certified: now.certified.clone(),
        activations: vec![activation.clone()],
        machine: Some(machine),
    };
    let verdict = verify(evidence, &rules.policy, &rules.roots, &known, now.time);
    Ok(verdict.into_result()?)
}
