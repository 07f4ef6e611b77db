//! Answering the call, and what is known about it.

use bytes::Bytes;

use super::effects::Answer;
use super::{MessageApi, data};
use crate::canister_error::CanisterError;
use crate::meter::Ic0;
use crate::sandbox::{ApiError, Guest};

impl MessageApi {
    pub(super) fn caller_info_data(&self) -> Bytes {
        self.input.sender_info.as_ref().map(|info| info.info.clone()).unwrap_or_default()
    }

    pub(super) fn caller_info_signer(&self) -> Vec<u8> {
        let info = self.input.sender_info.as_ref();
        info.map(|info| info.signer.as_slice().to_vec()).unwrap_or_default()
    }

    pub(super) fn reject_code(&self) -> u64 {
        self.input.reject.as_ref().map_or(0, |reject| reject.code as u64)
    }

    pub(super) fn reject_message(&self) -> &str {
        self.input.reject.as_ref().map_or("", |reject| &reject.message)
    }

    fn check_unanswered(&self, function: Ic0) -> Result<(), ApiError> {
        if self.input.responded || self.effects.answer.is_some() {
            let text = format!("ic0.{}: the call is already replied", function.name());
            return Err(CanisterError::ToolchainViolation(text).into());
        }
        Ok(())
    }

    fn check_answer_size(&self, function: Ic0, bytes: u64) -> Result<(), ApiError> {
        let limits = &self.subnet.config.limits;
        let most = match self.context.is_replicated() {
            true => limits.reply_bytes_max,
            false => limits.query_reply_bytes_max,
        };
        if bytes > most {
            return Err(CanisterError::ContractViolation(format!(
                "ic0.{}: application payload size ({bytes}) cannot be larger than {most}",
                function.name()
            ))
            .into());
        }
        Ok(())
    }

    pub(super) fn reply_data_append(
        &mut self,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        self.check_unanswered(Ic0::MsgReplyDataAppend)?;
        let wanted = size.saturating_add(self.reply.len() as u64);
        self.check_answer_size(Ic0::MsgReplyDataAppend, wanted)?;
        let piece = data::read(Ic0::MsgReplyDataAppend, guest, src, size)?;
        match self.reply.is_empty() {
            true => self.reply = piece,
            false => self.reply.extend_from_slice(&piece),
        }
        Ok(0)
    }

    pub(super) fn reply(&mut self) -> Result<u64, ApiError> {
        self.check_unanswered(Ic0::MsgReply)?;
        let reply = std::mem::take(&mut self.reply);
        self.effects.answer = Some(Answer::Reply(reply.into()));
        Ok(0)
    }

    pub(super) fn reject(
        &mut self,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        self.check_unanswered(Ic0::MsgReject)?;
        self.check_answer_size(Ic0::MsgReject, size)?;
        let message = data::read_text(Ic0::MsgReject, guest, src, size)?;
        self.effects.answer = Some(Answer::Reject(message));
        Ok(0)
    }

    pub(super) fn accept_message(&mut self) -> Result<u64, ApiError> {
        if self.effects.message_accepted {
            let text = "ic0.accept_message: the function was already called.";
            return Err(CanisterError::ContractViolation(text.into()).into());
        }
        self.effects.message_accepted = true;
        Ok(0)
    }

    pub(super) fn certificate(&self) -> Result<Bytes, ApiError> {
        self.input.certificate.clone().ok_or_else(|| {
            let text = "ic0.data_certificate: no certificate is available in this execution";
            CanisterError::ContractViolation(text.into()).into()
        })
    }
}
