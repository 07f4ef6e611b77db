//! What the ledgers of a development network share: accounts, a book of balances in stable memory, and
//! the types of the standards ICRC-1 and ICRC-2 and of the management canister.
//!
//! ```text
//!   a canister's methods --> Book (checks, moves, writes the log) --> stable memory
//! ```

mod account;
mod book;
mod icrc;
mod management;
mod methods;
mod refused;

pub use account::{Account, AccountIdentifier, BadAccount, Key, SUBACCOUNT_BYTES};
pub use book::{Approval, Book, Entry, Memo, Movement, Operation, Rules};
pub use icrc::{
    Allowance, AllowanceArgs, ApproveArgs, ApproveError, MetadataValue, SupportedStandard,
    TransferArg, TransferError, TransferFromArgs, TransferFromError, metadata, standards,
};
pub use management::{
    CanisterId, CanisterSettings, CreateCanister, EnvironmentVariable, Visibility,
};
pub use methods::{allowance, approve, balance_of, request, transfer, transfer_from};
pub use refused::{INVALID, Refused};

use candid::Nat;

/// A number of tokens from an argument; what no balance could ever hold counts as the largest number,
/// so that it is refused for want of funds.
pub fn tokens(nat: &Nat) -> u128 {
    u128::try_from(nat.0.clone()).unwrap_or(u128::MAX)
}
