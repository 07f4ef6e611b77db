//! The system interface (`ic0`) as one message sees it.
//!
//! [`MessageApi`] owns what the message may read (the canister as it was committed, the call, the
//! subnet) and collects what it does as [`SystemEffects`]. The sandbox calls it for each imported
//! function, and hands it back at the end; whoever ran the message applies the effects if it ended
//! well and drops them if not.
//!
//! ```text
//!   wasm --ic0.*--> sandbox --call(function, arguments, guest)--> MessageApi --> SystemEffects
//!                                                                    |
//!                                                rules: contexts.rs -+  (context x function)
//! ```

mod calls;
mod contexts;
mod costs;
mod cycles;
mod data;
mod effects;
mod environment;
mod memory;
mod responses;
mod stable;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use replica_state::{CanisterState, Reject, SenderInfo};
use types::{CanisterId, Cycles, PrincipalId, Time};

pub use contexts::{Context, Rule};
pub use effects::{Answer, OutgoingCall, SystemEffects};

use crate::canister_error::CanisterError;
use crate::meter::Ic0;
use crate::sandbox::{ApiError, Growth, Guest, SystemApi};
use crate::subnet::Subnet;
use calls::CallBuilder;
use stable::StableMemory;

/// What a message was sent with.
#[derive(Clone, Debug)]
pub(crate) struct MessageInput {
    /// Who called; the management canister for tasks of the system.
    pub(crate) caller: PrincipalId,
    /// What the caller's identity provider says about it.
    pub(crate) sender_info: Option<Arc<SenderInfo>>,
    /// The argument, or in a reply callback the reply.
    pub(crate) argument: Bytes,
    /// The method, for `canister_inspect_message`.
    pub(crate) method: String,
    /// The reject, in a reject callback and its cleanup.
    pub(crate) reject: Option<Reject>,
    /// When the caller stops waiting, if the call is best-effort.
    pub(crate) deadline: Option<Time>,
    /// Cycles that came with the call and can still be accepted.
    pub(crate) available: Cycles,
    /// Cycles that came back with a response.
    pub(crate) refunded: Cycles,
    /// Whether the call was answered before, or there is none to answer.
    pub(crate) responded: bool,
    /// The certificate for the canister's certified data.
    pub(crate) certificate: Option<Bytes>,
}

impl MessageInput {
    /// A message with an argument and nothing else.
    pub(crate) fn new(caller: PrincipalId, argument: Bytes) -> Self {
        Self {
            caller,
            sender_info: None,
            argument,
            method: String::new(),
            reject: None,
            deadline: None,
            available: Cycles::ZERO,
            refunded: Cycles::ZERO,
            responded: false,
            certificate: None,
        }
    }
}

/// Where a message's instructions are counted from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    /// What the execution may use at most.
    pub(crate) limit: u64,
    /// What was used before by the same message (the first steps of an upgrade).
    pub(crate) before_in_message: u64,
    /// What the call used before this message.
    pub(crate) before_in_call: u64,
}

/// See the text of the module.
pub(crate) struct MessageApi {
    context: Context,
    canister: Arc<CanisterState>,
    subnet: Arc<Subnet>,
    now: Time,
    input: MessageInput,
    counters: Counters,
    /// Bytes that the canister is charged for when the message begins.
    memory_bytes: u64,
    /// Bytes that the canister may add to what the subnet holds.
    memory_room: u64,
    /// Bytes that the heap grew by.
    heap_grown: u64,
    stable: StableMemory,
    reply: Vec<u8>,
    call: Option<CallBuilder>,
    /// Calls made by this message, by callee.
    calls_to: BTreeMap<CanisterId, u64>,
    /// Bytes of the arguments of all of them.
    calls_bytes: u64,
    log: VecDeque<Vec<u8>>,
    log_bytes: u64,
    effects: SystemEffects,
}

/// All that a message needs to begin.
pub(crate) struct MessageStart {
    pub(crate) context: Context,
    /// The canister as the message finds it; its balance is without what was paid ahead for the
    /// message.
    pub(crate) canister: Arc<CanisterState>,
    pub(crate) subnet: Arc<Subnet>,
    pub(crate) now: Time,
    pub(crate) input: MessageInput,
    pub(crate) counters: Counters,
    /// Bytes that the canister may add to what the subnet holds.
    pub(crate) memory_room: u64,
}

impl MessageApi {
    pub(crate) fn new(start: MessageStart) -> Self {
        let stable = start.canister.execution.as_ref().map(|execution| execution.stable.clone());
        let balance = start.canister.system.balance;
        Self {
            context: start.context,
            memory_bytes: start.canister.memory_bytes(),
            canister: start.canister,
            subnet: start.subnet,
            now: start.now,
            input: start.input,
            counters: start.counters,
            memory_room: start.memory_room,
            heap_grown: 0,
            stable: StableMemory::new(stable.unwrap_or_default()),
            reply: Vec::new(),
            call: None,
            calls_to: BTreeMap::new(),
            calls_bytes: 0,
            log: VecDeque::new(),
            log_bytes: 0,
            effects: SystemEffects { balance, ..SystemEffects::default() },
        }
    }

    /// The effects of a message that ended well, and what it logged.
    pub(crate) fn finish(mut self) -> (SystemEffects, VecDeque<Vec<u8>>) {
        self.abandon_call();
        self.effects.stable_pages_changed = self.stable.pages_written();
        self.effects.stable = self.stable.finish();
        (self.effects, self.log)
    }

    /// What a message logged whose effects are dropped.
    pub(crate) fn into_log(self) -> VecDeque<Vec<u8>> {
        self.log
    }

    fn wrong_context(&self, function: Ic0) -> ApiError {
        let context = self.context.name();
        CanisterError::WrongContext { function: function.name(), context }.into()
    }
}

impl SystemApi for MessageApi {
    fn call(
        &mut self,
        function: Ic0,
        arguments: &[u64],
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        let rule = Rule::of(function);
        if !rule.allows(self.context) {
            return Err(self.wrong_context(function));
        }
        guest.charge(rule.instructions)?;
        self.dispatch(function, arguments, guest)
    }

    fn grow_heap(&mut self, pages: u64, pages_wanted: u64) -> Result<Growth, ApiError> {
        self.heap_growth(pages, pages_wanted)
    }
}

impl MessageApi {
    /// One arm for each function; a function without a result gives 0.
    fn dispatch(&mut self, f: Ic0, a: &[u64], guest: &mut dyn Guest) -> Result<u64, ApiError> {
        match (f, a) {
            (Ic0::MsgArgDataSize, []) => Ok(self.input.argument.len() as u64),
            (Ic0::MsgArgDataCopy, &[dst, offset, size]) => {
                data::copy(f, guest, &self.input.argument, dst, offset, size)
            }
            (Ic0::MsgCallerSize, []) => Ok(self.input.caller.as_slice().len() as u64),
            (Ic0::MsgCallerCopy, &[dst, offset, size]) => {
                data::copy(f, guest, self.input.caller.as_slice(), dst, offset, size)
            }
            (Ic0::MsgCallerInfoDataSize, []) => Ok(self.caller_info_data().len() as u64),
            (Ic0::MsgCallerInfoDataCopy, &[dst, offset, size]) => {
                data::copy(f, guest, &self.caller_info_data(), dst, offset, size)
            }
            (Ic0::MsgCallerInfoSignerSize, []) => Ok(self.caller_info_signer().len() as u64),
            (Ic0::MsgCallerInfoSignerCopy, &[dst, offset, size]) => {
                data::copy(f, guest, &self.caller_info_signer(), dst, offset, size)
            }
            (Ic0::MsgRejectCode, []) => Ok(self.reject_code()),
            (Ic0::MsgRejectMsgSize, []) => Ok(self.reject_message().len() as u64),
            (Ic0::MsgRejectMsgCopy, &[dst, offset, size]) => {
                data::copy(f, guest, self.reject_message().as_bytes(), dst, offset, size)
            }
            (Ic0::MsgDeadline, []) => Ok(self.input.deadline.map_or(0, |deadline| deadline.0)),

            (Ic0::MsgReplyDataAppend, &[src, size]) => self.reply_data_append(src, size, guest),
            (Ic0::MsgReply, []) => self.reply(),
            (Ic0::MsgReject, &[src, size]) => self.reject(src, size, guest),

            (Ic0::MsgCyclesAvailable, []) => cycles::narrow(self.available()),
            (Ic0::MsgCyclesAvailable128, &[dst]) => {
                data::write_cycles(guest, dst, self.available())
            }
            (Ic0::MsgCyclesRefunded, []) => cycles::narrow(self.input.refunded),
            (Ic0::MsgCyclesRefunded128, &[dst]) => {
                data::write_cycles(guest, dst, self.input.refunded)
            }
            (Ic0::MsgCyclesAccept, &[most]) => {
                let accepted = self.accept(Cycles(most.into()));
                cycles::narrow(accepted)
            }
            (Ic0::MsgCyclesAccept128, &[high, low, dst]) => {
                let accepted = self.accept(cycles::wide(high, low));
                data::write_cycles(guest, dst, accepted)
            }
            (Ic0::CyclesBurn128, &[high, low, dst]) => {
                let burned = self.burn(cycles::wide(high, low));
                data::write_cycles(guest, dst, burned)
            }
            (Ic0::CanisterCycleBalance, []) => cycles::narrow(self.effects.balance),
            (Ic0::CanisterCycleBalance128, &[dst]) => {
                data::write_cycles(guest, dst, self.effects.balance)
            }
            (Ic0::CanisterLiquidCycleBalance128, &[dst]) => {
                data::write_cycles(guest, dst, self.liquid_balance())
            }
            (Ic0::MintCycles, _) | (Ic0::MintCycles128, _) => Err(self.cannot_mint(f)),

            (Ic0::CanisterSelfSize, []) => Ok(self.own_id().as_slice().len() as u64),
            (Ic0::CanisterSelfCopy, &[dst, offset, size]) => {
                data::copy(f, guest, self.own_id().as_slice(), dst, offset, size)
            }
            (Ic0::CanisterStatus, []) => Ok(self.status()),
            (Ic0::CanisterVersion, []) => Ok(self.canister.system.canister_version),
            (Ic0::SubnetSelfSize, []) => Ok(self.subnet.id.as_slice().len() as u64),
            (Ic0::SubnetSelfCopy, &[dst, offset, size]) => {
                data::copy(f, guest, self.subnet.id.as_slice(), dst, offset, size)
            }
            (Ic0::SubnetSelfNodeCount, []) => Ok(self.subnet.node_count()),

            (Ic0::MsgMethodNameSize, []) => Ok(self.input.method.len() as u64),
            (Ic0::MsgMethodNameCopy, &[dst, offset, size]) => {
                data::copy(f, guest, self.input.method.as_bytes(), dst, offset, size)
            }
            (Ic0::AcceptMessage, []) => self.accept_message(),

            (Ic0::CallNew, a) => self.call_new(a, guest),
            (Ic0::CallOnCleanup, &[function, env]) => self.call_on_cleanup(function, env),
            (Ic0::CallDataAppend, &[src, size]) => self.call_data_append(src, size, guest),
            (Ic0::CallWithBestEffortResponse, &[seconds]) => self.call_best_effort(seconds),
            (Ic0::CallCyclesAdd, &[amount]) => self.call_cycles_add(f, Cycles(amount.into())),
            (Ic0::CallCyclesAdd128, &[high, low]) => {
                self.call_cycles_add(f, cycles::wide(high, low))
            }
            (Ic0::CallPerform, []) => self.call_perform(),

            (Ic0::StableSize, []) => self.stable_size_narrow(),
            (Ic0::StableGrow, &[pages]) => self.stable_grow_narrow(pages),
            (Ic0::StableWrite, &[offset, src, size]) => {
                self.stable_size_narrow()?;
                self.stable_write(offset, src, size, guest)
            }
            (Ic0::StableRead, &[dst, offset, size]) => {
                self.stable_size_narrow()?;
                self.stable_read(dst, offset, size, guest)
            }
            (Ic0::Stable64Size, []) => Ok(self.stable.size()),
            (Ic0::Stable64Grow, &[pages]) => self.stable_grow(pages),
            (Ic0::Stable64Write, &[offset, src, size]) => {
                self.stable_write(offset, src, size, guest)
            }
            (Ic0::Stable64Read, &[dst, offset, size]) => self.stable_read(dst, offset, size, guest),

            (Ic0::RootKeySize, []) => Ok(self.subnet.root_key.len() as u64),
            (Ic0::RootKeyCopy, &[dst, offset, size]) => {
                data::copy(f, guest, &self.subnet.root_key, dst, offset, size)
            }
            (Ic0::CertifiedDataSet, &[src, size]) => self.certified_data_set(src, size, guest),
            (Ic0::DataCertificatePresent, []) => Ok(self.input.certificate.is_some().into()),
            (Ic0::DataCertificateSize, []) => Ok(self.certificate()?.len() as u64),
            (Ic0::DataCertificateCopy, &[dst, offset, size]) => {
                data::copy(f, guest, &self.certificate()?, dst, offset, size)
            }

            (Ic0::Time, []) => Ok(self.now.0),
            (Ic0::GlobalTimerSet, &[time]) => Ok(self.global_timer_set(time)),
            (Ic0::PerformanceCounter, &[kind]) => self.performance_counter(kind, guest),
            (Ic0::IsController, &[src, size]) => self.is_controller(src, size, guest),
            (Ic0::InReplicatedExecution, []) => Ok(self.context.is_replicated().into()),

            (Ic0::CostCall, &[method, payload, dst]) => self.cost_call(method, payload, dst, guest),
            (Ic0::CostCreateCanister, &[dst]) => {
                data::write_cycles(guest, dst, self.subnet.prices.creation())
            }
            (Ic0::CostHttpRequest, &[request, response, dst]) => {
                let cost = self.subnet.prices.http_request(request, response);
                data::write_cycles(guest, dst, cost)
            }
            (Ic0::CostHttpRequestV2, _) => Err(costs::no_outcalls()),
            (Ic0::CostSignWithEcdsa, &[src, size, curve, dst]) => {
                costs::sign(guest, src, size, curve, dst, 1)
            }
            (Ic0::CostSignWithSchnorr, &[src, size, algorithm, dst]) => {
                costs::sign(guest, src, size, algorithm, dst, 2)
            }
            (Ic0::CostVetkdDeriveKey, &[src, size, curve, dst]) => {
                costs::sign(guest, src, size, curve, dst, 1)
            }

            (Ic0::EnvVarCount, []) => Ok(self.variables().len() as u64),
            (Ic0::EnvVarNameSize, &[index]) => Ok(self.variable_name(index)?.len() as u64),
            (Ic0::EnvVarNameCopy, &[index, dst, offset, size]) => {
                data::copy(f, guest, self.variable_name(index)?.as_bytes(), dst, offset, size)
            }
            (Ic0::EnvVarNameExists, &[src, size]) => {
                let name = self.read_variable_name(f, src, size, guest)?;
                Ok(self.variables().contains_key(&name).into())
            }
            (Ic0::EnvVarValueSize, &[src, size]) => {
                let name = self.read_variable_name(f, src, size, guest)?;
                Ok(self.variable_value(&name)?.len() as u64)
            }
            (Ic0::EnvVarValueCopy, &[src, name_size, dst, offset, size]) => {
                let name = self.read_variable_name(f, src, name_size, guest)?;
                data::copy(f, guest, self.variable_value(&name)?.as_bytes(), dst, offset, size)
            }

            (Ic0::DebugPrint, &[src, size]) => self.debug_print(src, size, guest),
            (Ic0::Trap, &[src, size]) => self.trap(src, size, guest),

            (f, a) => Err(CanisterError::Engine(format!(
                "ic0.{} was called with {} arguments",
                f.name(),
                a.len()
            ))
            .into()),
        }
    }
}
