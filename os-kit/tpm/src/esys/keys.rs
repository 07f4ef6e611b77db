//! Keys and sealed objects, and what keys sign: one function for each TPM command.

use super::registers::pcr_selection;
use super::values::{Created, Signed, Wiped, Wrapped, checked, signed};
use super::{Esys, Held, Out, Sessions, Tr, call};
use crate::error::TpmError;
use crate::pcr::PcrSelection;
use tss_esapi::constants::tss as tpm;
use tss_esapi::structures::{
    Data, Digest, EncryptedSecret, IdObject, Name, Private, Public, SensitiveData,
};
use tss_esapi::tss2_esys as c;

impl Esys {
    /// TPM2_ReadPublic.
    pub fn read_public(&self, key: Tr) -> Result<Public, TpmError> {
        Ok(self.read_public_and_ancestry(key)?.0)
    }

    /// TPM2_ReadPublic, with the qualified name: a hash over the key and all its parents.
    pub fn read_public_and_ancestry(&self, key: Tr) -> Result<(Public, Name), TpmError> {
        const DURING: &str = "ReadPublic";
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let (mut public, mut name, mut qualified) = (Out::new(), Out::new(), Out::new());
        call!(
            self,
            "ReadPublic",
            Esys_ReadPublic(key, s1, s2, s3, public.place(), name.place(), qualified.place(),)
        )?;
        let _: c::TPM2B_NAME = name.take(DURING)?;
        let qualified: c::TPM2B_NAME = qualified.take(DURING)?;
        let public: c::TPM2B_PUBLIC = public.take(DURING)?;
        Ok((
            checked(DURING, Public::try_from(public))?,
            checked(DURING, Name::try_from(qualified))?,
        ))
    }

    /// TPM2_CreatePrimary without a secret of the caller.
    pub fn create_primary(
        &self,
        hierarchy: Tr,
        sessions: Sessions,
        template: &Public,
    ) -> Result<Created<'_>, TpmError> {
        const DURING: &str = "CreatePrimary";
        let Sessions(s1, s2, s3) = sessions;
        let sensitive = c::TPM2B_SENSITIVE_CREATE::default();
        let template: c::TPM2B_PUBLIC = checked(DURING, template.clone().try_into())?;
        let (outside, pcrs) = (c::TPM2B_DATA::default(), c::TPML_PCR_SELECTION::default());
        let mut key = c::ESYS_TR_NONE;
        let mut public = Out::new();
        let (mut data, mut hash, mut ticket) = (Out::new(), Out::new(), Out::new());
        call!(
            self,
            "CreatePrimary",
            Esys_CreatePrimary(
                hierarchy,
                s1,
                s2,
                s3,
                &sensitive,
                &template,
                &outside,
                &pcrs,
                &mut key,
                public.place(),
                data.place(),
                hash.place(),
                ticket.place(),
            )
        )?;
        let held = self.hold(key);
        let public: c::TPM2B_PUBLIC = public.take(DURING)?;
        Ok(Created { held, public: checked(DURING, Public::try_from(public))? })
    }

    /// TPM2_Create of an object that holds the caller's secret.
    pub fn create_sealed(
        &self,
        parent: Tr,
        sessions: Sessions,
        template: &Public,
        secret: &SensitiveData,
    ) -> Result<Wrapped, TpmError> {
        const DURING: &str = "Create";
        let Sessions(s1, s2, s3) = sessions;
        let template: c::TPM2B_PUBLIC = checked(DURING, template.clone().try_into())?;
        let mut sensitive = Wiped(c::TPM2B_SENSITIVE_CREATE::default());
        sensitive.0.sensitive.data = secret.clone().into();
        let (outside, pcrs) = (c::TPM2B_DATA::default(), c::TPML_PCR_SELECTION::default());
        let (mut private, mut public) = (Out::new(), Out::new());
        let (mut data, mut hash, mut ticket) = (Out::new(), Out::new(), Out::new());
        call!(
            self,
            "Create",
            Esys_Create(
                parent,
                s1,
                s2,
                s3,
                &sensitive.0,
                &template,
                &outside,
                &pcrs,
                private.place(),
                public.place(),
                data.place(),
                hash.place(),
                ticket.place(),
            )
        )?;
        let private: c::TPM2B_PRIVATE = private.take(DURING)?;
        let public: c::TPM2B_PUBLIC = public.take(DURING)?;
        Ok(Wrapped {
            private: checked(DURING, Private::try_from(private))?,
            public: checked(DURING, Public::try_from(public))?,
        })
    }

    /// TPM2_Load.
    pub fn load(
        &self,
        parent: Tr,
        sessions: Sessions,
        object: &Wrapped,
    ) -> Result<Held<'_>, TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let private: c::TPM2B_PRIVATE = object.private.clone().into();
        let public: c::TPM2B_PUBLIC = checked("Load", object.public.clone().try_into())?;
        let mut tr = c::ESYS_TR_NONE;
        call!(self, "Load", Esys_Load(parent, s1, s2, s3, &private, &public, &mut tr))?;
        Ok(self.hold(tr))
    }

    /// TPM2_Unseal. The caller's session must encrypt the response.
    pub fn unseal(&self, object: Tr, sessions: Sessions) -> Result<SensitiveData, TpmError> {
        const DURING: &str = "Unseal";
        let Sessions(s1, s2, s3) = sessions;
        let mut secret = Out::new();
        call!(self, "Unseal", Esys_Unseal(object, s1, s2, s3, secret.place()))?;
        let secret = Wiped::<c::TPM2B_SENSITIVE_DATA>(secret.take(DURING)?);
        checked(DURING, SensitiveData::try_from(secret.0))
    }

    /// TPM2_ActivateCredential. The caller's session must encrypt the response.
    pub fn activate_credential(
        &self,
        attestation_key: Tr,
        endorsement_key: Tr,
        sessions: Sessions,
        credential: &IdObject,
        secret: &EncryptedSecret,
    ) -> Result<Digest, TpmError> {
        const DURING: &str = "ActivateCredential";
        let Sessions(s1, s2, s3) = sessions;
        let credential: c::TPM2B_ID_OBJECT = credential.clone().into();
        let secret: c::TPM2B_ENCRYPTED_SECRET = secret.clone().into();
        let mut activated = Out::new();
        call!(
            self,
            "ActivateCredential",
            Esys_ActivateCredential(
                attestation_key,
                endorsement_key,
                s1,
                s2,
                s3,
                &credential,
                &secret,
                activated.place(),
            )
        )?;
        let activated = Wiped::<c::TPM2B_DIGEST>(activated.take(DURING)?);
        checked(DURING, Digest::try_from(activated.0))
    }

    /// TPM2_Quote with the key's own scheme.
    pub fn quote(
        &self,
        key: Tr,
        sessions: Sessions,
        qualifying: &Data,
        selection: &PcrSelection,
    ) -> Result<Signed, TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let qualifying: c::TPM2B_DATA = qualifying.clone().into();
        let selection = pcr_selection(selection);
        let (mut message, mut signature) = (Out::new(), Out::new());
        call!(
            self,
            "Quote",
            Esys_Quote(
                key,
                s1,
                s2,
                s3,
                &qualifying,
                &keys_own_scheme(),
                &selection,
                message.place(),
                signature.place(),
            )
        )?;
        signed("Quote", message, signature)
    }
}

/// "The scheme of the key": restricted keys allow no other.
pub(super) fn keys_own_scheme() -> c::TPMT_SIG_SCHEME {
    c::TPMT_SIG_SCHEME { scheme: tpm::TPM2_ALG_NULL, ..Default::default() }
}
