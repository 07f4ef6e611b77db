//! `GET /_/topology`: where local tools find a canister id to route a creation by.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use types::{CanisterId, SubnetConfig};

use crate::answer::json_answer;
use crate::shared::Shared;

/// Answers with the subnet, its range and `default_effective_canister_id`. Ids are in the form
/// that the tools of local networks read: base64 inside `canister_id`, and as text beside it.
pub(crate) async fn topology(State(shared): State<Shared>) -> Response {
    let subnet_id = shared.api.node.chain().map(|chain| chain.subnet_id.to_string());
    json_answer(&describe(&shared.api.subnet, subnet_id))
}

fn describe(config: &SubnetConfig, subnet_id: Option<String>) -> Value {
    let (first, last) = config.canister_index_range;
    let (first, last) = (CanisterId::from_index(first), CanisterId::from_index(last));
    let range = |id: CanisterId| json!({ "canister_id": crate::base64::encode(id.as_slice()) });
    let subnet = json!({
        "subnet_id": subnet_id,
        "subnet_kind": config.subnet_type.as_str(),
        "size": config.members.len(),
        "canister_ranges": [{ "start": range(first), "end": range(last) }],
        "canister_range_text": [first.to_string(), last.to_string()],
    });
    let subnets = match &subnet_id {
        Some(id) => json!({ id: subnet }),
        None => json!({}),
    };
    json!({ "default_effective_canister_id": range(first), "subnet_configs": subnets })
}
