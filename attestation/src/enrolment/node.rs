//! The side that is enrolled: what a node remembers of its enrolment, and what it does next.
//!
//! ```text
//!            look: Ask              invited             opened             look: Enrol
//!  Ticketed ----------> Asked -----------------> Invited -------> Opened -----------.
//!      ^                 | ^  ^                  | look: Open       |               | again after a while
//!      |                 '-'  '------------------'<-----------------'<--------------'
//!      |           again after a while   not for this TPM, or it was not answered in time
//!      |
//!      | the ticket is open      the registrar says so
//!  Stranded <------------- any --------------------------> Enrolled --- look: Attest, at intervals
//!        the ticket is not, and the machine not enrolled
//! ```
//!
//! Nobody's answer is believed: that the machine is enrolled, and until when it was attested, is in the
//! registrar's certified state, which the node looks at. Only invitations come as messages: whoever sends a false one
//! costs a node the time until it asks again.

mod encoding;

use super::{Invitation, JoinRequest, Machine, MachineId, Standing, StateError, ticket_id};
use crate::evidence::{NodeKeys, challenge_id};
use crate::tpm::credential::Challenge;
use crate::tpm::{Name, Public};
use zeroize::Zeroizing;

/// What is fixed when a node is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The ticket's code.
    pub code: [u8; 32],
    /// The endorsement key of its TPM: TPMT_PUBLIC.
    pub ek_public: Vec<u8>,
    /// Its attestation key: TPMT_PUBLIC.
    pub ak_public: Vec<u8>,
    /// The node's keys.
    pub keys: NodeKeys,
}

/// How long a node waits, in heights. An own matter: whatever stands here, the registrar stays right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// For the effect of a message, before it is sent again.
    pub retry_heights: u64,
    /// For an answer to a challenge to take effect, before the node asks for another one: at most as long as the
    /// registrar waits.
    pub challenge_heights: u64,
    /// From one attestation to the next: well below what the registrar demands.
    pub attest_heights: u64,
}

/// That a TPM has opened a challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// The challenge's name.
    pub challenge: [u8; 32],
    /// Its secret.
    pub secret: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

/// What is to be done next, once the state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing at this height.
    Wait,
    /// Send this to the registrar.
    Ask(JoinRequest),
    /// Let the TPM open this, and say so by [`Node::opened`].
    Open(Challenge),
    /// Make evidence of this proof that names the height of the standing, and enrol with it.
    Enrol(Proof),
    /// The same, to attest with it.
    Attest(Proof),
    /// Get another ticket: this one opens nothing.
    GetTicket,
}

/// Why an input changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// It tells of an earlier time.
    #[error("the registrar's state is of height {height}, and that of height {known} is known")]
    Stale {
        /// Its height.
        height: u64,
        /// The one that is known.
        known: u64,
    },
    /// It is of another machine, or of none that there can be.
    #[error("the registrar's state tells of another machine")]
    OtherMachine,
    /// No invitation is waited for: none was asked for, or one is here.
    #[error("no invitation is waited for")]
    Uninvited,
    /// The challenge is not the one to be opened.
    #[error("another challenge is to be opened, or none")]
    OtherChallenge,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Ticketed,
    /// At this height.
    Asked {
        asked: u64,
    },
    Invited {
        asked: u64,
        challenge: Challenge,
    },
    /// Evidence is due from a height on.
    Opened {
        asked: u64,
        due: u64,
        proof: Proof,
    },
    Enrolled {
        attested: u64,
        due: u64,
        proof: Proof,
    },
    Stranded,
}

/// A node's enrolment. A crash loses nothing that matters, if [`encode`](Self::encode) is kept before what
/// [`look`](Self::look) says is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    installation: Installation,
    ek: Public,
    ak: Name,
    /// The height of the last standing.
    known: u64,
    stage: Stage,
}

impl Node {
    /// A node that is installed now. It has the id that the machine had before, if it had one.
    pub fn new(installation: Installation) -> Result<Self, StateError> {
        let node = Self::at(installation, 0, Stage::Ticketed)?;
        // What can be read again has all its fields within their bounds.
        Self::decode(&node.encode())
    }

    fn at(installation: Installation, known: u64, stage: Stage) -> Result<Self, StateError> {
        let read = |what, bytes: &[u8]| {
            Public::parse(bytes)
                .map_err(|error| StateError::Key { what, reason: error.to_string() })
        };
        let ek = read("endorsement key", &installation.ek_public)?;
        let ak = read("attestation key", &installation.ak_public)?.name();
        Ok(Self { installation, ek, ak, known, stage })
    }

    /// What was fixed at the installation.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Which machine it is.
    pub fn machine_id(&self) -> MachineId {
        MachineId::of(self.ek.name())
    }

    /// Whether the registrar has said that it is enrolled.
    pub fn is_enrolled(&self) -> bool {
        matches!(self.stage, Stage::Enrolled { .. })
    }

    /// Looks at what the registrar's certified state says of the machine and its ticket, and says what is next.
    /// The same standing twice says nothing twice.
    pub fn look(&mut self, standing: &Standing, pace: &Pace) -> Result<Next, Ignored> {
        let height = standing.height;
        if height < self.known {
            return Err(Ignored::Stale { height, known: self.known });
        }
        let stage = self.stage_by(standing, pace)?;
        self.known = height;
        self.stage = stage;
        Ok(self.next(pace))
    }

    /// Where the node stands by the registrar's word, before it does anything.
    fn stage_by(&self, standing: &Standing, pace: &Pace) -> Result<Stage, Ignored> {
        if let Some(machine) = &standing.machine {
            if machine.ek != self.ek.name() || machine.attested_height > standing.height {
                return Err(Ignored::OtherMachine);
            }
            if self.is_own(machine) {
                return self.enrolled(machine, pace);
            }
        }
        Ok(match &self.stage {
            _ if !standing.ticket_is_open => Stage::Stranded,
            Stage::Enrolled { .. } | Stage::Stranded => Stage::Ticketed,
            stage => stage.clone(),
        })
    }

    /// Whether the record is of this installation: not of one before, and not by the ticket of another machine.
    fn is_own(&self, machine: &Machine) -> bool {
        let Installation { code, keys, .. } = &self.installation;
        machine.ticket == ticket_id(code) && machine.ak == self.ak && machine.keys == *keys
    }

    /// Which challenge was answered is the registrar's word: a node that has asked more than once may have
    /// forgotten that one.
    fn enrolled(&self, machine: &Machine, pace: &Pace) -> Result<Stage, Ignored> {
        let attested = machine.attested_height;
        let proof = match &self.stage {
            Stage::Enrolled { attested: known, .. } if *known >= attested => {
                return Ok(self.stage.clone());
            }
            // A ticket is used once, and so for one challenge.
            Stage::Enrolled { proof, .. } => proof.clone(),
            _ => {
                let challenge = machine.activation.challenge(&self.ek, self.ak);
                let challenge = challenge.map_err(|_| Ignored::OtherMachine)?;
                let secret = Zeroizing::new(*machine.activation.secret());
                Proof { challenge: challenge_id(&challenge), secret }
            }
        };
        let due = attested.saturating_add(pace.attest_heights.max(1));
        Ok(Stage::Enrolled { attested, due, proof })
    }

    fn next(&mut self, pace: &Pace) -> Next {
        let now = self.known;
        let retry = now.saturating_add(pace.retry_heights.max(1));
        match &mut self.stage {
            Stage::Ticketed => self.ask(),
            Stage::Asked { asked } if now >= asked.saturating_add(pace.retry_heights.max(1)) => {
                self.ask()
            }
            Stage::Invited { asked, .. } | Stage::Opened { asked, .. }
                if now > asked.saturating_add(pace.challenge_heights) =>
            {
                self.ask()
            }
            Stage::Invited { challenge, .. } => Next::Open(challenge.clone()),
            Stage::Opened { due, proof, .. } if now >= *due => {
                *due = retry;
                Next::Enrol(proof.clone())
            }
            Stage::Enrolled { due, proof, .. } if now >= *due => {
                *due = retry;
                Next::Attest(proof.clone())
            }
            Stage::Asked { .. } | Stage::Opened { .. } | Stage::Enrolled { .. } => Next::Wait,
            Stage::Stranded => Next::GetTicket,
        }
    }

    fn ask(&mut self) -> Next {
        self.stage = Stage::Asked { asked: self.known };
        let Installation { code, ek_public, ak_public, .. } = self.installation.clone();
        Next::Ask(JoinRequest { code, ek_public, ak_public })
    }

    /// An invitation has come. One is taken for each request, whoever has sent it.
    pub fn invited(&mut self, invitation: Invitation) -> Result<(), Ignored> {
        let Stage::Asked { asked } = self.stage else { return Err(Ignored::Uninvited) };
        self.stage = Stage::Invited { asked, challenge: invitation.challenge };
        Ok(())
    }

    /// The TPM has opened the challenge of this name, or has refused: then it is for other keys than its own, and
    /// the right one may still come.
    pub fn opened(&mut self, id: &[u8; 32], secret: Option<&[u8]>) -> Result<(), Ignored> {
        let Stage::Invited { asked, challenge } = &self.stage else {
            return Err(Ignored::OtherChallenge);
        };
        let (asked, challenge) = (*asked, challenge_id(challenge));
        if challenge != *id {
            return Err(Ignored::OtherChallenge);
        }
        // A registrar's secrets have one length.
        let secret: Option<[u8; 32]> = secret.and_then(|secret| secret.try_into().ok());
        self.stage = match secret.map(Zeroizing::new) {
            Some(secret) => Stage::Opened { asked, due: 0, proof: Proof { challenge, secret } },
            None => Stage::Asked { asked },
        };
        Ok(())
    }
}
