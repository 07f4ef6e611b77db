//! Runs one execution: a fresh instance over the canister's memory.

use std::any::Any;
use std::sync::Arc;

use replica_state::{GlobalValue, Memory, WASM_PAGE_BYTES};
use types::CanisterId;
use wasmtime::{
    AsContextMut, Caller, Extern, Global, Instance, ModuleExport, Ref, ResourceLimiter, Store,
    StoreContextMut, V128, Val,
};

use super::api::{ApiError, Growth, Guest, SystemApi, check_range};
use super::engine::{Compiled, Engine};
use super::outcome::{Changes, Ended, Entry, Execution, Outcome, Trap};
use super::region::Region;
use super::resident::ResidentMemories;
use super::{fault, memory, stack, trap};
use crate::LocalFailure;
use crate::meter::{Ic0, TABLE_ELEMENTS_MAX, Width};

/// What becomes of the changes that a successful execution made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They are part of the outcome.
    Changes,
    /// They are undone, as those of a query: the outcome has heap and globals as they were.
    Nothing,
}

impl Engine {
    /// Runs an execution. The pool keeps the canister's memory for the next one; the system
    /// interface comes back whatever happened.
    ///
    /// The outcome depends on the execution and the system interface alone: not on the pool, the
    /// thread, nor on what ran before.
    ///
    /// # Errors
    /// This computer cannot run it: there is no outcome.
    pub fn execute<A: SystemApi>(
        &self,
        execution: &Execution<'_>,
        canister: CanisterId,
        pool: &ResidentMemories,
        keep: Keep,
        api: A,
    ) -> Result<(Outcome, A), LocalFailure> {
        let mut api: Option<Box<dyn SystemApi>> = Some(Box::new(api));
        let run = || self.execute_here(execution, canister, pool, keep, &mut api);
        let outcome = stack::on_large_stack(run)??;
        let api: Box<dyn Any> = api.expect("each way out of an execution puts the interface back");
        let api = api.downcast().expect("it is the interface that was given");
        Ok((outcome, *api))
    }

    fn execute_here(
        &self,
        execution: &Execution<'_>,
        canister: CanisterId,
        pool: &ResidentMemories,
        keep: Keep,
        api: &mut Option<Box<dyn SystemApi>>,
    ) -> Result<Outcome, LocalFailure> {
        let heap = match starting_heap(execution) {
            Ok(heap) => heap,
            Err(trap) => return Ok(Outcome { instructions_used: 0, result: Err(trap) }),
        };
        let Some(heap) = heap else {
            let (run, _) = self.run(execution, None, api);
            return Ok(run?.outcome(execution.heap.clone(), 0));
        };
        let region = pool.take(canister, &heap, self.geometry());
        let region = region.map_err(|error| LocalFailure::Memory(error.to_string()))?;
        let (run, region) = self.run(execution, Some(Arc::new(region)), api);
        let run = run?;
        let region = region.expect("the region that was given comes back");
        let mut region = Arc::into_inner(region).expect("the instance that shared it is gone");
        if let (Keep::Changes, Ok(_)) = (keep, &run.result) {
            let size = region.wasm_pages();
            let (pages, changed) = region.commit();
            pool.put(canister, region);
            return Ok(run.outcome(Memory { pages, size }, changed));
        }
        // A region that cannot be rolled back is dropped; the next execution makes another.
        if region.roll_back(heap.size).is_ok() {
            pool.put(canister, region);
        }
        let result = run.result.map(|_| execution.globals.to_vec());
        Ok(Run { result, ..run }.outcome(execution.heap.clone(), 0))
    }

    fn run(
        &self,
        execution: &Execution<'_>,
        region: Option<Arc<Region>>,
        api: &mut Option<Box<dyn SystemApi>>,
    ) -> (Result<Run, LocalFailure>, Option<Arc<Region>>) {
        let module = &*execution.module.0;
        let host = Host {
            api: api.take(),
            region: region.clone(),
            counter: None,
            pages_max: module.summary.memory.map_or(0, |memory| memory.maximum),
        };
        let mut store = Store::new(self.machine(), host);
        store.limiter(|host| host);
        let run = run_in(&mut store, module, execution);
        // Ends the instance; with it goes its share of the region.
        let host = store.into_data();
        *api = host.api;
        (run, region)
    }
}

/// The heap to start from; `None` if the module has no memory. A heap kept over an upgrade may be
/// smaller than the new module's minimum: then it grows.
fn starting_heap(execution: &Execution<'_>) -> Result<Option<Memory>, Trap> {
    let Some(limits) = execution.module.memory_limits() else {
        return Ok(None);
    };
    if execution.heap.size > limits.maximum {
        let (pages, maximum) = (execution.heap.size, limits.maximum);
        return Err(Trap::HeapTooLarge { pages, maximum });
    }
    let size = execution.heap.size.max(limits.minimum);
    Ok(Some(Memory { pages: execution.heap.pages.clone(), size }))
}

/// What the machine did; the memory is dealt with by the caller.
struct Run {
    instructions_used: u64,
    result: Result<Vec<GlobalValue>, Trap>,
}

impl Run {
    fn outcome(self, heap: Memory, pages_changed: u64) -> Outcome {
        let result = self.result.map(|globals| Changes { heap, pages_changed, globals });
        Outcome { instructions_used: self.instructions_used, result }
    }
}

/// What belongs to the instance: the system interface, the memory, the counter.
pub(super) struct Host {
    /// Away only while one of its functions runs.
    api: Option<Box<dyn SystemApi>>,
    region: Option<Arc<Region>>,
    /// Known once the instance is made and the execution proper begins.
    counter: Option<Global>,
    pages_max: u64,
}

fn run_in(
    store: &mut Store<Host>,
    module: &Compiled,
    execution: &Execution<'_>,
) -> Result<Run, LocalFailure> {
    let making = module.summary.instantiation_instructions;
    let Some(limit) = execution.instruction_limit.checked_sub(making) else {
        let instructions_used = execution.instruction_limit;
        return Ok(Run { instructions_used, result: Err(Trap::OutOfInstructions) });
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (instance, counter) = match prepare(store, module, execution, limit) {
        Ok(prepared) => prepared,
        Err(Ended::Local(failure)) => return Err(failure),
        Err(Ended::Trap(trap)) => return Ok(Run { instructions_used: 0, result: Err(trap) }),
    };
    let region = store.data().region.clone();
    let called = match &region {
        Some(region) => fault::watch(region, || enter(store, &instance, module, execution)),
        None => enter(store, &instance, module, execution),
    };
    let left = counter_value(counter, store.as_context_mut());
    let instructions_used = making + (limit - left.max(0)).cast_unsigned();
    // A trap below zero is that of the test, or it came where the next test would have ended it.
    let result = match called {
        Err(Ended::Local(failure)) => return Err(failure),
        _ if left < 0 => Err(Trap::OutOfInstructions),
        Ok(()) => Ok(globals(store, &instance, module)?),
        Err(Ended::Trap(trap)) => Err(trap),
    };
    Ok(Run { instructions_used, result })
}

/// Makes the instance and sets counter and globals.
fn prepare(
    store: &mut Store<Host>,
    module: &Compiled,
    execution: &Execution<'_>,
    limit: i64,
) -> Result<(Instance, Global), Ended> {
    let region = store.data().region.clone();
    let instance = memory::provide(region, || module.pre.instantiate(&mut *store));
    let instance = instance.map_err(trap::of)?;
    if execution.globals.len() != module.exports.globals.len() {
        let why = "the globals are those of another module";
        return Err(LocalFailure::Machine(why.into()).into());
    }
    for (export, value) in module.exports.globals.iter().zip(execution.globals) {
        set_global(store, &instance, export, to_machine(*value))?;
    }
    let counter = set_global(store, &instance, &module.exports.counter, Val::I64(limit))?;
    store.data_mut().counter = Some(counter);
    Ok((instance, counter))
}

fn set_global(
    store: &mut Store<Host>,
    instance: &Instance,
    export: &ModuleExport,
    value: Val,
) -> Result<Global, LocalFailure> {
    let global = global(store, instance, export);
    global.set(store, value).map_err(|error| LocalFailure::Machine(format!("{error:#}")))?;
    Ok(global)
}

fn global(store: &mut Store<Host>, instance: &Instance, export: &ModuleExport) -> Global {
    let export = instance.get_module_export(store, export);
    export.and_then(Extern::into_global).expect("the instrumentation exports this global")
}

/// Calls the entry point.
fn enter(
    store: &mut Store<Host>,
    instance: &Instance,
    module: &Compiled,
    execution: &Execution<'_>,
) -> Result<(), Ended> {
    let exports = &module.exports;
    match execution.entry {
        Entry::Start => match &exports.start {
            Some(start) => call_export(store, instance, start),
            None => Ok(()),
        },
        Entry::Export(name) => {
            let export = exports.entry_points.get(name);
            let export = export.ok_or_else(|| Trap::NoSuchExport(name.to_string()))?;
            call_export(store, instance, export)
        }
        Entry::Table { index, environment } => {
            let callback = callback(store, instance, exports.table.as_ref(), index);
            let callback = callback.ok_or(Trap::NoSuchCallback(index))?;
            call_callback(store, &callback, module.summary.width, index, environment)
        }
    }
}

fn call_export(
    store: &mut Store<Host>,
    instance: &Instance,
    export: &ModuleExport,
) -> Result<(), Ended> {
    let function = instance.get_module_export(&mut *store, export).and_then(Extern::into_func);
    let function = function.expect("the meter found this function among the exports");
    let function = function.typed::<(), ()>(&*store).expect("the meter checked its type");
    function.call(store, ()).map_err(trap::of)
}

fn callback(
    store: &mut Store<Host>,
    instance: &Instance,
    table: Option<&ModuleExport>,
    index: u64,
) -> Option<wasmtime::Func> {
    let table = instance.get_module_export(&mut *store, table?)?.into_table()?;
    match table.get(store, index)? {
        Ref::Func(function) => function,
        _ => None,
    }
}

fn call_callback(
    store: &mut Store<Host>,
    callback: &wasmtime::Func,
    width: Width,
    index: u64,
    environment: u64,
) -> Result<(), Ended> {
    match width {
        Width::Bits32 => {
            let callback = callback.typed::<i32, ()>(&*store);
            let callback = callback.map_err(|_| Trap::NoSuchCallback(index))?;
            // A 32-bit module gave the environment, so it fits.
            callback.call(store, environment as u32 as i32).map_err(trap::of)
        }
        Width::Bits64 => {
            let callback = callback.typed::<i64, ()>(&*store);
            let callback = callback.map_err(|_| Trap::NoSuchCallback(index))?;
            callback.call(store, environment.cast_signed()).map_err(trap::of)
        }
    }
}

fn globals(
    store: &mut Store<Host>,
    instance: &Instance,
    module: &Compiled,
) -> Result<Vec<GlobalValue>, LocalFailure> {
    let mut value = |export| {
        let global = global(store, instance, export);
        from_machine(global.get(&mut *store))
    };
    module.exports.globals.iter().map(&mut value).collect()
}

fn to_machine(value: GlobalValue) -> Val {
    match value {
        GlobalValue::I32(value) => Val::I32(value),
        GlobalValue::I64(value) => Val::I64(value),
        GlobalValue::F32(bits) => Val::F32(bits),
        GlobalValue::F64(bits) => Val::F64(bits),
        GlobalValue::V128(value) => Val::V128(V128::from(value)),
    }
}

fn from_machine(value: Val) -> Result<GlobalValue, LocalFailure> {
    Ok(match value {
        Val::I32(value) => GlobalValue::I32(value),
        Val::I64(value) => GlobalValue::I64(value),
        Val::F32(bits) => GlobalValue::F32(bits),
        Val::F64(bits) => GlobalValue::F64(bits),
        Val::V128(value) => GlobalValue::V128(value.as_u128()),
        _ => return Err(LocalFailure::Machine("a mutable global holds a reference".into())),
    })
}

fn counter_value(counter: Global, store: StoreContextMut<'_, Host>) -> i64 {
    match counter.get(store) {
        Val::I64(value) => value,
        other => unreachable!("the counter is an i64, not {other:?}"),
    }
}

/// A call of the canister to a system function.
pub(super) fn call(
    mut caller: Caller<'_, Host>,
    function: Ic0,
    arguments: &[u64],
) -> wasmtime::Result<u64> {
    let counter = caller.data().counter.expect("wasm runs only after the counter is set");
    let before = counter_value(counter, caller.as_context_mut());
    if before < 0 {
        return Err(ApiError::OutOfInstructions.into());
    }
    let host = caller.data_mut();
    let mut api = host.api.take().expect("system functions do not call back into wasm");
    let mut guest = RunningGuest { region: host.region.as_deref(), left: before };
    let result = api.call(function, arguments, &mut guest);
    let left = guest.left;
    host.api = Some(api);
    if left != before {
        counter.set(&mut caller, Val::I64(left))?;
    }
    result.map_err(wasmtime::Error::from)
}

struct RunningGuest<'a> {
    region: Option<&'a Region>,
    left: i64,
}

impl Guest for RunningGuest<'_> {
    fn memory_bytes(&self) -> u64 {
        self.region.map_or(0, |region| region.bytes_in_use() as u64)
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ApiError> {
        check_range(offset, buffer.len() as u64, self.memory_bytes())?;
        if let Some(region) = self.region {
            region.read(offset as usize, buffer);
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), ApiError> {
        check_range(offset, bytes.len() as u64, self.memory_bytes())?;
        if let Some(region) = self.region {
            region.write(offset as usize, bytes);
        }
        Ok(())
    }

    fn instructions_left(&mut self) -> u64 {
        self.left.max(0).cast_unsigned()
    }

    fn charge(&mut self, instructions: u64) -> Result<(), ApiError> {
        if instructions > self.instructions_left() {
            self.left = -1;
            return Err(ApiError::OutOfInstructions);
        }
        self.left -= instructions.cast_signed();
        Ok(())
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        now: usize,
        wanted: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if self.counter.is_none() {
            // The instance is being made, with the memory that it has.
            return Ok(true);
        }
        let pages = |bytes: usize| bytes as u64 / WASM_PAGE_BYTES;
        if pages(wanted) > self.pages_max {
            return Ok(false);
        }
        let api = self.api.as_mut().expect("system functions do not grow the memory");
        match api.grow_heap(pages(now), pages(wanted)) {
            Ok(growth) => Ok(growth == Growth::Allow),
            Err(error) => Err(error.into()),
        }
    }

    fn table_growing(
        &mut self,
        _: usize,
        wanted: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(wanted as u64 <= TABLE_ELEMENTS_MAX)
    }
}
