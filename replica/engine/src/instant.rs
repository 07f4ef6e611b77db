//! One node without consensus: each proposal is final at once, stepped by hand.
//!
//! For fast tests of an application: no threads, no network, no disk; the same calls in the same
//! order give the same results. It keeps the promises of [`crate::Application`] except that a node's
//! own block is also given to [`validate`](crate::Application::validate), so that a test sees a
//! proposal that the other nodes would refuse.

use std::collections::VecDeque;

use bytes::Bytes;
use commonware_cryptography::{Digestible as _, sha256::Digest};
use thiserror::Error;
use types::{Height, NodeId, Time};

use crate::application::{
    BLOCK_BYTES_MAX, Effect, FinalizedBlock, Proposal, ProposalContext, TICK_MS, Verdict,
};
use crate::block::OrderedBlock;
use crate::erased::ErasedApplication;

/// A message that the application sent. There is nobody to receive it but the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// To whom; `None` for all.
    pub to: Option<NodeId>,
    /// The bytes.
    pub message: Bytes,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stepped {
    /// The block that became final in this step.
    pub finalized: Option<FinalizedBlock>,
    /// The messages sent since the step before.
    pub sent: Vec<Sent>,
    /// When there is something to do next, at the latest: the next tick, or earlier if the
    /// application waits with a proposal. Now, if events wait or a block became final.
    pub next: Time,
}

/// Why the engine cannot go on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InstantError {
    /// The application asked to stop.
    #[error("the application halted the engine: {0}")]
    Halted(String),
    /// The application refused its own proposal.
    #[error("the application refuses its own block {height}: {reason}")]
    Refused {
        /// The height of the block.
        height: Height,
        /// What the application says.
        reason: String,
    },
    /// A proposal above the limit.
    #[error("the application proposed {0} bytes; the limit is {BLOCK_BYTES_MAX}")]
    TooLarge(usize),
}

/// A chain of one node.
pub struct Instant {
    me: NodeId,
    application: Box<dyn ErasedApplication>,
    parent: OrderedBlock,
    parent_digest: Digest,
    /// A block that is proposed and that the application cannot judge yet.
    candidate: Option<Bytes>,
    view: u64,
    next_tick: Time,
    ask_at: Time,
    sent: Vec<Sent>,
    durable: Height,
    history: Vec<FinalizedBlock>,
    /// Blocks of before a restart that the application has not taken yet.
    backlog: VecDeque<FinalizedBlock>,
}

impl Instant {
    /// Begins a new chain.
    pub fn new(me: NodeId, namespace: &[u8], application: Box<dyn ErasedApplication>) -> Self {
        let genesis = OrderedBlock::genesis(namespace);
        Self {
            me,
            application,
            parent_digest: genesis.digest(),
            parent: genesis,
            candidate: None,
            view: 0,
            next_tick: Time(0),
            ask_at: Time(0),
            sent: Vec::new(),
            durable: Height(0),
            history: Vec::new(),
            backlog: VecDeque::new(),
        }
    }

    /// The height of the last block.
    pub fn height(&self) -> Height {
        Height(self.parent.height)
    }

    /// The highest height that the application reported as durable.
    pub fn durable(&self) -> Height {
        self.durable
    }

    /// Replaces the application by one whose state stands at `resume_after`, as after a restart:
    /// the blocks above it are handed over again, as fast as it takes them.
    pub fn restart(
        &mut self,
        application: Box<dyn ErasedApplication>,
        resume_after: Height,
        now: Time,
    ) -> Result<(), InstantError> {
        self.application = application;
        self.candidate = None;
        self.ask_at = Time(0);
        let above = self.history.iter().filter(|block| block.height > resume_after);
        self.backlog = above.cloned().collect();
        self.hand_over(now)
    }

    fn hand_over(&mut self, now: Time) -> Result<(), InstantError> {
        while self.application.takes_block()
            && let Some(block) = self.backlog.pop_front()
        {
            let effects = self.application.finalized(block, now);
            self.perform(effects)?;
        }
        Ok(())
    }

    /// Hands over a message as if `from` had sent it.
    pub fn receive(&mut self, from: NodeId, message: Bytes, now: Time) -> Result<(), InstantError> {
        let effects = self.application.receive(from, message, now);
        self.perform(effects)
    }

    /// Handles waiting events, ticks if it is time, and orders at most one block.
    pub fn step(&mut self, now: Time) -> Result<Stepped, InstantError> {
        let (effects, more) = self.application.events(now);
        self.perform(effects)?;
        if now >= self.next_tick {
            self.next_tick = now.plus_ms(TICK_MS);
            let effects = self.application.tick(now);
            self.perform(effects)?;
        }
        self.hand_over(now)?;
        let ready = self.backlog.is_empty() && self.application.takes_block();
        let finalized = if ready { self.order(now)? } else { None };
        let next = match ready {
            _ if more || finalized.is_some() => now,
            true => self.next_tick.min(self.ask_at.max(now)),
            false => self.next_tick,
        };
        Ok(Stepped { finalized, sent: std::mem::take(&mut self.sent), next })
    }

    fn order(&mut self, now: Time) -> Result<Option<FinalizedBlock>, InstantError> {
        let ctx = self.context();
        let Some(payload) = self.proposal(&ctx, now)? else { return Ok(None) };
        match self.application.validate(&ctx, &payload, now) {
            Verdict::Valid => {}
            Verdict::Invalid(reason) => {
                return Err(InstantError::Refused { height: ctx.height, reason });
            }
            Verdict::Pending => {
                self.candidate = Some(payload);
                self.ask_at = self.next_tick;
                return Ok(None);
            }
        }
        let block = OrderedBlock { parent: self.parent_digest, height: ctx.height.0, payload };
        self.parent_digest = block.digest();
        self.parent = block;
        self.view = ctx.view;
        self.ask_at = Time(0);
        let block = self.parent.to_finalized(self.parent_digest);
        self.history.push(block.clone());
        let effects = self.application.finalized(block.clone(), now);
        self.perform(effects)?;
        Ok(Some(block))
    }

    fn proposal(
        &mut self,
        ctx: &ProposalContext,
        now: Time,
    ) -> Result<Option<Bytes>, InstantError> {
        if let Some(candidate) = self.candidate.take() {
            return Ok(Some(candidate));
        }
        if now < self.ask_at {
            return Ok(None);
        }
        match self.application.propose(ctx, now) {
            Proposal::Block(payload) if payload.len() > BLOCK_BYTES_MAX => {
                Err(InstantError::TooLarge(payload.len()))
            }
            Proposal::Block(payload) => Ok(Some(payload)),
            Proposal::WaitUntil(at) => {
                self.ask_at = at;
                Ok(None)
            }
        }
    }

    fn context(&self) -> ProposalContext {
        ProposalContext {
            height: Height(self.parent.height).next(),
            view: self.view + 1,
            leader: self.me,
            parent_height: Height(self.parent.height),
            parent_digest: self.parent_digest.0,
            parent: self.parent.payload.clone(),
            ancestors: Vec::new(),
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<(), InstantError> {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.sent.push(Sent { to: Some(to), message }),
                Effect::Broadcast { message } => self.sent.push(Sent { to: None, message }),
                Effect::Durable(height) => self.durable = self.durable.max(height),
                Effect::Wake => self.ask_at = Time(0),
                Effect::Halt(reason) => return Err(InstantError::Halted(reason)),
            }
        }
        Ok(())
    }
}
