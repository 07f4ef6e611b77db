//! Formats of this crate, frozen by hash. All but the dealt key are those of the interface
//! specification, which has no version in them: a change here is a fault, whatever the reason.

#[path = "../../../types/conformance.rs"]
mod conformance;

use bytes::Bytes;
use conformance::{Format, check};
use replica_crypto::Domain;
use replica_crypto::certificate::{Certificate, Delegation};
use replica_crypto::chain_key::dealt::{Dealt, deal};
use replica_crypto::chain_key::{ChainKey, Signature};
use replica_crypto::hash_tree::HashTree;
use replica_crypto::persistent::Tree;
use replica_crypto::request_id::{Value, hash_of_map};
use replica_crypto::signatures::NodeSigningKey;
use std::collections::BTreeMap;
use types::{NodeId, Principal};

#[test]
fn formats_are_frozen() {
    let dealt = deal(1, &[1, 2, 3, 4].map(|n| NodeId(Principal::from_slice(&[n]))), 3);
    let key = ChainKey::new(&dealt.transcript).expect("a dealt key is good");
    let domains = [
        Domain::STATE_ROOT,
        Domain::REQUEST,
        Domain::REQUEST_DELEGATION,
        Domain::SENDER_INFO,
        Domain::QUERY_RESPONSE,
    ];
    let node_key = NodeSigningKey::from_seed(&[1; 32]);
    check(&[
        Format {
            name: "hash trees in CBOR, and their digests",
            encodings: trees().iter().flat_map(|t| [t.to_cbor(), t.digest().to_vec()]).collect(),
            hash: "7e959e239d77b195b0fd252b9295d096695550ea5086bd0ae83667efc2159ae9",
        },
        Format {
            name: "certificates in CBOR",
            encodings: certificates().iter().map(Certificate::to_cbor).collect(),
            hash: "638bd5dad6febdff3e05efdb37b4b1223ff70d7aedaebb429e0a0fde3f3755e6",
        },
        Format {
            name: "the chain key in DER, a share, a signature made of shares",
            encodings: vec![
                key.public_key().to_der().to_vec(),
                dealt.shares[&dealt.transcript.members[0].node_id].expose_bytes().to_vec(),
                signature(&dealt, &key).0.to_vec(),
            ],
            hash: "3674155b08440c981d7fdbf6b01fab0399f0c0ef4ca0c549968b0db54c5f5553",
        },
        Format {
            name: "payloads of signatures by purpose",
            encodings: domains.map(|domain| domain.payload(b"message")).to_vec(),
            hash: "1bc4d00835d0f068539d44ba20679d20f765845e9b364154e76423611534fad9",
        },
        Format {
            name: "request ids (hashes of maps)",
            encodings: vec![hash_of_map(&fields()).to_vec()],
            hash: "fff6009ba40bbdda09db9c929412312e6ce966ffa6311e6ba38bf252885f62c1",
        },
        Format {
            name: "ids and signatures of nodes",
            encodings: vec![
                node_key.node_id().as_slice().to_vec(),
                node_key.sign(Domain::QUERY_RESPONSE, b"message").to_vec(),
            ],
            hash: "7ea58477fd1bb33b2b0560c8401dd3ee2c1cca1e0a3844a61bcfd6d4e45c0ee8",
        },
        Format {
            name: "shape of the state tree (its digest is what the chain key signs)",
            encodings: vec![state_tree().digest().to_vec(), state_tree().to_hash_tree().to_cbor()],
            hash: "f4e5b3292b787be763bc692badc0a8515477d3acd1dfbdac7958db76a3ce3b41",
        },
    ]);
}

fn trees() -> [HashTree; 6] {
    let leaf = || HashTree::leaf(vec![7; 300]);
    let labeled = || HashTree::labeled(&b"label"[..], leaf());
    let whole = HashTree::fork(labeled(), HashTree::fork(HashTree::Empty, labeled()));
    [HashTree::Empty, leaf(), labeled(), HashTree::Pruned([8; 32]), HashTree::leaf(&b""[..]), whole]
}

fn certificates() -> [Certificate; 2] {
    let plain =
        Certificate { tree: trees()[5].clone(), signature: Signature([3; 48]), delegation: None };
    let delegation =
        Delegation { subnet_id: Bytes::from_static(&[4; 29]), certificate: plain.to_cbor().into() };
    [Certificate { delegation: Some(delegation), ..plain.clone() }, plain]
}

fn signature(dealt: &Dealt, key: &ChainKey) -> Signature {
    let sign = |(node, share): (&NodeId, &replica_crypto::chain_key::SecretShare)| {
        (*node, share.sign(Domain::STATE_ROOT, b"message"))
    };
    let shares: BTreeMap<_, _> = dealt.shares.iter().map(sign).collect();
    let combined = key.combine(Domain::STATE_ROOT, b"message", &shares);
    combined.expect("all shares are right").signature
}

fn fields() -> Vec<(&'static str, Value<'static>)> {
    vec![
        ("bytes", Value::Bytes(b"\0\xff")),
        ("text", Value::Text("text")),
        ("nat", Value::Nat(u64::MAX)),
        ("int", Value::Int(i64::MIN)),
        ("array", Value::Array(vec![Value::Nat(1), Value::Array(vec![])])),
        ("map", Value::Map(vec![("b", Value::Text("")), ("a", Value::Bytes(b""))])),
    ]
}

fn state_tree() -> Tree {
    let mut tree = Tree::new();
    for number in 0..100u64 {
        let label = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        tree.set(&[&label[..(number % 9) as usize], b"below"], number.to_be_bytes().to_vec());
        tree.set(&[&label[..], b"value"], number.to_be_bytes().to_vec());
    }
    tree
}
