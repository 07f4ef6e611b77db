//! What the engine orders blocks for.
//!
//! An [`Application`] is a synchronous state machine. One task of the engine owns it and makes all
//! calls, one after the other, with the time of the runtime it lives in: the wall clock in
//! production, virtual time in a simulation. A call must return soon (milliseconds): while it runs
//! the node neither proposes nor votes.

use bytes::Bytes;
use types::{Height, NodeId, Time};

/// Milliseconds between two calls of [`Application::tick`].
pub const TICK_MS: u64 = 25;

/// The largest block payload, in bytes: the IC's limit of 4 MiB for a block, which
/// [`Application::propose`] must keep to. A larger foreign block does not decode.
pub const BLOCK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest application message, in bytes. A larger one is refused at the sender.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A deterministic part of the node whose blocks the engine orders.
///
/// The engine keeps these promises:
/// - [`finalized`](Self::finalized) is called in height order without gaps, starting right above
///   the height that the node resumes after; across restarts a block can come again.
/// - [`propose`](Self::propose) and [`validate`](Self::validate) are called only for a parent at or
///   above the last finalized block, with all blocks between the two at hand.
/// - A block of this node is never given to [`validate`](Self::validate) in the same life of the
///   node; after a restart it may be.
pub trait Application: Send + 'static {
    /// What reaches the application from outside the engine: ingress from HTTP, results of
    /// execution.
    type Event: Send + 'static;

    /// The block that this node wants above `ctx.parent`, or until when to wait for a better one.
    ///
    /// It is asked again on [`Effect::Wake`], at the time it gave, and never after the view has
    /// ended. A leader that waits longer than the configured idle interval loses its view.
    fn propose(&mut self, ctx: &ProposalContext, now: Time) -> Proposal;

    /// Whether this node may vote for `block` above `ctx.parent`.
    ///
    /// Honest nodes must agree on [`Verdict::Valid`] and [`Verdict::Invalid`]. What a node cannot
    /// tell yet is [`Verdict::Pending`]: it is asked again on [`Effect::Wake`] and at each tick, and
    /// does not vote meanwhile.
    fn validate(&mut self, ctx: &ProposalContext, block: &[u8], now: Time) -> Verdict;

    /// The next block of the chain.
    fn finalized(&mut self, block: FinalizedBlock, now: Time) -> Vec<Effect>;

    /// A message of another member. `from` is authenticated, the bytes are not trusted.
    fn receive(&mut self, from: NodeId, message: Bytes, now: Time) -> Vec<Effect>;

    /// Something from outside the engine, in the order of injection.
    fn event(&mut self, event: Self::Event, now: Time) -> Vec<Effect>;

    /// Called every [`TICK_MS`].
    fn tick(&mut self, now: Time) -> Vec<Effect>;

    /// Whether it takes the next final block now. While it does not, the engine holds the block
    /// back and asks again after each other call, so that a node that was away does not have all
    /// that it missed in memory at once.
    fn takes_block(&self) -> bool {
        true
    }
}

/// Where in the chain a block is to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalContext {
    /// The height of the block: the parent's plus one.
    pub height: Height,
    /// The consensus view. Views without a block are skipped, so this runs ahead of the height.
    pub view: u64,
    /// Who proposes in this view.
    pub leader: NodeId,
    /// The height of the parent.
    pub parent_height: Height,
    /// The digest of the parent.
    pub parent_digest: [u8; 32],
    /// The parent's payload; empty if the parent is genesis.
    pub parent: Bytes,
    /// The blocks above the last one given to [`Application::finalized`] and below the parent, in
    /// ascending order: certified, not final yet. Usually there is none.
    pub ancestors: Vec<AncestorBlock>,
}

/// A block below a proposal that is not final yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AncestorBlock {
    /// The block's height.
    pub height: Height,
    /// The block's digest.
    pub digest: [u8; 32],
    /// What the application proposed.
    pub payload: Bytes,
}

/// A block that no honest node will ever see replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalizedBlock {
    /// The block's height, 1 for the first.
    pub height: Height,
    /// The SHA-256 digest over parent digest, height and payload.
    pub digest: [u8; 32],
    /// What the application proposed.
    pub payload: Bytes,
}

/// The answer to [`Application::propose`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// Propose this payload now, at most [`BLOCK_BYTES_MAX`] bytes.
    Block(Bytes),
    /// Nothing yet; ask again at this time, or on [`Effect::Wake`].
    WaitUntil(Time),
}

/// The answer to [`Application::validate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Vote for it.
    Valid,
    /// It can never be right; the reason is logged.
    Invalid(String),
    /// Not known yet.
    Pending,
}

/// What the application asks the engine to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to one member, at most [`MESSAGE_BYTES_MAX`] bytes. Best effort: a message to a node
    /// that is away, or above the rate, is dropped.
    Send {
        /// The receiver; a message to oneself is dropped.
        to: NodeId,
        /// The bytes.
        message: Bytes,
    },
    /// Send to all other members, with the limits of [`Effect::Send`].
    Broadcast {
        /// The bytes.
        message: Bytes,
    },
    /// This height and all below it are safely on disk: the node will resume after it or later, and
    /// the engine may drop those blocks once its history is full.
    Durable(Height),
    /// Ask again about pending proposals and blocks.
    Wake,
    /// Stop the engine: the application found a fault it must not continue with.
    Halt(String),
}
