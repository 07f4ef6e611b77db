//! The certified value: a hash tree with one leaf, whose root hash is the canister's certified data.

use candid::CandidType;
use ic_certified_map::{Hash, labeled_hash, leaf_hash};
use serde_bytes::ByteBuf;

/// Where the value is in the tree, in eight bytes, the highest first.
const PATH: &[u8] = b"counter";

#[derive(CandidType)]
pub struct Certified {
    value: u64,
    certificate: ByteBuf,
    witness: ByteBuf,
}

/// Tells the system the root hash that belongs to a value.
pub fn certify(value: u64) {
    ic_cdk::api::certified_data_set(root_hash(value));
}

/// The value with its proof. Only a query that is not replicated has a certificate.
pub fn prove(value: u64) -> Certified {
    let Some(certificate) = ic_cdk::api::data_certificate() else {
        ic_cdk::api::trap("get_certified answers queries only: an update call has no certificate");
    };
    Certified {
        value,
        certificate: ByteBuf::from(certificate),
        witness: ByteBuf::from(witness(value)),
    }
}

fn root_hash(value: u64) -> Hash {
    labeled_hash(PATH, &leaf_hash(&value.to_be_bytes()))
}

/// The tree in CBOR: `[2, label, [3, bytes]]`, a labelled leaf as the interface specification has it.
fn witness(value: u64) -> Vec<u8> {
    const ARRAY_3: u8 = 0x83;
    const ARRAY_2: u8 = 0x82;
    const BYTES: u8 = 0x40;
    let mut cbor = vec![ARRAY_3, 2, BYTES + PATH.len() as u8];
    cbor.extend_from_slice(PATH);
    cbor.extend_from_slice(&[ARRAY_2, 3, BYTES + 8]);
    cbor.extend_from_slice(&value.to_be_bytes());
    cbor
}
