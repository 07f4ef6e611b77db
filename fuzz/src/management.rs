//! Arguments of calls to the management canister, in Candid: who is meant by them.

use crate::NOW;
use bytes::Bytes;
use replica_ingress::envelope::Common;
use replica_ingress::{CallContent, EffectiveId};
use types::{MANAGEMENT_CANISTER, Principal};

/// Methods that name the canister in different ways.
const METHODS: [&str; 8] = [
    "install_code",
    "install_chunked_code",
    "update_settings",
    "canister_status",
    "create_canister",
    "provisional_create_canister_with_cycles",
    "upload_chunk",
    "fetch_canister_logs",
];

/// The first byte picks the method, the rest is the argument.
pub fn management_call(data: &[u8]) {
    let Some((method, arg)) = data.split_first() else { return };
    let content = CallContent {
        common: Common { sender: Principal::anonymous(), ingress_expiry: NOW, nonce: None },
        canister_id: MANAGEMENT_CANISTER,
        method_name: METHODS[usize::from(*method) % METHODS.len()].to_owned(),
        arg: Bytes::copy_from_slice(arg),
        sender_info: None,
    };
    if let Ok(EffectiveId::Canister(id)) = EffectiveId::of_call(&content) {
        // Its bytes stand in the argument: nothing is made up.
        let id = id.as_slice();
        assert!(id.is_empty() || arg.windows(id.len()).any(|part| part == id));
    }
}
