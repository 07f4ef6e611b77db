//! Carries the consensus engine's questions to the task that owns the application.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use commonware_actor::Feedback;
use commonware_consensus::{
    Application, Heightable as _, Reporter, Viewable as _,
    marshal::{Update, ancestry::Ancestry},
    simplex::types::Context,
};
use commonware_cryptography::{Digested, ed25519::PublicKey, sha256::Digest};
use commonware_runtime::Clock;
use commonware_utils::{
    acknowledgement::Exact,
    channel::{mpsc, oneshot},
};
use futures::StreamExt as _;

use crate::application::TICK_MS;
use crate::block::OrderedBlock;
use crate::tuning::ANCESTORS_MAX;
use crate::wiring::Scheme;

/// What the driver is asked or told.
pub(crate) enum Request {
    /// Build a block.
    Propose { place: Place, reply: oneshot::Sender<Digested<OrderedBlock>> },
    /// Check a block.
    Verify { place: Place, block: Digested<OrderedBlock>, reply: oneshot::Sender<bool> },
    /// Take a final block.
    Final { block: Digested<OrderedBlock>, done: Exact },
    /// Look for events.
    Poke,
}

/// Where a proposal stands: the parent first, then its ancestors down to the last delivered block.
pub(crate) struct Place {
    pub(crate) view: u64,
    pub(crate) leader: PublicKey,
    pub(crate) parents: Vec<Digested<OrderedBlock>>,
}

/// The engine's handle on the driver.
///
/// The queue has no bound of its own because its producers have: at most one proposal and one check
/// for each of the few live views, `PENDING_BLOCKS` final blocks, and one poke.
#[derive(Clone)]
pub(crate) struct Bridge {
    requests: mpsc::UnboundedSender<Request>,
    delivered: Arc<AtomicU64>,
}

impl Bridge {
    pub(crate) fn new(requests: mpsc::UnboundedSender<Request>, delivered: Arc<AtomicU64>) -> Self {
        Self { requests, delivered }
    }

    /// Collects the parent and the blocks below it that are not delivered yet.
    async fn place(
        &self,
        clock: &impl Clock,
        context: &Context<Digest, PublicKey>,
        mut ancestry: impl Ancestry<OrderedBlock>,
    ) -> Option<Place> {
        let parent = ancestry.next().await?;
        while parent.height().get() > self.delivered.load(Ordering::Acquire) + ANCESTORS_MAX {
            clock.sleep(Duration::from_millis(TICK_MS)).await;
        }
        let mut parents = vec![parent];
        while let Some(lowest) = parents.last()
            && lowest.height().get() > self.delivered.load(Ordering::Acquire) + 1
        {
            parents.push(ancestry.next().await?);
        }
        Some(Place { view: context.view().get(), leader: context.leader.clone(), parents })
    }
}

impl<E: Clock> Application<E> for Bridge {
    type SigningScheme = Scheme;
    type Context = Context<Digest, PublicKey>;
    type Block = OrderedBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (clock, context): (E, Self::Context),
        ancestry: impl Ancestry<OrderedBlock>,
        (): (),
    ) -> Option<Digested<OrderedBlock>> {
        let place = self.place(&clock, &context, ancestry).await?;
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Propose { place, reply }).ok()?;
        answer.await.ok()
    }

    async fn verify(
        &mut self,
        (clock, context): (E, Self::Context),
        mut ancestry: impl Ancestry<OrderedBlock>,
    ) -> bool {
        let answer = async {
            let block = ancestry.next().await?;
            let place = self.place(&clock, &context, ancestry).await?;
            let (reply, answer) = oneshot::channel();
            self.requests.send(Request::Verify { place, block, reply }).ok()?;
            answer.await.ok()
        };
        match answer.await {
            Some(valid) => valid,
            // The node is about to stop. "Invalid" would be a lie about the block, so stay silent.
            None => futures::future::pending().await,
        }
    }
}

impl Reporter for Bridge {
    type Activity = Update<OrderedBlock>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        let Update::Block(block, done) = update else {
            return Feedback::Ok;
        };
        match self.requests.send(Request::Final { block, done }) {
            Ok(()) => Feedback::Ok,
            Err(_) => Feedback::Closed,
        }
    }
}
