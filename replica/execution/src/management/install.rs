//! Putting code on a canister: install, reinstall, upgrade.
//!
//! ```text
//!  upgrade:            pre_upgrade (old code) -> start -> post_upgrade (new code)
//!  install, reinstall:                           start -> init
//! ```
//! All steps work on a copy; it takes the canister's place only if every step ended well.

use std::sync::Arc;

use bytes::Bytes;
use replica_state::{
    CanisterState, ChangeDetails, CyclesUse, ExecutionState, InstallMode, LowMemoryHook, Memory,
    Module, PAGE_BYTES, SystemMethod, Task,
};
use types::{CanisterId, Cycles, PrincipalId, UserError};

use super::chunks::parse_hash;
use super::types::{
    CanisterInstallMode, ChunkHash, InstallChunkedCodeArgs, InstallCodeArgs, Persistence, decode,
};
use super::{
    Done, ManagementCall, MethodError, check_controller, check_controller_or_self, errors, find,
    lifecycle, nothing,
};
use crate::canister_error::CanisterError;
use crate::capacity::{Occupied, Room};
use crate::machine::{EntryPoint, is_wide};
use crate::message::{
    apply_changes, apply_settings, changed_bytes, check_can_pay, pay_ahead, settle, watch_memory,
    write_log,
};
use crate::round::Round;
use crate::sandbox::CompiledModule;
use crate::subnet::Subnet;
use crate::system_api::{Context, Counters, MessageInput, MessageStart};
use crate::{Executor, LocalFailure};

/// Instructions charged for each byte that is put together from chunks, and hashed.
const ASSEMBLED_BYTE_INSTRUCTIONS: u64 = 20;

/// Where the module comes from.
enum Code {
    /// The argument of the call, whose bytes were counted when it was read.
    Given(Vec<u8>),
    /// Chunks in this order, which must give a module of this hash.
    Chunks { chunks: Vec<Bytes>, hash: [u8; 32] },
}

/// What is to be installed, and how.
struct Installation {
    canister: CanisterId,
    caller: PrincipalId,
    mode: InstallMode,
    skip_pre_upgrade: bool,
    persistence: Option<Persistence>,
    code: Code,
    arg: Bytes,
}

impl Installation {
    fn new(
        canister: PrincipalId,
        caller: PrincipalId,
        mode: CanisterInstallMode,
        code: Code,
        arg: Vec<u8>,
    ) -> Self {
        let (mode, flags) = match mode {
            CanisterInstallMode::Install => (InstallMode::Install, None),
            CanisterInstallMode::Reinstall => (InstallMode::Reinstall, None),
            CanisterInstallMode::Upgrade(flags) => (InstallMode::Upgrade, flags),
        };
        Self {
            canister: CanisterId(canister),
            caller,
            mode,
            skip_pre_upgrade: flags.and_then(|flags| flags.skip_pre_upgrade) == Some(true),
            persistence: flags.and_then(|flags| flags.wasm_memory_persistence),
            code,
            arg: arg.into(),
        }
    }
}

/// The steps of an installation with what they use up.
struct Steps<'a, 'r> {
    executor: &'a Executor,
    round: &'a mut Round<'r>,
    id: CanisterId,
    caller: PrincipalId,
    instructions_left: u64,
    instructions_used: u64,
    /// Cycles that the steps burned, to be counted if the installation takes place.
    cycles_burned: Cycles,
    /// Bytes that changed, to be counted if the installation takes place.
    changed_bytes: u64,
}

impl Executor {
    /// `install_code`
    pub(super) fn install_code(
        &self,
        round: &mut Round<'_>,
        call: &mut ManagementCall,
    ) -> Result<Done, MethodError> {
        let args: InstallCodeArgs = decode(&call.payload)?;
        call.check_version(round, args.sender_canister_version)?;
        check_controller(find(round.state, args.canister_id)?, &call.caller)?;
        let code = Code::Given(args.wasm_module);
        let installation =
            Installation::new(args.canister_id, call.caller, args.mode, code, args.arg);
        self.install(round, call, installation, args.sender_canister_version)
    }

    /// `install_chunked_code`: the caller controls the target, and controls or is the store.
    pub(super) fn install_chunked_code(
        &self,
        round: &mut Round<'_>,
        call: &mut ManagementCall,
    ) -> Result<Done, MethodError> {
        let args: InstallChunkedCodeArgs = decode(&call.payload)?;
        call.check_version(round, args.sender_canister_version)?;
        check_controller(find(round.state, args.target_canister)?, &call.caller)?;
        let store = find(round.state, args.store_canister.unwrap_or(args.target_canister))?;
        check_controller_or_self(store, &call.caller)?;
        let code = find_chunks(store, &args, &round.subnet.config.limits)?;
        let installation =
            Installation::new(args.target_canister, call.caller, args.mode, code, args.arg);
        self.install(round, call, installation, args.sender_canister_version)
    }

    fn install(
        &self,
        round: &mut Round<'_>,
        call: &ManagementCall,
        installation: Installation,
        sender_canister_version: Option<u64>,
    ) -> Result<Done, MethodError> {
        let id = installation.canister;
        check_mode(find(round.state, id.0)?, &installation)?;
        let limit = round.subnet.config.limits.instructions_per_install_max;
        let paid = pay_ahead(round, &id, limit, &installation.caller)
            .map_err(errors::install_needs_cycles)?;
        let (mode, caller, now) = (installation.mode, installation.caller, round.now);
        let mut steps = Steps {
            executor: self,
            round,
            id,
            caller,
            instructions_left: limit,
            instructions_used: 0,
            cycles_burned: Cycles::ZERO,
            changed_bytes: 0,
        };
        let result = steps.run(installation);
        let (used, burned) = (steps.instructions_used, steps.cycles_burned);
        let changed_bytes = steps.changed_bytes;
        let result = match result {
            Ok((installed, hash)) => {
                let back = paid.minus(round.subnet.prices.message(used, is_wide(&installed)));
                check_can_stay(&round.subnet, &installed, back, &caller).map(|()| (installed, hash))
            }
            Err(StepError::Local(failure)) => return Err(MethodError::Local(failure)),
            Err(StepError::Canister(error)) => Err(error.into_user_error(id)),
            Err(StepError::User(error)) => Err(error),
        };
        let result = result.map(|(mut installed, module_hash)| {
            installed.system.last_install = Some(now);
            let version = installed.system.canister_version;
            let before = round.occupied_by(&id);
            round.state.put_canister(installed);
            round.resized(before, &id);
            round.changed(changed_bytes);
            round.consumed(&id, CyclesUse::Burned, burned);
            let details = ChangeDetails::CodeDeployment { mode, module_hash };
            let origin = call.change_origin(sender_canister_version);
            lifecycle::record(round, id, version, origin, details);
        });
        settle(round, &id, paid, used);
        result?;
        Ok(nothing()?)
    }
}

/// Whether the canister would not be frozen by what was installed, when it has got `back` what was
/// paid ahead and not used.
fn check_can_stay(
    subnet: &Subnet,
    installed: &CanisterState,
    back: Cycles,
    caller: &PrincipalId,
) -> Result<(), UserError> {
    let mut canister = installed.clone();
    canister.system.balance = canister.system.balance.plus(back);
    check_can_pay(subnet, &canister, Cycles::ZERO, caller).map_err(errors::install_needs_cycles)
}

/// Whether the mode fits what is there.
fn check_mode(canister: &CanisterState, installation: &Installation) -> Result<(), UserError> {
    let id = installation.canister;
    match (installation.mode, &canister.execution) {
        (InstallMode::Install, Some(_)) => Err(errors::not_empty(id)),
        (InstallMode::Upgrade, None) => Err(CanisterError::NoModule.into_user_error(id)),
        (InstallMode::Upgrade, Some(old)) => {
            // Motoko canisters that keep their state in the heap would lose it by mistake.
            match old.info.wants_heap_kept && installation.persistence.is_none() {
                true => Err(errors::missing_upgrade_option()),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// The uploaded chunks that a module consists of.
fn find_chunks(
    store: &CanisterState,
    args: &InstallChunkedCodeArgs,
    limits: &types::Limits,
) -> Result<Code, UserError> {
    let hash = parse_hash(&args.wasm_module_hash)?;
    if args.chunk_hashes_list.len() as u64 > limits.chunks_per_canister_max {
        return Err(errors::chunk_store("too many chunks are listed"));
    }
    let find = |chunk: &ChunkHash| {
        let hash = parse_hash(&chunk.hash)?;
        let chunk = store.system.chunk_store.get(&hash).cloned();
        chunk.ok_or_else(|| errors::chunk_store(&format!("Chunk hash {hash:?} was not found")))
    };
    let chunks = args.chunk_hashes_list.iter().map(find).collect::<Result<_, _>>()?;
    Ok(Code::Chunks { chunks, hash })
}

/// Puts a module together.
fn assemble(chunks: &[Bytes], wanted: [u8; 32]) -> Result<Module, UserError> {
    let module = Module::new(chunks.concat());
    match module.hash == wanted {
        true => Ok(module),
        false => Err(errors::chunk_store(&format!(
            "Wasm module hash {:?} does not match given hash {wanted:?}",
            module.hash
        ))),
    }
}

/// Errors of a step: the canister's own, the interface's, or this computer's.
enum StepError {
    Canister(CanisterError),
    User(UserError),
    Local(LocalFailure),
}

impl From<UserError> for StepError {
    fn from(error: UserError) -> Self {
        Self::User(error)
    }
}

impl From<LocalFailure> for StepError {
    fn from(failure: LocalFailure) -> Self {
        Self::Local(failure)
    }
}

impl From<CanisterError> for StepError {
    fn from(error: CanisterError) -> Self {
        Self::Canister(error)
    }
}

impl Steps<'_, '_> {
    /// All steps; the canister as it is afterwards, and the hash of its module.
    fn run(&mut self, installation: Installation) -> Result<(CanisterState, [u8; 32]), StepError> {
        let module = self.module(&installation.code)?;
        let executor = self.executor;
        let compiled = executor.machine.admit(&module, |instructions| self.charge(instructions))?;
        let keeps_heap = installation.persistence == Some(Persistence::Keep);
        if keeps_heap && !compiled.info().wants_heap_kept {
            return Err(StepError::User(errors::invalid_upgrade_option()));
        }
        let mut canister = self.canister()?;
        let upgrades = installation.mode == InstallMode::Upgrade;
        if upgrades && !installation.skip_pre_upgrade {
            canister = self.step(canister, SystemMethod::PreUpgrade, Bytes::new())?;
        }
        let module_hash = module.hash;
        let data_pages = compiled.initial_heap().pages.stored_pages();
        self.changed_bytes += module.bytes.len() as u64 + data_pages * PAGE_BYTES as u64;
        canister = replace_code(canister, &installation, module, &compiled);
        self.room_of(&canister)?;
        canister = self.start(canister)?;
        let entry = match upgrades {
            true => SystemMethod::PostUpgrade,
            false => SystemMethod::Init,
        };
        let mut canister = self.step(canister, entry, installation.arg)?;
        watch_memory(&mut canister, &self.round.subnet.config.limits);
        Ok((canister, module_hash))
    }

    fn module(&mut self, code: &Code) -> Result<Module, StepError> {
        match code {
            Code::Given(bytes) => Ok(Module::new(bytes.clone())),
            Code::Chunks { chunks, hash } => {
                let bytes: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
                self.charge(bytes.saturating_mul(ASSEMBLED_BYTE_INSTRUCTIONS))?;
                Ok(assemble(chunks, *hash)?)
            }
        }
    }

    /// The room that is left when the canister takes the place of the one that is there.
    ///
    /// # Errors
    /// There is too little room for it.
    fn room_of(&self, canister: &CanisterState) -> Result<Room, StepError> {
        let (before, after) = (self.round.occupied_by(&self.id), Occupied::by(canister));
        self.round.room.check(before, after)?;
        let mut room = self.round.room;
        room.take(before, after);
        Ok(room)
    }

    fn canister(&self) -> Result<CanisterState, StepError> {
        let canister = self.round.canister(&self.id).cloned();
        canister.ok_or_else(|| StepError::User(crate::message::not_found(&self.id)))
    }

    fn charge(&mut self, instructions: u64) -> Result<(), StepError> {
        let limit = self.round.subnet.config.limits.instructions_per_install_max;
        self.instructions_used = self.instructions_used.saturating_add(instructions).min(limit);
        match self.instructions_left.checked_sub(instructions) {
            Some(left) => self.instructions_left = left,
            None => {
                self.instructions_left = 0;
                return Err(CanisterError::InstructionLimit(limit).into());
            }
        }
        Ok(())
    }

    fn start(&mut self, canister: CanisterState) -> Result<CanisterState, StepError> {
        match canister.has(SystemMethod::Start) {
            true => self.execute(canister, Context::Start, &EntryPoint::Start, Bytes::new()),
            false => Ok(canister),
        }
    }

    /// One exported step, if the module has it.
    fn step(
        &mut self,
        canister: CanisterState,
        method: SystemMethod,
        arg: Bytes,
    ) -> Result<CanisterState, StepError> {
        let (context, export) = match method {
            SystemMethod::PreUpgrade => (Context::PreUpgrade, "canister_pre_upgrade"),
            SystemMethod::PostUpgrade => (Context::Init, "canister_post_upgrade"),
            _ => (Context::Init, "canister_init"),
        };
        match canister.has(method) {
            true => self.execute(canister, context, &EntryPoint::Export(export.into()), arg),
            false => Ok(canister),
        }
    }

    fn execute(
        &mut self,
        canister: CanisterState,
        context: Context,
        entry: &EntryPoint,
        arg: Bytes,
    ) -> Result<CanisterState, StepError> {
        let mut canister = Arc::new(canister);
        let run = self.executor.machine.run(
            MessageStart {
                context,
                canister: Arc::clone(&canister),
                subnet: Arc::clone(&self.round.subnet),
                now: self.round.now,
                input: MessageInput::new(self.caller, arg),
                counters: Counters {
                    limit: self.instructions_left,
                    before_in_message: self.instructions_used,
                    before_in_call: 0,
                },
                memory_room: self.room_of(&canister)?.memory_bytes(),
            },
            entry,
        )?;
        self.charge(run.instructions)?;
        match run.result {
            Ok((changes, effects)) => {
                self.changed_bytes += changed_bytes(&changes, &effects);
                let now = self.round.now;
                let state = Arc::make_mut(&mut canister);
                let bytes_max = state.system.settings.log_memory_limit;
                apply_changes(state, changes, &effects);
                apply_settings(state, &effects);
                state.system.balance = effects.balance;
                self.cycles_burned = self.cycles_burned.plus(effects.burned);
                for content in run.log {
                    state.system.log.push(now, &content, bytes_max);
                }
                Ok(Arc::unwrap_or_clone(canister))
            }
            Err(error) => {
                // The log tells why, though nothing else of the installation remains.
                write_log(self.round, &self.id, run.log);
                let limit = self.round.subnet.config.limits.instructions_per_install_max;
                Err(match error {
                    CanisterError::InstructionLimit(_) => CanisterError::InstructionLimit(limit),
                    other => other,
                }
                .into())
            }
        }
    }
}

/// The canister with the new code in place of the old, before any of it ran.
fn replace_code(
    mut canister: CanisterState,
    installation: &Installation,
    module: Module,
    compiled: &CompiledModule,
) -> CanisterState {
    let old = canister.execution.take();
    let upgrades = installation.mode == InstallMode::Upgrade;
    let keeps_heap = upgrades && installation.persistence == Some(Persistence::Keep);
    let (mut heap, mut stable) = (compiled.initial_heap().clone(), Memory::default());
    if let (Some(old), true) = (old, upgrades) {
        stable = old.stable;
        if keeps_heap {
            let size = old.heap.size.max(heap.size);
            heap = Memory { pages: old.heap.pages, size };
        }
    }
    canister.execution = Some(ExecutionState {
        module,
        info: Arc::clone(compiled.info()),
        heap,
        stable,
        globals: compiled.initial_globals().to_vec(),
    });
    let system = &mut canister.system;
    system.bump_version();
    system.global_timer = None;
    system.low_memory_hook = LowMemoryHook::default();
    system.tasks.retain(|task| *task == Task::Heartbeat);
    if !upgrades {
        system.certified_data = Bytes::new();
    }
    if installation.mode == InstallMode::Reinstall {
        system.log.clear();
    }
    canister
}
