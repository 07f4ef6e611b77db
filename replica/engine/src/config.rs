//! What one engine needs to know.

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;
use types::{Height, NodeId};
use zeroize::Zeroizing;

/// How many final blocks stay on disk below the height that the application has made durable, for
/// members that were away: at the idle pace of two blocks a second about 14 hours.
///
/// A node that was away longer cannot fetch what the others have pruned. It must take over a
/// checkpoint of the state and resume after that height.
pub const HISTORY_BLOCKS_DEFAULT: u64 = 100_000;

/// How many bytes of final blocks stay on disk, whatever their number: at the highest load history
/// is short, and the disk is not filled by it. The newest 4,096 blocks stay in any case, so that a
/// member that was away for a minute or two finds what it missed.
pub const HISTORY_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// The longest that a leader may hold back a block while nothing waits to be ordered.
pub const IDLE_INTERVAL_MS_MAX: u64 = types::IDLE_BLOCK_INTERVAL_MS_MAX;

/// A member of the subnet as the engine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The self-authenticating principal of `public_key` in DER.
    pub node_id: NodeId,
    /// The Ed25519 key that the node signs votes and p2p handshakes with.
    pub public_key: [u8; 32],
    /// Where the node accepts p2p connections.
    pub address: SocketAddr,
}

/// The node's Ed25519 secret: 32 bytes of seed, wiped when dropped, never shown.
#[derive(Clone)]
pub struct NodeSecret(Zeroizing<[u8; 32]>);

impl NodeSecret {
    /// Takes over the seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The seed.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The configuration of one engine. One engine serves one set of members under one namespace; a
/// changed set is a new engine with a new namespace and a new directory.
#[derive(Clone)]
pub struct EngineConfig {
    /// This node; one of the members.
    pub me: NodeId,
    /// The secret of this node's key.
    pub secret: NodeSecret,
    /// All members, this node too, in ascending order of node id.
    pub members: Vec<Member>,
    /// Where to accept p2p connections.
    pub listen: SocketAddr,
    /// The engine's own directory. Votes are journaled there: a node that loses it must not take
    /// part again under the same namespace, or it may vote twice in one view.
    pub dir: PathBuf,
    /// What signatures are bound to, unique for this chain: a digest of the genesis configuration.
    pub namespace: Vec<u8>,
    /// The height the application's own state stands at; delivery begins right above it.
    pub resume_after: Height,
    /// The longest that the application of a leader holds back a block, in milliseconds. The
    /// timeouts are derived from it, so it should be the same on all members.
    pub idle_interval_ms: u64,
    /// How many final blocks to keep below the durable height; see [`HISTORY_BLOCKS_DEFAULT`].
    pub history_blocks: u64,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no member.
    #[error("the engine has no members; name at least one")]
    NoMembers,
    /// Members out of order or twice.
    #[error("the engine's members must be in ascending order of node id, each once")]
    MemberOrder,
    /// A node id that does not belong to its key.
    #[error("member {0} is not the principal of its public key; write the id that the key gives")]
    MemberKey(NodeId),
    /// A key that is no point of the curve.
    #[error("the public key of member {0} is not a point of Ed25519; write the node's real key")]
    BadKey(NodeId),
    /// This node is not among the members.
    #[error("this node, {0}, is not among the members")]
    NotMember(NodeId),
    /// The secret is not the one of this node.
    #[error("the node secret belongs to {secret}, but the configuration says {me}")]
    WrongSecret {
        /// Who the configuration says we are.
        me: NodeId,
        /// Who the secret says we are.
        secret: NodeId,
    },
    /// The idle interval is out of range.
    #[error("idle_interval_ms is {0}; it must be 1 to {IDLE_INTERVAL_MS_MAX}")]
    IdleInterval(u64),
}

impl EngineConfig {
    /// Checks everything that does not need a runtime.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=IDLE_INTERVAL_MS_MAX).contains(&self.idle_interval_ms) {
            return Err(ConfigError::IdleInterval(self.idle_interval_ms));
        }
        crate::identity::Committee::new(&self.me, &self.secret, &self.members).map(|_| ())
    }
}
