//! The methods of ICRC-1 and ICRC-2 that change or read a book, for a canister to pass on to.

use candid::{CandidType, Nat, Principal};

use crate::account::{Account, BadAccount, Key};
use crate::book::{Approval, Book, Memo, Movement};
use crate::icrc::{
    Allowance, AllowanceArgs, ApproveArgs, ApproveError, TransferArg, TransferError,
    TransferFromArgs, TransferFromError,
};
use crate::refused::Refused;
use crate::tokens;

/// `icrc1_balance_of`.
pub fn balance_of(book: &Book, account: &Account) -> Result<Nat, BadAccount> {
    Ok(book.balance(&book.key(account)?).into())
}

/// `icrc1_transfer`.
pub fn transfer(
    book: &mut Book,
    caller: Principal,
    arguments: TransferArg,
    now: u64,
) -> Result<Nat, TransferError> {
    let request = request(caller, "transfer", &arguments);
    let movement = Movement {
        from: key(book, &Account::of(caller, arguments.from_subaccount))?,
        to: Some(key(book, &arguments.to)?),
        spender: None,
        amount: tokens(&arguments.amount),
        fee: arguments.fee.as_ref().map(tokens),
        memo: arguments.memo.map(Memo::Bytes),
        created_at: arguments.created_at_time,
        request,
    };
    Ok(book.transfer(movement, now)?.into())
}

/// `icrc2_transfer_from`.
pub fn transfer_from(
    book: &mut Book,
    caller: Principal,
    arguments: TransferFromArgs,
    now: u64,
) -> Result<Nat, TransferFromError> {
    let request = request(caller, "transfer_from", &arguments);
    let movement = Movement {
        from: key(book, &arguments.from)?,
        to: Some(key(book, &arguments.to)?),
        spender: Some(key(book, &Account::of(caller, arguments.spender_subaccount))?),
        amount: tokens(&arguments.amount),
        fee: arguments.fee.as_ref().map(tokens),
        memo: arguments.memo.map(Memo::Bytes),
        created_at: arguments.created_at_time,
        request,
    };
    Ok(book.transfer(movement, now)?.into())
}

/// `icrc2_approve`.
pub fn approve(
    book: &mut Book,
    caller: Principal,
    arguments: ApproveArgs,
    now: u64,
) -> Result<Nat, ApproveError> {
    let request = request(caller, "approve", &arguments);
    let approval = Approval {
        from: key(book, &Account::of(caller, arguments.from_subaccount))?,
        spender: key(book, &arguments.spender)?,
        amount: tokens(&arguments.amount),
        expected: arguments.expected_allowance.as_ref().map(tokens),
        expires_at: arguments.expires_at,
        fee: arguments.fee.as_ref().map(tokens),
        memo: arguments.memo.map(Memo::Bytes),
        created_at: arguments.created_at_time,
        request,
    };
    Ok(book.approve(approval, now)?.into())
}

/// `icrc2_allowance`.
pub fn allowance(
    book: &Book,
    arguments: &AllowanceArgs,
    now: u64,
) -> Result<Allowance, BadAccount> {
    let (from, spender) = (book.key(&arguments.account)?, book.key(&arguments.spender)?);
    let (allowance, expires_at) = book.allowance(&from, &spender, now);
    Ok(Allowance { allowance: allowance.into(), expires_at })
}

/// The account's key in the book.
fn key(book: &Book, account: &Account) -> Result<Key, Refused> {
    Ok(book.key(account)?)
}

/// What makes a request the same as an earlier one.
pub fn request(caller: Principal, method: &str, arguments: &impl CandidType) -> Vec<u8> {
    candid::encode_args((caller, method, arguments)).expect("arguments have a Candid form")
}
