//! The standards ICRC-1 and ICRC-2.

use candid::Nat;
use ic_cdk::api::{msg_caller, trap};
use ic_cdk::{query, update};
use ledger::{
    Account, Allowance, AllowanceArgs, ApproveArgs, ApproveError, MetadataValue, SupportedStandard,
    TransferArg, TransferError, TransferFromArgs, TransferFromError, metadata, standards,
};

use crate::{BOOK, DECIMALS, FEE, NAME, SYMBOL, now};

#[query]
fn icrc1_name() -> String {
    NAME.into()
}

#[query]
fn icrc1_symbol() -> String {
    SYMBOL.into()
}

#[query]
fn icrc1_decimals() -> u8 {
    DECIMALS
}

#[query]
fn icrc1_fee() -> Nat {
    FEE.into()
}

#[query]
fn icrc1_metadata() -> Vec<(String, MetadataValue)> {
    metadata(NAME, SYMBOL, DECIMALS, FEE)
}

#[query]
fn icrc1_supported_standards() -> Vec<SupportedStandard> {
    standards()
}

#[query]
fn icrc1_minting_account() -> Option<Account> {
    Some(crate::minting_account())
}

#[query]
fn icrc1_total_supply() -> Nat {
    BOOK.with_borrow(|book| book.supply()).into()
}

#[query]
fn icrc1_balance_of(account: Account) -> Nat {
    BOOK.with_borrow(|book| ledger::balance_of(book, &account))
        .unwrap_or_else(|_| trap("a subaccount has 32 bytes"))
}

#[update]
fn icrc1_transfer(arguments: TransferArg) -> Result<Nat, TransferError> {
    BOOK.with_borrow_mut(|book| ledger::transfer(book, msg_caller(), arguments, now()))
}

#[update]
fn icrc2_transfer_from(arguments: TransferFromArgs) -> Result<Nat, TransferFromError> {
    BOOK.with_borrow_mut(|book| ledger::transfer_from(book, msg_caller(), arguments, now()))
}

#[update]
fn icrc2_approve(arguments: ApproveArgs) -> Result<Nat, ApproveError> {
    BOOK.with_borrow_mut(|book| ledger::approve(book, msg_caller(), arguments, now()))
}

#[query]
fn icrc2_allowance(arguments: AllowanceArgs) -> Allowance {
    BOOK.with_borrow(|book| ledger::allowance(book, &arguments, now()))
        .unwrap_or_else(|_| trap("a subaccount has 32 bytes"))
}
