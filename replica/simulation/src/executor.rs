//! The executor of a simulated node: the real one, or one whose states go wrong.

use replica_consensus::{Certification, StoredKey};
use replica_node::execution::InlineExecutor;
use replica_node::wiring::{Executor, NodeEvent};
use types::{Batch, Height};

/// From here on the states of a diverging node differ.
const DIVERGES_AT: Height = Height(25);

/// Executes inline.
pub(crate) enum SimulatedExecutor {
    /// As in production.
    Honest(InlineExecutor),
    /// Its roots are wrong from [`DIVERGES_AT`] on.
    Diverging(InlineExecutor),
}

impl SimulatedExecutor {
    fn inner(&mut self) -> &mut InlineExecutor {
        match self {
            Self::Honest(executor) | Self::Diverging(executor) => executor,
        }
    }
}

impl Executor for SimulatedExecutor {
    fn genesis(&mut self, key: &StoredKey) {
        self.inner().genesis(key);
    }

    fn execute(&mut self, batch: Batch) {
        self.inner().execute(batch);
    }

    fn certified(&mut self, certification: &Certification) {
        self.inner().certified(certification);
    }

    fn poll(&mut self) -> Vec<NodeEvent> {
        let mut events = self.inner().poll();
        if matches!(self, Self::Diverging(_)) {
            events.iter_mut().for_each(diverge);
        }
        events
    }
}

fn diverge(event: &mut NodeEvent) {
    if let NodeEvent::Executed(executed) = event
        && executed.snapshot.height >= DIVERGES_AT
    {
        executed.snapshot.root.0[0] ^= 1;
    }
}
