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
/// each other. Several threads may share a pool. Threads that run the same canister at the same
/// time work on a memory each, and the pool keeps all of them: mapping a memory and bringing its
/// pages in costs many times what a small query does.
pub struct ResidentMemories {
    bytes_max: u64,
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    memories: BTreeMap<(CanisterId, Stamp), Entry>,
    by_age: BTreeMap<Stamp, CanisterId>,
    bytes: u64,
    clock: Stamp,
}

/// When a memory was put into the pool: the count of puts until then.
type Stamp = u64;

struct Entry {
    region: Region,
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

    /// Drops the memories of a canister that is gone.
    pub fn forget(&self, canister: CanisterId) {
        // Unmapping happens outside of the lock.
        while let Some(region) = self.take_latest(canister) {
            drop(region);
        }
    }

    fn take_latest(&self, canister: CanisterId) -> Option<Region> {
        self.lock().take_latest(canister)
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
        let resident = self.take_latest(canister);
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
    /// The memory of this canister that was used last: it differs least from what is wanted now.
    fn take_latest(&mut self, canister: CanisterId) -> Option<Region> {
        let of_canister = (canister, Stamp::MIN)..=(canister, Stamp::MAX);
        let (&(_, stamp), _) = self.memories.range(of_canister).next_back()?;
        self.remove(canister, stamp)
    }

    fn remove(&mut self, canister: CanisterId, stamp: Stamp) -> Option<Region> {
        let entry = self.memories.remove(&(canister, stamp))?;
        self.by_age.remove(&stamp);
        self.bytes -= entry.bytes;
        Some(entry.region)
    }

    fn insert(&mut self, canister: CanisterId, region: Region, bytes_max: u64) -> Vec<Region> {
        let bytes = region.bytes_loaded() + OVERHEAD_BYTES;
        self.clock += 1;
        self.bytes += bytes;
        self.by_age.insert(self.clock, canister);
        self.memories.insert((canister, self.clock), Entry { region, bytes });
        let mut evicted = Vec::new();
        while self.bytes > bytes_max || self.memories.len() > MEMORIES_MAX {
            let Some((&stamp, &oldest)) = self.by_age.first_key_value() else { break };
            evicted.extend(self.remove(oldest, stamp));
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replica_state::{PAGE_BYTES, PageMap};

    const GEOMETRY: Geometry = Geometry { reserved: 1 << 20, guard: 1 << 16 };

    /// A memory whose first page has this content.
    fn heap(content: &[u8]) -> Memory {
        let mut pages = PageMap::new();
        pages.write(0, content);
        Memory { pages, size: 1 }
    }

    fn first_bytes(region: &Region) -> [u8; 3] {
        let mut bytes = [0; 3];
        region.read(0, &mut bytes);
        bytes
    }

    #[test]
    fn memories_of_one_canister_are_all_kept_and_the_latest_is_taken_first() {
        let pool = ResidentMemories::new(1 << 30);
        let (one, other) = (CanisterId::from_index(1), CanisterId::from_index(2));
        let heap = heap(b"abc");
        let taken = [(); 3].map(|()| pool.take(one, &heap, GEOMETRY).unwrap());
        for region in &taken {
            assert_eq!(&first_bytes(region), b"abc");
        }
        let addresses = taken.each_ref().map(Region::start);
        for region in taken {
            pool.put(one, region);
        }
        assert_eq!(pool.lock().memories.len(), 3);
        assert_eq!(pool.take(one, &heap, GEOMETRY).unwrap().start(), addresses[2]);
        let region = pool.take(other, &heap, GEOMETRY).unwrap();
        assert!(!addresses[..2].contains(&region.start()), "it is another canister's");
        pool.put(other, region);
        pool.forget(one);
        let left: Vec<CanisterId> = pool.lock().memories.keys().map(|(id, _)| *id).collect();
        assert_eq!(left, [other]);
        pool.forget(other);
        assert_eq!((pool.bytes(), pool.lock().by_age.len()), (0, 0));
    }

    #[test]
    fn beyond_the_bound_the_oldest_memory_goes_whosever_it_is() {
        // Room for two memories of which one page was read.
        let pool = ResidentMemories::new(2 * (OVERHEAD_BYTES + PAGE_BYTES as u64));
        let ids = [1, 2, 1].map(CanisterId::from_index);
        let taken = ids.map(|id| pool.take(id, &heap(b"abc"), GEOMETRY).unwrap());
        for (id, region) in ids.into_iter().zip(taken) {
            first_bytes(&region);
            pool.put(id, region);
        }
        let left: Vec<CanisterId> = pool.lock().by_age.values().copied().collect();
        assert_eq!(left, [ids[1], ids[2]]);
    }
}
