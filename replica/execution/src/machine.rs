//! Running one message: the system interface and the sandbox put together.

use std::collections::VecDeque;
use std::sync::Arc;

use replica_state::{CanisterState, Closure, Module};

use crate::LocalFailure;
use crate::canister_error::{CanisterError, TrapCode};
use crate::modules::Modules;
use crate::sandbox::{
    Changes, CompiledModule, Engine, EngineError, Entry, Execution, Keep, ResidentMemories, Trap,
};
use crate::system_api::{Context, MessageApi, MessageStart, SystemEffects};

/// Where a message begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryPoint {
    /// The module's `(start)` function, if there is one.
    Start,
    /// An exported function by its whole name.
    Export(String),
    /// A callback.
    Callback(Closure),
}

/// What came of a message.
pub(crate) struct Run {
    /// Instructions used.
    pub(crate) instructions: u64,
    /// What it logged, whether it ended well or not.
    pub(crate) log: VecDeque<Vec<u8>>,
    /// The changes of memories and the effects, or why there are none.
    pub(crate) result: Result<(Changes, SystemEffects), CanisterError>,
}

/// Bytes of resident memories kept for replicated execution, and as many again for queries.
pub(crate) const RESIDENT_BYTES_MAX: u64 = 2 << 30;

/// The wasm machine with the modules that it knows and the memories of canisters that ran lately.
pub(crate) struct Machine {
    engine: Engine,
    modules: Modules,
    /// Memories as the latest state has them.
    replicated: ResidentMemories,
    /// Memories as snapshots have them, for queries.
    queries: ResidentMemories,
}

impl Machine {
    pub(crate) fn new(
        limits: &types::Limits,
        resident_bytes_max: u64,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            engine: Engine::new(limits)?,
            modules: Modules::default(),
            replicated: ResidentMemories::new(resident_bytes_max),
            queries: ResidentMemories::new(resident_bytes_max),
        })
    }

    /// The compiled form of a module that is to be installed; see [`Modules::admit`].
    pub(crate) fn admit<E>(
        &self,
        module: &Module,
        charge: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<CompiledModule, E>
    where
        E: From<CanisterError> + From<LocalFailure>,
    {
        self.modules.admit(&self.engine, module, charge)
    }

    /// Runs a message on the canister that `start` holds. The canister itself stays as it is.
    ///
    /// # Errors
    /// This computer cannot run it, which says nothing about the message.
    pub(crate) fn run(&self, start: MessageStart, entry: &EntryPoint) -> Result<Run, LocalFailure> {
        let canister = Arc::clone(&start.canister);
        let limit = start.counters.limit;
        let Some(code) = &canister.execution else {
            let result = Err(CanisterError::NoModule);
            return Ok(Run { instructions: 0, log: VecDeque::new(), result });
        };
        let module = self.modules.get(&self.engine, &code.module)?;
        let execution = Execution {
            module: &module,
            heap: &code.heap,
            globals: &code.globals,
            entry: match entry {
                EntryPoint::Start => Entry::Start,
                EntryPoint::Export(name) => Entry::Export(name),
                EntryPoint::Callback(closure) => {
                    Entry::Table { index: closure.function, environment: closure.env }
                }
            },
            instruction_limit: limit,
        };
        let (pool, keep) = match start.context {
            context if context.keeps_changes() => (&self.replicated, Keep::Changes),
            Context::ReplicatedQuery => (&self.replicated, Keep::Nothing),
            context if context.is_composite() => (&self.queries, Keep::Changes),
            _ => (&self.queries, Keep::Nothing),
        };
        let id = canister.system.canister_id;
        let (outcome, api) =
            self.engine.execute(&execution, id, pool, keep, MessageApi::new(start))?;
        let instructions = outcome.instructions_used;
        Ok(match outcome.result {
            Ok(changes) => {
                let (effects, log) = api.finish();
                Run { instructions, log, result: Ok((changes, effects)) }
            }
            Err(trap) => {
                let error = error_of(trap, limit);
                let mut log = api.into_log();
                log.push_back(format!("[TRAP]: {error}").into_bytes());
                Run { instructions, log, result: Err(error) }
            }
        })
    }
}

/// The error that users see for a trap.
fn error_of(trap: Trap, limit: u64) -> CanisterError {
    let code = match trap {
        Trap::OutOfInstructions => return CanisterError::InstructionLimit(limit),
        Trap::Api(error) => return error,
        Trap::NoSuchCallback(index) => return CanisterError::FunctionNotFound(index),
        Trap::NoSuchExport(name) => {
            return CanisterError::Engine(format!("the export '{name}' cannot be called"));
        }
        trap @ Trap::HeapTooLarge { .. } => return CanisterError::Engine(trap.to_string()),
        Trap::HeapOutOfBounds => TrapCode::HeapOutOfBounds,
        Trap::TableOutOfBounds | Trap::BadIndirectCall => TrapCode::TableOutOfBounds,
        Trap::StackOverflow => TrapCode::StackOverflow,
        Trap::Unreachable => TrapCode::Unreachable,
        Trap::IntegerDivisionByZero => TrapCode::IntegerDivByZero,
        Trap::IntegerOverflow | Trap::InvalidConversion | Trap::Other => TrapCode::Other,
    };
    CanisterError::Trapped(code)
}

/// Whether the canister's memory has 64-bit addresses, which makes instructions dearer.
pub(crate) fn is_wide(canister: &CanisterState) -> bool {
    canister.execution.as_ref().is_some_and(|execution| execution.info.memory_is_64)
}
