//! Building calls to other canisters, from `ic0.call_new` to `ic0.call_perform`.

use replica_state::Closure;
use types::{CanisterId, Cycles, Time};

use super::effects::OutgoingCall;
use super::environment::read_principal;
use super::{MessageApi, data};
use crate::canister_error::CanisterError;
use crate::cycles::CallCost;
use crate::meter::Ic0;
use crate::sandbox::{ApiError, Guest};

/// Bytes of a method's name.
const METHOD_NAME_BYTES_MAX: u64 = 20_000;
/// Bytes of all arguments that one message may send: they are kept in memory until delivered, and
/// the queues alone would allow for gigabytes.
const CALLS_BYTES_MAX: u64 = 256 << 20;
/// What `ic0.call_perform` returns for a call that was not made: the number of `SYS_TRANSIENT`.
const NOT_PERFORMED: u64 = 2;

/// A call under construction.
pub(super) struct CallBuilder {
    callee: CanisterId,
    method: String,
    payload: Vec<u8>,
    cycles: Cycles,
    on_reply: Closure,
    on_reject: Closure,
    on_cleanup: Option<Closure>,
    timeout_seconds: Option<u64>,
}

fn violation(text: String) -> ApiError {
    CanisterError::ToolchainViolation(text).into()
}

impl MessageApi {
    /// Gives the cycles of a call that was not performed back.
    pub(super) fn abandon_call(&mut self) {
        if let Some(call) = self.call.take() {
            self.effects.balance = self.effects.balance.plus(call.cycles);
        }
    }

    fn builder(&mut self, function: Ic0) -> Result<&mut CallBuilder, ApiError> {
        self.call.as_mut().ok_or_else(|| {
            violation(format!("ic0.{} called when no call is under construction.", function.name()))
        })
    }

    pub(super) fn call_new(
        &mut self,
        arguments: &[u64],
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let &[callee, callee_size, name, name_size, reply, reply_env, reject, reject_env] =
            arguments
        else {
            return Err(CanisterError::Engine("ic0.call_new takes 8 arguments".into()).into());
        };
        self.abandon_call();
        if name_size > METHOD_NAME_BYTES_MAX {
            return Err(violation(format!(
                "ic0.call_new: size of method name {name_size} exceeds the limit \
                 {METHOD_NAME_BYTES_MAX}"
            )));
        }
        let callee = read_principal(Ic0::CallNew, callee, callee_size, guest)?;
        let method = data::read_text(Ic0::CallNew, guest, name, name_size)?;
        self.call = Some(CallBuilder {
            callee: CanisterId(callee),
            method,
            payload: Vec::new(),
            cycles: Cycles::ZERO,
            on_reply: Closure { function: reply, env: reply_env },
            on_reject: Closure { function: reject, env: reject_env },
            on_cleanup: None,
            timeout_seconds: None,
        });
        Ok(0)
    }

    pub(super) fn call_on_cleanup(&mut self, function: u64, env: u64) -> Result<u64, ApiError> {
        let call = self.builder(Ic0::CallOnCleanup)?;
        if call.on_cleanup.is_some() {
            let text = "ic0.call_on_cleanup can be called at most once between `ic0.call_new` and \
                        `ic0.call_perform`";
            return Err(violation(text.into()));
        }
        call.on_cleanup = Some(Closure { function, env });
        Ok(0)
    }

    pub(super) fn call_data_append(
        &mut self,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let most = self.subnet.config.limits.local_call_bytes_max;
        let call = self.builder(Ic0::CallDataAppend)?;
        let wanted = size.saturating_add(call.payload.len() as u64);
        if wanted > most {
            return Err(CanisterError::ContractViolation(format!(
                "ic0.call_data_append: the payload of {wanted} bytes exceeds the maximum of {most}"
            ))
            .into());
        }
        let piece = data::read(Ic0::CallDataAppend, guest, src, size)?;
        match call.payload.is_empty() {
            true => call.payload = piece,
            false => call.payload.extend_from_slice(&piece),
        }
        Ok(0)
    }

    pub(super) fn call_best_effort(&mut self, timeout_seconds: u64) -> Result<u64, ApiError> {
        let most = self.subnet.config.limits.best_effort_timeout_seconds_max;
        let call = self.builder(Ic0::CallWithBestEffortResponse)?;
        if call.timeout_seconds.is_some() {
            let text =
                "ic0_call_with_best_effort_response failed because a timeout is already set.";
            return Err(violation(text.into()));
        }
        call.timeout_seconds = Some(timeout_seconds.min(most));
        Ok(0)
    }

    pub(super) fn call_cycles_add(
        &mut self,
        function: Ic0,
        amount: Cycles,
    ) -> Result<u64, ApiError> {
        self.builder(function)?;
        if amount > self.liquid_balance() && amount > Cycles::ZERO {
            return Err(CanisterError::InsufficientCycles { canister: self.own_id() }.into());
        }
        self.effects.balance = self.effects.balance.minus(amount);
        let call = self.builder(function)?;
        call.cycles = call.cycles.plus(amount);
        Ok(0)
    }

    pub(super) fn call_perform(&mut self) -> Result<u64, ApiError> {
        self.builder(Ic0::CallPerform)?;
        let Some(call) = self.call.take() else { return Ok(NOT_PERFORMED) };
        let bytes = (call.payload.len() + call.method.len()) as u64;
        let cost = self.subnet.prices.call(bytes, self.is_wide());
        if !self.can_perform(&call, &cost) {
            self.effects.balance = self.effects.balance.plus(call.cycles);
            return Ok(NOT_PERFORMED);
        }
        if self.charges_calls() {
            self.effects.balance = self.effects.balance.minus(cost.total());
            self.effects.transmission = self.effects.transmission.plus(cost.request);
        }
        *self.calls_to.entry(call.callee).or_default() += 1;
        self.calls_bytes += call.payload.len() as u64;
        let outgoing = self.outgoing(call, &cost);
        self.effects.calls.push(outgoing);
        Ok(0)
    }

    /// Composite queries call for free.
    fn charges_calls(&self) -> bool {
        self.context.is_replicated()
    }

    fn can_perform(&self, call: &CallBuilder, cost: &CallCost) -> bool {
        let limits = &self.subnet.config.limits;
        let system = &self.canister.system;
        let open = system.calls.callback_count() as u64 + self.effects.calls.len() as u64;
        let bytes = self.calls_bytes + call.payload.len() as u64;
        if open >= limits.callbacks_per_canister_max || bytes > CALLS_BYTES_MAX {
            return false;
        }
        if self.context.is_composite() {
            return true;
        }
        let made = self.calls_to.get(&call.callee).copied().unwrap_or(0);
        let capacity = limits.queue_messages_max.saturating_sub(made);
        system.queues.can_call(&call.callee, capacity) && self.liquid_balance() >= cost.total()
    }

    fn outgoing(&self, call: CallBuilder, cost: &CallCost) -> OutgoingCall {
        let prepaid = |amount| if self.charges_calls() { amount } else { Cycles::ZERO };
        // Whole seconds, as deadlines have on the network.
        let deadline = |seconds| Time::from_secs(self.now.as_secs().saturating_add(seconds));
        OutgoingCall {
            callee: call.callee,
            method: call.method,
            payload: call.payload.into(),
            cycles: call.cycles,
            prepaid_execution: prepaid(cost.execution),
            prepaid_transmission: prepaid(cost.response),
            on_reply: call.on_reply,
            on_reject: call.on_reject,
            on_cleanup: call.on_cleanup,
            deadline: call.timeout_seconds.map(deadline),
        }
    }
}
