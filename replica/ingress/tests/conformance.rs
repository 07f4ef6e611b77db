//! Envelopes as this crate writes them, frozen by hash: they stand in blocks and go from node to
//! node. The format is that of the interface specification and has no version.

#[path = "../../../types/conformance.rs"]
mod conformance;

use bytes::Bytes;
use conformance::{Format, check};
use replica_ingress::envelope::{Common, Delegation, SenderInfo, SignedDelegation};
use replica_ingress::{CallContent, Content, Envelope, QueryContent, ReadStateContent};
use types::{CanisterId, Principal, Time};

#[test]
fn formats_are_frozen() {
    let (mut encodings, mut ids) = (Vec::new(), Vec::new());
    for is_full in [false, true] {
        let CallContent { common, canister_id, method_name, arg, sender_info } = call(is_full);
        let query = QueryContent { common, canister_id, method_name, arg, sender_info };
        let common = common_fields(is_full);
        let paths = vec![vec![], vec![Bytes::from_static(b"a"), Bytes::new()]];
        put(&mut encodings, &mut ids, call(is_full), is_full);
        put(&mut encodings, &mut ids, query, is_full);
        put(&mut encodings, &mut ids, ReadStateContent { common, paths }, is_full);
    }
    check(&[
        Format {
            name: "envelopes in CBOR",
            encodings,
            hash: "62690a197df79c7837d783638a410477b7148d6024a07d8d45aaaabe7d8ae62b",
        },
        Format {
            name: "request ids",
            encodings: ids,
            hash: "006874adcab5480172a10d48b8bdbbac500f08887d47e1676c37767b22bcd07b",
        },
    ]);
}

fn put<C: Content>(encodings: &mut Vec<Vec<u8>>, ids: &mut Vec<Vec<u8>>, content: C, full: bool) {
    ids.push(content.message_id().0.to_vec());
    let mut envelope = Envelope::anonymous(content);
    if full {
        envelope.sender_pubkey = Some(Bytes::from_static(&[1; 44]));
        envelope.sender_sig = Some(Bytes::from_static(&[2; 64]));
        envelope.sender_delegation = Some(vec![link(false), link(true)]);
    }
    encodings.push(envelope.to_cbor().to_vec());
}

fn link(is_full: bool) -> SignedDelegation {
    let delegation = Delegation {
        pubkey: Bytes::from_static(&[3; 44]),
        expiration: Time(u64::MAX),
        targets: is_full.then(|| vec![CanisterId::from_index(1)]),
        permissions: is_full.then(|| "queries".to_owned()),
    };
    SignedDelegation { delegation, signature: Bytes::from_static(&[4; 64]) }
}

fn common_fields(is_full: bool) -> Common {
    Common {
        sender: Principal::anonymous(),
        ingress_expiry: Time(1_700_000_000_000_000_000),
        nonce: is_full.then(|| Bytes::from_static(b"nonce")),
    }
}

fn call(is_full: bool) -> CallContent {
    CallContent {
        common: common_fields(is_full),
        canister_id: CanisterId::from_index(7),
        method_name: "method".into(),
        arg: Bytes::from_static(b"argument"),
        sender_info: is_full.then(|| SenderInfo {
            info: Bytes::from_static(b"info"),
            signer: CanisterId::from_index(8),
            sig: Bytes::from_static(b"sig"),
        }),
    }
}
