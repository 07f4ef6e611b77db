//! States that no step leads to, for tests.

use super::{Issued, Machine, Registrar, TICKETS_COUNT_MAX};
use crate::enrolment::{Binding, Ticket, TicketId, ticket_id};

impl Registrar {
    fn ticket(&mut self, number: u8) -> &mut Issued {
        self.tickets.get_mut(&ticket_id(&[number; 32])).expect("it was issued")
    }

    /// As if it had never been issued.
    pub fn remove_ticket(&mut self, number: u8) {
        self.tickets.remove(&ticket_id(&[number; 32])).expect("it was issued");
    }

    /// As if a machine had enrolled with it.
    pub fn use_ticket(&mut self, number: u8) {
        self.ticket(number).is_used = true;
    }

    /// As if none had.
    pub fn unuse_ticket(&mut self, number: u8) {
        self.ticket(number).is_used = false;
    }

    /// As if it had ended at the first height.
    pub fn end_ticket(&mut self, number: u8) {
        self.ticket(number).ticket.height_max = 0;
    }

    /// To a TPM that nobody has: an attestation key.
    pub fn bind_ticket(&mut self, number: u8) {
        let ak = self.machines.values().next().expect("there is one").ak;
        self.ticket(number).ticket.binding = Binding::Tpm(ak);
    }

    /// For another ticket that is open.
    pub fn repeat_challenge(&mut self) {
        let (id, open) = self.open.iter().next().expect("there is one");
        let mut issued = self.tickets[id].clone();
        issued.ticket.id = TicketId([0xff; 32]);
        let (other, open) = (issued.ticket.id, open.clone());
        self.tickets.insert(other, issued);
        self.open.insert(other, open);
    }

    /// Gives the last machine something of the first.
    pub fn equal(&mut self, change: fn(&mut Machine, &Machine)) {
        let first = self.machines.values().next().expect("there is one").clone();
        let mut last = self.machines.last_entry().expect("there is one");
        change(last.get_mut(), &first);
    }

    /// As many tickets as there may be.
    pub fn fill(&mut self) {
        let issued = self.tickets.values().next().expect("there is one").clone();
        for number in self.tickets.len()..TICKETS_COUNT_MAX {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let ticket = Ticket { id: TicketId(id), ..issued.ticket.clone() };
            self.tickets.insert(ticket.id, Issued { ticket, is_used: false });
        }
    }
}
