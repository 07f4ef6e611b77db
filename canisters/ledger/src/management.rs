//! What the management canister takes and gives; its interface is the public specification's.

use candid::{CandidType, Nat, Principal};
use serde::{Deserialize, Serialize};

/// Settings of a new canister; what is missing gets its default.
#[derive(Clone, Debug, Default, CandidType, Serialize, Deserialize)]
pub struct CanisterSettings {
    pub controllers: Option<Vec<Principal>>,
    pub compute_allocation: Option<Nat>,
    pub memory_allocation: Option<Nat>,
    pub freezing_threshold: Option<Nat>,
    pub reserved_cycles_limit: Option<Nat>,
    pub minimum_incoming_canister_call_cycles: Option<Nat>,
    pub wasm_memory_limit: Option<Nat>,
    pub wasm_memory_threshold: Option<Nat>,
    pub log_memory_limit: Option<Nat>,
    pub log_visibility: Option<Visibility>,
    pub snapshot_visibility: Option<Visibility>,
    pub status_visibility: Option<Visibility>,
    pub environment_variables: Option<Vec<EnvironmentVariable>>,
}

/// Who may see something of a canister.
#[derive(Clone, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    Controllers,
    Public,
    AllowedViewers(Vec<Principal>),
}

#[derive(Clone, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
pub struct EnvironmentVariable {
    pub name: String,
    pub value: String,
}

/// The argument of `create_canister`.
#[derive(Clone, Debug, CandidType)]
pub struct CreateCanister {
    pub settings: Option<CanisterSettings>,
}

/// The answer of `create_canister`, the argument of `deposit_cycles`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
pub struct CanisterId {
    pub canister_id: Principal,
}
