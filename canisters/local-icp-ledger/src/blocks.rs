//! `query_blocks`: the log, as the cycles minting canister and explorers read it.

use candid::{CandidType, Int};
use ic_cdk::query;
use ledger::{Entry, Memo, Operation as Done};
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::transfer::TimeStamp;
use crate::{BOOK, Tokens};

/// The most blocks in one answer.
const BLOCKS_MAX: u64 = 2_000;

#[derive(CandidType, Deserialize)]
pub struct GetBlocksArgs {
    start: u64,
    length: u64,
}

#[derive(CandidType)]
pub struct QueryBlocksResponse {
    chain_length: u64,
    /// None: the log is not certified.
    certificate: Option<ByteBuf>,
    blocks: Vec<Block>,
    first_block_index: u64,
    archived_blocks: Vec<ArchivedBlocksRange>,
}

/// There never is one: all blocks are here.
#[derive(CandidType)]
struct ArchivedBlocksRange {
    start: u64,
    length: u64,
}

#[derive(CandidType)]
struct Block {
    parent_hash: Option<ByteBuf>,
    transaction: Transaction,
    timestamp: TimeStamp,
}

#[derive(CandidType)]
struct Transaction {
    memo: u64,
    icrc1_memo: Option<ByteBuf>,
    operation: Option<Operation>,
    created_at_time: TimeStamp,
}

#[derive(CandidType)]
enum Operation {
    Mint {
        to: ByteBuf,
        amount: Tokens,
    },
    Burn {
        from: ByteBuf,
        spender: Option<ByteBuf>,
        amount: Tokens,
    },
    Transfer {
        from: ByteBuf,
        to: ByteBuf,
        amount: Tokens,
        fee: Tokens,
        spender: Option<ByteBuf>,
    },
    Approve {
        from: ByteBuf,
        spender: ByteBuf,
        allowance_e8s: Int,
        allowance: Tokens,
        fee: Tokens,
        expires_at: Option<TimeStamp>,
        expected_allowance: Option<Tokens>,
    },
}

/// The blocks of a range.
#[query]
fn query_blocks(arguments: GetBlocksArgs) -> QueryBlocksResponse {
    BOOK.with_borrow(|book| {
        let length = arguments.length.min(BLOCKS_MAX);
        let end = arguments.start.saturating_add(length).min(book.log_length());
        QueryBlocksResponse {
            chain_length: book.log_length(),
            certificate: None,
            blocks: (arguments.start..end)
                .filter_map(|index| book.entry(index))
                .map(block)
                .collect(),
            first_block_index: arguments.start,
            archived_blocks: Vec::new(),
        }
    })
}

fn block(entry: Entry) -> Block {
    let time = |timestamp_nanos| TimeStamp { timestamp_nanos };
    let (memo, icrc1_memo) = match entry.memo {
        Some(Memo::Number(number)) => (number, None),
        Some(Memo::Bytes(bytes)) => (0, Some(bytes)),
        None => (0, None),
    };
    Block {
        parent_hash: entry.parent,
        transaction: Transaction {
            memo,
            icrc1_memo,
            operation: Some(operation(entry.operation)),
            created_at_time: time(entry.created_at.unwrap_or(entry.time)),
        },
        timestamp: time(entry.time),
    }
}

fn operation(done: Done) -> Operation {
    match done {
        Done::Mint { to, amount } => Operation::Mint { to, amount: Tokens::of(amount) },
        Done::Burn { from, spender, amount, fee: _ } => {
            Operation::Burn { from, spender, amount: Tokens::of(amount) }
        }
        Done::Transfer { from, to, spender, amount, fee } => Operation::Transfer {
            from,
            to,
            amount: Tokens::of(amount),
            fee: Tokens::of(fee),
            spender,
        },
        Done::Approve { from, spender, allowance, expires_at, fee } => Operation::Approve {
            from,
            spender,
            allowance_e8s: allowance.into(),
            allowance: Tokens::of(allowance),
            fee: Tokens::of(fee),
            expires_at: expires_at.map(|timestamp_nanos| TimeStamp { timestamp_nanos }),
            expected_allowance: None,
        },
    }
}
