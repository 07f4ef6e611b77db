//! How much work it is to check the signatures of an envelope, known before any is checked.

use crate::envelope::{CallContent, Content as _, Envelope};
use bytes::Bytes;
use replica_crypto::signatures::UserKey;

/// What checking the signatures of a call's envelope costs, in the units of
/// [`types::INGRESS_SIGNATURE_COST_MAX`]; at least 1. What cannot be read is refused before a
/// signature is checked, so it costs no more than that.
pub fn signature_cost(envelope: &Bytes) -> u64 {
    let Ok(envelope) = Envelope::<CallContent>::from_cbor(envelope) else { return 1 };
    let chain = envelope.sender_delegation.as_deref().unwrap_or_default();
    let delegates = chain.iter().map(|link| &link.delegation.pubkey);
    let keys: Result<Vec<_>, _> =
        envelope.sender_pubkey.iter().chain(delegates).map(|der| UserKey::from_der(der)).collect();
    let with_info = envelope.content.sender_info().is_some();
    keys.map_or(1, |keys| of_chain(&keys, with_info)).max(1)
}

/// The cost of a chain of keys from the sender's to the one that signs: each signs once, and the
/// sender's once more for what a canister says about the sender.
pub(super) fn of_chain<'a>(keys: impl IntoIterator<Item = &'a UserKey>, with_info: bool) -> u64 {
    let mut keys = keys.into_iter().map(UserKey::check_cost);
    let sender = keys.next().unwrap_or_default();
    let info = if with_info { sender } else { 0 };
    sender + info + keys.sum::<u64>()
}
