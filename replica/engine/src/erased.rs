//! The application without its event type, so that the engine is compiled once, in this crate.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use thiserror::Error;
use types::{NodeId, Time};

use crate::application::{Application, Effect, FinalizedBlock, Proposal, ProposalContext, Verdict};

/// How many events may wait before [`Injector::try_inject`] refuses: some seconds of ingress at
/// the highest rate the HTTP endpoint admits; a longer queue would only hold expired messages.
pub const EVENTS_QUEUED_MAX: usize = 4096;

/// How many bytes of events may wait before [`Injector::try_inject`] refuses: as much as all
/// members together may have waiting in the pool of calls.
pub const EVENT_BYTES_QUEUED_MAX: usize = 64 * 1024 * 1024;

/// How many events are handled in one go, so that a flood of events cannot keep the node from
/// voting.
const EVENTS_PER_TURN: usize = 256;

/// Tells the engine that events wait.
pub(crate) type Poke = Box<dyn Fn() + Send>;

/// An [`Application`] behind a pointer; made by [`erase`].
pub trait ErasedApplication: Send + sealed::Sealed {
    /// See [`Application::propose`].
    fn propose(&mut self, ctx: &ProposalContext, now: Time) -> Proposal;
    /// See [`Application::validate`].
    fn validate(&mut self, ctx: &ProposalContext, block: &[u8], now: Time) -> Verdict;
    /// See [`Application::finalized`].
    fn finalized(&mut self, block: FinalizedBlock, now: Time) -> Vec<Effect>;
    /// See [`Application::receive`].
    fn receive(&mut self, from: NodeId, message: Bytes, now: Time) -> Vec<Effect>;
    /// See [`Application::tick`].
    fn tick(&mut self, now: Time) -> Vec<Effect>;
    /// See [`Application::takes_block`].
    fn takes_block(&self) -> bool;
}

mod sealed {
    use super::{Effect, Poke, Time};

    /// The calls that only the engine makes.
    pub trait Sealed {
        /// Handles some waiting events; returns whether more wait.
        fn events(&mut self, now: Time) -> (Vec<Effect>, bool);
        /// Connects the injector to the engine.
        fn bind(&mut self, poke: Poke);
        /// Refuses all further events.
        fn close(&mut self);
    }
}

pub(crate) use sealed::Sealed as EventSource;

/// Hides the event type of `application`; events come in through the injector.
pub fn erase<A: Application>(application: A) -> (Box<dyn ErasedApplication>, Injector<A::Event>) {
    let injector = Injector { queue: Arc::new(Queue::default()) };
    let queue = injector.queue.clone();
    (Box::new(Erased { application, queue }), injector)
}

struct Erased<A: Application> {
    application: A,
    queue: Arc<Queue<A::Event>>,
}

impl<A: Application> ErasedApplication for Erased<A> {
    fn propose(&mut self, ctx: &ProposalContext, now: Time) -> Proposal {
        self.application.propose(ctx, now)
    }

    fn validate(&mut self, ctx: &ProposalContext, block: &[u8], now: Time) -> Verdict {
        self.application.validate(ctx, block, now)
    }

    fn finalized(&mut self, block: FinalizedBlock, now: Time) -> Vec<Effect> {
        self.application.finalized(block, now)
    }

    fn receive(&mut self, from: NodeId, message: Bytes, now: Time) -> Vec<Effect> {
        self.application.receive(from, message, now)
    }

    fn tick(&mut self, now: Time) -> Vec<Effect> {
        self.application.tick(now)
    }

    fn takes_block(&self) -> bool {
        self.application.takes_block()
    }
}

impl<A: Application> EventSource for Erased<A> {
    fn events(&mut self, now: Time) -> (Vec<Effect>, bool) {
        let (batch, more) = self.queue.take(EVENTS_PER_TURN);
        let effects =
            batch.into_iter().flat_map(|event| self.application.event(event, now)).collect();
        (effects, more)
    }

    fn bind(&mut self, poke: Poke) {
        self.queue.bind(poke);
    }

    fn close(&mut self) {
        self.queue.close();
    }
}

impl<A: Application> Drop for Erased<A> {
    /// An engine that ends by a panic never comes to close its queue by hand.
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Brings events to a running application. Cheap to clone; usable from any thread.
pub struct Injector<E> {
    queue: Arc<Queue<E>>,
}

impl<E> Clone for Injector<E> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<E> Injector<E> {
    /// Queues an event of about so many bytes, if fewer than [`EVENTS_QUEUED_MAX`] wait and they
    /// take at most `EVENT_BYTES_QUEUED_MAX` with it: for what the outside world sends as fast
    /// as it likes.
    pub fn try_inject(&self, event: E, bytes: usize) -> Result<(), InjectError> {
        self.queue.push(event, bytes, Bound::Outside)
    }

    /// Queues an event without a bound: for producers that have few events under way by their
    /// nature, such as one result for each finalized block.
    pub fn inject(&self, event: E) -> Result<(), InjectError> {
        self.queue.push(event, 0, Bound::None)
    }
}

/// Whether a producer bounds itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    None,
    Outside,
}

/// Why an event was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InjectError {
    /// Too many events wait.
    #[error("too many events wait for the engine already; try again later")]
    Full,
    /// The engine has ended.
    #[error("the engine has stopped; restart the node")]
    Stopped,
}

struct Queue<E> {
    inner: Mutex<QueueState<E>>,
}

struct QueueState<E> {
    /// Each with its bytes.
    events: VecDeque<(E, usize)>,
    bytes: usize,
    poke: Option<Poke>,
    closed: bool,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(QueueState {
                events: VecDeque::new(),
                bytes: 0,
                poke: None,
                closed: false,
            }),
        }
    }
}

impl<E> Queue<E> {
    /// A panic elsewhere cannot leave the plain queue in a bad state, so poison is ignored.
    fn lock(&self) -> MutexGuard<'_, QueueState<E>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: E, bytes: usize, bound: Bound) -> Result<(), InjectError> {
        let mut state = self.lock();
        if state.closed {
            return Err(InjectError::Stopped);
        }
        let is_full = state.events.len() >= EVENTS_QUEUED_MAX
            || state.bytes.saturating_add(bytes) > EVENT_BYTES_QUEUED_MAX;
        if is_full && bound == Bound::Outside {
            return Err(InjectError::Full);
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.events.push_back((event, bytes));
        // One poke covers all events until the engine has drained them.
        if state.events.len() == 1 {
            state.poke.iter().for_each(|poke| poke());
        }
        Ok(())
    }

    fn take(&self, max: usize) -> (Vec<E>, bool) {
        let mut state = self.lock();
        let count = state.events.len().min(max);
        let batch: Vec<_> = state.events.drain(..count).collect();
        let taken: usize = batch.iter().map(|(_, bytes)| bytes).sum();
        state.bytes = state.bytes.saturating_sub(taken);
        let batch = batch.into_iter().map(|(event, _)| event).collect();
        (batch, !state.events.is_empty())
    }

    fn bind(&self, poke: Poke) {
        let mut state = self.lock();
        if !state.events.is_empty() {
            poke();
        }
        state.poke = Some(poke);
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.events.clear();
        state.bytes = 0;
        state.poke = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn bound_queue() -> (Injector<usize>, Arc<AtomicUsize>) {
        let injector = Injector { queue: Arc::new(Queue::default()) };
        let pokes = Arc::new(AtomicUsize::new(0));
        let count = pokes.clone();
        injector.queue.bind(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        (injector, pokes)
    }

    #[test]
    fn the_outside_is_bounded_and_inner_producers_are_not() {
        let (injector, _) = bound_queue();
        for event in 0..EVENTS_QUEUED_MAX {
            injector.try_inject(event, 1).unwrap();
        }
        assert_eq!(injector.try_inject(0, 1), Err(InjectError::Full));
        injector.inject(0).unwrap();
        injector.queue.close();
        assert_eq!(injector.inject(0), Err(InjectError::Stopped));
    }

    #[test]
    fn the_outside_is_bounded_in_bytes_too() {
        let (injector, _) = bound_queue();
        injector.try_inject(0, EVENT_BYTES_QUEUED_MAX - 1).unwrap();
        assert_eq!(injector.try_inject(1, 2), Err(InjectError::Full));
        injector.try_inject(1, 1).unwrap();
        injector.inject(2).unwrap();
        assert_eq!(injector.queue.take(1), (vec![0], true));
        injector.try_inject(3, EVENT_BYTES_QUEUED_MAX - 1).unwrap();
        assert_eq!(injector.try_inject(4, 1), Err(InjectError::Full));
    }

    #[test]
    fn one_poke_covers_all_events_until_they_are_drained() {
        let (injector, pokes) = bound_queue();
        (0..EVENTS_PER_TURN + 1).for_each(|event| injector.inject(event).unwrap());
        assert_eq!(pokes.load(Ordering::Relaxed), 1);

        let (first, more) = injector.queue.take(EVENTS_PER_TURN);
        assert_eq!((first.len(), first[0], more), (EVENTS_PER_TURN, 0, true));
        let (rest, more) = injector.queue.take(EVENTS_PER_TURN);
        assert_eq!((rest, more), (vec![EVENTS_PER_TURN], false));

        injector.inject(1).unwrap();
        assert_eq!(pokes.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn events_before_the_start_are_not_forgotten() {
        let injector = Injector { queue: Arc::new(Queue::default()) };
        injector.inject(7).unwrap();
        let pokes = Arc::new(AtomicUsize::new(0));
        let count = pokes.clone();
        injector.queue.bind(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        assert_eq!(pokes.load(Ordering::Relaxed), 1);
    }
}
