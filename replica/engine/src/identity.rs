//! Node ids on our side, Ed25519 keys on the engine's side.

use std::collections::BTreeMap;

use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_cryptography::{Signer as _, ed25519};
use commonware_utils::{TryCollect as _, ordered::Set};
use types::NodeId;

use crate::config::{ConfigError, Member, NodeSecret};

/// The members with both of their names.
#[derive(Clone)]
pub(crate) struct Committee {
    /// This node's key pair.
    pub(crate) signer: ed25519::PrivateKey,
    /// All keys in the order that the engine numbers the members by.
    pub(crate) keys: Set<ed25519::PublicKey>,
    by_key: BTreeMap<ed25519::PublicKey, NodeId>,
    by_node: BTreeMap<NodeId, ed25519::PublicKey>,
}

impl Committee {
    pub(crate) fn new(
        me: &NodeId,
        secret: &NodeSecret,
        members: &[Member],
    ) -> Result<Self, ConfigError> {
        if members.is_empty() {
            return Err(ConfigError::NoMembers);
        }
        if !members.is_sorted_by(|a, b| a.node_id < b.node_id) {
            return Err(ConfigError::MemberOrder);
        }
        let signer = signer(secret);
        let secret = node_id(&signer.public_key());
        if secret != *me {
            return Err(ConfigError::WrongSecret { me: *me, secret });
        }
        let keyed = members.iter().map(member_key).collect::<Result<Vec<_>, _>>()?;
        if !members.iter().any(|member| member.node_id == *me) {
            return Err(ConfigError::NotMember(*me));
        }
        Ok(Self {
            signer,
            keys: keyed
                .iter()
                .map(|(_, key)| key.clone())
                .try_collect()
                .expect("distinct node ids have distinct keys, since an id is a hash of its key"),
            by_key: keyed.iter().map(|(node, key)| (key.clone(), *node)).collect(),
            by_node: keyed.into_iter().collect(),
        })
    }

    pub(crate) fn me(&self) -> ed25519::PublicKey {
        self.signer.public_key()
    }

    pub(crate) fn node(&self, key: &ed25519::PublicKey) -> Option<NodeId> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn key(&self, node: &NodeId) -> Option<&ed25519::PublicKey> {
        self.by_node.get(node)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_node.len()
    }
}

/// The key pair of a node's secret.
pub(crate) fn signer(secret: &NodeSecret) -> ed25519::PrivateKey {
    ed25519::PrivateKey::decode(Copying(secret.expose()))
        .expect("every 32 bytes are an Ed25519 seed")
}

/// The Ed25519 public key that belongs to a node's secret.
pub fn public_key(secret: &NodeSecret) -> [u8; 32] {
    let key = signer(secret).public_key().encode();
    key.as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
}

/// The key of a member, checked against its id.
fn member_key(member: &Member) -> Result<(NodeId, ed25519::PublicKey), ConfigError> {
    if NodeId::from_public_key(&member.public_key) != member.node_id {
        return Err(ConfigError::MemberKey(member.node_id));
    }
    ed25519::PublicKey::decode(Copying(&member.public_key))
        .map(|key| (member.node_id, key))
        .map_err(|_| ConfigError::BadKey(member.node_id))
}

/// The node id that belongs to a key.
pub(crate) fn node_id(key: &ed25519::PublicKey) -> NodeId {
    let bytes: [u8; 32] =
        key.encode().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
    NodeId::from_public_key(&bytes)
}
