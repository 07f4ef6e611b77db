//! Memories of canisters that ran lately, kept so that the next message finds its pages in place.

use std::collections::BTreeMap;
use std::sync::Mutex;

use replica_state::Memory;
use types::CanisterId;

use super::region::{Geometry, Region};

/// What a resident memory costs besides its pages: page tables, bitmaps.
const OVERHEAD_BYTES: u64 = 64 * 1024;

/// The most memories in one pool. Each takes some GiB of addresses, of which a process has 128
/// TiB, and some mappings, of which the kernel allows 65,530 by default.
const MEMORIES_MAX: usize = 4_096;

/// A bounded pool of memories by canister; those not used for longest go first.
///
/// Updates and queries have a pool each: they start from different heaps, and must not wait for
/// each other. Several threads may share a pool; a second thread that runs the same canister at
/// the same time works on a fresh copy.
pub struct ResidentMemories {
    bytes_max: u64,
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    memories: BTreeMap<CanisterId, Entry>,
    by_age: BTreeMap<u64, CanisterId>,
    bytes: u64,
    clock: u64,
}

struct Entry {
    region: Region,
    stamp: u64,
    bytes: u64,
}

impl ResidentMemories {
    /// A pool for memories of so many bytes in total.
    pub fn new(bytes_max: u64) -> Self {
        ResidentMemories { bytes_max, pool: Mutex::default() }
    }

    /// Bytes of all memories in the pool.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Drops the memory of a canister that is gone.
    pub fn forget(&self, canister: CanisterId) {
        let gone = self.lock().remove(canister);
        // Unmapping happens outside of the lock.
        drop(gone);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().expect("no code panics while it holds the pool")
    }

    /// A region with this heap: the canister's resident one brought up to date, or a new one.
    pub(super) fn take(
        &self,
        canister: CanisterId,
        heap: &Memory,
        geometry: Geometry,
    ) -> std::io::Result<Region> {
        let resident = self.lock().remove(canister);
        if let Some(mut region) = resident
            && region.wasm_pages() <= heap.size
            && region.rebase(&heap.pages).is_ok()
            && region.grow_to(heap.size)
        {
            return Ok(region);
        }
        // A heap that shrank belongs to other code.
        Region::new(heap.pages.clone(), heap.size, geometry)
    }

    /// Keeps a region for the next execution.
    pub(super) fn put(&self, canister: CanisterId, region: Region) {
        let evicted = self.lock().insert(canister, region, self.bytes_max);
        drop(evicted);
    }
}

impl Pool {
    fn remove(&mut self, canister: CanisterId) -> Option<Region> {
        let entry = self.memories.remove(&canister)?;
        self.by_age.remove(&entry.stamp);
        self.bytes -= entry.bytes;
        Some(entry.region)
    }

    fn insert(&mut self, canister: CanisterId, region: Region, bytes_max: u64) -> Vec<Region> {
        let mut evicted: Vec<Region> = self.remove(canister).into_iter().collect();
        let bytes = region.bytes_loaded() + OVERHEAD_BYTES;
        self.clock += 1;
        self.bytes += bytes;
        self.by_age.insert(self.clock, canister);
        self.memories.insert(canister, Entry { region, stamp: self.clock, bytes });
        while self.bytes > bytes_max || self.memories.len() > MEMORIES_MAX {
            let Some((_, &oldest)) = self.by_age.first_key_value() else { break };
            evicted.extend(self.remove(oldest));
        }
        evicted
    }
}
