//! Enrolment: how a machine becomes known, once, and shows again and again that it is the same.
//!
//! ```text
//!  Node: ticket, keys, stage                  Registrar: tickets, challenges, machines
//!    JoinRequest: ticket, EK, AK ---------->  join: ticket unused, in time, for this EK or site
//!    <---------------- Invitation: challenge
//!    opens it in its TPM (or cannot)
//!    Evidence of a machine ---------------->  enrol: answers an open challenge, verified, nothing of it is
//!                                             another machine's; the ticket is used up
//!    <- - - - - - - - - - Standing, certified: what the state says of ticket and machine, at any time
//!    Evidence, at intervals --------------->  attest: the same machine and keys, a later height
//! ```
//!
//! A machine is its endorsement key: [`MachineId`]. Whoever installs it anew needs a new ticket and gets the
//! same id. Messages may come late, twice, in any order, mixed, or not at all: what is accepted does not
//! depend on it (a property test has an adversary who does all of that), and what was lost is sent again.
//!
//! Pure: height, time and randomness are arguments. Both states have one form of bytes; whoever keeps them does so
//! before anything leaves. The reasons are in docs/decisions/069 and 082.

mod error;
mod form;
mod message;
mod node;
mod registrar;
#[cfg(test)]
mod tests;
mod ticket;

pub use error::Refusal;
pub use form::StateError;
pub use message::{Invitation, JoinRequest};
pub use node::{Ignored, Installation, Next, Node, Pace, Proof};
pub use registrar::{Machine, MachineId, Now, Registrar, Rules, Standing};
pub use ticket::{Binding, Site, Ticket, TicketId, ticket_id};
