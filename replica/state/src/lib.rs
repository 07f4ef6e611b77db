//! The replicated state: what a round reads and changes, its canonical tree, and how it is kept
//! on disk.
//!
//! ```text
//!  ReplicatedState (persistent maps, O(1) copies)
//!     |  compare two copies        |  compare two copies
//!     v                            v
//!  StateTree -> root, witnesses   Store -> checkpoints, recovery
//! ```
//!
//! This part knows what a canister is, not how it executes: no wasm engine, no consensus, no
//! HTTP. Only [`store`] names RocksDB.

mod calls;
mod canister;
mod canister_history;
mod canister_log;
mod canister_map;
mod chunk_store;
#[cfg(test)]
#[path = "../../../types/conformance.rs"]
mod conformance;
mod consumed;
mod execution_state;
mod ingress_history;
mod message;
mod ordered_map;
pub mod page_map;
mod queues;
mod routing;
mod settings;
mod snapshot;
mod sparse;
mod state;
pub mod store;
#[cfg(test)]
mod test_state;
mod tree;

pub use calls::{CallContext, CallOrigin, Callback, Calls, Closure};
pub use canister::{CanisterState, CanisterStatus, LowMemoryHook, StopRequest, SystemState, Task};
pub use canister_history::{
    CanisterChange, CanisterHistory, ChangeDetails, ChangeOrigin, InstallMode,
};
pub use canister_log::{CanisterLog, LogRecord};
pub use chunk_store::{ChunkStore, ChunkStoreFull};
pub use consumed::{ConsumedCycles, CyclesUse};
pub use execution_state::{
    ExecutionState, GlobalValue, Memory, Metadata, Module, ModuleInfo, SystemMethod,
    WASM_PAGE_BYTES, WasmMethod,
};
pub use ingress_history::{
    HistoryError, IngressEntry, IngressHistory, IngressStatus, OUTCOME_BYTES_MAX, OUTCOME_KEPT_MS,
};
pub use message::{
    CallContextId, CallbackId, CanisterMessage, Ingress, Input, Reject, Request, Response,
    ResponsePayload, SenderInfo,
};
pub use page_map::{PAGE_BYTES, Page, PageBytes, PageMap};
pub use queues::{CanisterQueues, QueueFull};
pub use settings::{CanisterSettings, Visibility};
pub use snapshot::CertifiedSnapshot;
pub use state::{CanisterDifference, RawRandRequest, ReplicatedState, Totals};
pub use store::{Checkpoint, CheckpointSize, Opened, Store, StoreError};
pub use tree::StateTree;
