//! Cycles that leave the ledger: taken from an account first, given back if the call fails.

use candid::utils::ArgumentEncoder;
use candid::{CandidType, Principal};
use ic_cdk::call::{Call, CallFailed, CallRejected, RejectCode, Response};
use ledger::{Account, Key, Movement, Refused};
use serde::Deserialize;

use crate::{BOOK, now};

/// What is taken, and from whom.
pub struct Outgoing {
    pub from: Account,
    /// Who takes it by an allowance, if not the owner.
    pub spender: Option<Account>,
    pub amount: u128,
    pub created_at: Option<u64>,
    /// What tells this request from all others of the same time.
    pub request: Vec<u8>,
}

/// What was taken.
pub struct Taken {
    pub block: u64,
    from: Key,
    spender: Option<Key>,
    amount: u128,
}

/// Why a call that cycles went along with failed, and what was given back.
pub struct Failed {
    pub code: RejectionCode,
    pub reason: String,
    pub refund_block: Option<u64>,
}

/// The codes of a rejected call, as the public ledger names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, CandidType, Deserialize)]
pub enum RejectionCode {
    NoError,
    CanisterError,
    SysTransient,
    DestinationInvalid,
    Unknown,
    SysFatal,
    CanisterReject,
}

impl Outgoing {
    /// Takes amount and fee.
    pub fn take(self) -> Result<Taken, Refused> {
        BOOK.with_borrow_mut(|book| {
            let from = book.key(&self.from)?;
            let spender = self.spender.map(|account| book.key(&account)).transpose()?;
            let movement = Movement {
                from: from.clone(),
                to: None,
                spender: spender.clone(),
                amount: self.amount,
                fee: None,
                memo: None,
                created_at: self.created_at,
                request: self.request,
            };
            let block = book.transfer(movement, now())?;
            Ok(Taken { block, from, spender, amount: self.amount })
        })
    }
}

impl Taken {
    /// Calls the management canister with the cycles that were taken.
    pub async fn spend<A: ArgumentEncoder>(
        &self,
        method: &str,
        arguments: &A,
    ) -> Result<Response, Failed> {
        Call::unbounded_wait(Principal::management_canister(), method)
            .with_args(arguments)
            .with_cycles(self.amount)
            .await
            .map_err(|error| self.failed(error))
    }

    /// Gives the amount back; the fee is gone, and is all that a failure costs.
    pub fn refund(&self) -> u64 {
        BOOK.with_borrow_mut(|book| {
            if let Some(spender) = &self.spender {
                book.restore_allowance(&self.from, spender, self.amount, now());
            }
            book.mint(&self.from, self.amount, None, now())
        })
    }

    fn failed(&self, error: CallFailed) -> Failed {
        let refund_block = Some(self.refund());
        let (code, reason) = match &error {
            CallFailed::CallRejected(rejected) => {
                (code(rejected), rejected.reject_message().into())
            }
            CallFailed::InsufficientLiquidCycleBalance(error) => {
                (RejectionCode::SysTransient, error.to_string())
            }
            CallFailed::CallPerformFailed(error) => {
                (RejectionCode::SysTransient, error.to_string())
            }
        };
        Failed { code, reason, refund_block }
    }
}

fn code(rejected: &CallRejected) -> RejectionCode {
    match rejected.reject_code() {
        Ok(RejectCode::SysFatal) => RejectionCode::SysFatal,
        Ok(RejectCode::SysTransient) => RejectionCode::SysTransient,
        Ok(RejectCode::DestinationInvalid) => RejectionCode::DestinationInvalid,
        Ok(RejectCode::CanisterReject) => RejectionCode::CanisterReject,
        Ok(RejectCode::CanisterError) => RejectionCode::CanisterError,
        _ => RejectionCode::Unknown,
    }
}
