//! `withdraw` and `withdraw_from`: cycles to a canister.

use candid::{CandidType, Nat, Principal};
use ic_cdk::api::msg_caller;
use ic_cdk::update;
use ledger::{Account, CanisterId, INVALID, Refused, request, tokens};
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::outgoing::{Failed, Outgoing, RejectionCode, Taken};

#[derive(Debug, CandidType, Deserialize)]
pub struct WithdrawArgs {
    amount: Nat,
    from_subaccount: Option<ByteBuf>,
    to: Principal,
    created_at_time: Option<u64>,
}

#[derive(Debug, CandidType, Deserialize)]
pub enum WithdrawError {
    GenericError {
        message: String,
        error_code: Nat,
    },
    TemporarilyUnavailable,
    FailedToWithdraw {
        fee_block: Option<Nat>,
        rejection_code: RejectionCode,
        rejection_reason: String,
    },
    Duplicate {
        duplicate_of: Nat,
    },
    BadFee {
        expected_fee: Nat,
    },
    InvalidReceiver {
        receiver: Principal,
    },
    CreatedInFuture {
        ledger_time: u64,
    },
    TooOld,
    InsufficientFunds {
        balance: Nat,
    },
}

#[derive(Debug, CandidType, Deserialize)]
pub struct WithdrawFromArgs {
    spender_subaccount: Option<ByteBuf>,
    from: Account,
    to: Principal,
    amount: Nat,
    created_at_time: Option<u64>,
}

#[derive(Debug, CandidType, Deserialize)]
pub enum WithdrawFromError {
    GenericError {
        message: String,
        error_code: Nat,
    },
    TemporarilyUnavailable,
    FailedToWithdrawFrom {
        withdraw_from_block: Option<Nat>,
        refund_block: Option<Nat>,
        approval_refund_block: Option<Nat>,
        rejection_code: RejectionCode,
        rejection_reason: String,
    },
    Duplicate {
        duplicate_of: Nat,
    },
    InvalidReceiver {
        receiver: Principal,
    },
    CreatedInFuture {
        ledger_time: u64,
    },
    TooOld,
    InsufficientFunds {
        balance: Nat,
    },
    InsufficientAllowance {
        allowance: Nat,
    },
}

/// Sends cycles of the caller to a canister. Returns the block.
#[update]
async fn withdraw(arguments: WithdrawArgs) -> Result<Nat, WithdrawError> {
    let caller = msg_caller();
    let request = request(caller, "withdraw", &arguments);
    if !is_canister(&arguments.to) {
        return Err(WithdrawError::InvalidReceiver { receiver: arguments.to });
    }
    let taken = Outgoing {
        from: Account::of(caller, arguments.from_subaccount),
        spender: None,
        amount: tokens(&arguments.amount),
        created_at: arguments.created_at_time,
        request,
    }
    .take()?;
    send(&taken, arguments.to).await.map_err(|failed| WithdrawError::FailedToWithdraw {
        fee_block: Some(taken.block.into()),
        rejection_code: failed.code,
        rejection_reason: failed.reason,
    })
}

/// Sends cycles of an account to a canister, by an allowance. Returns the block.
#[update]
async fn withdraw_from(arguments: WithdrawFromArgs) -> Result<Nat, WithdrawFromError> {
    let caller = msg_caller();
    let request = request(caller, "withdraw_from", &arguments);
    if !is_canister(&arguments.to) {
        return Err(WithdrawFromError::InvalidReceiver { receiver: arguments.to });
    }
    let taken = Outgoing {
        from: arguments.from,
        spender: Some(Account::of(caller, arguments.spender_subaccount)),
        amount: tokens(&arguments.amount),
        created_at: arguments.created_at_time,
        request,
    }
    .take()?;
    send(&taken, arguments.to).await.map_err(|failed| WithdrawFromError::FailedToWithdrawFrom {
        withdraw_from_block: Some(taken.block.into()),
        refund_block: failed.refund_block.map(Nat::from),
        approval_refund_block: None,
        rejection_code: failed.code,
        rejection_reason: failed.reason,
    })
}

async fn send(taken: &Taken, canister_id: Principal) -> Result<Nat, Failed> {
    taken.spend("deposit_cycles", &(CanisterId { canister_id },)).await?;
    Ok(taken.block.into())
}

/// Users and the management canister hold no cycles: ten bytes with this end are a canister's id.
fn is_canister(id: &Principal) -> bool {
    matches!(id.as_slice(), [_, _, _, _, _, _, _, _, _, 1])
}

impl From<Refused> for WithdrawError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InsufficientFunds { balance } => {
                Self::InsufficientFunds { balance: balance.into() }
            }
            Refused::TooOld => Self::TooOld,
            Refused::CreatedInFuture { now } => Self::CreatedInFuture { ledger_time: now },
            Refused::Duplicate { of } => Self::Duplicate { duplicate_of: of.into() },
            other => {
                Self::GenericError { message: other.text().into(), error_code: INVALID.into() }
            }
        }
    }
}

impl From<Refused> for WithdrawFromError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InsufficientFunds { balance } => {
                Self::InsufficientFunds { balance: balance.into() }
            }
            Refused::InsufficientAllowance { allowance } => {
                Self::InsufficientAllowance { allowance: allowance.into() }
            }
            Refused::TooOld => Self::TooOld,
            Refused::CreatedInFuture { now } => Self::CreatedInFuture { ledger_time: now },
            Refused::Duplicate { of } => Self::Duplicate { duplicate_of: of.into() },
            other => {
                Self::GenericError { message: other.text().into(), error_code: INVALID.into() }
            }
        }
    }
}
