//! Why the book does not do what it is asked.

use crate::account::BadAccount;

/// The code of a method's `GenericError`: the argument is not valid.
pub const INVALID: u64 = 1;

/// Why nothing was moved. Each method has its own way of saying these; see `icrc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The fee that the caller named is not the ledger's.
    BadFee {
        /// The ledger's.
        expected: u128,
    },
    /// Too little is burned.
    BadBurn {
        /// The least.
        least: u128,
    },
    /// The account has less than amount and fee.
    InsufficientFunds {
        /// What it has.
        balance: u128,
    },
    /// The spender may take less than amount and fee.
    InsufficientAllowance {
        /// What it may take.
        allowance: u128,
    },
    /// The allowance is not the one that the caller expected.
    AllowanceChanged {
        /// What it is.
        current: u128,
    },
    /// The allowance would end in the past.
    Expired {
        /// The ledger's time, in nanoseconds.
        now: u64,
    },
    /// The request was made longer ago than the ledger remembers.
    TooOld,
    /// The request says that it was made in the future.
    CreatedInFuture {
        /// The ledger's time, in nanoseconds.
        now: u64,
    },
    /// The same request was carried out before.
    Duplicate {
        /// In this block.
        of: u64,
    },
    /// The request makes no sense.
    Invalid(&'static str),
}

impl From<BadAccount> for Refused {
    fn from(_: BadAccount) -> Self {
        Self::Invalid("a subaccount has 32 bytes")
    }
}

impl Refused {
    /// In words, for the errors that a method's own type has no case for.
    pub fn text(&self) -> &'static str {
        match self {
            Self::BadFee { .. } => "the fee is not the ledger's",
            Self::BadBurn { .. } => "too little to burn",
            Self::InsufficientFunds { .. } => "insufficient funds",
            Self::InsufficientAllowance { .. } => "insufficient allowance",
            Self::AllowanceChanged { .. } => "the allowance has changed",
            Self::Expired { .. } => "the allowance would end in the past",
            Self::TooOld => "the request is too old",
            Self::CreatedInFuture { .. } => "the request was made in the future",
            Self::Duplicate { .. } => "the same request was carried out before",
            Self::Invalid(text) => text,
        }
    }
}
