//! The TPM as a whole: what it has, its hierarchies, and random numbers.

use super::values::{Wiped, checked};
use super::{Esys, Out, Sessions, Tr, call};
use crate::error::TpmError;
use tss_esapi::structures::{Auth, CapabilityData, Digest};
use tss_esapi::tss2_esys as c;

impl Esys {
    /// TPM2_GetCapability: up to `count` entries from `property` on.
    pub fn capability(
        &self,
        capability: u32,
        property: u32,
        count: u32,
    ) -> Result<CapabilityData, TpmError> {
        const DURING: &str = "GetCapability";
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let (mut more, mut data) = (0, Out::new());
        call!(
            self,
            "GetCapability",
            Esys_GetCapability(s1, s2, s3, capability, property, count, &mut more, data.place(),)
        )?;
        let data: c::TPMS_CAPABILITY_DATA = data.take(DURING)?;
        checked(DURING, CapabilityData::try_from(data))
    }

    /// TPM2_EvictControl: keeps a loaded key at a persistent handle.
    pub fn persist(&self, key: Tr, handle: u32, owner: Sessions) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = owner;
        let mut kept = c::ESYS_TR_NONE;
        call!(
            self,
            "EvictControl",
            Esys_EvictControl(c::ESYS_TR_RH_OWNER, key, s1, s2, s3, handle, &mut kept,)
        )?;
        self.close(kept);
        Ok(())
    }

    /// TPM2_HierarchyChangeAuth.
    pub fn change_hierarchy_auth(
        &self,
        hierarchy: Tr,
        sessions: Sessions,
        auth: &Auth,
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let auth = Wiped::<c::TPM2B_AUTH>(auth.clone().into());
        call!(
            self,
            "HierarchyChangeAuth",
            Esys_HierarchyChangeAuth(hierarchy, s1, s2, s3, &auth.0,)
        )
    }

    /// TPM2_Clear: a new owner seed; owner and endorsement objects are gone.
    pub fn clear(&self, sessions: Sessions) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        call!(self, "Clear", Esys_Clear(c::ESYS_TR_RH_LOCKOUT, s1, s2, s3))
    }

    /// TPM2_DictionaryAttackLockReset.
    pub fn reset_lockout(&self, sessions: Sessions) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        call!(
            self,
            "DictionaryAttackLockReset",
            Esys_DictionaryAttackLockReset(c::ESYS_TR_RH_LOCKOUT, s1, s2, s3,)
        )
    }

    /// TPM2_GetRandom, up to 32 bytes.
    pub fn random(&self, bytes: u16, sessions: Sessions) -> Result<Digest, TpmError> {
        const DURING: &str = "GetRandom";
        let Sessions(s1, s2, s3) = sessions;
        let mut random = Out::new();
        call!(self, "GetRandom", Esys_GetRandom(s1, s2, s3, bytes, random.place()))?;
        let random = Wiped::<c::TPM2B_DIGEST>(random.take(DURING)?);
        checked(DURING, Digest::try_from(random.0))
    }
}
