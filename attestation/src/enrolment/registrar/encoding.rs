//! The registrar's state as bytes, in one form. What no step leads to is no state: each rule that the steps keep
//! is looked at once more when the bytes are read.

use super::{Issued, Machine, MachineId, Open, Registrar, TICKETS_COUNT_MAX};
use crate::enrolment::form::{
    Head, KEYS_BYTES, List, NAME_BYTES, StateError, put_keys, put_number, read_flag, read_keys,
    read_name, read_number,
};
use crate::enrolment::ticket::SITE_BYTES_MAX;
use crate::enrolment::{Binding, Site, Ticket, TicketId};
use crate::evidence::Activation;
use crate::evidence::fields::{Field, Fields, put};
use crate::tpm::ClockInfo;
use std::collections::{BTreeMap, BTreeSet};

const HEAD: Head = Head { magic: *b"PLINTHRG", structure: "registrar's state" };

/// Longer than any entry of these bounds: a machine with its keys has at most 3 KiB.
const ENTRY_BYTES_MAX: usize = 4 << 10;
const LIST_BYTES_MAX: usize = TICKETS_COUNT_MAX * (4 + ENTRY_BYTES_MAX);

const fn list(tag: u8, name: &'static str, entry: &'static str) -> List {
    List {
        field: Field { tag, name, bytes: 0..=LIST_BYTES_MAX },
        entry: Field { tag: 0, name: entry, bytes: 1..=ENTRY_BYTES_MAX },
        // There is a ticket for each challenge and for each machine.
        count_max: TICKETS_COUNT_MAX,
    }
}

const TICKETS: List = list(1, "tickets", "ticket");
const CHALLENGES: List = list(2, "challenges", "challenge");
const MACHINES: List = list(3, "machines", "machine");

const fn number(tag: u8, name: &'static str) -> Field {
    Field { tag, name, bytes: 8..=8 }
}

const fn digest(tag: u8, name: &'static str) -> Field {
    Field { tag, name, bytes: 32..=32 }
}

const fn name(tag: u8, name: &'static str) -> Field {
    Field { tag, name, bytes: NAME_BYTES }
}

impl Registrar {
    /// As bytes. Whoever keeps the state writes them before an answer leaves.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = HEAD.begin();
        TICKETS.put(&mut bytes, self.tickets.values().map(encode_ticket));
        CHALLENGES.put(&mut bytes, self.open.iter().map(encode_challenge));
        MACHINES.put(&mut bytes, self.machines.values().map(encode_machine));
        bytes
    }

    /// From bytes, in the one form, if steps can lead there.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut fields = HEAD.read(bytes)?;
        let mut registrar = Self::default();
        for entry in TICKETS.read(&mut fields)? {
            let issued = decode_ticket(entry)?;
            add(&mut registrar.tickets, issued.ticket.id, issued)?;
        }
        for entry in CHALLENGES.read(&mut fields)? {
            let (ticket, open) = decode_challenge(entry)?;
            add(&mut registrar.open, ticket, open)?;
        }
        for entry in MACHINES.read(&mut fields)? {
            let machine = decode_machine(entry)?;
            add(&mut registrar.machines, MachineId::of(machine.ek), machine)?;
        }
        fields.finish()?;
        registrar.check_challenges()?;
        registrar.check_machines()?;
        Ok(registrar)
    }

    fn check_challenges(&self) -> Result<(), StateError> {
        let mut ids = BTreeSet::new();
        for (id, open) in &self.open {
            let issued = self.tickets.get(id);
            let issued = issued.ok_or(StateError::Unreachable("a challenge has no ticket"))?;
            if issued.is_used {
                return Err(StateError::Unreachable(
                    "a challenge is open though its ticket is used",
                ));
            }
            if open.height > issued.ticket.height_max {
                return Err(StateError::Unreachable("a challenge was made after its ticket's end"));
            }
            check_binding(&issued.ticket, open.ek)?;
            if !ids.insert(open.id) {
                return Err(StateError::Unreachable("two challenges are the same"));
            }
        }
        Ok(())
    }

    fn check_machines(&self) -> Result<(), StateError> {
        let mut seen = Seen::default();
        let mut installations = 0u64;
        for machine in self.machines.values() {
            let issued = self.tickets.get(&machine.ticket);
            let issued = issued.filter(|issued| issued.is_used);
            let issued = issued.ok_or(StateError::Unreachable("a machine has no used ticket"))?;
            check_binding(&issued.ticket, machine.ek)?;
            seen.add(machine)?;
            if machine.installations == 0 {
                return Err(StateError::Unreachable("a machine was never installed"));
            }
            installations = installations.saturating_add(machine.installations);
        }
        let used = self.tickets.values().filter(|issued| issued.is_used).count();
        // Machines that were retired leave used tickets behind.
        if installations > u64::try_from(used).unwrap_or(u64::MAX) {
            return Err(StateError::Unreachable("there are more installations than used tickets"));
        }
        Ok(())
    }
}

/// Adds an entry behind all others: lists ascend, and nothing is in one twice.
fn add<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Result<(), StateError> {
    if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
        return Err(StateError::Unreachable("a list does not ascend"));
    }
    map.insert(key, value);
    Ok(())
}

fn check_binding(ticket: &Ticket, ek: crate::tpm::Name) -> Result<(), StateError> {
    match ticket.binding {
        Binding::Tpm(wanted) if wanted != ek => {
            Err(StateError::Unreachable("a ticket serves another TPM than it is for"))
        }
        _ => Ok(()),
    }
}

/// What belongs to one machine at most.
#[derive(Default)]
struct Seen<'a> {
    tickets: BTreeSet<TicketId>,
    attestation_keys: BTreeSet<crate::tpm::Name>,
    chips: BTreeSet<&'a [u8; 64]>,
    signing: BTreeSet<&'a [u8; 32]>,
    tls: BTreeSet<&'a [u8]>,
    dealing: BTreeSet<Option<&'a [u8]>>,
}

impl<'a> Seen<'a> {
    fn add(&mut self, machine: &'a Machine) -> Result<(), StateError> {
        let keys = &machine.keys;
        let is_new = [
            ("two machines have one ticket", self.tickets.insert(machine.ticket)),
            ("two machines have one attestation key", self.attestation_keys.insert(machine.ak)),
            ("two machines have one chip", self.chips.insert(&machine.chip_id)),
            ("two machines have one signing key", self.signing.insert(&keys.signing)),
            ("two machines have one TLS key", self.tls.insert(&keys.tls)),
            ("two machines have one dealing key", self.dealing.insert(keys.dealing.as_deref())),
        ];
        match is_new.into_iter().find(|(_, is_new)| !is_new) {
            Some((what, _)) => Err(StateError::Unreachable(what)),
            None => Ok(()),
        }
    }
}

const TICKET_ID: Field = digest(1, "ticket's id");
const BINDING: Field = Field { tag: 2, name: "kind of binding", bytes: 1..=1 };
const BOUND_EK: Field = name(3, "endorsement key");
const OPERATOR: Field = Field { tag: 4, name: "operator", bytes: 1..=SITE_BYTES_MAX };
const DATA_CENTER: Field = Field { tag: 5, name: "data center", bytes: 1..=SITE_BYTES_MAX };
const HEIGHT_MAX: Field = number(6, "last height");
const IS_USED: Field = Field { tag: 7, name: "whether it is used", bytes: 1..=1 };

const TO_TPM: u8 = 1;
const TO_SITE: u8 = 2;

fn encode_ticket(issued: &Issued) -> Vec<u8> {
    let Ticket { id, binding, height_max } = &issued.ticket;
    let mut bytes = Vec::new();
    put(&mut bytes, &TICKET_ID, &id.0);
    match binding {
        Binding::Tpm(ek) => {
            put(&mut bytes, &BINDING, &[TO_TPM]);
            put(&mut bytes, &BOUND_EK, &ek.to_bytes());
        }
        Binding::Site(site) => {
            put(&mut bytes, &BINDING, &[TO_SITE]);
            put(&mut bytes, &OPERATOR, &site.operator);
            put(&mut bytes, &DATA_CENTER, site.data_center.as_bytes());
        }
    }
    put_number(&mut bytes, &HEIGHT_MAX, *height_max);
    put(&mut bytes, &IS_USED, &[u8::from(issued.is_used)]);
    bytes
}

fn decode_ticket(mut fields: Fields<'_>) -> Result<Issued, StateError> {
    let id = TicketId(fields.take_array(&TICKET_ID)?);
    let binding = match fields.take_array(&BINDING)? {
        [TO_TPM] => Binding::Tpm(read_name(&mut fields, &BOUND_EK)?),
        [TO_SITE] => {
            let operator = fields.take(&OPERATOR)?.to_vec();
            let data_center = String::from_utf8(fields.take(&DATA_CENTER)?.to_vec());
            let data_center = data_center.map_err(|_| StateError::Value(DATA_CENTER.name))?;
            Binding::Site(Site { operator, data_center })
        }
        _ => return Err(StateError::Value(BINDING.name)),
    };
    let height_max = read_number(&mut fields, &HEIGHT_MAX)?;
    let [is_used] = fields.take_array(&IS_USED)?;
    let is_used = read_flag(is_used, IS_USED.name)?;
    fields.finish()?;
    Ok(Issued { ticket: Ticket { id, binding, height_max }, is_used })
}

const CHALLENGE_ID: Field = digest(2, "challenge's id");
const OPEN_EK: Field = name(3, "endorsement key");
const OPEN_AK: Field = name(4, "attestation key");
const OPEN_HEIGHT: Field = number(5, "height of the challenge");
const OPEN_MADE: Made = made(6);

fn encode_challenge((ticket, open): (&TicketId, &Open)) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, &TICKET_ID, &ticket.0);
    put(&mut bytes, &CHALLENGE_ID, &open.id);
    put(&mut bytes, &OPEN_EK, &open.ek.to_bytes());
    put(&mut bytes, &OPEN_AK, &open.ak.to_bytes());
    put_number(&mut bytes, &OPEN_HEIGHT, open.height);
    OPEN_MADE.put(&mut bytes, &open.activation);
    bytes
}

fn decode_challenge(mut fields: Fields<'_>) -> Result<(TicketId, Open), StateError> {
    let ticket = TicketId(fields.take_array(&TICKET_ID)?);
    let id = fields.take_array(&CHALLENGE_ID)?;
    let ek = read_name(&mut fields, &OPEN_EK)?;
    let ak = read_name(&mut fields, &OPEN_AK)?;
    let height = read_number(&mut fields, &OPEN_HEIGHT)?;
    let activation = OPEN_MADE.read(&mut fields)?;
    fields.finish()?;
    Ok((ticket, Open { id, activation, ek, ak, height }))
}

/// How a challenge was made, in two fields.
struct Made {
    secret: Field,
    randomness: Field,
}

const fn made(tag: u8) -> Made {
    Made {
        secret: digest(tag, "secret"),
        // Of RSA two digests, of a curve one scalar.
        randomness: Field { tag: tag + 1, name: "randomness", bytes: 1..=128 },
    }
}

impl Made {
    fn put(&self, bytes: &mut Vec<u8>, activation: &Activation) {
        put(bytes, &self.secret, activation.secret());
        put(bytes, &self.randomness, activation.randomness());
    }

    fn read(&self, fields: &mut Fields<'_>) -> Result<Activation, StateError> {
        let secret = fields.take_array(&self.secret)?;
        let randomness = fields.take(&self.randomness)?.to_vec();
        Ok(Activation::new(secret, randomness))
    }
}

const EK: Field = name(1, "endorsement key");
const AK: Field = name(2, "attestation key");
const CHIP: Field = Field { tag: 3, name: "chip", bytes: 64..=64 };
const KEYS: Field = Field { tag: 4, name: "node's keys", bytes: KEYS_BYTES };
const CLOCK: Field = Field { tag: 5, name: "clock", bytes: 17..=17 };
const ATTESTED_HEIGHT: Field = number(6, "attested height");
const INSTALLATIONS: Field = number(7, "installations");
const TICKET: Field = digest(8, "ticket");
const MADE: Made = made(9);

fn encode_machine(machine: &Machine) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, &EK, &machine.ek.to_bytes());
    put(&mut bytes, &AK, &machine.ak.to_bytes());
    put(&mut bytes, &CHIP, &machine.chip_id);
    put_keys(&mut bytes, &KEYS, &machine.keys);
    let ClockInfo { clock_ms, reset_count, restart_count, safe } = machine.clock;
    let mut clock = clock_ms.to_be_bytes().to_vec();
    clock.extend(reset_count.to_be_bytes());
    clock.extend(restart_count.to_be_bytes());
    clock.push(u8::from(safe));
    put(&mut bytes, &CLOCK, &clock);
    put_number(&mut bytes, &ATTESTED_HEIGHT, machine.attested_height);
    put_number(&mut bytes, &INSTALLATIONS, machine.installations);
    put(&mut bytes, &TICKET, &machine.ticket.0);
    MADE.put(&mut bytes, &machine.activation);
    bytes
}

fn decode_machine(mut fields: Fields<'_>) -> Result<Machine, StateError> {
    let ek = read_name(&mut fields, &EK)?;
    let ak = read_name(&mut fields, &AK)?;
    let chip_id = fields.take_array(&CHIP)?;
    let keys = read_keys(&mut fields, &KEYS)?;
    let clock = decode_clock(fields.take_array(&CLOCK)?)?;
    let attested_height = read_number(&mut fields, &ATTESTED_HEIGHT)?;
    let installations = read_number(&mut fields, &INSTALLATIONS)?;
    let ticket = TicketId(fields.take_array(&TICKET)?);
    let activation = MADE.read(&mut fields)?;
    fields.finish()?;
    Ok(Machine { ek, ak, chip_id, keys, clock, attested_height, installations, ticket, activation })
}

fn decode_clock(bytes: [u8; 17]) -> Result<ClockInfo, StateError> {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, safe] = bytes;
    Ok(ClockInfo {
        clock_ms: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        reset_count: u32::from_be_bytes([i, j, k, l]),
        restart_count: u32::from_be_bytes([m, n, o, p]),
        safe: read_flag(safe, CLOCK.name)?,
    })
}
