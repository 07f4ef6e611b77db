//! A node's enrolment on a real machine: the state machine is `attestation`'s; here it has a TPM, a security
//! processor, and a file in which its state is kept before anything leaves (docs/decisions/082).

use crate::error::MakeError;
use crate::snp::{SnpInputs, guest_name, snp_part};
use crate::state_file::StateFile;
use crate::tpm::{Identity, OpenedChallenge, TpmInputs, open_challenge, tpm_part};
use attestation::enrolment::{
    Ignored, Installation, Invitation, Next, Node, Pace, Proof, Standing, StateError,
};
use attestation::evidence::{
    Anchor, Evidence, EvidenceError, NodeKeys, Role, Statement, challenge_id,
};
use attestation::tpm::PcrSelection;
use attestation::tpm::credential::Challenge;
use os_kit_snp::SnpGuest;
use os_kit_tpm::{Secret, Tpm, TpmError};
use std::path::{Path, PathBuf};

/// Why an enrolment does not go on.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The state cannot be read or written.
    #[error("cannot keep the enrolment in {}", path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// What is kept is no state.
    #[error("{} is damaged: install the node anew, with a new ticket", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: StateError,
    },
    /// What is kept is of another machine, or of other keys.
    #[error(
        "{} is the enrolment of another {what}: put the disk back where it was, or install the node anew, with \
         a new ticket", path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// An installation that cannot be one.
    #[error("a node cannot be installed so")]
    Installation(#[source] StateError),
    /// A message that is none.
    #[error("this is no invitation")]
    Message(#[source] EvidenceError),
    /// Something that changes nothing.
    #[error("this does not change the enrolment")]
    Ignored(#[from] Ignored),
    /// No evidence is made. The next look tries it again.
    #[error("the machine makes no evidence")]
    Make(#[from] MakeError),
}

/// The machine that a node runs on, and what its firmware measured.
pub struct Hardware<'a> {
    /// The TPM.
    pub tpm: &'a Tpm,
    /// Who it is.
    pub identity: &'a Identity,
    /// Which registers are quoted: those of the verifier's policy.
    pub selection: &'a PcrSelection,
    /// The firmware's event log.
    pub log: &'a [u8],
    /// The security processor.
    pub guest: &'a dyn SnpGuest,
    /// How it is asked.
    pub snp: SnpInputs<'a>,
}

/// What the registrar is sent, or its operator told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing at this height.
    Wait,
    /// A join request.
    Join(Vec<u8>),
    /// Evidence to enrol with.
    Enrol(Vec<u8>),
    /// Evidence to attest with.
    Attest(Vec<u8>),
    /// The ticket opens nothing: install the node with another one.
    GetTicket,
}

/// A node's enrolment, as it is kept.
pub struct Enrolment {
    file: StateFile,
    node: Node,
}

impl Enrolment {
    /// Begins anew with a ticket, whatever was kept before.
    pub fn install(
        folder: &Path,
        identity: &Identity,
        keys: NodeKeys,
        code: [u8; 32],
    ) -> Result<Self, EnrolmentError> {
        let (ek_public, ak_public) = (identity.ek_public.clone(), identity.ak_public.clone());
        let node = Node::new(Installation { code, ek_public, ak_public, keys })
            .map_err(EnrolmentError::Installation)?;
        let mut enrolment = Self { file: StateFile::new(folder), node: node.clone() };
        enrolment.keep(node)?;
        Ok(enrolment)
    }

    /// Goes on where it was; none if nothing was installed in this folder.
    pub fn resume(
        folder: &Path,
        identity: &Identity,
        keys: &NodeKeys,
    ) -> Result<Option<Self>, EnrolmentError> {
        let file = StateFile::new(folder);
        let path = file.path();
        let kept = file.read();
        let kept = kept.map_err(|source| EnrolmentError::Keep { path: path.clone(), source })?;
        let Some(bytes) = kept else { return Ok(None) };
        let node = Node::decode(&bytes)
            .map_err(|source| EnrolmentError::Damaged { path: path.clone(), source })?;
        let Installation { ek_public, ak_public, keys: kept_keys, .. } = node.installation();
        let same = [
            ("TPM", *ek_public == identity.ek_public && *ak_public == identity.ak_public),
            ("node: its keys are not these", kept_keys == keys),
        ];
        match same.into_iter().find(|(_, is_same)| !is_same) {
            Some((what, _)) => Err(EnrolmentError::Other { path, what }),
            None => Ok(Some(Self { file, node })),
        }
    }

    /// The state.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// An invitation has come. The TPM sees it at the next look.
    pub fn invited(&mut self, message: &[u8]) -> Result<(), EnrolmentError> {
        let invitation = Invitation::decode(message).map_err(EnrolmentError::Message)?;
        let mut node = self.node.clone();
        node.invited(invitation)?;
        self.keep(node)
    }

    /// Looks at what the registrar's state says, whose root at that height is `root`, and makes what is to be sent.
    pub fn look(
        &mut self,
        standing: &Standing,
        root: [u8; 32],
        hardware: &Hardware<'_>,
        pace: &Pace,
    ) -> Result<Step, EnrolmentError> {
        let evidence = |proof: &Proof, node: &Node| {
            let anchor = Anchor { height: standing.height, root };
            let keys = node.installation().keys.clone();
            hardware.evidence(Statement { role: Role::Machine, anchor, keys }, proof)
        };
        match self.advance(standing, pace)? {
            Next::Wait => Ok(Step::Wait),
            Next::GetTicket => Ok(Step::GetTicket),
            Next::Ask(request) => Ok(Step::Join(request.encode())),
            Next::Enrol(proof) => Ok(Step::Enrol(evidence(&proof, &self.node)?)),
            Next::Attest(proof) => Ok(Step::Attest(evidence(&proof, &self.node)?)),
            Next::Open(challenge) => {
                let secret = hardware.open(&challenge)?;
                let mut node = self.node.clone();
                node.opened(&challenge_id(&challenge), secret.as_ref().map(Secret::expose))?;
                self.keep(node)?;
                // What was opened is shown at once; otherwise there is nothing to do but to wait.
                match self.advance(standing, pace)? {
                    Next::Enrol(proof) => Ok(Step::Enrol(evidence(&proof, &self.node)?)),
                    _ => Ok(Step::Wait),
                }
            }
        }
    }

    fn advance(&mut self, standing: &Standing, pace: &Pace) -> Result<Next, EnrolmentError> {
        let mut node = self.node.clone();
        let next = node.look(standing, pace)?;
        self.keep(node)?;
        Ok(next)
    }

    /// What cannot be kept has not happened.
    fn keep(&mut self, node: Node) -> Result<(), EnrolmentError> {
        let written = self.file.write(&node.encode());
        written.map_err(|source| EnrolmentError::Keep { path: self.file.path(), source })?;
        self.node = node;
        Ok(())
    }
}

impl Hardware<'_> {
    /// None if the challenge is for other keys, or is none.
    fn open(&self, challenge: &Challenge) -> Result<Option<Secret>, MakeError> {
        match open_challenge(self.tpm, self.identity.kind, challenge) {
            Ok(opened) => Ok(Some(opened.secret)),
            Err(
                MakeError::Challenge(_)
                | MakeError::Tpm(TpmError::Refused { .. } | TpmError::BadInput { .. }),
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn evidence(&self, statement: Statement, proof: &Proof) -> Result<Vec<u8>, MakeError> {
        let secret = Secret::new(proof.secret.to_vec())?;
        let challenge = OpenedChallenge { id: proof.challenge, secret };
        let guest = guest_name(self.guest, self.snp.vmpl)?;
        let inputs = TpmInputs {
            identity: self.identity,
            challenge: &challenge,
            selection: self.selection,
            log: self.log,
            guest: Some(&guest),
        };
        let tpm = tpm_part(self.tpm, &statement, &inputs)?;
        let snp = snp_part(self.guest, &statement, &self.snp)?;
        Ok(Evidence::new(statement, Some(tpm), Some(snp))?.encode())
    }
}
