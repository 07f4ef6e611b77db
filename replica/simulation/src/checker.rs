//! The audience of one node: tells the world what the node does.

use replica_consensus::{Certification, Standing, StoredKey};
use replica_engine::FinalizedBlock;
use replica_node::wiring::{Audience, Executed};
use replica_state::CertifiedSnapshot;
use types::{MessageId, Time};

use crate::world::SharedWorld;

/// Watches one life of one node.
pub(crate) struct Checker {
    pub(crate) world: SharedWorld,
    pub(crate) node: usize,
    /// Whether what the node says about itself counts.
    pub(crate) is_honest: bool,
}

impl Audience for Checker {
    fn key(&mut self, key: &StoredKey) {
        if self.is_honest {
            self.world.lock().on_key(self.node, key);
        }
    }

    fn finalized(&mut self, block: &FinalizedBlock, _now: Time) {
        if self.is_honest {
            self.world.lock().on_block(self.node, block);
        }
    }

    fn executed(&mut self, executed: &Executed, _now: Time) {
        if self.is_honest {
            self.world.lock().on_state(self.node, executed);
        }
    }

    fn certified(
        &mut self,
        certification: &Certification,
        snapshot: CertifiedSnapshot,
        completed: &[MessageId],
        _now: Time,
    ) {
        if self.is_honest {
            self.world.lock().on_certified(self.node, certification, &snapshot, completed);
        }
    }

    fn standing(&mut self, _standing: Standing) {}
}
