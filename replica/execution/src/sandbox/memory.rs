//! Gives the machine the region of the canister that is about to run as its memory.

use std::cell::Cell;
use std::sync::Arc;

use replica_state::WASM_PAGE_BYTES;
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::region::Region;

thread_local! {
    /// The region for the memory that is instantiated next on this thread.
    static NEXT: Cell<Option<Arc<Region>>> = const { Cell::new(None) };
}

/// Runs `instantiate` so that the memory it makes is this region.
pub(super) fn provide<R>(region: Option<Arc<Region>>, instantiate: impl FnOnce() -> R) -> R {
    NEXT.set(region);
    let result = instantiate();
    NEXT.set(None);
    result
}

/// Hands out the provided region.
pub(super) struct Provider;

// SAFETY: the memory handed out has the wanted addresses and guard (checked), is a region whose
// pages in use are accessible (absent ones on demand, by the handler of faults), is zero or the
// canister's own content, and is not touched by others while the instance lives: the sandbox holds
// the region for one execution at a time.
unsafe impl MemoryCreator for Provider {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let region = NEXT.take().ok_or("no region was provided for the memory")?;
        let geometry = region.geometry();
        if reserved.is_none_or(|bytes| bytes > geometry.reserved) || guard > geometry.guard {
            return Err("the region has fewer addresses than the machine relies on".into());
        }
        if minimum > region.bytes_in_use() {
            return Err("the heap is smaller than the module's minimum".into());
        }
        Ok(Box::new(RegionMemory(region)))
    }
}

struct RegionMemory(Arc<Region>);

// SAFETY: the region never moves, `byte_size` bytes from its start are in use, and growing stays
// within its addresses.
unsafe impl LinearMemory for RegionMemory {
    fn byte_size(&self) -> usize {
        self.0.bytes_in_use()
    }

    fn byte_capacity(&self) -> usize {
        self.0.geometry().reserved
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        let pages = new_size as u64 / WASM_PAGE_BYTES;
        match self.0.grow_to(pages) {
            true => Ok(()),
            false => Err(wasmtime::Error::msg("the memory is as large as it can be")),
        }
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.start().as_ptr()
    }
}
