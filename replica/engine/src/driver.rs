//! The one task that owns the application and makes all calls to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use commonware_consensus::{
    Heightable as _,
    marshal::{core::Mailbox, standard::Standard},
    types::Height as BlockHeight,
};
use commonware_cryptography::{Digested, Digestible as _, ed25519::PublicKey};
use commonware_macros::select;
use commonware_p2p::{Recipients, Sender};
use commonware_runtime::Clock;
use commonware_utils::{
    Acknowledgement as _, acknowledgement::Exact, channel::mpsc, futures::OptionFuture,
};
use futures::future::BoxFuture;
use types::{Height, NodeId, Time};

use crate::application::{Effect, MESSAGE_BYTES_MAX, TICK_MS};
use crate::block::OrderedBlock;
use crate::bridge::Request;
use crate::erased::ErasedApplication;
use crate::history::History;
use crate::identity::Committee;
use crate::inbox::Inbox;
use crate::tuning::PRUNE_STEP;
use crate::wiring::Scheme;

mod asking;

use asking::{PendingCheck, PendingProposal};

/// The archive of final blocks.
pub(crate) type Archive = Mailbox<Scheme, Standard<OrderedBlock>>;

/// Why the driver ended. It never ends well: whoever wants it to stop drops it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DriverEnd {
    /// The application asked for it, or broke its contract.
    Halted(String),
    /// A block that the application still needs is not on disk any more.
    HistoryGap(Height),
    /// The journal has not seen the block that the application's state stands at.
    JournalBehind(Height),
    /// A part that the driver talks to is gone.
    Disconnected(&'static str),
}

/// What the driver works with.
pub(crate) struct Parts<E, S> {
    pub(crate) clock: E,
    pub(crate) committee: Committee,
    pub(crate) archive: Archive,
    pub(crate) requests: mpsc::UnboundedReceiver<Request>,
    /// The height of the last block handed over, shared with the bridge.
    pub(crate) delivered: Arc<AtomicU64>,
    /// The highest block that the archive had delivered in an earlier life of the node.
    pub(crate) archived: Height,
    pub(crate) history: History,
    pub(crate) sender: S,
    pub(crate) inbox: Inbox,
    pub(crate) observer: Option<Box<dyn DeliveryObserver>>,
}

/// Sees each block handed to the application; a simulation hashes them into its trace.
pub(crate) trait DeliveryObserver: Send {
    fn delivered(&mut self, height: Height, digest: [u8; 32], now: Time);
    /// The application will never need this height again.
    fn durable(&mut self, height: Height);
}

pub(crate) struct Driver<E, S> {
    parts: Parts<E, S>,
    application: Box<dyn ErasedApplication>,
    /// Blocks from the engine that wait for the replay of older ones.
    finals: VecDeque<(Digested<OrderedBlock>, Exact)>,
    /// The read of the next block to replay, kept over turns so that traffic cannot starve it.
    replay: OptionFuture<BoxFuture<'static, Option<Digested<OrderedBlock>>>>,
    proposals: Vec<PendingProposal>,
    checks: Vec<PendingCheck>,
    /// Whether something changed that pending proposals and checks may have waited for.
    woken: bool,
    /// Whether events are queued beyond those of the last turn.
    events_wait: bool,
    next_tick: Time,
    pruned: u64,
}

impl<E, S> Driver<E, S>
where
    E: Clock,
    S: Sender<PublicKey = PublicKey>,
{
    pub(crate) fn new(parts: Parts<E, S>, application: Box<dyn ErasedApplication>) -> Self {
        Self {
            parts,
            application,
            finals: VecDeque::new(),
            replay: None.into(),
            proposals: Vec::new(),
            checks: Vec::new(),
            woken: false,
            events_wait: false,
            next_tick: Time(0),
            pruned: 0,
        }
    }

    /// Runs until the application halts or a neighbour is gone.
    pub(crate) async fn run(mut self) -> DriverEnd {
        loop {
            match self.turn().await {
                Ok(()) => {}
                Err(end) => {
                    self.application.close();
                    return end;
                }
            }
        }
    }

    /// Waits for one thing, handles it and then answers what can be answered.
    async fn turn(&mut self) -> Result<(), DriverEnd> {
        self.start_replay();
        // A wall clock can be set back; the ticks must not wait until it has caught up.
        self.next_tick = self.next_tick.min(self.now().plus_ms(TICK_MS));
        let alarm = self.parts.clock.sleep_until(system_time(self.next_alarm()));
        select! {
            request = self.parts.requests.recv() => {
                self.on_request(request.ok_or(DriverEnd::Disconnected("consensus"))?)?;
            },
            _ = alarm => {
                self.on_alarm()?;
            },
            block = &mut self.replay => {
                self.replay = None.into();
                let missing = Height(self.delivered() + 1);
                self.deliver(&block.ok_or(DriverEnd::HistoryGap(missing))?)?;
            },
            message = self.parts.inbox.recv() => {
                let (from, bytes) = message.ok_or(DriverEnd::Disconnected("network"))?;
                self.on_message(&from, bytes)?;
            },
        }
        self.deliver_waiting()?;
        self.answer()
    }

    fn now(&self) -> Time {
        time(self.parts.clock.current())
    }

    fn delivered(&self) -> u64 {
        self.parts.delivered.load(Ordering::Acquire)
    }

    /// Whether blocks of an earlier life are still to be handed over. Until then the application
    /// is not asked anything: its state is behind what it had already agreed to.
    fn replaying(&self) -> bool {
        self.delivered() < self.parts.archived.0
    }

    fn start_replay(&mut self) {
        if self.replaying() && self.replay.is_none() && self.application.takes_block() {
            let (archive, height) = (self.parts.archive.clone(), self.delivered() + 1);
            let read: BoxFuture<'static, _> =
                Box::pin(async move { archive.get_block(BlockHeight::new(height)).await });
            self.replay = Some(read).into();
        }
    }

    /// When to act without being told to: the next tick, or earlier if a proposal is due, or at
    /// once if events wait.
    fn next_alarm(&self) -> Time {
        if self.events_wait {
            return Time(0);
        }
        // Nothing is answered during a replay, so a due proposal must not make the loop spin.
        let asking = if self.replaying() { &[][..] } else { &self.proposals };
        asking.iter().map(|proposal| proposal.ask_at).fold(self.next_tick, Time::min)
    }

    fn on_alarm(&mut self) -> Result<(), DriverEnd> {
        if self.events_wait {
            self.on_events()?;
        }
        let now = self.now();
        if now < self.next_tick {
            return Ok(());
        }
        self.next_tick = now.plus_ms(TICK_MS);
        self.woken |= !self.checks.is_empty();
        let effects = self.application.tick(now);
        self.perform(effects)
    }

    fn on_request(&mut self, request: Request) -> Result<(), DriverEnd> {
        match request {
            Request::Propose { place, reply } => {
                self.proposals.push(PendingProposal { place, ask_at: Time(0), reply });
            }
            Request::Verify { place, block, reply } => {
                self.checks.push(PendingCheck { place, block, reply });
                self.woken = true;
            }
            Request::Final { block, done } => self.finals.push_back((block, done)),
            Request::Poke => self.on_events()?,
        }
        Ok(())
    }

    fn on_events(&mut self) -> Result<(), DriverEnd> {
        let now = self.now();
        let (effects, more) = self.application.events(now);
        self.events_wait = more;
        self.perform(effects)
    }

    fn on_message(&mut self, from: &PublicKey, bytes: Bytes) -> Result<(), DriverEnd> {
        let Some(node) = self.parts.committee.node(from) else {
            return Ok(());
        };
        if bytes.len() > MESSAGE_BYTES_MAX {
            log::warn!("dropped a message of {} bytes from {node}", bytes.len());
            return Ok(());
        }
        let now = self.now();
        let effects = self.application.receive(node, bytes, now);
        self.perform(effects)
    }

    /// Hands over the blocks that come next; those of an earlier life come from the archive first.
    fn deliver_waiting(&mut self) -> Result<(), DriverEnd> {
        while !self.replaying() && self.application.takes_block() {
            let Some((block, done)) = self.finals.pop_front() else {
                return Ok(());
            };
            self.deliver(&block)?;
            // The archive holds the block durably, so this says nothing about the application's own
            // disk: after a restart all above `resume_after` is read from the archive again.
            done.acknowledge();
        }
        Ok(())
    }

    fn deliver(&mut self, block: &Digested<OrderedBlock>) -> Result<(), DriverEnd> {
        let (height, delivered) = (block.height().get(), self.delivered());
        if height <= delivered {
            return Ok(());
        }
        if height > delivered + 1 {
            return Err(DriverEnd::HistoryGap(Height(delivered + 1)));
        }
        self.parts.history.add(height, block.inner().payload.len() as u64);
        let now = self.now();
        if let Some(observer) = &mut self.parts.observer {
            observer.delivered(Height(height), block.digest().0, now);
        }
        let effects = self.application.finalized(block.inner().to_finalized(block.digest()), now);
        self.parts.delivered.store(height, Ordering::Release);
        self.woken = true;
        self.perform(effects)
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<(), DriverEnd> {
        effects.into_iter().try_for_each(|effect| match effect {
            Effect::Send { to, message } => {
                self.send_to(&to, message);
                Ok(())
            }
            Effect::Broadcast { message } => {
                self.send(Recipients::All, message);
                Ok(())
            }
            Effect::Durable(height) => {
                self.prune_below(height);
                Ok(())
            }
            Effect::Wake => {
                self.woken = true;
                Ok(())
            }
            Effect::Halt(reason) => Err(DriverEnd::Halted(reason)),
        })
    }

    fn send_to(&mut self, to: &NodeId, message: Bytes) {
        match self.parts.committee.key(to).cloned() {
            Some(key) if key != self.parts.committee.me() => {
                self.send(Recipients::One(key), message);
            }
            Some(_) => {}
            None => log::warn!("dropped a message to {to}, which is no member"),
        }
    }

    fn send(&mut self, recipients: Recipients<PublicKey>, message: Bytes) {
        if message.len() > MESSAGE_BYTES_MAX {
            let size = message.len();
            log::error!("dropped a message of {size} bytes; the limit is {MESSAGE_BYTES_MAX}");
            return;
        }
        // Best effort: who is away or over the rate is left out, and the application repeats.
        let _reached = self.parts.sender.send(recipients, message, false);
    }

    fn prune_below(&mut self, durable: Height) {
        if let Some(observer) = &mut self.parts.observer {
            observer.durable(durable);
        }
        let lowest = self.parts.history.lowest(durable.0.min(self.delivered()));
        if lowest >= self.pruned + PRUNE_STEP {
            self.pruned = lowest;
            self.parts.history.dropped_below(lowest);
            self.parts.archive.prune(BlockHeight::new(lowest));
        }
    }
}

/// Our time from the runtime's. A clock before 1970 is read as 1970.
pub(crate) fn time(at: SystemTime) -> Time {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The runtime's time from ours.
pub(crate) fn system_time(at: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(at.0)
}
