//! The ICP ledger of a development network, at the id of the public one.
//!
//! It has the public ledger's interface, accounts and fee. Its tokens are worth nothing: the anonymous
//! principal, which everybody can be, has a large amount from the start and gives to whoever asks.

mod blocks;
mod icrc;
mod transfer;

use candid::{CandidType, Nat};
use ic_cdk::{init, post_upgrade, query};
use ic_stable_structures::DefaultMemoryImpl;
use ic_stable_structures::memory_manager::MemoryManager;
use ledger::{Account, AccountIdentifier, Book, Rules, tokens};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use std::cell::RefCell;

/// What a transfer costs, in e8s.
const FEE: u128 = 10_000;
const NAME: &str = "Internet Computer";
const SYMBOL: &str = "ICP";
const DECIMALS: u8 = 8;

/// The owner of the minting account: governance, which a development network does not have.
const GOVERNANCE: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1, 1, 1];

thread_local! {
    static BOOK: RefCell<Book> = RefCell::new(Book::open(
        &MemoryManager::init(DefaultMemoryImpl::default()),
        Rules {
            fee: FEE,
            key: |account| account.identifier().map(|identifier| identifier.key()),
            minting: || Some(minting_account()),
            opening: |_| 0,
        },
    ));
}

/// How the ledger begins.
#[derive(CandidType, Deserialize)]
struct InitArgs {
    /// Who has how many e8s.
    initial_values: Vec<(Account, Nat)>,
}

/// A number of tokens in the ledger's older methods.
#[derive(Clone, Copy, Debug, CandidType, Deserialize)]
struct Tokens {
    e8s: u64,
}

impl Tokens {
    /// No balance exceeds what 64 bits hold; see `transfer`.
    fn of(amount: u128) -> Self {
        Self { e8s: u64::try_from(amount).unwrap_or(u64::MAX) }
    }
}

#[init]
fn init(arguments: InitArgs) {
    for (account, amount) in arguments.initial_values {
        let Ok(identifier) = account.identifier() else {
            ic_cdk::api::trap("a subaccount has 32 bytes");
        };
        BOOK.with_borrow_mut(|book| book.mint(&identifier.key(), tokens(&amount), None, now()));
    }
}

/// All is in stable memory.
#[post_upgrade]
fn post_upgrade() {}

fn minting_account() -> Account {
    Account::of(candid::Principal::from_slice(GOVERNANCE), None)
}

fn now() -> u64 {
    ic_cdk::api::time()
}

#[derive(CandidType, Deserialize)]
struct AccountBalanceArgs {
    account: ByteBuf,
}

#[derive(CandidType, Deserialize)]
struct AccountBalanceArgsDfx {
    account: String,
}

/// What an account has, by its identifier.
#[query]
fn account_balance(arguments: AccountBalanceArgs) -> Tokens {
    balance_of(AccountIdentifier::parse(&arguments.account))
}

/// What an account has, by its identifier in hexadecimal digits.
#[query]
fn account_balance_dfx(arguments: AccountBalanceArgsDfx) -> Tokens {
    balance_of(AccountIdentifier::parse_text(&arguments.account))
}

fn balance_of(account: Result<AccountIdentifier, ledger::BadAccount>) -> Tokens {
    match account {
        Ok(account) => Tokens::of(BOOK.with_borrow(|book| book.balance(&account.key()))),
        Err(_) => ic_cdk::api::trap("this is no account identifier"),
    }
}

/// The identifier of an account.
#[query]
fn account_identifier(account: Account) -> ByteBuf {
    match account.identifier() {
        Ok(identifier) => ByteBuf::from(identifier.key()),
        Err(_) => ic_cdk::api::trap("a subaccount has 32 bytes"),
    }
}

#[derive(CandidType, Deserialize)]
struct TransferFeeArg {}

#[derive(CandidType)]
struct TransferFee {
    transfer_fee: Tokens,
}

/// What a transfer costs.
#[query]
fn transfer_fee(_argument: TransferFeeArg) -> TransferFee {
    TransferFee { transfer_fee: Tokens::of(FEE) }
}

#[derive(CandidType)]
struct Symbol {
    symbol: String,
}

#[derive(CandidType)]
struct Name {
    name: String,
}

#[derive(CandidType)]
struct Decimals {
    decimals: u32,
}

#[query]
fn symbol() -> Symbol {
    Symbol { symbol: SYMBOL.into() }
}

#[query]
fn name() -> Name {
    Name { name: NAME.into() }
}

#[query]
fn decimals() -> Decimals {
    Decimals { decimals: DECIMALS.into() }
}

// The interface as the methods above and of the modules state it; the build compares it with the file.
use blocks::{GetBlocksArgs, QueryBlocksResponse};
use ledger::{
    Allowance, AllowanceArgs, ApproveArgs, ApproveError, MetadataValue, SupportedStandard,
    TransferArg, TransferError, TransferFromArgs, TransferFromError,
};
use transfer::{TransferArgs, TransferFailure};

ic_cdk::export_candid!();
