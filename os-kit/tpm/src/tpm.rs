//! A connection to a TPM with an encrypted channel in it.
//!
//! Opening a [`Tpm`] starts one HMAC session whose key is salted with the endorsement key: only that
//! TPM knows it. The session authorizes every command, and encrypts what is secret in it. A listener
//! on the bus learns nothing; an interposer who changes or answers a command is found out when the
//! caller expects the endorsement key by name.

use crate::address::TpmAddress;
use crate::endorsement::{self, EkKind, EndorsementKey, KeptKeys, ObjectName};
use crate::error::TpmError;
use crate::esys::values::{SessionKind, checked};
use crate::esys::{Encrypt, Esys, Held, Sessions, Tr};
use crate::link::Link;
use crate::pcr::{self, Bank, PcrSelection, PcrValues};
use crate::secret::Secret;
use std::time::Duration;
use tss_esapi::constants::tss as constants;
use tss_esapi::structures::{Auth, CapabilityData};
use tss_esapi::tss2_esys as c;

/// How long a command may take. Making an RSA key takes a minute on slow TPMs.
pub const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Which TPM must be at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Any: secrets are safe from listeners, not from one who answers in place of the TPM.
    AnyTpm,
    /// The one with this endorsement key, which the caller checked by its certificate.
    Endorsement(ObjectName),
}

/// A hierarchy of keys, with an authorization value and a policy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// The owner's: storage, indices.
    Owner,
    /// Identity: endorsement and attestation keys.
    Endorsement,
    /// Recovery from lockout, and TPM2_Clear.
    Lockout,
}

impl Hierarchy {
    pub(crate) fn tr(self) -> Tr {
        match self {
            Self::Owner => c::ESYS_TR_RH_OWNER,
            Self::Endorsement => c::ESYS_TR_RH_ENDORSEMENT,
            Self::Lockout => c::ESYS_TR_RH_LOCKOUT,
        }
    }
}

/// Facts about a TPM that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The owner hierarchy has an authorization value.
    pub owner_auth_set: bool,
    /// The endorsement hierarchy has an authorization value.
    pub endorsement_auth_set: bool,
    /// The lockout has an authorization value.
    pub lockout_auth_set: bool,
    /// Too many authorizations failed.
    pub locked_out: bool,
    /// Free slots for loaded keys.
    pub key_slots_free: u32,
}

/// An open TPM.
pub struct Tpm {
    esys: Esys,
    kept: KeptKeys,
    /// The salted session.
    channel: Tr,
}

impl Tpm {
    /// Connects and starts the encrypted channel.
    pub fn open(address: &TpmAddress, expect: &Expect) -> Result<Self, TpmError> {
        Self::open_within(address, expect, TIME_LIMIT)
    }

    /// As `open`, with another limit for the time that a command may take.
    pub fn open_within(
        address: &TpmAddress,
        expect: &Expect,
        time_limit: Duration,
    ) -> Result<Self, TpmError> {
        let link = Link::connect(address, time_limit)
            .map_err(|source| TpmError::Absent { address: address.clone(), source })?;
        let esys = Esys::new(link)?;
        let (kept, channel) = match start_channel(&esys, expect) {
            // What fills a software TPM is what programs left that ended without a word: nobody else is
            // connected. At the device the kernel tidies up after them.
            Err(TpmError::SlotsFull { .. }) if address.is_software() => {
                flush_leftovers(&esys)?;
                start_channel(&esys, expect)?
            }
            result => result?,
        };
        Ok(Self { esys, kept, channel })
    }

    /// Tells this connection an authorization value that was set before. Nothing is sent: it goes into
    /// the HMACs of later commands.
    pub fn know_auth(&mut self, hierarchy: Hierarchy, auth: &Secret) -> Result<(), TpmError> {
        let auth = auth_value(auth)?;
        self.esys.set_auth(hierarchy.tr(), &auth)
    }

    /// Sets the authorization value of a hierarchy, and knows it in this connection.
    pub fn set_auth(&mut self, hierarchy: Hierarchy, auth: &Secret) -> Result<(), TpmError> {
        let auth = auth_value(auth)?;
        let sessions = self.session(Encrypt::Command)?;
        self.esys.change_hierarchy_auth(hierarchy.tr(), sessions, &auth)?;
        self.esys.set_auth(hierarchy.tr(), &auth)
    }

    /// A random secret of 32 bytes out of the TPM, encrypted on the way.
    pub fn random_secret(&self) -> Result<Secret, TpmError> {
        let random = self.esys.random(32, self.session(Encrypt::Response)?)?;
        if random.value().len() != 32 {
            return Err(TpmError::nonsense("GetRandom", "too few bytes"));
        }
        Secret::new(random.value().to_vec())
    }

    /// Resets the count of failed authorizations.
    pub fn reset_lockout(&self) -> Result<(), TpmError> {
        self.esys.reset_lockout(self.session(Encrypt::Nothing)?)
    }

    /// Clears the TPM by the lockout authorization: all that was sealed on this machine is lost.
    pub fn clear(&self) -> Result<(), TpmError> {
        self.esys.clear(self.session(Encrypt::Nothing)?)
    }

    /// The endorsement key of a kind, made from its template and compared with the one that the TPM keeps
    /// where it keeps one, and its certificates.
    pub fn endorsement_key(&self, kind: EkKind) -> Result<EndorsementKey, TpmError> {
        endorsement::read(self, kind)
    }

    /// Reads the selected registers as of one moment.
    pub fn read_pcrs(&self, selection: &PcrSelection) -> Result<PcrValues, TpmError> {
        pcr::read_all(selection, |left| self.esys.pcr_read(left))
    }

    /// Extends a register with one digest for each bank.
    pub fn extend_pcr(&self, pcr: u8, digests: &[(Bank, Vec<u8>)]) -> Result<(), TpmError> {
        if pcr >= pcr::PCR_COUNT {
            return Err(TpmError::bad_input(format!("there is no PCR {pcr}: the last is 23")));
        }
        let repeated =
            (1..digests.len()).any(|at| digests[..at].iter().any(|d| d.0 == digests[at].0));
        if digests.is_empty() || repeated {
            return Err(TpmError::bad_input("give one digest for each bank to extend, once"));
        }
        self.esys.pcr_extend(pcr, self.session(Encrypt::Nothing)?, digests)
    }

    /// How the TPM is doing.
    pub fn condition(&self) -> Result<Condition, TpmError> {
        let permanent = self.property(constants::TPM2_PT_PERMANENT)?;
        Ok(Condition {
            owner_auth_set: permanent & 1 != 0,
            endorsement_auth_set: permanent >> 1 & 1 != 0,
            lockout_auth_set: permanent >> 2 & 1 != 0,
            locked_out: permanent >> 9 & 1 != 0,
            key_slots_free: self.property(constants::TPM2_PT_HR_TRANSIENT_AVAIL)?,
        })
    }

    /// Keys and sessions that this connection holds in the TPM at present, its channel included.
    pub fn held(&self) -> usize {
        self.esys.held()
    }

    pub(crate) fn esys(&self) -> &Esys {
        &self.esys
    }

    pub(crate) fn kept_keys(&self) -> &KeptKeys {
        &self.kept
    }

    /// The channel as the authorization of one command.
    pub(crate) fn session(&self, encrypt: Encrypt) -> Result<Sessions, TpmError> {
        self.esys.set_encryption(self.channel, encrypt)?;
        Ok(Sessions::one(self.channel))
    }

    /// A policy session as the authorization, and the channel where something is to be encrypted: the
    /// TPM refuses a session without a purpose.
    pub(crate) fn policy_and_session(
        &self,
        policy: &Held<'_>,
        encrypt: Encrypt,
    ) -> Result<Sessions, TpmError> {
        if encrypt == Encrypt::Nothing {
            return Ok(policy.one());
        }
        self.esys.set_encryption(self.channel, encrypt)?;
        Ok(Sessions::two(policy.tr(), self.channel))
    }

    /// The channel for the first authorization of a command, and a session for its second.
    pub(crate) fn session_and(&self, second: Tr, encrypt: Encrypt) -> Result<Sessions, TpmError> {
        self.esys.set_encryption(self.channel, encrypt)?;
        Ok(Sessions::two(self.channel, second))
    }

    pub(crate) fn property(&self, property: u32) -> Result<u32, TpmError> {
        const DURING: &str = "GetCapability";
        let data = self.esys.capability(constants::TPM2_CAP_TPM_PROPERTIES, property, 1)?;
        let CapabilityData::TpmProperties(list) = data else {
            return Err(TpmError::nonsense(DURING, "another kind of capability"));
        };
        let found = list.into_iter().find(|entry| u32::from(entry.property()) == property);
        found
            .map(|entry| entry.value())
            .ok_or_else(|| TpmError::nonsense(DURING, format!("no property {property:#x}")))
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        self.esys.flush(self.channel);
    }
}

fn start_channel(esys: &Esys, expect: &Expect) -> Result<(KeptKeys, Tr), TpmError> {
    let kept = KeptKeys::read(esys)?;
    let channel = endorsement::with_salt_key(esys, &kept, expect, |salt| {
        Ok(esys.start_session(Some(salt), SessionKind::Hmac)?.release())
    })?;
    Ok((kept, channel))
}

/// Handles of loaded keys, and of loaded sessions.
const LOADED: [(u32, u32); 2] = [(0x8000_0000, 0x80ff_ffff), (0x0200_0000, 0x02ff_ffff)];

fn flush_leftovers(esys: &Esys) -> Result<(), TpmError> {
    for (first, last) in LOADED {
        for handle in endorsement::handles(esys, first, last)? {
            log::warn!("flushing {handle:#010x}, which another program left in the software TPM");
            esys.flush_handle(handle)?;
        }
    }
    Ok(())
}

pub(crate) fn auth_value(secret: &Secret) -> Result<Auth, TpmError> {
    checked("HierarchyChangeAuth", Auth::try_from(secret.expose()))
        .map_err(|_| TpmError::bad_input("an authorization value has at most 32 bytes"))
}
