//! The types of ICRC-1 and ICRC-2, and how a refusal is said in each.

use candid::{CandidType, Nat};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::account::Account;
use crate::refused::{INVALID, Refused};

/// An argument of `icrc1_transfer`.
#[derive(Clone, Debug, CandidType, Serialize, Deserialize)]
pub struct TransferArg {
    pub from_subaccount: Option<ByteBuf>,
    pub to: Account,
    pub amount: Nat,
    pub fee: Option<Nat>,
    pub memo: Option<ByteBuf>,
    pub created_at_time: Option<u64>,
}

/// An error of `icrc1_transfer`.
#[derive(Clone, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
pub enum TransferError {
    BadFee { expected_fee: Nat },
    BadBurn { min_burn_amount: Nat },
    InsufficientFunds { balance: Nat },
    TooOld,
    CreatedInFuture { ledger_time: u64 },
    Duplicate { duplicate_of: Nat },
    TemporarilyUnavailable,
    GenericError { error_code: Nat, message: String },
}

/// An argument of `icrc2_transfer_from`.
#[derive(Clone, Debug, CandidType, Serialize, Deserialize)]
pub struct TransferFromArgs {
    pub spender_subaccount: Option<ByteBuf>,
    pub from: Account,
    pub to: Account,
    pub amount: Nat,
    pub fee: Option<Nat>,
    pub memo: Option<ByteBuf>,
    pub created_at_time: Option<u64>,
}

/// An error of `icrc2_transfer_from`.
#[derive(Clone, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
pub enum TransferFromError {
    BadFee { expected_fee: Nat },
    BadBurn { min_burn_amount: Nat },
    InsufficientFunds { balance: Nat },
    InsufficientAllowance { allowance: Nat },
    TooOld,
    CreatedInFuture { ledger_time: u64 },
    Duplicate { duplicate_of: Nat },
    TemporarilyUnavailable,
    GenericError { error_code: Nat, message: String },
}

/// An argument of `icrc2_approve`.
#[derive(Clone, Debug, CandidType, Serialize, Deserialize)]
pub struct ApproveArgs {
    pub from_subaccount: Option<ByteBuf>,
    pub spender: Account,
    pub amount: Nat,
    pub expected_allowance: Option<Nat>,
    pub expires_at: Option<u64>,
    pub fee: Option<Nat>,
    pub memo: Option<ByteBuf>,
    pub created_at_time: Option<u64>,
}

/// An error of `icrc2_approve`.
#[derive(Clone, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
pub enum ApproveError {
    BadFee { expected_fee: Nat },
    InsufficientFunds { balance: Nat },
    AllowanceChanged { current_allowance: Nat },
    Expired { ledger_time: u64 },
    TooOld,
    CreatedInFuture { ledger_time: u64 },
    Duplicate { duplicate_of: Nat },
    TemporarilyUnavailable,
    GenericError { error_code: Nat, message: String },
}

/// An argument of `icrc2_allowance`.
#[derive(Clone, Debug, CandidType, Serialize, Deserialize)]
pub struct AllowanceArgs {
    pub account: Account,
    pub spender: Account,
}

/// What a spender may take.
#[derive(Clone, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
pub struct Allowance {
    pub allowance: Nat,
    pub expires_at: Option<u64>,
}

/// A value of `icrc1_metadata`.
#[derive(Clone, Debug, CandidType, Serialize, Deserialize)]
pub enum MetadataValue {
    Nat(Nat),
    Int(candid::Int),
    Text(String),
    Blob(ByteBuf),
}

/// An entry of `icrc1_supported_standards`.
#[derive(Clone, Debug, CandidType, Serialize, Deserialize)]
pub struct SupportedStandard {
    pub name: String,
    pub url: String,
}

/// What `icrc1_metadata` says.
pub fn metadata(name: &str, symbol: &str, decimals: u8, fee: u128) -> Vec<(String, MetadataValue)> {
    vec![
        ("icrc1:name".into(), MetadataValue::Text(name.into())),
        ("icrc1:symbol".into(), MetadataValue::Text(symbol.into())),
        ("icrc1:decimals".into(), MetadataValue::Nat(decimals.into())),
        ("icrc1:fee".into(), MetadataValue::Nat(fee.into())),
    ]
}

/// What `icrc1_supported_standards` says.
pub fn standards() -> Vec<SupportedStandard> {
    let standard = |name: &str| SupportedStandard {
        name: name.into(),
        url: format!("https://github.com/dfinity/ICRC-1/tree/main/standards/{name}"),
    };
    vec![standard("ICRC-1"), standard("ICRC-2")]
}

fn invalid(text: &str) -> (Nat, String) {
    (INVALID.into(), text.into())
}

impl From<Refused> for TransferError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::BadFee { expected } => Self::BadFee { expected_fee: expected.into() },
            Refused::BadBurn { least } => Self::BadBurn { min_burn_amount: least.into() },
            Refused::InsufficientFunds { balance } => {
                Self::InsufficientFunds { balance: balance.into() }
            }
            Refused::TooOld => Self::TooOld,
            Refused::CreatedInFuture { now } => Self::CreatedInFuture { ledger_time: now },
            Refused::Duplicate { of } => Self::Duplicate { duplicate_of: of.into() },
            other => {
                let (error_code, message) = invalid(other.text());
                Self::GenericError { error_code, message }
            }
        }
    }
}

impl From<Refused> for TransferFromError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InsufficientAllowance { allowance } => {
                Self::InsufficientAllowance { allowance: allowance.into() }
            }
            Refused::BadFee { expected } => Self::BadFee { expected_fee: expected.into() },
            Refused::BadBurn { least } => Self::BadBurn { min_burn_amount: least.into() },
            Refused::InsufficientFunds { balance } => {
                Self::InsufficientFunds { balance: balance.into() }
            }
            Refused::TooOld => Self::TooOld,
            Refused::CreatedInFuture { now } => Self::CreatedInFuture { ledger_time: now },
            Refused::Duplicate { of } => Self::Duplicate { duplicate_of: of.into() },
            other => {
                let (error_code, message) = invalid(other.text());
                Self::GenericError { error_code, message }
            }
        }
    }
}

impl From<Refused> for ApproveError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::BadFee { expected } => Self::BadFee { expected_fee: expected.into() },
            Refused::InsufficientFunds { balance } => {
                Self::InsufficientFunds { balance: balance.into() }
            }
            Refused::AllowanceChanged { current } => {
                Self::AllowanceChanged { current_allowance: current.into() }
            }
            Refused::Expired { now } => Self::Expired { ledger_time: now },
            Refused::TooOld => Self::TooOld,
            Refused::CreatedInFuture { now } => Self::CreatedInFuture { ledger_time: now },
            Refused::Duplicate { of } => Self::Duplicate { duplicate_of: of.into() },
            other => {
                let (error_code, message) = invalid(other.text());
                Self::GenericError { error_code, message }
            }
        }
    }
}
