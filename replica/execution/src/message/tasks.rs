//! Tasks of the system: heartbeat, global timer, low memory.

use std::sync::Arc;

use bytes::Bytes;
use replica_state::{CallContext, CallOrigin, CanisterStatus, LowMemoryHook, SystemMethod, Task};
use types::{CanisterId, Cycles, MANAGEMENT_CANISTER};

use super::{apply, pay_ahead, settle};
use crate::machine::EntryPoint;
use crate::round::Round;
use crate::system_api::{Context, Counters, MessageInput, MessageStart};
use crate::{Executor, LocalFailure};

fn describe(task: Task) -> (&'static str, Context) {
    match task {
        Task::Heartbeat => ("canister_heartbeat", Context::Heartbeat),
        Task::GlobalTimer => ("canister_global_timer", Context::GlobalTimer),
        Task::OnLowWasmMemory => ("canister_on_low_wasm_memory", Context::LowWasmMemory),
    }
}

/// Puts the tasks that are due into the canister's task queue, each at most once. The global timer
/// is switched off thereby (interface specification, "Global timer").
pub(crate) fn schedule(round: &mut Round<'_>, id: &CanisterId) {
    let now = round.now;
    let Some(canister) = round.canister(id) else { return };
    let system = &canister.system;
    if system.status != CanisterStatus::Running {
        return;
    }
    let mut due = Vec::new();
    if system.low_memory_hook == LowMemoryHook::Ready && canister.has(SystemMethod::OnLowWasmMemory)
    {
        due.push(Task::OnLowWasmMemory);
    }
    let timer_due = system.global_timer.is_some_and(|time| time <= now);
    if timer_due && canister.has(SystemMethod::GlobalTimer) {
        due.push(Task::GlobalTimer);
    }
    if canister.has(SystemMethod::Heartbeat) {
        due.push(Task::Heartbeat);
    }
    due.retain(|task| !system.tasks.contains(task));
    if due.is_empty() && !timer_due {
        return;
    }
    let Some(canister) = round.state.canister_mut(id) else { return };
    if timer_due {
        canister.system.global_timer = None;
    }
    for task in due {
        match task {
            Task::OnLowWasmMemory => canister.system.tasks.push_front(task),
            _ => canister.system.tasks.push_back(task),
        }
    }
}

impl Executor {
    /// Executes a task. A canister that is not running or cannot pay misses it; the hook for low
    /// memory stays due then.
    pub(crate) fn execute_task(
        &self,
        round: &mut Round<'_>,
        id: CanisterId,
        task: Task,
    ) -> Result<(), LocalFailure> {
        let running = round
            .canister(&id)
            .is_some_and(|canister| canister.system.status == CanisterStatus::Running);
        let limit = round.subnet.config.limits.instructions_per_message_max;
        if !running {
            return Ok(());
        }
        let Ok(paid) = pay_ahead(round, &id, limit, &MANAGEMENT_CANISTER.0) else { return Ok(()) };
        let (export, kind) = describe(task);
        let now = round.now;
        let Some(canister) = round.state.canister_mut(&id) else { return Ok(()) };
        if task == Task::OnLowWasmMemory {
            canister.system.low_memory_hook = LowMemoryHook::Executed;
        }
        let context = CallContext::new(CallOrigin::SystemTask, export.into(), Cycles::ZERO, now);
        let context = canister.system.calls.open(context);
        let Some(canister) = round.state.canister_arc(&id) else { return Ok(()) };
        let start = MessageStart {
            context: kind,
            canister,
            subnet: Arc::clone(&round.subnet),
            now,
            input: MessageInput {
                responded: true,
                ..MessageInput::new(MANAGEMENT_CANISTER.0, Bytes::new())
            },
            counters: Counters { limit, before_in_message: 0, before_in_call: 0 },
            memory_room: round.room.memory_bytes(),
        };
        let run = self.machine.run(start, &EntryPoint::Export(export.into()))?;
        let instructions = run.instructions;
        apply::conclude(round, id, context, run);
        settle(round, &id, paid, instructions);
        Ok(())
    }
}
