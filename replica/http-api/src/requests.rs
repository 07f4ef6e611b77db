//! From bytes to a request whose sender is known and whose URL is right: the one place where this
//! crate meets the ingress rules.

use bytes::Bytes;
use replica_crypto::chain_key::PublicKey;
use replica_ingress::effective_id::{check_subnet_call, check_subnet_query};
use replica_ingress::{
    Admitted, CallContent, EffectiveId, EffectiveIdError, Gate, QueryContent, ReadStateContent,
    Targets,
};
use types::{CanisterId, MANAGEMENT_CANISTER};

use crate::Refusal;
use crate::effective::Effective;
use crate::shared::Shared;

/// Reads and admits a call, and checks the id in its URL.
pub(crate) fn call(
    shared: &Shared,
    effective: Effective,
    body: &Bytes,
) -> Result<Admitted<CallContent>, Refusal> {
    let call = gate(shared)?.admit_call(body, shared.api.clock.now())?;
    check_url(
        shared,
        effective,
        || EffectiveId::of_call(call.content()),
        || check_subnet_call(call.content()),
    )?;
    Ok(call)
}

/// Reads and admits a query, and checks the id in its URL.
pub(crate) fn query(
    shared: &Shared,
    effective: Effective,
    body: &Bytes,
) -> Result<Admitted<QueryContent>, Refusal> {
    let query = gate(shared)?.admit(body, shared.api.clock.now())?;
    check_url(
        shared,
        effective,
        || EffectiveId::of_query(query.content()),
        || check_subnet_query(query.content()),
    )?;
    Ok(query)
}

/// Reads and admits a request to read the state. Its paths are checked by who answers it.
pub(crate) fn read_state(
    shared: &Shared,
    effective: Effective,
    body: &Bytes,
) -> Result<Admitted<ReadStateContent>, Refusal> {
    let request: Admitted<ReadStateContent> = gate(shared)?.admit(body, shared.api.clock.now())?;
    // What is about no canister yet is read by the id that it was sent by, `aaaaa-aa` at times.
    let is_status = |path: &Vec<Bytes>| path.first().is_some_and(|label| label == "request_status");
    let is_of_management = effective == Effective::Canister(MANAGEMENT_CANISTER);
    if !is_of_management || !request.content().paths.iter().any(is_status) {
        effective.check_range(&shared.api.subnet)?;
    }
    Ok(request)
}

/// Whether delegations with these targets reach the status of a call about `canister`: they let
/// the sender call it, or the management canister on its behalf.
pub(crate) fn reach(targets: &Targets, canister: &CanisterId) -> bool {
    targets.include(canister) || targets.include(&MANAGEMENT_CANISTER)
}

fn check_url(
    shared: &Shared,
    effective: Effective,
    expected: impl FnOnce() -> Result<EffectiveId, EffectiveIdError>,
    by_subnet: impl FnOnce() -> Result<(), EffectiveIdError>,
) -> Result<(), Refusal> {
    let Effective::Canister(found) = effective else { return Ok(by_subnet()?) };
    let expected = expected()?;
    expected.check(&found)?;
    match expected {
        // The specification lets any principal route what concerns no canister yet.
        EffectiveId::Any => Ok(()),
        EffectiveId::Canister(_) | EffectiveId::AnyCanister => {
            effective.check_range(&shared.api.subnet)
        }
    }
}

/// The gate of this subnet, made once the chain key exists.
fn gate(shared: &Shared) -> Result<&Gate, Refusal> {
    if let Some(gate) = shared.gate.get() {
        return Ok(gate);
    }
    let chain = shared.api.node.chain().ok_or(Refusal::NotReady)?;
    let root_key = PublicKey::from_der(&chain.root_key_der).map_err(|error| {
        log::error!("the root key of the network cannot be used: {error}");
        Refusal::Internal
    })?;
    Ok(shared.gate.get_or_init(|| Gate::new(root_key, &shared.api.subnet.limits)))
}
