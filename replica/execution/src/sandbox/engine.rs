//! The machine and how it is configured, and compiled modules.

use std::collections::BTreeMap;
use std::sync::Arc;

use replica_state::{GlobalValue, Memory, ModuleInfo};
use types::Limits;
use wasmtime::{Config, InstancePre, ModuleExport, OptLevel, WasmFeatures};

use super::execute::Host;
use super::memory::Provider;
use super::region::Geometry;
use super::{fault, link, stack};
use crate::LocalFailure;
use crate::meter::{self, MemoryLimits, Metered, ModuleError, Width, names};

/// Addresses behind a memory that are never accessible: the compiler leaves out bounds checks of
/// accesses with a smaller constant offset.
const GUARD_BYTES: usize = 32 << 20;

/// Processor features that code is compiled for, on every node the same: x86-64-v3. More would
/// let code (and with it the depth of the stack) differ between nodes; less would be slow.
#[cfg(target_arch = "x86_64")]
const PROCESSOR_FEATURES: &[&str] = &[
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_cmpxchg16b",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];

/// The machine could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine refuses its configuration.
    #[error(
        "the wasm machine cannot be set up; it needs Linux on a processor of level x86-64-v3 (AVX2, BMI2): {0}"
    )]
    Machine(String),
    /// The handler of page faults could not be installed.
    #[error("the handler of page faults cannot be installed")]
    FaultHandler(#[source] std::io::Error),
}

/// Why there is no compiled form of a module.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The module is to blame: no node compiles it.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// This computer is.
    #[error(transparent)]
    Local(#[from] LocalFailure),
}

/// The machine. Cheap to clone; one is enough for a process.
#[derive(Clone)]
pub struct Engine {
    machine: wasmtime::Engine,
    linkers: Arc<link::Linkers>,
    geometry: Geometry,
    limits: Arc<Limits>,
}

impl Engine {
    /// Sets the machine up for modules within these limits.
    pub fn new(limits: &Limits) -> Result<Self, EngineError> {
        let bytes_max = limits.wasm32_memory_bytes_max.max(limits.wasm64_memory_bytes_max);
        let reserved = usize::try_from(bytes_max.max(1 << 32)).expect("addresses have 64 bits");
        let reserved = reserved.next_multiple_of(1 << 16);
        let geometry = Geometry { reserved, guard: GUARD_BYTES };
        let refuse = |error: wasmtime::Error| EngineError::Machine(format!("{error:#}"));
        let machine = wasmtime::Engine::new(&config(geometry).map_err(refuse)?).map_err(refuse)?;
        // After the machine has installed its own handler, which ours passes faults on to.
        fault::install().map_err(EngineError::FaultHandler)?;
        let linkers = Arc::new(link::Linkers::new(&machine).map_err(refuse)?);
        Ok(Engine { machine, linkers, geometry, limits: Arc::new(limits.clone()) })
    }

    pub(super) fn machine(&self) -> &wasmtime::Engine {
        &self.machine
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Checks, instruments and compiles a module as it was given (compressed or not).
    pub fn compile(&self, bytes: &[u8]) -> Result<CompiledModule, CompileError> {
        self.compile_metered(meter::prepare(bytes, &self.limits)?)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Compiles an instrumented module. Whether the compiler takes it depends on the module alone;
    /// loading what it made takes memory of this computer.
    pub(crate) fn compile_metered(&self, metered: Metered) -> Result<CompiledModule, CompileError> {
        let code = self.machine.precompile_module(&metered.wasm);
        let code = code.map_err(|_| ModuleError::Compile)?;
        let local = |error: wasmtime::Error| LocalFailure::Code(format!("{error:#}"));
        // SAFETY: the bytes are what this very machine has made just now.
        let module = unsafe { wasmtime::Module::deserialize(&self.machine, &code) };
        let module = module.map_err(local)?;
        let linker = self.linkers.for_width(metered.width);
        let exports = Exports::find(&module, &metered);
        // The rules have checked names and types of all imports.
        let pre = linker.instantiate_pre(&module).map_err(local)?;
        let summary = Summary::of(metered, code.len() as u64);
        Ok(CompiledModule(Arc::new(Compiled { pre, exports, summary })))
    }
}

/// The machine without our memories, for comparisons.
pub(super) fn plain_machine() -> wasmtime::Result<wasmtime::Engine> {
    let geometry = Geometry { reserved: 1 << 32, guard: GUARD_BYTES };
    wasmtime::Engine::new(&common_config(geometry)?)
}

/// The configuration that canisters run with.
fn config(geometry: Geometry) -> wasmtime::Result<Config> {
    let mut config = common_config(geometry)?;
    config.with_host_memory(Arc::new(Provider));
    Ok(config)
}

/// All of the configuration that decides what code is compiled to.
fn common_config(geometry: Geometry) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        // Floats give the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(features(), true)
        .max_wasm_stack(stack::WASM_STACK_BYTES)
        // Not used, but checked against the other.
        .async_stack_size(stack::THREAD_STACK_BYTES)
        .memory_reservation(geometry.reserved as u64)
        .memory_guard_size(geometry.guard as u64)
        .memory_may_move(false)
        .memory_init_cow(false)
        .guard_before_linear_memory(false)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .parallel_compilation(true);
    fix_processor_features(&mut config)?;
    Ok(config)
}

/// The features of the meter, in the machine's own type.
fn features() -> WasmFeatures {
    WasmFeatures::from_bits_truncate(meter::FEATURES.bits())
}

#[cfg(target_arch = "x86_64")]
fn fix_processor_features(config: &mut Config) -> wasmtime::Result<()> {
    config.target("x86_64-unknown-linux-gnu")?;
    for feature in PROCESSOR_FEATURES {
        // SAFETY: the flags name instructions that the processor must have; the machine compares
        // them with the processor before it runs any code, and refuses to start otherwise.
        unsafe { config.cranelift_flag_enable(feature) };
    }
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
fn fix_processor_features(_: &mut Config) -> wasmtime::Result<()> {
    Err(wasmtime::Error::msg("only x86-64 is supported: all nodes must run the same code"))
}

/// A module ready to run. Cheap to clone.
#[derive(Clone)]
pub struct CompiledModule(pub(super) Arc<Compiled>);

pub(super) struct Compiled {
    pub pre: InstancePre<Host>,
    pub exports: Exports,
    pub summary: Summary,
}

/// What is kept of a module besides its code.
pub(super) struct Summary {
    info: Arc<ModuleInfo>,
    pub width: Width,
    pub memory: Option<MemoryLimits>,
    initial_heap: Memory,
    initial_globals: Vec<GlobalValue>,
    operators: u64,
    module_bytes: u64,
    /// What the compiled form takes in memory.
    code_bytes: u64,
    pub instantiation_instructions: u64,
}

impl Summary {
    fn of(metered: Metered, code_bytes: u64) -> Self {
        Summary {
            info: Arc::new(metered.info),
            width: metered.width,
            memory: metered.memory,
            initial_heap: metered.initial_heap,
            initial_globals: metered.initial_globals,
            operators: metered.operators,
            module_bytes: metered.bytes,
            code_bytes,
            instantiation_instructions: metered.instantiation_instructions,
        }
    }
}

/// Where to find the exports in an instance.
pub(super) struct Exports {
    pub counter: ModuleExport,
    pub table: Option<ModuleExport>,
    pub start: Option<ModuleExport>,
    pub globals: Vec<ModuleExport>,
    pub entry_points: BTreeMap<String, ModuleExport>,
}

impl Exports {
    fn find(module: &wasmtime::Module, metered: &Metered) -> Self {
        let find = |name: &str| {
            module.get_export_index(name).expect("the instrumentation added this export")
        };
        let entry_points = metered.entry_points.iter();
        Exports {
            counter: find(names::COUNTER),
            table: metered.has_table.then(|| find(names::TABLE)),
            start: metered.has_start.then(|| find(names::START)),
            globals: metered.mutable_globals.iter().map(|&i| find(&names::global(i))).collect(),
            entry_points: entry_points.map(|name| (name.clone(), find(name))).collect(),
        }
    }
}

impl CompiledModule {
    /// What is kept of the module in the replicated state: methods, metadata, width.
    pub fn info(&self) -> &Arc<ModuleInfo> {
        &self.0.summary.info
    }

    /// The heap as installation makes it.
    pub fn initial_heap(&self) -> &Memory {
        &self.0.summary.initial_heap
    }

    /// The mutable globals as installation makes them.
    pub fn initial_globals(&self) -> &[GlobalValue] {
        &self.0.summary.initial_globals
    }

    /// Minimum and maximum of the memory in wasm pages; `None` without memory.
    pub fn memory_limits(&self) -> Option<MemoryLimits> {
        self.0.summary.memory
    }

    /// Operators in all function bodies; compiling is charged by it.
    pub fn operators(&self) -> u64 {
        self.0.summary.operators
    }

    /// Bytes of the module as it was given, decompressed; reading it is charged by it.
    pub fn module_bytes(&self) -> u64 {
        self.0.summary.module_bytes
    }

    /// Bytes that the compiled form takes in memory: code and the first content of the heap.
    pub fn resident_bytes(&self) -> u64 {
        let summary = &self.0.summary;
        let heap = summary.initial_heap.pages.stored_pages() * replica_state::PAGE_BYTES as u64;
        summary.code_bytes + heap
    }

    /// Whether the module exports this function without parameters and results.
    pub fn has_entry_point(&self, name: &str) -> bool {
        self.0.exports.entry_points.contains_key(name)
    }
}

impl std::fmt::Debug for CompiledModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CompiledModule({} operators)", self.operators())
    }
}
