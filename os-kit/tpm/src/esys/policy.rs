//! Steps of a policy session: one function for each TPM command.

use super::registers::pcr_selection;
use super::values::checked;
use super::{Esys, Held, Out, Sessions, Tr, call};
use crate::error::TpmError;
use crate::pcr::PcrSelection;
use tss_esapi::constants::tss as tpm;
use tss_esapi::structures::{Digest, DigestList, Nonce, Public, Signature, VerifiedTicket};
use tss_esapi::tss2_esys as c;

impl Esys {
    /// TPM2_PolicyPCR: the PCRs must have the values that this is the digest of.
    pub fn policy_pcr(
        &self,
        session: Tr,
        values: &Digest,
        selection: &PcrSelection,
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let values: c::TPM2B_DIGEST = values.clone().into();
        let selection = pcr_selection(selection);
        call!(self, "PolicyPCR", Esys_PolicyPCR(session, s1, s2, s3, &values, &selection))
    }

    /// TPM2_PolicyOR: the policy so far must be one of these.
    pub fn policy_or(&self, session: Tr, branches: &DigestList) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let branches: c::TPML_DIGEST = checked("PolicyOR", branches.clone().try_into())?;
        call!(self, "PolicyOR", Esys_PolicyOR(session, s1, s2, s3, &branches))
    }

    /// TPM2_PolicySecret with the authorization of the endorsement hierarchy.
    pub fn policy_endorsement(&self, session: Tr, sessions: Sessions) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let nothing = c::TPM2B_NONCE::default();
        let command = c::TPM2B_DIGEST::default();
        let (mut timeout, mut ticket) = (Out::new(), Out::new());
        call!(
            self,
            "PolicySecret",
            Esys_PolicySecret(
                c::ESYS_TR_RH_ENDORSEMENT,
                session,
                s1,
                s2,
                s3,
                &nothing,
                &command,
                &nothing,
                0,
                timeout.place(),
                ticket.place(),
            )
        )
    }

    /// TPM2_PolicyNV: the eight bytes of the index must be at most the operand, as an unsigned number.
    pub fn policy_nv_at_most(
        &self,
        session: Tr,
        index: Tr,
        sessions: Sessions,
        operand: u64,
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let mut most = c::TPM2B_OPERAND { size: 8, ..Default::default() };
        most.buffer[..8].copy_from_slice(&operand.to_be_bytes());
        call!(
            self,
            "PolicyNV",
            Esys_PolicyNV(index, index, session, s1, s2, s3, &most, 0, tpm::TPM2_EO_UNSIGNED_LE,)
        )
    }

    /// TPM2_PolicyAuthorizeNV: the policy so far must be what the index holds.
    pub fn policy_authorize_nv(
        &self,
        session: Tr,
        index: Tr,
        sessions: Sessions,
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        call!(self, "PolicyAuthorizeNV", Esys_PolicyAuthorizeNV(index, index, session, s1, s2, s3))
    }

    /// TPM2_PolicyAuthorize: the policy so far must be the approved one.
    pub fn policy_authorize(
        &self,
        session: Tr,
        approved: &Digest,
        key: Tr,
        ticket: VerifiedTicket,
    ) -> Result<(), TpmError> {
        const DURING: &str = "PolicyAuthorize";
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let approved: c::TPM2B_DIGEST = approved.clone().into();
        let no_reference: c::TPM2B_NONCE = Nonce::default().into();
        let key: c::TPM2B_NAME = self.name(key)?.into();
        let ticket: c::TPMT_TK_VERIFIED = checked(DURING, ticket.try_into())?;
        call!(
            self,
            "PolicyAuthorize",
            Esys_PolicyAuthorize(session, s1, s2, s3, &approved, &no_reference, &key, &ticket,)
        )
    }

    /// TPM2_LoadExternal of a public key. It is put into the owner hierarchy: tickets of the null
    /// hierarchy do not authorize anything.
    pub fn load_public(&self, public: &Public) -> Result<Held<'_>, TpmError> {
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let public: c::TPM2B_PUBLIC = checked("LoadExternal", public.clone().try_into())?;
        let mut key = c::ESYS_TR_NONE;
        call!(
            self,
            "LoadExternal",
            Esys_LoadExternal(s1, s2, s3, std::ptr::null(), &public, tpm::TPM2_RH_OWNER, &mut key,)
        )?;
        Ok(self.hold(key))
    }

    /// TPM2_VerifySignature.
    pub fn verify_signature(
        &self,
        key: Tr,
        digest: &Digest,
        signature: &Signature,
    ) -> Result<VerifiedTicket, TpmError> {
        const DURING: &str = "VerifySignature";
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let digest: c::TPM2B_DIGEST = digest.clone().into();
        let signature: c::TPMT_SIGNATURE = checked(DURING, signature.clone().try_into())?;
        let mut ticket = Out::new();
        call!(
            self,
            "VerifySignature",
            Esys_VerifySignature(key, s1, s2, s3, &digest, &signature, ticket.place(),)
        )?;
        let ticket: c::TPMT_TK_VERIFIED = ticket.take(DURING)?;
        checked(DURING, VerifiedTicket::try_from(ticket))
    }

    /// TPM2_PolicyGetDigest.
    pub fn policy_digest(&self, session: Tr) -> Result<Digest, TpmError> {
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let mut digest = Out::new();
        call!(self, "PolicyGetDigest", Esys_PolicyGetDigest(session, s1, s2, s3, digest.place()))?;
        let digest: c::TPM2B_DIGEST = digest.take("PolicyGetDigest")?;
        checked("PolicyGetDigest", Digest::try_from(digest))
    }

    /// TPM2_SetPrimaryPolicy of the owner hierarchy or the lockout.
    pub fn set_hierarchy_policy(
        &self,
        hierarchy: Tr,
        sessions: Sessions,
        policy: &Digest,
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let policy: c::TPM2B_DIGEST = policy.clone().into();
        call!(
            self,
            "SetPrimaryPolicy",
            Esys_SetPrimaryPolicy(hierarchy, s1, s2, s3, &policy, tpm::TPM2_ALG_SHA256,)
        )
    }

    /// TPM2_SetPrimaryPolicy: the hierarchy has none any more.
    pub fn remove_hierarchy_policy(
        &self,
        hierarchy: Tr,
        sessions: Sessions,
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let none = c::TPM2B_DIGEST::default();
        call!(
            self,
            "SetPrimaryPolicy",
            Esys_SetPrimaryPolicy(hierarchy, s1, s2, s3, &none, tpm::TPM2_ALG_NULL,)
        )
    }
}
