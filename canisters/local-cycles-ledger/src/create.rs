//! `create_canister` and `create_canister_from`: a new canister with cycles of an account.

use candid::{CandidType, Nat, Principal};
use ic_cdk::api::msg_caller;
use ic_cdk::update;
use ledger::{
    Account, CanisterId, CanisterSettings, CreateCanister, INVALID, Refused, request, tokens,
};
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::outgoing::{Failed, Outgoing, RejectionCode, Taken};

#[derive(Debug, CandidType, Deserialize)]
pub struct CreateCanisterArgs {
    from_subaccount: Option<ByteBuf>,
    created_at_time: Option<u64>,
    amount: Nat,
    creation_args: Option<CreationArgs>,
}

#[derive(Debug, CandidType, Deserialize)]
pub struct CreateCanisterFromArgs {
    from: Account,
    spender_subaccount: Option<ByteBuf>,
    created_at_time: Option<u64>,
    amount: Nat,
    creation_args: Option<CreationArgs>,
}

/// What the public ledger passes on to the cycles minting canister.
#[derive(Clone, Debug, CandidType, Deserialize)]
pub struct CreationArgs {
    settings: Option<CanisterSettings>,
    subnet_selection: Option<SubnetSelection>,
}

#[derive(Clone, Debug, CandidType, Deserialize)]
pub enum SubnetSelection {
    Subnet { subnet: Principal },
    Filter(SubnetFilter),
}

#[derive(Clone, Debug, CandidType, Deserialize)]
pub struct SubnetFilter {
    subnet_type: Option<String>,
}

#[derive(CandidType)]
pub struct CreateCanisterSuccess {
    block_id: Nat,
    canister_id: Principal,
}

#[expect(dead_code, reason = "cases of the published interface that do not happen here")]
#[derive(CandidType)]
pub enum CreateCanisterError {
    InsufficientFunds { balance: Nat },
    TooOld,
    CreatedInFuture { ledger_time: u64 },
    TemporarilyUnavailable,
    Duplicate { duplicate_of: Nat, canister_id: Option<Principal> },
    FailedToCreate { fee_block: Option<Nat>, refund_block: Option<Nat>, error: String },
    GenericError { message: String, error_code: Nat },
}

#[expect(dead_code, reason = "cases of the published interface that do not happen here")]
#[derive(CandidType)]
pub enum CreateCanisterFromError {
    InsufficientFunds {
        balance: Nat,
    },
    InsufficientAllowance {
        allowance: Nat,
    },
    TooOld,
    CreatedInFuture {
        ledger_time: u64,
    },
    TemporarilyUnavailable,
    Duplicate {
        duplicate_of: Nat,
        canister_id: Option<Principal>,
    },
    FailedToCreateFrom {
        create_from_block: Option<Nat>,
        refund_block: Option<Nat>,
        approval_refund_block: Option<Nat>,
        rejection_code: RejectionCode,
        rejection_reason: String,
    },
    GenericError {
        message: String,
        error_code: Nat,
    },
}

/// Creates a canister with cycles of the caller, whom it belongs to if the settings name no controllers.
#[update]
async fn create_canister(
    arguments: CreateCanisterArgs,
) -> Result<CreateCanisterSuccess, CreateCanisterError> {
    let caller = msg_caller();
    let request = request(caller, "create_canister", &arguments);
    let settings = settings(caller, arguments.creation_args)?;
    let taken = Outgoing {
        from: Account::of(caller, arguments.from_subaccount),
        spender: None,
        amount: tokens(&arguments.amount),
        created_at: arguments.created_at_time,
        request,
    }
    .take()?;
    create(&taken, settings).await.map_err(|failed| CreateCanisterError::FailedToCreate {
        fee_block: Some(taken.block.into()),
        refund_block: failed.refund_block.map(Nat::from),
        error: failed.reason,
    })
}

/// Creates a canister with cycles of an account, by an allowance.
#[update]
async fn create_canister_from(
    arguments: CreateCanisterFromArgs,
) -> Result<CreateCanisterSuccess, CreateCanisterFromError> {
    let caller = msg_caller();
    let request = request(caller, "create_canister_from", &arguments);
    let settings = settings(caller, arguments.creation_args)?;
    let taken = Outgoing {
        from: arguments.from,
        spender: Some(Account::of(caller, arguments.spender_subaccount)),
        amount: tokens(&arguments.amount),
        created_at: arguments.created_at_time,
        request,
    }
    .take()?;
    create(&taken, settings).await.map_err(|failed| CreateCanisterFromError::FailedToCreateFrom {
        create_from_block: Some(taken.block.into()),
        refund_block: failed.refund_block.map(Nat::from),
        approval_refund_block: None,
        rejection_code: failed.code,
        rejection_reason: failed.reason,
    })
}

/// The settings of the new canister. There is one subnet, and nobody may get another than he asked for.
fn settings(caller: Principal, wanted: Option<CreationArgs>) -> Result<CanisterSettings, Refused> {
    let (settings, selection) = match wanted {
        Some(wanted) => (wanted.settings, wanted.subnet_selection),
        None => (None, None),
    };
    let fits = match selection {
        None => true,
        Some(SubnetSelection::Subnet { subnet }) => subnet == crate::subnet(),
        Some(SubnetSelection::Filter(filter)) => filter.subnet_type.is_none(),
    };
    if !fits {
        return Err(Refused::Invalid(
            "this network has one subnet, and it is not the selected one",
        ));
    }
    let mut settings = settings.unwrap_or_default();
    settings.controllers.get_or_insert_with(|| vec![caller]);
    Ok(settings)
}

async fn create(
    taken: &Taken,
    settings: CanisterSettings,
) -> Result<CreateCanisterSuccess, Failed> {
    let wanted = CreateCanister { settings: Some(settings) };
    let response = taken.spend("create_canister", &(wanted,)).await?;
    match response.candid::<CanisterId>() {
        Ok(created) => Ok(CreateCanisterSuccess {
            block_id: taken.block.into(),
            canister_id: created.canister_id,
        }),
        // The canister exists and has the cycles; nothing to give back.
        Err(error) => Err(Failed {
            code: RejectionCode::Unknown,
            reason: format!("the management canister's answer is not understood: {error}"),
            refund_block: None,
        }),
    }
}

impl From<Refused> for CreateCanisterError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InsufficientFunds { balance } => {
                Self::InsufficientFunds { balance: balance.into() }
            }
            Refused::TooOld => Self::TooOld,
            Refused::CreatedInFuture { now } => Self::CreatedInFuture { ledger_time: now },
            Refused::Duplicate { of } => {
                Self::Duplicate { duplicate_of: of.into(), canister_id: None }
            }
            other => {
                Self::GenericError { message: other.text().into(), error_code: INVALID.into() }
            }
        }
    }
}

impl From<Refused> for CreateCanisterFromError {
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
            Refused::Duplicate { of } => {
                Self::Duplicate { duplicate_of: of.into(), canister_id: None }
            }
            other => {
                Self::GenericError { message: other.text().into(), error_code: INVALID.into() }
            }
        }
    }
}
