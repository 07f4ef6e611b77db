//! What one ICP is worth: a fixed rate, certified as the public canister certifies its own.

use candid::CandidType;
use ic_cdk::query;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

/// 10,000ths of an XDR for one ICP, which is cycles for one e8s: one ICP is 100 T cycles.
pub const CYCLES_PER_E8S: u64 = 1_000_000;

/// The time of the rate, in seconds: when cycles got their price in XDR. It never changes.
const TIMESTAMP_SECONDS: u64 = 1_620_633_600;

/// Where the rate is in the certified tree.
const LABEL: &[u8] = b"ICP_XDR_CONVERSION_RATE";

#[derive(CandidType)]
pub struct IcpXdrConversionRate {
    timestamp_seconds: u64,
    xdr_permyriad_per_icp: u64,
}

#[derive(CandidType)]
pub struct IcpXdrConversionRateResponse {
    data: IcpXdrConversionRate,
    /// The tree in CBOR: the rate in Candid under its label.
    hash_tree: ByteBuf,
    /// Over the tree's root; empty in an update call, which has none.
    certificate: ByteBuf,
}

/// The rate.
#[query]
fn get_icp_xdr_conversion_rate() -> IcpXdrConversionRateResponse {
    IcpXdrConversionRateResponse {
        data: rate(),
        hash_tree: ByteBuf::from(tree()),
        certificate: ByteBuf::from(ic_cdk::api::data_certificate().unwrap_or_default()),
    }
}

/// Tells the system the root of the tree.
pub fn certify() {
    let leaf = hash(&[b"\x10ic-hashtree-leaf", &encoded()]);
    ic_cdk::api::certified_data_set(hash(&[b"\x13ic-hashtree-labeled", LABEL, &leaf]));
}

fn rate() -> IcpXdrConversionRate {
    IcpXdrConversionRate {
        timestamp_seconds: TIMESTAMP_SECONDS,
        xdr_permyriad_per_icp: CYCLES_PER_E8S,
    }
}

fn encoded() -> Vec<u8> {
    candid::encode_one(rate()).expect("plain data has a Candid form")
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// `[2, label, [3, bytes]]`, a labelled leaf as the interface specification has it.
fn tree() -> Vec<u8> {
    let mut cbor = vec![0x83, 2];
    push_bytes(&mut cbor, LABEL);
    cbor.extend_from_slice(&[0x82, 3]);
    push_bytes(&mut cbor, &encoded());
    cbor
}

/// A byte string of at most 255 bytes: its length is in the head, or in the byte after it.
fn push_bytes(cbor: &mut Vec<u8>, bytes: &[u8]) {
    let length = u8::try_from(bytes.len()).expect("a label and a rate are short");
    match length {
        0..24 => cbor.push(0x40 | length),
        _ => cbor.extend_from_slice(&[0x58, length]),
    }
    cbor.extend_from_slice(bytes);
}
