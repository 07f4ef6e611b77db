//! The configuration that a subnet's nodes share from genesis on.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{Digest, Fees, Limits, NodeId, ReplicaVersion, Time};

/// What the IC interface calls the type of a subnet (`/subnet/<id>/type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetType {
    /// An ordinary subnet.
    Application,
    /// A subnet of the network itself, where canisters do not pay.
    System,
    /// An application subnet with restricted access.
    VerifiedApplication,
    /// A subnet whose admins create canisters on it directly.
    CloudEngine,
}

impl SubnetType {
    /// The text in the state tree.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::System => "system",
            Self::VerifiedApplication => "verified_application",
            Self::CloudEngine => "cloud_engine",
        }
    }
}

/// One node of the subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The node's id: the self-authenticating principal of `public_key` in DER.
    pub node_id: NodeId,
    /// The node's Ed25519 key for votes, p2p and query signatures: 32 bytes.
    #[serde(with = "hex_key")]
    pub public_key: [u8; 32],
    /// Where the node's p2p endpoint listens.
    pub p2p: SocketAddr,
    /// Where the node's HTTP endpoint listens.
    pub api: SocketAddr,
}

/// Everything that the nodes of a subnet agree on at genesis. Its digest names the chain: nodes
/// with another configuration cannot take part in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubnetConfig {
    /// A name for people.
    pub name: String,
    /// The subnet's type.
    pub subnet_type: SubnetType,
    /// Whether the provisional management methods are there and everyone is a subnet admin: a
    /// development network.
    pub development: bool,
    /// Genesis time: no block has an earlier one.
    pub genesis_time: Time,
    /// The replica version that the subnet runs.
    pub replica_version: ReplicaVersion,
    /// The members in ascending order of node id.
    pub members: Vec<Member>,
    /// The first and the last index of the canister ids that the subnet allots.
    pub canister_index_range: (u64, u64),
    /// Milliseconds between blocks while nothing waits to be ordered.
    pub idle_block_interval_ms: u64,
    /// Heights between two checkpoints.
    pub checkpoint_interval: u64,
    /// The limits.
    pub limits: Limits,
    /// The fees.
    pub fees: Fees,
}

/// The longest idle interval between blocks, in milliseconds: the timeouts of the ordering engine
/// grow with it, and with them how long a silent leader stops the subnet.
pub const IDLE_BLOCK_INTERVAL_MS_MAX: u64 = 10_000;

/// The indices below this one are those of the NNS canisters in the public network.
const NNS_INDICES: u64 = 1 << 20;

/// Why a [`SubnetConfig`] cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// No members.
    #[error("the subnet has no members; list at least one under `members`")]
    NoMembers,
    /// Members out of order or twice.
    #[error("the subnet's members must be in ascending order of node id, each once")]
    MemberOrder,
    /// A node id that does not belong to its key.
    #[error("member {0} is not the principal of its public key; write the id that the key gives")]
    MemberKey(NodeId),
    /// A number that must be positive is zero.
    #[error("`{0}` must be above zero")]
    Zero(&'static str),
    /// The idle interval is out of range.
    #[error("`idle_block_interval_ms` is {0}; it must be 1 to {IDLE_BLOCK_INTERVAL_MS_MAX}")]
    IdleInterval(u64),
    /// An empty range of canister ids.
    #[error("`canister_index_range` must go from a lower to a higher index")]
    CanisterRange,
}

/// The DER prefix of an Ed25519 public key (RFC 8410).
const ED25519_DER_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl Member {
    /// The public key in DER (RFC 8410), 44 bytes: what `/subnet/<s>/node/<n>/public_key` holds.
    pub fn public_key_der(&self) -> Vec<u8> {
        [&ED25519_DER_PREFIX[..], &self.public_key].concat()
    }
}

impl NodeId {
    /// The id of the node with this Ed25519 public key.
    pub fn from_public_key(public_key: &[u8; 32]) -> Self {
        let der = [&ED25519_DER_PREFIX[..], public_key].concat();
        Self(ic_principal::Principal::self_authenticating(der))
    }
}

impl SubnetConfig {
    /// Checks what a subnet cannot start without.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.members.is_empty() {
            return Err(ConfigError::NoMembers);
        }
        if !self.members.is_sorted_by(|a, b| a.node_id < b.node_id) {
            return Err(ConfigError::MemberOrder);
        }
        let stranger =
            self.members.iter().find(|m| m.node_id != NodeId::from_public_key(&m.public_key));
        if let Some(member) = stranger {
            return Err(ConfigError::MemberKey(member.node_id));
        }
        if !(1..=IDLE_BLOCK_INTERVAL_MS_MAX).contains(&self.idle_block_interval_ms) {
            return Err(ConfigError::IdleInterval(self.idle_block_interval_ms));
        }
        if self.checkpoint_interval == 0 {
            return Err(ConfigError::Zero("checkpoint_interval"));
        }
        if self.canister_index_range.0 >= self.canister_index_range.1 {
            return Err(ConfigError::CanisterRange);
        }
        Ok(())
    }

    /// The digest that names the chain: over the members and everything that the state depends
    /// on, in the canonical JSON form of this type (fields in order of declaration, no spaces).
    pub fn digest(&self) -> Digest {
        let bytes = serde_json::to_vec(self).expect("a SubnetConfig has only plain fields");
        let mut hash = Sha256::new();
        hash.update(b"\x0dplinth-subnet");
        hash.update(&bytes);
        Digest(hash.finalize().into())
    }

    /// The index from which ids are given out in order. A range that goes on beyond the indices of the
    /// NNS gives those out only to who asks for one, so that no canister gets a well-known id by chance.
    pub fn first_allotted_index(&self) -> u64 {
        let (first, last) = self.canister_index_range;
        if last > NNS_INDICES { first.max(NNS_INDICES) } else { first }
    }

    /// How many members may be faulty: f of n >= 3f + 1.
    pub fn faults_max(&self) -> usize {
        self.members.len().saturating_sub(1) / 3
    }

    /// How many members make a quorum: n - f.
    pub fn quorum(&self) -> usize {
        self.members.len() - self.faults_max()
    }

    /// The entry of `node`, if it is a member.
    pub fn member(&self, node: &NodeId) -> Option<&Member> {
        let at = self.members.binary_search_by_key(node, |member| member.node_id).ok()?;
        self.members.get(at)
    }
}

/// Thirty-two bytes as hexadecimal text.
mod hex_key {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(key: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(key))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut key = [0; 32];
        hex::decode_to_slice(&text, &mut key).map_err(D::Error::custom)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(n: u8) -> Member {
        let public_key = [n; 32];
        Member {
            node_id: NodeId::from_public_key(&public_key),
            public_key,
            p2p: SocketAddr::from(([127, 0, 0, n], 7000)),
            api: SocketAddr::from(([127, 0, 0, n], 8000)),
        }
    }

    fn config(nodes: u8) -> SubnetConfig {
        let mut members: Vec<_> = (1..=nodes).map(member).collect();
        members.sort_by_key(|m| m.node_id);
        SubnetConfig {
            name: "test".into(),
            subnet_type: SubnetType::CloudEngine,
            development: true,
            genesis_time: Time::from_secs(1),
            replica_version: ReplicaVersion("0.1.0".into()),
            members,
            canister_index_range: (0, 1 << 20),
            idle_block_interval_ms: 250,
            checkpoint_interval: 100,
            limits: Limits::default(),
            fees: Fees::default(),
        }
    }

    #[test]
    fn quorums() {
        let quorum = |nodes| config(nodes).quorum();
        assert_eq!([1, 2, 3, 4, 7, 13].map(quorum), [1, 2, 3, 3, 5, 9]);
    }

    #[test]
    fn checks() {
        assert_eq!(config(4).check(), Ok(()));
        let changed = |change: fn(&mut SubnetConfig)| {
            let mut config = config(4);
            change(&mut config);
            config.check().expect_err("the change breaks it")
        };
        assert_eq!(changed(|c| c.members.clear()), ConfigError::NoMembers);
        assert_eq!(changed(|c| c.members.swap(0, 1)), ConfigError::MemberOrder);
        assert!(matches!(changed(|c| c.members[0].public_key[0] ^= 1), ConfigError::MemberKey(_)));
        assert_eq!(
            changed(|c| c.checkpoint_interval = 0),
            ConfigError::Zero("checkpoint_interval")
        );
        assert_eq!(changed(|c| c.canister_index_range = (5, 5)), ConfigError::CanisterRange);
        assert_eq!(changed(|c| c.idle_block_interval_ms = 0), ConfigError::IdleInterval(0));
        let longest = changed(|c| c.idle_block_interval_ms = 10_001);
        assert_eq!(longest, ConfigError::IdleInterval(10_001));
    }

    #[test]
    fn ids_of_the_nns_are_not_given_out_in_order() {
        let first = |range| {
            SubnetConfig { canister_index_range: range, ..config(4) }.first_allotted_index()
        };
        assert_eq!(first((0, 10)), 0, "a small subnet, as in tests");
        assert_eq!(first((0, 1 << 26)), 1 << 20);
        assert_eq!(first((1 << 21, 1 << 22)), 1 << 21);
    }

    #[test]
    fn reads_back_and_refuses_unknown_fields() {
        let config = config(4);
        let mut json = serde_json::to_value(&config).expect("plain data");
        assert_eq!(serde_json::from_value::<SubnetConfig>(json.clone()).expect("same"), config);
        json["surprise"] = 1.into();
        assert!(serde_json::from_value::<SubnetConfig>(json).is_err());
    }

    #[test]
    fn another_configuration_is_another_chain() {
        let one = config(4);
        let mut other = one.clone();
        other.limits.block_ingress_count_max += 1;
        assert_ne!(one.digest(), other.digest());
    }
}
