//! Cycles of the canister and of the call.

use types::Cycles;

use super::MessageApi;
use crate::canister_error::{CanisterError, TrapCode};
use crate::meter::Ic0;
use crate::sandbox::ApiError;

/// The canister that may make cycles out of ICP.
const CYCLES_MINTING_CANISTER: &str = "rkp4c-7iaaa-aaaaa-aaaca-cai";

/// An amount for the 64-bit functions.
pub(super) fn narrow(amount: Cycles) -> Result<u64, ApiError> {
    u64::try_from(amount.0)
        .map_err(|_| CanisterError::Trapped(TrapCode::CyclesAmountTooBigFor64Bit).into())
}

/// An amount from its two halves.
pub(super) fn wide(high: u64, low: u64) -> Cycles {
    Cycles(u128::from(high) << 64 | u128::from(low))
}

impl MessageApi {
    /// Bytes that the canister is charged for by now.
    pub(super) fn memory_bytes_now(&self) -> u64 {
        let stable = self.stable.grown().saturating_mul(replica_state::WASM_PAGE_BYTES);
        self.memory_bytes.saturating_add(self.heap_grown).saturating_add(stable)
    }

    /// What can be spent without freezing the canister.
    pub(super) fn liquid_balance(&self) -> Cycles {
        let threshold = self.subnet.freezing_threshold(&self.canister, self.memory_bytes_now());
        self.effects.balance.minus(threshold)
    }

    /// Cycles of the call that can still be accepted: none once it is answered.
    pub(super) fn available(&self) -> Cycles {
        match self.effects.answer {
            Some(_) => Cycles::ZERO,
            None => self.input.available.minus(self.effects.accepted),
        }
    }

    pub(super) fn accept(&mut self, most: Cycles) -> Cycles {
        let amount = self.available().min(most);
        self.effects.accepted = self.effects.accepted.plus(amount);
        self.effects.balance = self.effects.balance.plus(amount);
        amount
    }

    pub(super) fn burn(&mut self, most: Cycles) -> Cycles {
        let amount = self.liquid_balance().min(most);
        self.effects.balance = self.effects.balance.minus(amount);
        self.effects.burned = self.effects.burned.plus(amount);
        amount
    }

    pub(super) fn cannot_mint(&self, function: Ic0) -> ApiError {
        CanisterError::ToolchainViolation(format!(
            "ic0.{} cannot be executed on non Cycles Minting Canister: {} != \
             {CYCLES_MINTING_CANISTER}",
            function.name(),
            self.own_id()
        ))
        .into()
    }
}
