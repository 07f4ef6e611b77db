//! What lives in stable memory: the notes, and during an upgrade what the heap holds.

use candid::{CandidType, Decode, Deserialize, Encode};
use ic_stable_structures::memory_manager::{MemoryId, MemoryManager, VirtualMemory};
use ic_stable_structures::{DefaultMemoryImpl, StableBTreeMap, StableCell};
use std::cell::RefCell;

type Memory = VirtualMemory<DefaultMemoryImpl>;

const SAVED: MemoryId = MemoryId::new(0);
const NOTES: MemoryId = MemoryId::new(1);

/// What an upgrade must not lose.
#[derive(CandidType, Deserialize, Default)]
pub struct Saved {
    pub value: u64,
    pub label: String,
    pub ticks: u64,
    /// `None` when nothing ticks.
    pub interval_ms: Option<u64>,
}

thread_local! {
    static MANAGER: MemoryManager<DefaultMemoryImpl> = MemoryManager::init(DefaultMemoryImpl::default());
    static SAVED_CELL: RefCell<StableCell<Vec<u8>, Memory>> =
        RefCell::new(StableCell::init(memory(SAVED), Vec::new()));
    static NOTES_MAP: RefCell<StableBTreeMap<String, String, Memory>> =
        RefCell::new(StableBTreeMap::init(memory(NOTES)));
}

fn memory(id: MemoryId) -> Memory {
    MANAGER.with(|manager| manager.get(id))
}

pub fn save(saved: Saved) {
    let bytes = Encode!(&saved).expect("a plain record can be encoded");
    SAVED_CELL.with_borrow_mut(|cell| cell.set(bytes));
}

/// What the last upgrade saved; traps on bytes that are not ours, which stops the upgrade.
pub fn saved() -> Saved {
    SAVED_CELL.with_borrow(|cell| Decode!(cell.get(), Saved).expect("pre_upgrade of this canister wrote it"))
}

pub fn put_note(name: String, text: String) {
    NOTES_MAP.with_borrow_mut(|notes| notes.insert(name, text));
}

pub fn note(name: &String) -> Option<String> {
    NOTES_MAP.with_borrow(|notes| notes.get(name))
}
