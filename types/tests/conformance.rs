//! Formats of this crate, frozen by hash.

#[path = "../conformance.rs"]
mod conformance;

use conformance::{Format, check};
use serde::Serialize;
use serde_json::Value;
use types::{
    CanisterId, Digest, ErrorCode, Fees, Limits, Member, MessageId, NodeId, Principal,
    ReplicaVersion, StateRoot, SubnetConfig, SubnetId, SubnetType, Time, Transcript,
    TranscriptMember,
};

#[test]
fn formats_are_frozen() {
    let configs = [
        SubnetType::Application,
        SubnetType::System,
        SubnetType::VerifiedApplication,
        SubnetType::CloudEngine,
    ]
    .map(config);
    check(&[
        Format {
            name: "subnet.json",
            encodings: configs.iter().map(json).collect(),
            hash: "bec834e79c0454defa5638ed5592b8be31593f59ca0d2c3bbe5ebf2becada176",
        },
        Format {
            name: "digest of the subnet's configuration (names the chain)",
            encodings: configs.iter().map(|config| config.digest().0.to_vec()).collect(),
            hash: "6bbaa247e055450b98707b5951b1b3a8a9928e8f7214bd252217722a52905f05",
        },
        Format {
            name: "transcript of the chain key in JSON (kept in the node's store)",
            encodings: vec![json(&transcript())],
            hash: "a47951ff3615fcc4a84cd39aacd7bed40bd8be9ccbb7a6acab7e9d8e78ee7d86",
        },
        Format {
            name: "identifiers in JSON and as bytes",
            encodings: identifiers(),
            hash: "fd03a93d2dfcd83c149bc712ee87d8d742b3cb9f3b79e1c95949aedcffaf8a12",
        },
        Format {
            name: "error codes with their reject codes",
            encodings: ErrorCode::ALL.iter().map(error_code).collect(),
            hash: "89ddd780e60fd081a1ce183779ac36efec60ca2b21816fb5879124940d409b89",
        },
    ]);
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data")
}

fn error_code(code: &ErrorCode) -> Vec<u8> {
    format!("{code} {code:?} {}", code.reject_code() as u8).into_bytes()
}

fn identifiers() -> Vec<Vec<u8>> {
    let principal = Principal::self_authenticating([1]);
    let canister = CanisterId::from_index(u64::MAX - 1);
    vec![
        json(&NodeId::from_public_key(&[1; 32])),
        json(&SubnetId(principal)),
        json(&canister),
        canister.as_slice().to_vec(),
        json(&Digest([1; 32])),
        json(&MessageId([2; 32])),
        json(&StateRoot([3; 32])),
        json(&Time(u64::MAX)),
    ]
}

fn transcript() -> Transcript {
    let member = |n: u8| TranscriptMember {
        node_id: NodeId(Principal::from_slice(&[n])),
        point: [n; 32],
        public_share: vec![n; 96],
    };
    Transcript { public_key: vec![9; 96], threshold: 2, members: vec![member(1), member(2)] }
}

fn config(subnet_type: SubnetType) -> SubnetConfig {
    let member = |n: u8| {
        let public_key = [n; 32];
        Member {
            node_id: NodeId::from_public_key(&public_key),
            public_key,
            p2p: ([127, 0, 0, n], 7000).into(),
            api: ([0, 0, 0, 0, 0, 0, 0, 1], 8000).into(),
        }
    };
    let config = SubnetConfig {
        name: "frozen".into(),
        subnet_type,
        development: true,
        genesis_time: Time(1),
        replica_version: ReplicaVersion("0.1.0".into()),
        members: vec![member(1), member(2)],
        canister_index_range: (0, 1),
        idle_block_interval_ms: 1,
        checkpoint_interval: 1,
        limits: Limits::default(),
        fees: Fees::default(),
    };
    numbered(&config)
}

/// The same with its numbers counted up: other default limits are another subnet, not another
/// format.
fn numbered(config: &SubnetConfig) -> SubnetConfig {
    let mut value = serde_json::to_value(config).expect("plain data");
    count(&mut value, &mut 0);
    serde_json::from_value(value).expect("numbers fit their fields")
}

fn count(value: &mut Value, counter: &mut u64) {
    match value {
        Value::Number(number) => {
            *counter += 1;
            *number = (*counter).into();
        }
        Value::Array(values) => values.iter_mut().for_each(|value| count(value, counter)),
        Value::Object(fields) => fields.values_mut().for_each(|value| count(value, counter)),
        _ => {}
    }
}
