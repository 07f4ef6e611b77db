//! Which subnets take new canisters: the one there is.

use candid::{CandidType, Principal};
use ic_cdk::query;

#[derive(CandidType)]
pub struct SubnetTypesToSubnetsResponse {
    data: Vec<(String, Vec<Principal>)>,
}

/// The subnets for canisters of which nothing special is asked.
#[query]
fn get_default_subnets() -> Vec<Principal> {
    vec![crate::subnet()]
}

/// The subnets with a type of their own.
#[query]
fn get_subnet_types_to_subnets() -> SubnetTypesToSubnetsResponse {
    SubnetTypesToSubnetsResponse { data: Vec::new() }
}
