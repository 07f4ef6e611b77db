//! The configuration file that the nodes of a subnet share.

use std::net::SocketAddr;
use types::{Fees, Limits, Member, NodeId, ReplicaVersion, SubnetConfig, SubnetType};

/// `subnet.json`: read, checked, written and read again.
pub fn subnet_config(data: &[u8]) {
    let Ok(config) = serde_json::from_slice::<SubnetConfig>(data) else { return };
    let json = serde_json::to_vec(&config).expect("plain data");
    let again: SubnetConfig = serde_json::from_slice(&json).expect("it was written");
    assert_eq!(again, config);
    assert_eq!(again.digest(), config.digest());
    if config.check().is_ok() {
        assert!(config.quorum() > config.members.len() / 2);
        assert!(config.quorum() + config.faults_max() == config.members.len());
        let found = |member: &Member| config.member(&member.node_id) == Some(member);
        assert!(config.members.iter().all(found));
    }
}

/// A subnet of four members; also what the seeds of `subnet_config` are made of.
pub(crate) fn subnet_of_four() -> SubnetConfig {
    let mut members: Vec<_> = (1..=4).map(member).collect();
    members.sort_by_key(|member| member.node_id);
    SubnetConfig {
        name: "fuzz".into(),
        subnet_type: SubnetType::Application,
        development: true,
        genesis_time: crate::NOW,
        replica_version: ReplicaVersion("0".into()),
        members,
        canister_index_range: (0, 10),
        idle_block_interval_ms: 500,
        checkpoint_interval: 10,
        limits: Limits::default(),
        fees: Fees::default(),
    }
}

fn member(n: u8) -> Member {
    let public_key = [n; 32];
    let address = SocketAddr::from(([127, 0, 0, n], 1));
    let node_id = NodeId::from_public_key(&public_key);
    Member { node_id, public_key, p2p: address, api: address }
}
