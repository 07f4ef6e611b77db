//! How the messages of a block enter the state.

use bytes::Bytes;
use replica_execution::{Executor, IngressCall};
use replica_ingress::effective_id::EffectiveId;
use replica_ingress::{Included, decode_included};
use replica_state::{Ingress, ReplicatedState, SenderInfo};
use std::sync::Arc;
use types::{CanisterId, MessageId, Time};

/// What became of the messages of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inducted {
    /// In a queue, or rejected at once: known to the ingress history.
    pub entered: u64,
    /// Known already.
    pub known: u64,
    /// Expired before the block's time.
    pub expired: u64,
    /// Turned away because the ingress history has no room for them. Nothing says so to their
    /// senders but that the calls stay unknown; a later block may order them again.
    pub no_room: u64,
    /// Bytes that are no call.
    pub malformed: u64,
}

impl Inducted {
    fn skipped(&self) -> u64 {
        self.known + self.expired + self.no_room + self.malformed
    }
}

/// What one message came to.
enum Fate {
    Entered(MessageId),
    Known,
    Expired,
    NoRoom,
    Malformed,
}

/// Takes the messages of a block of this time into the state, in the block's order. Messages that
/// cannot enter are skipped and counted, by the same rule on every node: a quorum let them into
/// the block, so a node must not stop at them. Returns the calls that were rejected at once too.
pub(crate) fn induct(
    executor: &Executor,
    state: &mut ReplicatedState,
    messages: &[Bytes],
    time: Time,
) -> (Inducted, Vec<MessageId>) {
    let (mut counts, mut rejected) = (Inducted::default(), Vec::new());
    for message in messages {
        match induct_one(executor, state, message, time) {
            Fate::Entered(id) => {
                counts.entered += 1;
                let entry = state.ingress_history.get(&id);
                if entry.is_some_and(|entry| entry.status.is_final()) {
                    rejected.push(id);
                }
            }
            Fate::Known => counts.known += 1,
            Fate::Expired => counts.expired += 1,
            Fate::NoRoom => counts.no_room += 1,
            Fate::Malformed => counts.malformed += 1,
        }
    }
    state.totals.skipped_ingress += counts.skipped();
    (counts, rejected)
}

fn induct_one(
    executor: &Executor,
    state: &mut ReplicatedState,
    message: &Bytes,
    time: Time,
) -> Fate {
    let Ok(included) = decode_included(message) else { return Fate::Malformed };
    let id = included.id;
    if included.content.common.ingress_expiry < time {
        return Fate::Expired;
    }
    // Before the question whether there is room: what is known takes none.
    if state.ingress_history.get(&id).is_some() {
        return Fate::Known;
    }
    let envelope_bytes = message.len() as u64;
    let ingress = ingress(included);
    match room_for(state, &ingress) {
        Room::None => Fate::NoRoom,
        Room::Plenty => enter(executor, state, ingress),
        Room::Little if state.is_management(&ingress.receiver) => {
            match executor.validate_ingress(state, &management_call(&ingress, envelope_bytes)) {
                Ok(()) => enter(executor, state, ingress),
                Err(_) => Fate::NoRoom,
            }
        }
        Room::Little => {
            // Tried on a copy, which shares all that does not change.
            let mut trial = state.clone();
            let fate = enter(executor, &mut trial, ingress);
            let entry = trial.ingress_history.get(&id);
            if entry.is_some_and(|entry| entry.status.is_final()) {
                return Fate::NoRoom;
            }
            *state = trial;
            fate
        }
    }
}

fn enter(executor: &Executor, state: &mut ReplicatedState, ingress: Ingress) -> Fate {
    let id = ingress.message_id;
    match executor.induct(state, ingress) {
        Ok(()) => Fate::Entered(id),
        Err(_) => Fate::Known,
    }
}

/// The places of the ingress history.
enum Room {
    /// For any call.
    Plenty,
    /// Only for calls that would not be rejected at once. Whose canister does not exist or cannot
    /// pay costs nobody anything, and one leader could fill all places with such calls; the places
    /// are for those who pay, so those who do not get half of them at most.
    Little,
    /// Not for this call.
    None,
}

/// One canister may leave that part of all places to calls that it has begun and never answers:
/// they stay until it is stopped or deleted.
const OPEN_CALLS_PART: u64 = 16;

fn room_for(state: &ReplicatedState, ingress: &Ingress) -> Room {
    let places = state.config.limits.ingress_history_count_max;
    let taken = state.ingress_history.len() as u64;
    let receiver = state.canister(&ingress.receiver);
    let open = receiver.map_or(0, |canister| canister.system.calls.context_count() as u64);
    if taken >= places || open > places / OPEN_CALLS_PART {
        return Room::None;
    }
    match taken < places / 2 {
        true => Room::Plenty,
        false => Room::Little,
    }
}

/// What the management canister checks before a call to it may be proposed: a function of the
/// state and the call, so all nodes come to the same.
fn management_call(ingress: &Ingress, envelope_bytes: u64) -> IngressCall {
    IngressCall {
        sender: ingress.sender,
        sender_info: ingress.sender_info.clone(),
        receiver: ingress.receiver,
        method: ingress.method.clone(),
        argument: ingress.payload.clone(),
        envelope_bytes,
    }
}

fn ingress(included: Included) -> Ingress {
    let Included { id, content } = included;
    let effective_canister = effective_canister(&EffectiveId::of_call(&content));
    let sender_info = content
        .sender_info
        .map(|info| Arc::new(SenderInfo { info: info.info, signer: info.signer.0 }));
    Ingress {
        message_id: id,
        sender: content.common.sender,
        sender_info,
        receiver: content.canister_id,
        effective_canister,
        method: content.method_name,
        payload: content.arg,
        expiry: content.common.ingress_expiry,
    }
}

/// A management call whose argument names no canister enters all the same: the management
/// canister rejects it, so that its sender learns why.
fn effective_canister<E>(effective: &Result<EffectiveId, E>) -> Option<CanisterId> {
    match effective {
        Ok(EffectiveId::Canister(id)) => Some(*id),
        Ok(EffectiveId::Any | EffectiveId::AnyCanister) | Err(_) => None,
    }
}
