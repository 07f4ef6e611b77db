//! Secrets that open to an approved release alone, and how a release proves that it is one.

use crate::error::{TpmError, code};
use crate::esys::values::{SessionKind, Wrapped, checked};
use crate::esys::{Encrypt, Held, Tr};
use crate::nv::NvIndex;
use crate::owner::digest;
use crate::policy::{Allowed, Approval, ApprovalKey, Branch, PolicyDigest, SignedPolicy};
use crate::secret::Secret;
use crate::template;
use crate::tpm::Tpm;
use tss_esapi::structures::{Digest, DigestList, Private, Public, SensitiveData};
use tss_esapi::traits::{Marshall, UnMarshall};

/// Tells sealed secrets from other files, and their versions apart.
const MAGIC: &[u8; 8] = b"plseal\0\x01";

/// A sealed secret as it is kept on disk. It is no secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    private: Vec<u8>,
    public: Vec<u8>,
}

impl Sealed {
    /// Magic, then TPM2B_PRIVATE's and TPMT_PUBLIC's bytes, each after its length in two bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for part in [&self.private, &self.public] {
            let length = u16::try_from(part.len()).expect("the TPM's structures have 2-byte sizes");
            bytes.extend(length.to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    /// Reads what `to_bytes` wrote. The TPM checks the content when it is loaded.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TpmError> {
        let unreadable =
            || TpmError::bad_input("this is no sealed secret: restore the file, or seal again");
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(unreadable)?;
        let (private, rest) = part(rest).ok_or_else(unreadable)?;
        let (public, rest) = part(rest).ok_or_else(unreadable)?;
        if !rest.is_empty() {
            return Err(unreadable());
        }
        Ok(Self { private: private.to_vec(), public: public.to_vec() })
    }

    fn wrapped(&self) -> Result<Wrapped, TpmError> {
        let unreadable = |_| TpmError::bad_input("the sealed secret is damaged: restore the file");
        Ok(Wrapped {
            private: Private::try_from(self.private.as_slice()).map_err(unreadable)?,
            public: Public::unmarshall(&self.public).map_err(unreadable)?,
        })
    }
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// What a release shows the TPM: what it is, what is allowed, and by whom.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What holds while the release runs.
    pub branch: Branch,
    /// All that is allowed, the branch among it.
    pub allowed: Allowed,
    /// Who allows it.
    pub by: ApprovedBy,
}

/// Who allows a policy, and what shows it.
#[derive(Clone, Debug)]
pub enum ApprovedBy {
    /// The index holds the digest.
    Nv(NvIndex),
    /// The key signed the digest.
    Key(ApprovalKey, SignedPolicy),
}

impl ApprovedBy {
    /// What secrets are sealed to.
    pub fn approval(&self) -> Approval {
        match self {
            Self::Nv(index) => Approval::Nv(*index),
            Self::Key(key, _) => Approval::Key(key.clone()),
        }
    }
}

impl Tpm {
    /// Seals a secret to whatever the approval allows at the time of opening.
    pub fn seal(&self, secret: &Secret, approval: &Approval) -> Result<Sealed, TpmError> {
        let secret = checked("Create", SensitiveData::try_from(secret.expose()))?;
        let template = template::sealed(approval.digest())?;
        let wrapped = self.with_storage_key(|parent| {
            let sessions = self.session(Encrypt::Command)?;
            self.esys().create_sealed(parent, sessions, &template, &secret)
        })?;
        Ok(Sealed {
            private: wrapped.private.value().to_vec(),
            public: checked("Create", wrapped.public.marshall())?,
        })
    }

    /// Opens a sealed secret.
    pub fn unseal(&self, sealed: &Sealed, proof: &Proof) -> Result<Secret, TpmError> {
        let wrapped = sealed.wrapped()?;
        let object = self.with_storage_key(|parent| {
            self.esys().load(parent, self.session(Encrypt::Nothing)?, &wrapped)
        })?;
        let policy = self.prove(proof)?;
        let sessions = self.policy_and_session(&policy, Encrypt::Response)?;
        let secret = self.esys().unseal(object.tr(), sessions)?;
        Secret::new(secret.value().to_vec())
    }

    /// A policy session in which the TPM has accepted the proof.
    pub(crate) fn prove(&self, proof: &Proof) -> Result<Held<'_>, TpmError> {
        self.take_steps(SessionKind::Policy, proof)
    }

    /// The digest that the TPM itself computes for the steps of a proof, in a trial session: a check of
    /// the digests computed here.
    pub fn trial_digest(&self, proof: &Proof) -> Result<PolicyDigest, TpmError> {
        let session = self.take_steps(SessionKind::Trial, proof)?;
        self.digest_of(&session)
    }

    /// As `trial_digest`, for the steps of a branch alone.
    pub fn trial_branch_digest(&self, branch: &Branch) -> Result<PolicyDigest, TpmError> {
        let session = self.esys().start_session(None, SessionKind::Trial)?;
        self.take_branch(session.tr(), branch)?;
        self.digest_of(&session)
    }

    fn digest_of(&self, session: &Held<'_>) -> Result<PolicyDigest, TpmError> {
        let digest = self.esys().policy_digest(session.tr())?;
        let digest = digest.value().try_into().map(PolicyDigest);
        digest.map_err(|_| TpmError::nonsense("PolicyGetDigest", "another hash"))
    }

    fn take_steps(&self, kind: SessionKind, proof: &Proof) -> Result<Held<'_>, TpmError> {
        if !proof.allowed.has(proof.branch.digest()) {
            return Err(TpmError::bad_input("the release is not among those that are allowed"));
        }
        let session = self.esys().start_session(None, kind)?;
        self.take_branch(session.tr(), &proof.branch)?;
        if proof.allowed.branches().len() > 1 {
            let mut branches = DigestList::new();
            for branch in proof.allowed.branches() {
                checked("PolicyOR", branches.add(digest(*branch)?))?;
            }
            self.esys().policy_or(session.tr(), &branches).map_err(refused("PolicyOR"))?;
        }
        match &proof.by {
            ApprovedBy::Nv(index) => self.with_written(index, |tr| {
                let sessions = self.session(Encrypt::Nothing)?;
                let result = self.esys().policy_authorize_nv(session.tr(), tr, sessions);
                result.map_err(refused("PolicyAuthorizeNV"))
            })?,
            ApprovedBy::Key(key, signed) => {
                self.take_signed(session.tr(), &proof.allowed, key, signed)?;
            }
        }
        Ok(session)
    }

    fn take_branch(&self, session: Tr, branch: &Branch) -> Result<(), TpmError> {
        let selection = branch.pcrs.selection();
        if selection.is_empty() {
            return Err(TpmError::bad_input("a policy wants at least one PCR"));
        }
        let values = checked("PolicyPCR", Digest::try_from(branch.pcrs.digest().as_slice()))?;
        self.esys().policy_pcr(session, &values, &selection).map_err(refused("PolicyPCR"))?;
        let Some(limit) = &branch.counter else { return Ok(()) };
        self.with_written(&limit.counter, |tr| {
            let sessions = self.session(Encrypt::Nothing)?;
            self.esys().policy_nv_at_most(session, tr, sessions, limit.most)
        })
    }

    fn take_signed(
        &self,
        session: Tr,
        allowed: &Allowed,
        key: &ApprovalKey,
        signed: &SignedPolicy,
    ) -> Result<(), TpmError> {
        let esys = self.esys();
        let allowed = allowed.digest();
        let key = esys.load_public(&key.public)?;
        let to_sign = SignedPolicy::digest_to_sign(allowed);
        let to_sign = checked("VerifySignature", Digest::try_from(to_sign.as_slice()))?;
        let ticket =
            esys.verify_signature(key.tr(), &to_sign, &signed.signature).map_err(|error| {
                if error.is_code(code::SIGNATURE) {
                    TpmError::PolicyRefused { during: "VerifySignature" }
                } else {
                    error
                }
            })?;
        let result = esys.policy_authorize(session, &digest(allowed)?, key.tr(), ticket);
        result.map_err(refused("PolicyAuthorize"))
    }
}

/// Policy commands say "wrong value" when what they demand does not hold.
fn refused(during: &'static str) -> impl Fn(TpmError) -> TpmError {
    move |error| {
        if error.is_code(code::VALUE) { TpmError::PolicyRefused { during } } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_is_read_back_and_damage_is_found() {
        let sealed = Sealed { private: vec![1; 100], public: vec![2; 50] };
        let bytes = sealed.to_bytes();
        assert_eq!(Sealed::from_bytes(&bytes).unwrap(), sealed);
        for length in 0..bytes.len() {
            assert!(Sealed::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(Sealed::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}
