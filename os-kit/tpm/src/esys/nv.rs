//! NV indices: one function for each TPM command.

use super::keys::keys_own_scheme;
use super::values::{Signed, checked, signed};
use super::{Esys, Out, Sessions, Tr, call};
use crate::error::TpmError;
use tss_esapi::structures::{Auth, Data, MaxNvBuffer, NvPublic};
use tss_esapi::tss2_esys as c;

/// Whose authorization a command on an index uses.
#[derive(Clone, Copy)]
pub enum NvAuth {
    Owner,
    /// The authorization value of the index itself.
    Index,
}

impl NvAuth {
    fn tr(self, index: Tr) -> Tr {
        match self {
            Self::Owner => c::ESYS_TR_RH_OWNER,
            Self::Index => index,
        }
    }
}

impl Esys {
    /// TPM2_NV_DefineSpace by the owner.
    pub fn nv_define(
        &self,
        sessions: Sessions,
        auth: &Auth,
        public: c::TPM2B_NV_PUBLIC,
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let auth: c::TPM2B_AUTH = auth.clone().into();
        let mut index = c::ESYS_TR_NONE;
        call!(
            self,
            "NV_DefineSpace",
            Esys_NV_DefineSpace(c::ESYS_TR_RH_OWNER, s1, s2, s3, &auth, &public, &mut index,)
        )?;
        self.close(index);
        Ok(())
    }

    /// TPM2_NV_UndefineSpace by the owner. The library's number for the index ends with it.
    pub fn nv_undefine(&self, index: Tr, sessions: Sessions) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        call!(
            self,
            "NV_UndefineSpace",
            Esys_NV_UndefineSpace(c::ESYS_TR_RH_OWNER, index, s1, s2, s3,)
        )?;
        self.is_gone(index);
        Ok(())
    }

    /// TPM2_NV_ReadPublic.
    pub fn nv_read_public(&self, index: Tr) -> Result<NvPublic, TpmError> {
        const DURING: &str = "NV_ReadPublic";
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let (mut public, mut name) = (Out::new(), Out::new());
        call!(
            self,
            "NV_ReadPublic",
            Esys_NV_ReadPublic(index, s1, s2, s3, public.place(), name.place(),)
        )?;
        let _: c::TPM2B_NAME = name.take(DURING)?;
        let public: c::TPM2B_NV_PUBLIC = public.take(DURING)?;
        checked(DURING, NvPublic::try_from(public))
    }

    /// TPM2_NV_Read.
    pub fn nv_read(
        &self,
        index: Tr,
        auth: NvAuth,
        sessions: Sessions,
        offset: u16,
        bytes: u16,
    ) -> Result<MaxNvBuffer, TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let mut data = Out::new();
        call!(
            self,
            "NV_Read",
            Esys_NV_Read(auth.tr(index), index, s1, s2, s3, bytes, offset, data.place(),)
        )?;
        let data: c::TPM2B_MAX_NV_BUFFER = data.take("NV_Read")?;
        checked("NV_Read", MaxNvBuffer::try_from(data))
    }

    /// TPM2_NV_Write from the beginning of the index.
    pub fn nv_write(
        &self,
        index: Tr,
        auth: NvAuth,
        sessions: Sessions,
        data: &MaxNvBuffer,
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let data: c::TPM2B_MAX_NV_BUFFER = data.clone().into();
        call!(self, "NV_Write", Esys_NV_Write(auth.tr(index), index, s1, s2, s3, &data, 0))
    }

    /// TPM2_NV_Increment by the owner.
    pub fn nv_increment(&self, index: Tr, sessions: Sessions) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        call!(self, "NV_Increment", Esys_NV_Increment(c::ESYS_TR_RH_OWNER, index, s1, s2, s3))
    }

    /// TPM2_NV_Certify: a signed statement of what an index holds. The first session authorizes the
    /// key, the second the reading of the index.
    pub fn nv_certify(
        &self,
        key: Tr,
        index: Tr,
        sessions: Sessions,
        qualifying: &Data,
        bytes: u16,
    ) -> Result<Signed, TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let qualifying: c::TPM2B_DATA = qualifying.clone().into();
        let (mut message, mut signature) = (Out::new(), Out::new());
        call!(
            self,
            "NV_Certify",
            Esys_NV_Certify(
                key,
                index,
                index,
                s1,
                s2,
                s3,
                &qualifying,
                &keys_own_scheme(),
                bytes,
                0,
                message.place(),
                signature.place(),
            )
        )?;
        signed("NV_Certify", message, signature)
    }
}
