mod equivalence;
mod metering;
mod running;
mod tracking;
mod traps;

use std::sync::OnceLock;

use replica_state::{GlobalValue, Memory};
use types::{CanisterId, Limits};

use super::*;
use crate::canister_error::CanisterError;
use crate::meter::Ic0;

/// A system interface for tests: records what it is given.
#[derive(Default)]
pub(super) struct Recorder {
    /// What `debug_print` and `msg_reply_data_append` were given.
    pub output: Vec<u8>,
    /// What `performance_counter` answered.
    pub counters: Vec<u64>,
    /// Charged by each call.
    pub charge: u64,
    /// Refuse memory beyond so many wasm pages; trap beyond the second number.
    pub pages_max: Option<u64>,
    pub pages_trap: Option<u64>,
}

impl SystemApi for Recorder {
    fn call(
        &mut self,
        function: Ic0,
        arguments: &[u64],
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        guest.charge(self.charge)?;
        match function {
            Ic0::DebugPrint | Ic0::MsgReplyDataAppend => {
                self.output.extend(guest.read_vec(arguments[0], arguments[1])?);
                Ok(0)
            }
            Ic0::Trap => {
                let text = guest.read_vec(arguments[0], arguments[1])?;
                Err(CanisterError::CalledTrap(String::from_utf8_lossy(&text).into()).into())
            }
            Ic0::MsgArgDataCopy => {
                let bytes: Vec<u8> = (0..arguments[2]).map(|i| i as u8).collect();
                guest.write(arguments[0], &bytes).map(|()| 0)
            }
            Ic0::PerformanceCounter => {
                self.counters.push(guest.instructions_left());
                Ok(guest.instructions_left())
            }
            Ic0::Time => Ok(u64::MAX - 1),
            Ic0::MsgRejectCode => Ok(u64::from(u32::MAX)),
            other => Err(CanisterError::ContractViolation(other.name().into()).into()),
        }
    }

    fn grow_heap(&mut self, _: u64, wanted: u64) -> Result<Growth, ApiError> {
        if self.pages_trap.is_some_and(|limit| wanted > limit) {
            return Err(CanisterError::OutOfMemory.into());
        }
        let refuse = self.pages_max.is_some_and(|limit| wanted > limit);
        Ok(if refuse { Growth::Refuse } else { Growth::Allow })
    }
}

pub(super) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&Limits::default()).unwrap())
}

pub(super) const LIMIT: u64 = 1_000_000_000;

/// A canister under test: a module with its state and memory.
pub(super) struct Canister {
    pub module: CompiledModule,
    pub heap: Memory,
    pub globals: Vec<GlobalValue>,
    pub pool: ResidentMemories,
    pub id: CanisterId,
    pub limit: u64,
    pub used: u64,
}

impl Canister {
    pub fn new(text: &str) -> Self {
        let module = engine().compile(&wat::parse_str(text).unwrap()).unwrap();
        Canister {
            heap: module.initial_heap().clone(),
            globals: module.initial_globals().to_vec(),
            module,
            pool: ResidentMemories::new(1 << 30),
            id: CanisterId::from_index(1),
            limit: LIMIT,
            used: 0,
        }
    }

    pub fn execute(
        &mut self,
        entry: Entry<'_>,
        keep: Keep,
        api: Recorder,
    ) -> (Result<u64, Trap>, Recorder) {
        let execution = Execution {
            module: &self.module,
            heap: &self.heap,
            globals: &self.globals,
            entry,
            instruction_limit: self.limit,
        };
        let executed = engine().execute(&execution, self.id, &self.pool, keep, api);
        let (outcome, api) = executed.unwrap();
        self.used = outcome.instructions_used;
        let result = outcome.result.map(|changes| {
            assert!(self.heap.size <= changes.heap.size);
            assert_eq!(
                changes.pages_changed,
                self.heap.pages.diff(&changes.heap.pages).len() as u64
            );
            self.heap = changes.heap;
            self.globals = changes.globals;
            changes.pages_changed
        });
        (result, api)
    }

    /// Runs an export with its changes kept; the output on success.
    pub fn update(&mut self, export: &str) -> Result<Vec<u8>, Trap> {
        let (result, api) = self.execute(Entry::Export(export), Keep::Changes, Recorder::default());
        result.map(|_| api.output)
    }

    pub fn query(&mut self, export: &str) -> Result<Vec<u8>, Trap> {
        let (result, api) = self.execute(Entry::Export(export), Keep::Nothing, Recorder::default());
        result.map(|_| api.output)
    }
}
