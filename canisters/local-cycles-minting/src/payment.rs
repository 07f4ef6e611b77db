//! A payment: a transfer on the ICP ledger to this canister, for a purpose, by whoever is served.

use candid::{CandidType, Principal};
use ic_cdk::call::Call;
use ledger::Account;
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::ICP_LEDGER;
use crate::notify::NotifyError;
use crate::rate::CYCLES_PER_E8S;

/// What a payment is for: the memo that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Mint,
    TopUp,
    Create,
}

impl Purpose {
    /// Four letters, the first in the lowest byte.
    fn memo(self) -> u64 {
        u64::from(u32::from_le_bytes(match self {
            Self::Mint => *b"MINT",
            Self::TopUp => *b"TPUP",
            Self::Create => *b"CREA",
        }))
    }
}

#[derive(CandidType)]
struct GetBlocksArgs {
    start: u64,
    length: u64,
}

#[derive(Deserialize, CandidType)]
struct QueryBlocksResponse {
    blocks: Vec<Block>,
}

#[derive(Deserialize, CandidType)]
struct Block {
    transaction: Transaction,
}

#[derive(Deserialize, CandidType)]
struct Transaction {
    memo: u64,
    icrc1_memo: Option<ByteBuf>,
    operation: Option<Operation>,
}

#[derive(Deserialize, CandidType)]
enum Operation {
    Transfer { to: ByteBuf, amount: Tokens },
    Mint {},
    Burn {},
    Approve {},
}

#[derive(Deserialize, CandidType)]
struct Tokens {
    e8s: u64,
}

/// The cycles that a block's payment is worth, if it is one for `purpose` by or for `payer`.
pub async fn cycles(block: u64, purpose: Purpose, payer: Principal) -> Result<u128, NotifyError> {
    let wanted = GetBlocksArgs { start: block, length: 1 };
    let response = Call::unbounded_wait(ICP_LEDGER, "query_blocks")
        .with_arg(wanted)
        .await
        .map_err(|error| NotifyError::other(format!("the ICP ledger does not answer: {error}")))?;
    let response: QueryBlocksResponse = response
        .candid()
        .map_err(|error| NotifyError::other(format!("the ICP ledger's answer: {error}")))?;
    let invalid = |text: &str| NotifyError::InvalidTransaction(format!("Block {block} {text}"));
    let Some(Block { transaction }) = response.blocks.into_iter().next() else {
        return Err(invalid("does not exist."));
    };
    let Some(Operation::Transfer { to, amount }) = transaction.operation else {
        return Err(invalid("is not a transfer."));
    };
    let account = Account::of(ic_cdk::api::canister_self(), Some(subaccount(payer)));
    let is_ours = account.identifier().is_ok_and(|identifier| identifier.0[..] == to[..]);
    if !is_ours {
        return Err(invalid(
            "does not pay this canister's account for the one who is to be served.",
        ));
    }
    let written = transaction.icrc1_memo.and_then(|memo| <[u8; 8]>::try_from(&memo[..]).ok());
    if transaction.memo != purpose.memo() && written.map(u64::from_le_bytes) != Some(purpose.memo())
    {
        return Err(invalid(&format!(
            "was not paid for this: its memo is not {:#x}.",
            purpose.memo()
        )));
    }
    Ok(u128::from(amount.e8s) * u128::from(CYCLES_PER_E8S))
}

/// The subaccount for a principal: its length, its bytes, zeros.
fn subaccount(principal: Principal) -> ByteBuf {
    let bytes = principal.as_slice();
    let mut subaccount = vec![0; ledger::SUBACCOUNT_BYTES];
    subaccount[0] = u8::try_from(bytes.len()).expect("principals have at most 29 bytes");
    subaccount[1..=bytes.len()].copy_from_slice(bytes);
    ByteBuf::from(subaccount)
}
