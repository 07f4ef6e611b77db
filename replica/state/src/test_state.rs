//! States for tests.

use crate::canister::{CanisterState, SystemState};
use crate::settings::CanisterSettings;
use crate::state::ReplicatedState;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use types::{
    CanisterId, Cycles, Fees, Height, Limits, Member, NodeId, PrincipalId, ReplicaVersion,
    SubnetConfig, SubnetId, SubnetType, Time,
};

/// The configuration of a subnet with so many members.
pub fn config(members: u8) -> SubnetConfig {
    let member = |n: u8| {
        let public_key = [n; 32];
        Member {
            node_id: NodeId::from_public_key(&public_key),
            public_key,
            p2p: ([127, 0, 0, n], 7000).into(),
            api: ([127, 0, 0, n], 8000).into(),
        }
    };
    let mut members: Vec<_> = (1..=members).map(member).collect();
    members.sort_by_key(|member| member.node_id);
    SubnetConfig {
        name: "test".into(),
        subnet_type: SubnetType::CloudEngine,
        development: true,
        genesis_time: Time::from_secs(1_800_000_000),
        replica_version: ReplicaVersion("0.1.0".into()),
        members,
        canister_index_range: (0, 1 << 20),
        idle_block_interval_ms: 250,
        checkpoint_interval: 10,
        limits: Limits::default(),
        fees: Fees::default(),
    }
}

/// A state without canisters.
pub fn empty_state() -> ReplicatedState {
    let key = Bytes::from(vec![7; 133]);
    let subnet_id = SubnetId(PrincipalId::self_authenticating(&key));
    ReplicatedState::genesis(Arc::new(config(4)), subnet_id, key, Height(0))
}

/// Adds a canister without code.
pub fn add_canister(state: &mut ReplicatedState) -> CanisterId {
    let id = CanisterId::from_index(state.next_canister_index);
    state.next_canister_index += 1;
    let controllers = BTreeSet::from([PrincipalId::anonymous()]);
    let settings = CanisterSettings::of_new_canister(controllers);
    let system = SystemState::new(id, settings, Cycles(1_000_000), state.time);
    state.put_canister(CanisterState::new(system));
    id
}
