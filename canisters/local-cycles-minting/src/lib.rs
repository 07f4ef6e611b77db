//! The cycles minting canister of a development network, at the id of the public one.
//!
//! ICP that was transferred to it becomes cycles at a fixed rate, out of its own large balance: in an
//! account of the cycles ledger, in a canister, or as a new canister.
//!
//! ```text
//!   user --transfer--> ICP ledger        user --notify_*--> this canister --query_blocks--> ICP ledger
//!                                                            `--deposit--> cycles ledger
//!                                                            `--deposit_cycles, create_canister--> subnet
//! ```

mod notify;
mod payment;
mod rate;
mod subnets;

use candid::{CandidType, Principal};
use ic_cdk::{init, post_upgrade};
use ic_stable_structures::memory_manager::{MemoryId, MemoryManager, VirtualMemory};
use ic_stable_structures::{DefaultMemoryImpl, StableBTreeMap, StableCell};
use serde::Deserialize;
use std::cell::RefCell;

type Memory = VirtualMemory<DefaultMemoryImpl>;

/// The ICP ledger and the cycles ledger, at their public ids.
const ICP_LEDGER: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 1]);
const CYCLES_LEDGER: Principal = Principal::from_slice(&[0, 0, 0, 0, 2, 0x10, 0, 2, 1, 1]);

thread_local! {
    static MEMORY: MemoryManager<DefaultMemoryImpl> = MemoryManager::init(DefaultMemoryImpl::default());
    /// The subnet, in the bytes of its id.
    static SUBNET: RefCell<StableCell<Vec<u8>, Memory>> = RefCell::new(
        MEMORY.with(|memory| StableCell::init(memory.get(MemoryId::new(0)), Vec::new())));
    /// What became of payments, by their blocks on the ICP ledger.
    static SETTLED: RefCell<StableBTreeMap<u64, Vec<u8>, Memory>> = RefCell::new(
        MEMORY.with(|memory| StableBTreeMap::init(memory.get(MemoryId::new(1)))));
}

/// How the canister begins.
#[derive(CandidType, Deserialize)]
struct InitArgs {
    /// The subnet that this canister is on.
    subnet: Principal,
}

#[init]
fn init(arguments: InitArgs) {
    SUBNET.with_borrow_mut(|cell| cell.set(arguments.subnet.as_slice().to_vec()));
    rate::certify();
}

/// All but the certified data is in stable memory.
#[post_upgrade]
fn post_upgrade() {
    rate::certify();
}

fn subnet() -> Principal {
    SUBNET.with_borrow(|cell| Principal::from_slice(cell.get()))
}

// The interface as the methods of the modules state it; the build compares it with the file.
use candid::Nat;
use notify::{
    NotifyCreateCanisterArg, NotifyError, NotifyMintArg, NotifyMintSuccess, NotifyTopUpArg,
};
use rate::IcpXdrConversionRateResponse;
use subnets::SubnetTypesToSubnetsResponse;

ic_cdk::export_candid!();
