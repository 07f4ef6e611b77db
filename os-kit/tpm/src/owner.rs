//! Who acts as the owner of the TPM, and how a machine is set up so that only an approved release can.
//!
//! The owner hierarchy gets a random password that nobody keeps, and a policy: PolicyAuthorizeNV of
//! the index that holds the allowed policy. So the releases that the index allows are the owner: they
//! write the index (and so allow the next release), increment the counter, and nobody else does. There
//! is no vendor key, and no password to store (docs/decisions/062-the-approved-release-is-the-owner.md).

use crate::endorsement::{handles, name_of};
use crate::error::{TpmError, code};
use crate::esys::values::checked;
use crate::esys::{Encrypt, Held, Sessions, Tr};
use crate::nv::NvIndex;
use crate::policy::{Allowed, Approval, PolicyDigest, sha256_name};
use crate::seal::Proof;
use crate::template;
use crate::tpm::{Hierarchy, Tpm, auth_value};
use tss_esapi::constants::tss::TPM2_RH_OWNER;
use tss_esapi::structures::{Auth, Digest, Public};

/// The index that holds the allowed policy.
pub const ALLOWED_INDEX: u32 = 0x0180_504c;
/// The counter that retires releases.
pub const COUNTER_INDEX: u32 = 0x0180_504d;
/// Where the parent of sealed objects is kept.
pub const STORAGE_HANDLE: u32 = 0x8100_504c;

/// By what right a command of the owner is given.
#[derive(Clone, Copy)]
pub enum Owner<'a> {
    /// The owner's password, which is empty on a TPM that nobody has taken, or was told to the
    /// connection.
    Password,
    /// The policy of the owner: this proves that an approved release is running.
    Approved(&'a Proof),
}

/// What authorizes a change of a hierarchy's password.
enum By<'a> {
    Password,
    Policy(&'a Held<'a>),
}

/// The things that a machine's owner keeps in its TPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estate {
    /// Holds the allowed policy.
    pub allowed: NvIndex,
    /// Retires releases.
    pub counter: NvIndex,
}

impl Estate {
    /// At our usual handles.
    pub fn usual() -> Result<Self, TpmError> {
        Ok(Self {
            allowed: NvIndex::allowed_policy(ALLOWED_INDEX)?,
            counter: NvIndex::counter(COUNTER_INDEX)?,
        })
    }

    /// What secrets of this machine are sealed to.
    pub fn approval(&self) -> Approval {
        Approval::Nv(self.allowed)
    }
}

impl Tpm {
    /// Takes a TPM whose owner has no password: keeps the storage key, defines the counter and the index,
    /// allows the first policy, and closes the lockout and the owner hierarchy behind it. After a power
    /// loss the same call goes on where it stopped, until the last step; after that one the TPM is
    /// [`TpmError::Taken`].
    ///
    /// The first allowed release confirms its ownership before it relies on it.
    pub fn take_ownership(&self, estate: &Estate, first: &Allowed) -> Result<(), TpmError> {
        if self.condition()?.owner_auth_set {
            return Err(TpmError::Taken);
        }
        self.keep_storage_key()?;
        self.define(&estate.counter, Owner::Password)?;
        if self.counter(&estate.counter)?.is_none() {
            self.increment(&estate.counter, Owner::Password)?;
        }
        self.define(&estate.allowed, Owner::Password)?;
        self.allow_policy(&estate.allowed, first.digest(), Owner::Password)?;
        if !self.condition()?.lockout_auth_set {
            self.close(Hierarchy::Lockout, estate.approval().digest())?;
        }
        self.close(Hierarchy::Owner, estate.approval().digest())
    }

    /// Makes sure, as the running allowed release, that allowed releases are the only owner: both
    /// hierarchies must accept the policy, and get new passwords that nobody knows. Without this, who had
    /// the machine before could have set all up alike, with passwords of its own.
    pub fn confirm_ownership(&self, estate: &Estate, proof: &Proof) -> Result<(), TpmError> {
        if proof.by.approval() != estate.approval() {
            return Err(TpmError::bad_input("ownership is confirmed by what the index allows"));
        }
        self.with_storage_key(|_| Ok(()))?;
        if self.counter(&estate.counter)?.is_none() {
            return Err(TpmError::Missing {
                handle: estate.counter.handle(),
                what: "a value of the counter",
            });
        }
        for hierarchy in [Hierarchy::Lockout, Hierarchy::Owner] {
            let policy = self.prove(proof)?; // Refused here: this is not the allowed release.
            self.forget_password(hierarchy, By::Policy(&policy)).map_err(|error| match error {
                TpmError::PolicyRefused { .. } => TpmError::Taken, // Refused here: other policy.
                other => other,
            })?;
        }
        Ok(())
    }

    /// Gives a hierarchy a policy and a password that nobody knows. The policy is first: as long as the
    /// password is empty, it can be set again.
    fn close(&self, hierarchy: Hierarchy, policy: PolicyDigest) -> Result<(), TpmError> {
        let policy = digest(policy)?;
        let sessions = self.session(Encrypt::Command)?;
        self.esys().set_hierarchy_policy(hierarchy.tr(), sessions, &policy)?;
        self.forget_password(hierarchy, By::Password)
    }

    /// Sets a random password, and forgets it.
    fn forget_password(&self, hierarchy: Hierarchy, by: By<'_>) -> Result<(), TpmError> {
        let random = auth_value(&self.random_secret()?)?;
        let sessions = match by {
            By::Password => self.session(Encrypt::Command)?,
            By::Policy(policy) => self.policy_and_session(policy, Encrypt::Command)?,
        };
        self.esys().change_hierarchy_auth(hierarchy.tr(), sessions, &random)?;
        // The library remembers the password that it set. Nobody shall know it.
        self.esys().set_auth(hierarchy.tr(), &Auth::default())
    }

    /// Hands the machine back, as an approved release: the owner and the lockout have empty passwords
    /// and no policy again. What is sealed stays sealed, and is not protected any more. After a power loss
    /// the same call goes on where it stopped.
    pub fn give_up_ownership(&self, proof: &Proof) -> Result<(), TpmError> {
        for hierarchy in [Hierarchy::Lockout, Hierarchy::Owner] {
            let condition = self.condition()?;
            let closed = match hierarchy {
                Hierarchy::Lockout => condition.lockout_auth_set,
                _ => condition.owner_auth_set,
            };
            let tr = hierarchy.tr();
            if closed {
                let policy = self.prove(proof)?;
                let sessions = self.policy_and_session(&policy, Encrypt::Command)?;
                self.esys().change_hierarchy_auth(tr, sessions, &Auth::default())?;
            }
            self.esys().set_auth(tr, &Auth::default())?;
            self.esys().remove_hierarchy_policy(tr, self.session(Encrypt::Nothing)?)?;
        }
        Ok(())
    }

    /// Runs a command with the owner's authorization in the first session.
    pub(crate) fn as_owner<T>(
        &self,
        owner: Owner<'_>,
        encrypt: Encrypt,
        run: impl FnOnce(Sessions) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        match owner {
            Owner::Password => run(self.session(encrypt)?),
            Owner::Approved(proof) => {
                let policy = self.prove(proof)?;
                run(self.policy_and_session(&policy, encrypt)?)
            }
        }
    }

    /// Resets the count of failed authorizations, as an approved release.
    pub fn reset_lockout_as(&self, proof: &Proof) -> Result<(), TpmError> {
        let policy = self.prove(proof)?;
        let sessions = self.policy_and_session(&policy, Encrypt::Nothing)?;
        self.esys().reset_lockout(sessions)
    }

    /// Makes the storage key persistent. A closed owner hierarchy makes no keys without a proof, and
    /// the proof must not be needed to find the parent of sealed objects.
    fn keep_storage_key(&self) -> Result<(), TpmError> {
        if !handles(self.esys(), STORAGE_HANDLE, STORAGE_HANDLE)?.is_empty() {
            return self.with_storage_key(|_| Ok(()));
        }
        let sessions = self.session(Encrypt::Nothing)?;
        let template = template::storage_key()?;
        let key = self.esys().create_primary(Hierarchy::Owner.tr(), sessions, &template)?;
        let sessions = self.session(Encrypt::Nothing)?;
        self.esys().persist(key.held.tr(), STORAGE_HANDLE, sessions)
    }

    /// Runs something with the parent of sealed objects.
    pub(crate) fn with_storage_key<T>(
        &self,
        run: impl FnOnce(Tr) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let esys = self.esys();
        if handles(esys, STORAGE_HANDLE, STORAGE_HANDLE)?.is_empty() {
            return Err(TpmError::Missing { handle: STORAGE_HANDLE, what: "the storage key" });
        }
        let key = esys.find(STORAGE_HANDLE).map_err(|error| {
            // It is listed, and cannot be used.
            let off = error.is_code(code::HANDLE);
            if off { TpmError::HierarchyOff { during: "ReadPublic" } } else { error }
        })?;
        let (public, ancestry) = esys.read_public_and_ancestry(key.tr())?;
        if !template::is_storage_key(&public)? || ancestry.value() != owners_primary(&public)? {
            return Err(TpmError::Foreign { handle: STORAGE_HANDLE, what: "the storage key" });
        }
        run(key.tr())
    }
}

/// The qualified name of a primary key of the owner. A key of another hierarchy could look alike and
/// would outlive TPM2_Clear, and with it what is sealed under it.
fn owners_primary(public: &Public) -> Result<Vec<u8>, TpmError> {
    let name = name_of(public)?;
    Ok(sha256_name(&[TPM2_RH_OWNER.to_be_bytes().as_slice(), &name.0].concat()))
}

pub(crate) fn digest(policy: PolicyDigest) -> Result<Digest, TpmError> {
    checked("Policy", Digest::try_from(policy.0.as_slice()))
}
