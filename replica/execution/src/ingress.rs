//! Users' calls: whether they may enter, and how they get into the queues.

use std::sync::Arc;

use bytes::Bytes;
use replica_state::{CyclesUse, Ingress, ReplicatedState, SenderInfo};
use types::{CanisterId, Cycles, PrincipalId, UserError};

use crate::Executor;
use crate::canister_error::CanisterError;
use crate::management::{self, ManagementCall, Method};
use crate::message::inspect::Inspected;
use crate::message::{check_can_pay, check_running, not_found};
use crate::subnet::Subnet;

/// A user's call before it is in a block.
#[derive(Clone, Debug)]
pub struct IngressCall {
    /// Who signed it.
    pub sender: PrincipalId,
    /// What the sender's identity provider says about it.
    pub sender_info: Option<Arc<SenderInfo>>,
    /// Who is called: a canister, or the management canister.
    pub receiver: CanisterId,
    /// The method.
    pub method: String,
    /// The argument.
    pub argument: Bytes,
    /// Bytes of the whole envelope: what receiving it is charged for.
    pub envelope_bytes: u64,
}

/// Bytes that a message counts besides its method and argument when it is inducted: the rest of
/// its envelope.
const ENVELOPE_BYTES: u64 = 300;

impl Executor {
    /// Whether one node may put a user's call into a block: who is called exists, takes calls, can
    /// pay for them, and (`canister_inspect_message`) wants this one.
    ///
    /// The answer is this node's own: it depends on the snapshot that the node has.
    ///
    /// # Errors
    /// What the user is told.
    pub fn validate_ingress(
        &self,
        snapshot: &ReplicatedState,
        call: &IngressCall,
    ) -> Result<(), UserError> {
        let subnet = Subnet::of(snapshot);
        if snapshot.is_management(&call.receiver) {
            let method = Method::find(&call.method)?;
            let call =
                ManagementCall::of_user(call.sender, call.method.clone(), call.argument.clone());
            return management::check_ingress(snapshot, &subnet, method, &call);
        }
        let canister = snapshot.canister_arc(&call.receiver);
        let canister = canister.ok_or_else(|| not_found(&call.receiver))?;
        check_running(&canister)?;
        if canister.execution.is_none() {
            return Err(CanisterError::NoModule.into_user_error(call.receiver));
        }
        let fee = subnet.prices.ingress(call.envelope_bytes);
        check_can_pay(&subnet, &canister, fee, &call.sender)?;
        let inspected = Inspected {
            sender: call.sender,
            sender_info: call.sender_info.clone(),
            method: &call.method,
            argument: call.argument.clone(),
        };
        self.inspect(&subnet, canister, snapshot.time, inspected)
    }

    /// Takes a user's call of a final block into the state: it is known to the ingress history from
    /// here on, and waits in a queue or is rejected at once. A call that the history knows already
    /// is skipped.
    ///
    /// # Errors
    /// The call was skipped; the state did not change.
    pub fn induct(
        &self,
        state: &mut ReplicatedState,
        ingress: Ingress,
    ) -> Result<(), replica_state::HistoryError> {
        let id = ingress.message_id;
        let (sender, effective) = (ingress.sender, ingress.effective_canister);
        state.ingress_history.receive(id, sender, effective, ingress.expiry)?;
        if let Err(error) = enqueue(state, ingress) {
            let now = state.time;
            let rejected = state.ingress_history.reject(&id, error, now);
            rejected.expect("a call that was just received is open");
        }
        Ok(())
    }
}

/// Charges for receiving the call and queues it.
fn enqueue(state: &mut ReplicatedState, ingress: Ingress) -> Result<(), UserError> {
    let subnet = Subnet::of(state);
    let bytes = (ingress.method.len() + ingress.payload.len()) as u64 + ENVELOPE_BYTES;
    let fee = subnet.prices.ingress(bytes);
    let is_management = state.is_management(&ingress.receiver);
    if is_management {
        // The canister that is managed pays; who creates one has none that could.
        if let Some(payer) = ingress.effective_canister.filter(|id| !is_free(&ingress.method, id)) {
            charge(state, &subnet, &payer, fee, &ingress.sender)?;
        }
        state.subnet_queues.push_ingress(Arc::new(ingress));
        return Ok(());
    }
    let receiver = ingress.receiver;
    state.check_takes_calls(&receiver)?;
    charge(state, &subnet, &receiver, fee, &ingress.sender)?;
    let canister = state.canister_mut(&receiver).ok_or_else(|| not_found(&receiver))?;
    canister.system.queues.push_ingress(Arc::new(ingress));
    Ok(())
}

/// Methods for which nobody pays: creation, and those by which a frozen canister is revived.
fn is_free(method: &str, effective: &CanisterId) -> bool {
    matches!(
        method,
        "create_canister"
            | "provisional_create_canister_with_cycles"
            | "provisional_top_up_canister"
            | "update_settings"
    ) || *effective == types::MANAGEMENT_CANISTER
}

fn charge(
    state: &mut ReplicatedState,
    subnet: &Subnet,
    payer: &CanisterId,
    fee: Cycles,
    sender: &PrincipalId,
) -> Result<(), UserError> {
    let canister = state.canister(payer).ok_or_else(|| not_found(payer))?;
    check_can_pay(subnet, canister, fee, sender)?;
    if fee == Cycles::ZERO {
        return Ok(());
    }
    state.totals.consumed_cycles = state.totals.consumed_cycles.plus(fee);
    if let Some(canister) = state.canister_mut(payer) {
        canister.system.balance = canister.system.balance.minus(fee);
        canister.system.consumed.add(CyclesUse::IngressInduction, fee);
    }
    Ok(())
}
