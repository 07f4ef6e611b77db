//! A canister of tests: what the verifier says inside of a canister, and what it costs there.

mod judge;

use ic_cdk::query;
use judge::{Answer, Question};

/// An answer and its price.
#[derive(candid::CandidType)]
struct Priced {
    answer: Answer,
    /// Instructions from the decoded question to the answer.
    instructions: u64,
}

/// Verifies one piece of evidence.
#[query]
fn judge(question: Question) -> Priced {
    let before = ic_cdk::api::performance_counter(0);
    let answer = judge::judge(&question);
    Priced { answer, instructions: ic_cdk::api::performance_counter(0) - before }
}

ic_cdk::export_candid!();
