//! What a canister's code is and remembers: module, memories, globals.

use crate::page_map::PageMap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of a wasm page, the unit in which memories grow.
pub const WASM_PAGE_BYTES: u64 = 65_536;

/// A module as it was installed.
#[derive(Clone, PartialEq, Eq)]
pub struct Module {
    /// The bytes that were given, compressed or not.
    pub bytes: Bytes,
    /// SHA-256 of `bytes`: the `module_hash` of the interface.
    pub hash: [u8; 32],
}

impl Module {
    /// The module with these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        use sha2::{Digest as _, Sha256};
        let bytes = bytes.into();
        let hash = Sha256::digest(&bytes).into();
        Self { bytes, hash }
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({} bytes)", self.bytes.len())
    }
}

/// A memory: its pages and how much of it is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The content.
    pub pages: PageMap,
    /// The size in wasm pages of 64 KiB.
    pub size: u64,
}

impl Memory {
    /// The size in bytes.
    pub fn bytes(&self) -> u64 {
        self.size.saturating_mul(WASM_PAGE_BYTES)
    }
}

/// The value of a mutable global between two messages. Floats are kept by their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GlobalValue {
    /// `i32`
    I32(i32),
    /// `i64`
    I64(i64),
    /// `f32`, as bits.
    F32(u32),
    /// `f64`, as bits.
    F64(u64),
    /// `v128`
    V128(u128),
}

/// What a module exports to be called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WasmMethod {
    /// `canister_update <name>`
    Update(String),
    /// `canister_query <name>`
    Query(String),
    /// `canister_composite_query <name>`
    CompositeQuery(String),
    /// One of the entry points that the system calls.
    System(SystemMethod),
}

/// The entry points that the system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SystemMethod {
    /// `(start)`
    Start,
    /// `canister_init`
    Init,
    /// `canister_pre_upgrade`
    PreUpgrade,
    /// `canister_post_upgrade`
    PostUpgrade,
    /// `canister_inspect_message`
    InspectMessage,
    /// `canister_heartbeat`
    Heartbeat,
    /// `canister_global_timer`
    GlobalTimer,
    /// `canister_on_low_wasm_memory`
    OnLowWasmMemory,
}

/// A custom section that clients can read (`icp:public <name>`, `icp:private <name>`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Whether everybody may read it, not only controllers.
    pub public: bool,
    /// The content.
    pub content: Bytes,
}

/// What is known of a module besides its code, found once at installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// Whether the heap has 64-bit addresses.
    pub memory_is_64: bool,
    /// What can be called.
    pub methods: BTreeSet<WasmMethod>,
    /// Custom sections with an `icp:` name, without the prefix.
    pub metadata: BTreeMap<String, Metadata>,
    /// Whether the module wants its heap kept over upgrades (`enhanced-orthogonal-persistence`).
    pub wants_heap_kept: bool,
}

impl ModuleInfo {
    /// Whether the module has this entry point.
    pub fn has(&self, method: SystemMethod) -> bool {
        self.methods.contains(&WasmMethod::System(method))
    }
}

/// The code of a canister and all that it remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionState {
    /// The module.
    pub module: Module,
    /// What the module is.
    pub info: Arc<ModuleInfo>,
    /// The heap.
    pub heap: Memory,
    /// The stable memory.
    pub stable: Memory,
    /// The module's mutable globals, in order of their index.
    pub globals: Vec<GlobalValue>,
}

impl ExecutionState {
    /// Bytes that the canister is charged for: memories, module, globals.
    pub fn memory_bytes(&self) -> u64 {
        let globals = self.globals.len() as u64 * 8;
        let metadata: usize = self.info.metadata.values().map(|m| m.content.len()).sum();
        [self.heap.bytes(), self.stable.bytes(), self.module.bytes.len() as u64, globals]
            .into_iter()
            .fold(metadata as u64, u64::saturating_add)
    }
}
