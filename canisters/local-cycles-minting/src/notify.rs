//! `notify_*`: a payment is turned into what it was made for, once.

use candid::{CandidType, Nat, Principal};
use ic_cdk::api::msg_caller;
use ic_cdk::call::{Call, Response};
use ic_cdk::update;
use ledger::{Account, CanisterId, CanisterSettings, CreateCanister};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::payment::{self, Purpose};
use crate::{CYCLES_LEDGER, SETTLED};

thread_local! {
    /// The blocks that are being worked on.
    static BUSY: RefCell<BTreeSet<u64>> = const { RefCell::new(BTreeSet::new()) };
}

#[derive(CandidType, Deserialize)]
pub struct NotifyMintArg {
    block_index: u64,
    to_subaccount: Option<ByteBuf>,
    deposit_memo: Option<ByteBuf>,
}

#[derive(Clone, CandidType, Serialize, Deserialize)]
pub struct NotifyMintSuccess {
    block_index: Nat,
    minted: Nat,
    balance: Nat,
}

#[derive(CandidType, Deserialize)]
pub struct NotifyTopUpArg {
    block_index: u64,
    canister_id: Principal,
}

#[derive(CandidType, Deserialize)]
pub struct NotifyCreateCanisterArg {
    block_index: u64,
    controller: Principal,
    subnet_type: Option<String>,
    subnet_selection: Option<SubnetSelection>,
    settings: Option<CanisterSettings>,
}

#[derive(CandidType, Deserialize)]
pub enum SubnetSelection {
    Subnet { subnet: Principal },
    Filter(SubnetFilter),
}

#[derive(CandidType, Deserialize)]
pub struct SubnetFilter {
    subnet_type: Option<String>,
}

#[expect(dead_code, reason = "cases of the published interface that do not happen here")]
#[derive(Debug, CandidType)]
pub enum NotifyError {
    Refunded { reason: String, block_index: Option<u64> },
    Processing,
    TransactionTooOld(u64),
    InvalidTransaction(String),
    Other { error_code: u64, error_message: String },
}

impl NotifyError {
    /// What may go away when it is tried again.
    pub fn other(error_message: String) -> Self {
        Self::Other { error_code: 0, error_message }
    }
}

/// What became of a payment.
#[derive(Clone, CandidType, Serialize, Deserialize)]
enum Outcome {
    Minted(NotifyMintSuccess),
    ToppedUp(Nat),
    Created(Principal),
}

/// Cycles for the caller's account on the cycles ledger.
#[update]
async fn notify_mint_cycles(arguments: NotifyMintArg) -> Result<NotifyMintSuccess, NotifyError> {
    let caller = msg_caller();
    let working = match start(arguments.block_index)? {
        Start::Fresh(working) => working,
        Start::Settled(Outcome::Minted(before)) => return Ok(before),
        Start::Settled(_) => return Err(used(arguments.block_index)),
    };
    let cycles = payment::cycles(arguments.block_index, Purpose::Mint, caller).await?;
    let deposit = DepositArgs {
        to: Account::of(caller, arguments.to_subaccount),
        memo: arguments.deposit_memo,
    };
    let response = spend(CYCLES_LEDGER, "deposit", deposit, cycles).await?;
    let credited: DepositResult = understood(&response)?;
    let minted = NotifyMintSuccess {
        block_index: credited.block_index,
        minted: cycles.into(),
        balance: credited.balance,
    };
    working.settle(&Outcome::Minted(minted.clone()));
    Ok(minted)
}

/// Cycles for a canister.
#[update]
async fn notify_top_up(arguments: NotifyTopUpArg) -> Result<Nat, NotifyError> {
    let working = match start(arguments.block_index)? {
        Start::Fresh(working) => working,
        Start::Settled(Outcome::ToppedUp(before)) => return Ok(before),
        Start::Settled(_) => return Err(used(arguments.block_index)),
    };
    let canister_id = arguments.canister_id;
    let cycles = payment::cycles(arguments.block_index, Purpose::TopUp, canister_id).await?;
    let management = Principal::management_canister();
    spend(management, "deposit_cycles", CanisterId { canister_id }, cycles).await?;
    working.settle(&Outcome::ToppedUp(cycles.into()));
    Ok(cycles.into())
}

/// A new canister with the cycles.
#[update]
async fn notify_create_canister(
    arguments: NotifyCreateCanisterArg,
) -> Result<Principal, NotifyError> {
    let caller = msg_caller();
    if arguments.controller != caller {
        let text = "The canister's controller must be the caller; settings can name others.";
        return Err(NotifyError::InvalidTransaction(text.into()));
    }
    check_subnet(&arguments)?;
    let working = match start(arguments.block_index)? {
        Start::Fresh(working) => working,
        Start::Settled(Outcome::Created(before)) => return Ok(before),
        Start::Settled(_) => return Err(used(arguments.block_index)),
    };
    let cycles = payment::cycles(arguments.block_index, Purpose::Create, caller).await?;
    let mut settings = arguments.settings.unwrap_or_default();
    settings.controllers.get_or_insert_with(|| vec![caller]);
    let wanted = CreateCanister { settings: Some(settings) };
    let management = Principal::management_canister();
    let response = spend(management, "create_canister", wanted, cycles).await?;
    let created: CanisterId = understood(&response)?;
    working.settle(&Outcome::Created(created.canister_id));
    Ok(created.canister_id)
}

/// There is one subnet, and nobody may get another than he asked for.
fn check_subnet(arguments: &NotifyCreateCanisterArg) -> Result<(), NotifyError> {
    let fits = match &arguments.subnet_selection {
        None => arguments.subnet_type.is_none(),
        Some(SubnetSelection::Subnet { subnet }) => *subnet == crate::subnet(),
        Some(SubnetSelection::Filter(filter)) => filter.subnet_type.is_none(),
    };
    match fits {
        true => Ok(()),
        false => Err(NotifyError::other(
            "this network has one subnet, and it is not the selected one".into(),
        )),
    }
}

#[derive(CandidType)]
struct DepositArgs {
    to: Account,
    memo: Option<ByteBuf>,
}

#[derive(CandidType, Deserialize)]
struct DepositResult {
    block_index: Nat,
    balance: Nat,
}

async fn spend<A: CandidType>(
    callee: Principal,
    method: &str,
    argument: A,
    cycles: u128,
) -> Result<Response, NotifyError> {
    Call::unbounded_wait(callee, method)
        .with_arg(argument)
        .with_cycles(cycles)
        .await
        .map_err(|error| NotifyError::other(format!("{method} failed: {error}")))
}

fn understood<T: CandidType + for<'a> Deserialize<'a>>(
    response: &Response,
) -> Result<T, NotifyError> {
    response.candid().map_err(|error| NotifyError::other(error.to_string()))
}

fn used(block: u64) -> NotifyError {
    NotifyError::InvalidTransaction(format!("Block {block} has been used for something else."))
}

enum Start {
    Fresh(Working),
    Settled(Outcome),
}

/// A block that is being worked on, until this is dropped: at the end of the call, also if it traps.
struct Working(u64);

fn start(block: u64) -> Result<Start, NotifyError> {
    let settled = SETTLED.with_borrow(|settled| settled.get(&block));
    if let Some(outcome) = settled.and_then(|bytes| candid::decode_one(&bytes).ok()) {
        return Ok(Start::Settled(outcome));
    }
    match BUSY.with_borrow_mut(|busy| busy.insert(block)) {
        true => Ok(Start::Fresh(Working(block))),
        false => Err(NotifyError::Processing),
    }
}

impl Working {
    fn settle(self, outcome: &Outcome) {
        let bytes = candid::encode_one(outcome).expect("plain data has a Candid form");
        SETTLED.with_borrow_mut(|settled| settled.insert(self.0, bytes));
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        BUSY.with_borrow_mut(|busy| busy.remove(&self.0));
    }
}
