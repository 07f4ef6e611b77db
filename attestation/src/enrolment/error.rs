//! Why a step of an enrolment is refused. Nothing changes by a refused step.

use super::ticket::SITE_BYTES_MAX;
use crate::checks::Refused;

/// Why a step is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A ticket of this id was issued before.
    #[error("a ticket of this id was issued before: draw another one")]
    TicketExists,
    /// There is no room for another one.
    #[error("{tickets} tickets were issued, and no more are remembered")]
    Full {
        /// How many there are.
        tickets: usize,
    },
    /// A site whose names are too long, or empty.
    #[error("an operator's id and a data center's name have 1 to {SITE_BYTES_MAX} bytes")]
    Site,
    /// No such ticket was issued.
    #[error("no such ticket was issued")]
    UnknownTicket,
    /// A machine was enrolled with it.
    #[error("the ticket is used up: a machine was enrolled with it")]
    TicketUsed,
    /// It was not used in time.
    #[error("the ticket ended at height {expired}, and it is {height}: ask for a new one")]
    TicketExpired {
        /// Its last height.
        expired: u64,
        /// The height now.
        height: u64,
    },
    /// It is for another machine.
    #[error("the ticket is for another endorsement key")]
    OtherTpm,
    /// It is for another operator or data center.
    #[error("the ticket is for another operator or data center")]
    OtherSite,
    /// A key cannot be read, or no challenge can be made for it.
    #[error("no challenge can be made for these keys: {0}")]
    Keys(String),
    /// The challenge is one that is open for another ticket.
    #[error("the challenge was drawn before: the source of randomness repeats itself")]
    DrawnTwice,
    /// There is no challenge that it answers: none was made, or it was answered, or another one was made since.
    #[error("the evidence answers no open challenge: join again")]
    NoChallenge,
    /// The challenge was not answered in time.
    #[error("the challenge ended at height {expired}, and it is {height}: join again")]
    ChallengeExpired {
        /// Its last height.
        expired: u64,
        /// The height now.
        height: u64,
    },
    /// The evidence is not newer than what is known.
    #[error("the evidence is of height {height}, which must be over {after}")]
    NotNewer {
        /// Its height.
        height: u64,
        /// The one that it must be over.
        after: u64,
    },
    /// It is no evidence of a machine.
    #[error("it is no evidence of a machine: {0}")]
    Form(String),
    /// The verifier refuses it.
    #[error("the evidence is {0}")]
    Evidence(#[from] Refused),
    /// Something of it is another machine's.
    #[error("the {0} is another machine's")]
    InUse(&'static str),
    /// No such machine was enrolled.
    #[error("no such machine was enrolled")]
    UnknownMachine,
    /// The keys are not those that were enrolled.
    #[error("the keys are not those that the machine was enrolled with: enrol it anew")]
    OtherKeys,
}
