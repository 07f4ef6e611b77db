//! The functions that tell what a call would cost.

use super::{MessageApi, data};
use crate::canister_error::CanisterError;
use crate::sandbox::{ApiError, Guest, check_range};

/// Result of the functions about signatures: no such curve or algorithm.
const INVALID_CURVE: u64 = 1;
/// Result of the functions about signatures: no such key. This subnet holds none.
const INVALID_KEY: u64 = 2;

impl MessageApi {
    pub(super) fn cost_call(
        &self,
        method_bytes: u64,
        payload_bytes: u64,
        dst: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let bytes = method_bytes.saturating_add(payload_bytes);
        let cost = self.subnet.prices.call(bytes, self.is_wide());
        data::write_cycles(guest, dst, cost.total())
    }

    pub(super) fn is_wide(&self) -> bool {
        self.canister.execution.as_ref().is_some_and(|execution| execution.info.memory_is_64)
    }
}

/// The cost of a signature: there are no keys to sign with, so every name of one is invalid.
pub(super) fn sign(
    guest: &mut dyn Guest,
    src: u64,
    size: u64,
    curve: u64,
    dst: u64,
    curves: u64,
) -> Result<u64, ApiError> {
    guest.charge(size)?;
    check_range(src, size, guest.memory_bytes())?;
    check_range(dst, 16, guest.memory_bytes())?;
    Ok(if curve < curves { INVALID_KEY } else { INVALID_CURVE })
}

/// HTTPS outcalls are not there, and so have no price by the newer rule.
pub(super) fn no_outcalls() -> ApiError {
    let text = "ic0.cost_http_request_v2: this subnet has no HTTPS outcalls";
    CanisterError::ContractViolation(text.into()).into()
}
