//! The cycles ledger of a development network, at the id of the public one.
//!
//! It has the public ledger's interface and fee, and holds real cycles: what leaves it as a top-up or as
//! the first balance of a canister goes through the management canister, out of its own balance. Unlike
//! the public one it gives: every user has an opening balance, so that nobody must buy cycles first.

mod create;
mod icrc;
mod outgoing;
mod withdraw;

use candid::{CandidType, Nat, Principal};
use ic_cdk::{init, post_upgrade, update};
use ic_stable_structures::memory_manager::{MemoryId, MemoryManager};
use ic_stable_structures::{DefaultMemoryImpl, StableCell};
use ledger::{Account, BadAccount, Book, Key, Memo, Rules, tokens};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use std::cell::RefCell;

/// What a transfer costs, in cycles.
const FEE: u128 = 100_000_000;
const NAME: &str = "Trillion Cycles";
const SYMBOL: &str = "TCYCLES";
const DECIMALS: u8 = 12;

/// What a user has from the start, in cycles.
const OPENING: u128 = 1_000_000_000_000_000;

/// The last byte of the principals of users that have a key.
const SELF_AUTHENTICATING: u8 = 2;

type Memory = ic_stable_structures::memory_manager::VirtualMemory<DefaultMemoryImpl>;

thread_local! {
    static MEMORY: MemoryManager<DefaultMemoryImpl> = MemoryManager::init(DefaultMemoryImpl::default());
    static BOOK: RefCell<Book> = RefCell::new(MEMORY.with(|memory| {
        Book::open(memory, Rules { fee: FEE, key: Account::key, minting: || None, opening })
    }));
    /// The subnet on which canisters are created, in its bytes.
    static SUBNET: RefCell<StableCell<Vec<u8>, Memory>> = RefCell::new(MEMORY.with(|memory| {
        StableCell::init(memory.get(MemoryId::new(Book::MEMORIES)), Vec::new())
    }));
}

/// How the ledger begins.
#[derive(CandidType, Deserialize)]
struct InitArgs {
    /// The subnet that this ledger is on.
    subnet: Principal,
    /// Who has how many cycles, opening balances not counted.
    initial_values: Vec<(Account, Nat)>,
}

#[init]
fn init(arguments: InitArgs) {
    SUBNET.with_borrow_mut(|cell| cell.set(arguments.subnet.as_slice().to_vec()));
    for (account, amount) in arguments.initial_values {
        let minted = BOOK.with_borrow_mut(|book| {
            let key = book.key(&account)?;
            Ok::<_, BadAccount>(book.mint(&key, tokens(&amount), None, now()))
        });
        if minted.is_err() {
            ic_cdk::api::trap("a subaccount has 32 bytes");
        }
    }
}

/// All is in stable memory.
#[post_upgrade]
fn post_upgrade() {}

fn now() -> u64 {
    ic_cdk::api::time()
}

fn subnet() -> Principal {
    SUBNET.with_borrow(|cell| Principal::from_slice(cell.get()))
}

/// Users have an opening balance on their default account; canisters have none.
fn opening(key: &Key) -> u128 {
    let (subaccount, owner) = key.split_at(ledger::SUBACCOUNT_BYTES);
    let is_default = subaccount.iter().all(|byte| *byte == 0);
    let is_key = owner.len() == 29 && owner.last() == Some(&SELF_AUTHENTICATING);
    let is_user = is_key || owner == Principal::anonymous().as_slice();
    if is_default && is_user { OPENING } else { 0 }
}

#[derive(CandidType, Deserialize)]
struct DepositArgs {
    to: Account,
    memo: Option<ByteBuf>,
}

#[derive(CandidType)]
struct DepositResult {
    block_index: Nat,
    balance: Nat,
}

/// Credits the cycles of the call, less the fee, to an account.
#[update]
fn deposit(arguments: DepositArgs) -> DepositResult {
    let offered = ic_cdk::api::msg_cycles_available();
    if offered <= FEE {
        ic_cdk::api::trap(format!("a deposit needs more cycles than the fee of {FEE}"));
    }
    let accepted = ic_cdk::api::msg_cycles_accept(offered);
    BOOK.with_borrow_mut(|book| {
        let Ok(key) = book.key(&arguments.to) else {
            ic_cdk::api::trap("a subaccount has 32 bytes");
        };
        let block = book.mint(&key, accepted - FEE, arguments.memo.map(Memo::Bytes), now());
        DepositResult { block_index: block.into(), balance: book.balance(&key).into() }
    })
}

// The interface as the methods above and of the modules state it; the build compares it with the file.
use create::{
    CreateCanisterArgs, CreateCanisterError, CreateCanisterFromArgs, CreateCanisterFromError,
    CreateCanisterSuccess,
};
use ledger::{
    Allowance, AllowanceArgs, ApproveArgs, ApproveError, MetadataValue, SupportedStandard,
    TransferArg, TransferError, TransferFromArgs, TransferFromError,
};
use withdraw::{WithdrawArgs, WithdrawError, WithdrawFromArgs, WithdrawFromError};

ic_cdk::export_candid!();
