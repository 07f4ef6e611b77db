//! The call to the other example canister, the ledger in Motoko.

use candid::{CandidType, Nat, Principal};
use ic_cdk::call::Call;

#[derive(CandidType)]
pub enum Answer {
    Ok(Nat),
    Err(String),
}

/// Records a value in the ledger and returns the ledger's new total, or why it could not.
pub async fn record(ledger: Principal, value: u64) -> Answer {
    let reply = match Call::unbounded_wait(ledger, "record").with_args(&("counter", Nat::from(value))).await {
        Ok(reply) => reply,
        Err(error) => return Answer::Err(error.to_string()),
    };
    reply.candid().map_or_else(|error| Answer::Err(error.to_string()), Answer::Ok)
}
