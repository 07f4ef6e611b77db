//! `transfer`, the ledger's own method, older than the standards.

use candid::CandidType;
use ic_cdk::update;
use ledger::{Account, AccountIdentifier, Memo, Movement, Refused};
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::{BOOK, Tokens, now};

/// How long a request is remembered, in nanoseconds.
const WINDOW: u64 = 24 * 60 * 60 * 1_000_000_000;

#[derive(Clone, Copy, Debug, CandidType, Deserialize)]
pub struct TimeStamp {
    pub timestamp_nanos: u64,
}

#[derive(Debug, CandidType, Deserialize)]
pub struct TransferArgs {
    memo: u64,
    amount: Tokens,
    fee: Tokens,
    from_subaccount: Option<ByteBuf>,
    to: ByteBuf,
    created_at_time: Option<TimeStamp>,
}

/// Why `transfer` did nothing.
#[derive(Debug, CandidType, Deserialize)]
pub enum TransferFailure {
    BadFee { expected_fee: Tokens },
    InsufficientFunds { balance: Tokens },
    TxTooOld { allowed_window_nanos: u64 },
    TxCreatedInFuture,
    TxDuplicate { duplicate_of: u64 },
}

/// Transfers tokens of the caller to the account with an identifier. Returns the block.
#[update]
fn transfer(arguments: TransferArgs) -> Result<u64, TransferFailure> {
    let caller = ic_cdk::api::msg_caller();
    let from = Account::of(caller, arguments.from_subaccount.clone()).identifier();
    let to = AccountIdentifier::parse(&arguments.to);
    let (Ok(from), Ok(to)) = (from, to) else {
        ic_cdk::api::trap("a subaccount has 32 bytes, an account identifier 32 with its checksum");
    };
    let request = candid::encode_args((caller, &arguments)).expect("arguments have a Candid form");
    let movement = Movement {
        from: from.key(),
        to: Some(to.key()),
        spender: None,
        amount: arguments.amount.e8s.into(),
        fee: Some(arguments.fee.e8s.into()),
        memo: Some(Memo::Number(arguments.memo)),
        created_at: arguments.created_at_time.map(|time| time.timestamp_nanos),
        request,
    };
    BOOK.with_borrow_mut(|book| book.transfer(movement, now())).map_err(|refused| match refused {
        Refused::BadFee { expected } => {
            TransferFailure::BadFee { expected_fee: Tokens::of(expected) }
        }
        Refused::InsufficientFunds { balance } => {
            TransferFailure::InsufficientFunds { balance: Tokens::of(balance) }
        }
        Refused::TooOld => TransferFailure::TxTooOld { allowed_window_nanos: WINDOW },
        Refused::CreatedInFuture { .. } => TransferFailure::TxCreatedInFuture,
        Refused::Duplicate { of } => TransferFailure::TxDuplicate { duplicate_of: of },
        // The method's type has no other case; the public ledger traps as well.
        other => ic_cdk::api::trap(other.text()),
    })
}
