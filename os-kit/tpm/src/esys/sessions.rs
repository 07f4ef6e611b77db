//! Sessions, and the library's numbers for what has a handle in the TPM.

use super::values::{SessionKind, checked};
use super::{Encrypt, Esys, Found, Held, Out, Tr, call};
use crate::error::TpmError;
use std::ptr::null;
use tss_esapi::constants::tss as tpm;
use tss_esapi::structures::{Auth, Name};
use tss_esapi::tss2_esys as c;

impl Esys {
    /// TPM2_StartAuthSession with SHA-256 and AES-128 in CFB mode. With a salt key the session key is
    /// known to the holder of that key alone.
    pub fn start_session(&self, salt: Option<Tr>, kind: SessionKind) -> Result<Held<'_>, TpmError> {
        self.start_session_with(salt, kind, tpm::TPM2_ALG_SHA256)
    }

    /// As `start_session`, with another hash: that of the policy to satisfy.
    pub fn start_session_with(
        &self,
        salt: Option<Tr>,
        kind: SessionKind,
        hash: u16,
    ) -> Result<Held<'_>, TpmError> {
        let kind = match kind {
            SessionKind::Hmac => tpm::TPM2_SE_HMAC,
            SessionKind::Policy => tpm::TPM2_SE_POLICY,
            SessionKind::Trial => tpm::TPM2_SE_TRIAL,
        };
        let symmetric = c::TPMT_SYM_DEF {
            algorithm: tpm::TPM2_ALG_AES,
            keyBits: c::TPMU_SYM_KEY_BITS { aes: 128 },
            mode: c::TPMU_SYM_MODE { aes: tpm::TPM2_ALG_CFB },
        };
        let mut session = c::ESYS_TR_NONE;
        call!(
            self,
            "StartAuthSession",
            Esys_StartAuthSession(
                salt.unwrap_or(c::ESYS_TR_NONE),
                c::ESYS_TR_NONE,
                c::ESYS_TR_NONE,
                c::ESYS_TR_NONE,
                c::ESYS_TR_NONE,
                null(),
                kind,
                &symmetric,
                hash,
                &mut session,
            )
        )?;
        let held = self.hold(session);
        self.set_encryption(held.tr(), Encrypt::Nothing)?;
        Ok(held)
    }

    /// Says what a session encrypts in the next commands. It goes on after each of them.
    pub fn set_encryption(&self, session: Tr, encrypt: Encrypt) -> Result<(), TpmError> {
        let flags = tpm::TPMA_SESSION_CONTINUESESSION
            | match encrypt {
                Encrypt::Nothing => 0,
                Encrypt::Command => tpm::TPMA_SESSION_DECRYPT, // By the TPM.
                Encrypt::Response => tpm::TPMA_SESSION_ENCRYPT,
            };
        call!(self, "TRSess_SetAttributes", Esys_TRSess_SetAttributes(session, flags, 0xff))
    }

    /// Flushes without saying how it went: the caller is done with it, and a lost connection has
    /// freed it already.
    pub fn flush(&self, tr: Tr) {
        self.held.set(self.held.get().saturating_sub(1));
        if self.is_broken() {
            return;
        }
        if let Err(error) = call!(self, "FlushContext", Esys_FlushContext(tr)) {
            log::warn!("a key or session stays in the TPM: {error}");
        }
    }

    /// TPM2_FlushContext of something that this connection did not make.
    pub fn flush_handle(&self, handle: u32) -> Result<(), TpmError> {
        let none = c::ESYS_TR_NONE;
        let mut tr = none;
        call!(self, "FlushContext", Esys_TR_FromTPMPublic(handle, none, none, none, &mut tr))?;
        call!(self, "FlushContext", Esys_FlushContext(tr))
    }

    /// Looks for what has a handle of its own in the TPM.
    pub fn find(&self, handle: u32) -> Result<Found<'_>, TpmError> {
        if let Some((tr, uses)) = self.found.borrow_mut().get_mut(&handle) {
            *uses += 1;
            return Ok(Found { esys: self, handle, tr: *tr });
        }
        let none = c::ESYS_TR_NONE;
        let mut tr = none;
        call!(self, "ReadPublic", Esys_TR_FromTPMPublic(handle, none, none, none, &mut tr))?;
        self.found.borrow_mut().insert(handle, (tr, 1));
        Ok(Found { esys: self, handle, tr })
    }

    /// Gives the number back after its last use.
    pub(super) fn let_go(&self, handle: u32) {
        let mut found = self.found.borrow_mut();
        let Some((tr, uses)) = found.get_mut(&handle) else { return };
        *uses -= 1;
        if *uses == 0 {
            let tr = *tr;
            found.remove(&handle);
            self.close(tr);
        }
    }

    /// The library closed the number of an index itself, since it was removed.
    pub(super) fn is_gone(&self, tr: Tr) {
        self.found.borrow_mut().retain(|_, (found, _)| *found != tr);
    }

    pub(super) fn close(&self, mut tr: Tr) {
        if let Err(error) = call!(self, "TR_Close", Esys_TR_Close(&mut tr)) {
            log::warn!("the TPM library keeps a number that is not used any more: {error}");
        }
    }

    /// Tells the library the authorization value of something. Nothing is sent.
    pub fn set_auth(&self, tr: Tr, auth: &Auth) -> Result<(), TpmError> {
        let auth: c::TPM2B_AUTH = auth.clone().into();
        call!(self, "TR_SetAuth", Esys_TR_SetAuth(tr, &auth))
    }

    /// The name of something that the library knows.
    pub fn name(&self, tr: Tr) -> Result<Name, TpmError> {
        let mut name = Out::new();
        call!(self, "TR_GetName", Esys_TR_GetName(tr, name.place()))?;
        let name: c::TPM2B_NAME = name.take("TR_GetName")?;
        checked("TR_GetName", Name::try_from(name))
    }
}
