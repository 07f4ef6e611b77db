//! What a canister can learn about itself and its surroundings, its timer, its log and its end.

use std::collections::BTreeMap;

use bytes::Bytes;
use replica_state::CanisterStatus;
use types::{CanisterId, PrincipalId, Time};

use super::{MessageApi, data};
use crate::canister_error::CanisterError;
use crate::meter::Ic0;
use crate::sandbox::{ApiError, Guest};

/// Bytes of a trap's text that are kept.
const TRAP_TEXT_BYTES_MAX: u64 = 16 << 10;
/// Bytes of the longest principal.
const PRINCIPAL_BYTES_MAX: u64 = 29;

impl MessageApi {
    pub(super) fn own_id(&self) -> CanisterId {
        self.canister.system.canister_id
    }

    pub(super) fn status(&self) -> u64 {
        match self.canister.system.status {
            CanisterStatus::Running => 1,
            CanisterStatus::Stopping { .. } => 2,
            CanisterStatus::Stopped => 3,
        }
    }

    pub(super) fn certified_data_set(
        &mut self,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let most = self.subnet.config.limits.certified_data_bytes_max;
        if size > most {
            return Err(CanisterError::ContractViolation(format!(
                "ic0.certified_data_set failed because the passed data must be no larger than \
                 {most} bytes. Found {size} bytes"
            ))
            .into());
        }
        let data = data::read(Ic0::CertifiedDataSet, guest, src, size)?;
        self.effects.certified_data = Some(Bytes::from(data));
        Ok(0)
    }

    /// Sets the timer and returns what it was set to; 0 stands for "not at all" in both.
    pub(super) fn global_timer_set(&mut self, time: u64) -> u64 {
        let before = self.effects.global_timer.unwrap_or(self.canister.system.global_timer);
        self.effects.global_timer = Some((time != 0).then_some(Time(time)));
        before.map_or(0, |time| time.0)
    }

    pub(super) fn performance_counter(
        &self,
        kind: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let here = self.counters.limit.saturating_sub(guest.instructions_left());
        let message = here.saturating_add(self.counters.before_in_message);
        match kind {
            0 => Ok(message),
            1 => Ok(message.saturating_add(self.counters.before_in_call)),
            other => Err(CanisterError::ContractViolation(format!(
                "Error getting performance counter type {other}"
            ))
            .into()),
        }
    }

    pub(super) fn is_controller(
        &self,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let principal = read_principal(Ic0::IsController, src, size, guest)?;
        Ok(self.canister.system.settings.controllers.contains(&principal).into())
    }

    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.canister.system.settings.environment_variables
    }

    pub(super) fn variable_name(&self, index: u64) -> Result<&str, ApiError> {
        let length = self.variables().len() as u64;
        let position = usize::try_from(index).ok();
        let name = position.and_then(|position| self.variables().keys().nth(position));
        let name = name.ok_or(CanisterError::EnvironmentIndex { index, length })?;
        Ok(name)
    }

    pub(super) fn variable_value(&self, name: &str) -> Result<&str, ApiError> {
        let value = self.variables().get(name);
        Ok(value.ok_or_else(|| CanisterError::EnvironmentName(name.into()))?)
    }

    pub(super) fn read_variable_name(
        &self,
        function: Ic0,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<String, ApiError> {
        let most = self.subnet.config.limits.environment_variable_bytes_max;
        if size > most {
            return Err(CanisterError::ContractViolation(format!(
                "ic0.{}: Variable name is too large. Allowed: {most} bytes, found {size} bytes",
                function.name()
            ))
            .into());
        }
        data::read_text(function, guest, src, size)
    }

    pub(super) fn debug_print(
        &mut self,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let size = size.min(self.log_bytes_max());
        guest.charge(size)?;
        let content = guest
            .read_vec(src, size)
            .unwrap_or_else(|_| b"(debug_print message out of memory bounds)".to_vec());
        self.log(content);
        Ok(0)
    }

    fn log_bytes_max(&self) -> u64 {
        self.canister.system.settings.log_memory_limit
    }

    /// Keeps a line for the canister's log; the oldest go while all exceed what the log can hold.
    pub(super) fn log(&mut self, content: Vec<u8>) {
        self.log_bytes += content.len() as u64;
        self.log.push_back(content);
        while self.log.len() > 1 && self.log_bytes > self.log_bytes_max() {
            let Some(oldest) = self.log.pop_front() else { break };
            self.log_bytes -= oldest.len() as u64;
        }
    }

    pub(super) fn trap(
        &mut self,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let size = size.min(TRAP_TEXT_BYTES_MAX);
        guest.charge(size)?;
        let text = match guest.read_vec(src, size) {
            Ok(bytes) => {
                let chunks = bytes.utf8_chunks();
                chunks.map(|chunk| chunk.valid()).collect::<String>()
            }
            Err(_) => "(trap message out of memory bounds)".into(),
        };
        Err(CanisterError::CalledTrap(text).into())
    }
}

/// A principal from the heap.
pub(super) fn read_principal(
    function: Ic0,
    src: u64,
    size: u64,
    guest: &mut dyn Guest,
) -> Result<PrincipalId, ApiError> {
    if size > PRINCIPAL_BYTES_MAX {
        let text = format!("ic0.{}: a principal has at most 29 bytes, not {size}", function.name());
        return Err(CanisterError::ToolchainViolation(text).into());
    }
    let bytes = data::read(function, guest, src, size)?;
    Ok(PrincipalId::from_slice(&bytes))
}
