//! An application that orders small payloads and writes down all it sees.

#![allow(dead_code, reason = "each test binary uses its own part of this file")]

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use replica_engine::{Application, Effect, FinalizedBlock, Proposal, ProposalContext, Verdict};
use types::{Height, NodeId, Time};

/// What a recorder has seen.
#[derive(Default)]
pub struct Record {
    pub blocks: Vec<FinalizedBlock>,
    pub messages: Vec<(NodeId, Bytes)>,
    /// The highest view it was asked about, with the height in that view.
    pub view: (u64, Height),
    pub validated: usize,
    /// The last bytes of the blocks it was asked to vote for.
    pub marks: BTreeSet<u8>,
}

/// A record that a test can wait on.
#[derive(Clone, Default)]
pub struct Shared(Arc<(Mutex<Record>, Condvar)>);

impl Shared {
    pub fn read<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.0.0.lock().unwrap())
    }

    fn write(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Waits until `done` holds; panics after `limit`.
    pub fn wait(&self, what: &str, limit: Duration, done: impl Fn(&Record) -> bool) {
        let end = Instant::now() + limit;
        let mut record = self.0.0.lock().unwrap();
        while !done(&record) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {limit:?} for: {what}; at {:?}", record.height());
            record = self.0.1.wait_timeout(record, left).unwrap().0;
        }
    }
}

impl Record {
    pub fn height(&self) -> Height {
        self.blocks.last().map_or(Height(0), |block| block.height)
    }

    pub fn payloads(&self) -> Vec<Bytes> {
        self.blocks.iter().map(|block| block.payload.clone()).collect()
    }
}

/// Events of a [`Recorder`].
pub enum Event {
    Order(Bytes),
    Broadcast(Bytes),
    Halt(String),
    Panic,
}

pub struct Recorder {
    pub record: Shared,
    pub idle_ms: u64,
    /// Report blocks as durable at once.
    pub durable: bool,
    /// Ends the blocks of this node, so that the two engines of one that plays double differ.
    pub mark: u8,
    /// Takes only so many blocks between two ticks.
    pub blocks_per_tick: u32,
    budget: u32,
    waiting: VecDeque<Bytes>,
    last: Time,
    delivered: Height,
}

impl Recorder {
    pub fn new(record: Shared, resume_after: Height, idle_ms: u64) -> Self {
        Self {
            record,
            idle_ms,
            durable: false,
            mark: 0,
            blocks_per_tick: u32::MAX,
            budget: 0,
            waiting: VecDeque::new(),
            last: Time(0),
            delivered: resume_after,
        }
    }

    fn check_place(&self, ctx: &ProposalContext) {
        assert_eq!(ctx.height, ctx.parent_height.next());
        assert!(ctx.parent_height >= self.delivered);
        let gap = ctx.parent_height.0.saturating_sub(self.delivered.0 + 1);
        assert_eq!(ctx.ancestors.len() as u64, gap, "{ctx:?} above {}", self.delivered);
        for (above, block) in ctx.ancestors.iter().enumerate() {
            assert_eq!(block.height.0, self.delivered.0 + 1 + above as u64);
        }
        self.record.write(|record| record.view = record.view.max((ctx.view, ctx.height)));
    }
}

impl Application for Recorder {
    type Event = Event;

    fn propose(&mut self, ctx: &ProposalContext, now: Time) -> Proposal {
        self.check_place(ctx);
        if let Some(payload) = self.waiting.front() {
            return Proposal::Block(payload.clone());
        }
        let due = self.last.plus_ms(self.idle_ms);
        if now < due {
            return Proposal::WaitUntil(due);
        }
        let mut payload = ctx.height.0.to_be_bytes().to_vec();
        payload.push(self.mark);
        Proposal::Block(payload.into())
    }

    fn validate(&mut self, ctx: &ProposalContext, block: &[u8], _now: Time) -> Verdict {
        self.check_place(ctx);
        self.record.write(|record| {
            record.validated += 1;
            record.marks.extend(block.last());
        });
        if block.is_empty() { Verdict::Invalid("empty".into()) } else { Verdict::Valid }
    }

    fn finalized(&mut self, block: FinalizedBlock, now: Time) -> Vec<Effect> {
        assert_eq!(block.height, self.delivered.next(), "delivery has a gap");
        self.budget = self.budget.checked_sub(1).expect("a block came that was not taken");
        self.delivered = block.height;
        self.last = now;
        self.waiting.retain(|payload| *payload != block.payload);
        let height = block.height;
        self.record.write(|record| record.blocks.push(block));
        if self.durable { vec![Effect::Durable(height)] } else { Vec::new() }
    }

    fn receive(&mut self, from: NodeId, message: Bytes, _now: Time) -> Vec<Effect> {
        self.record.write(|record| record.messages.push((from, message)));
        Vec::new()
    }

    fn event(&mut self, event: Event, _now: Time) -> Vec<Effect> {
        match event {
            Event::Order(payload) => {
                self.waiting.push_back(payload);
                vec![Effect::Wake]
            }
            Event::Broadcast(message) => vec![Effect::Broadcast { message }],
            Event::Halt(reason) => vec![Effect::Halt(reason)],
            Event::Panic => panic!("the test asked for a panic"),
        }
    }

    fn tick(&mut self, _now: Time) -> Vec<Effect> {
        self.budget = self.blocks_per_tick;
        Vec::new()
    }

    fn takes_block(&self) -> bool {
        self.budget > 0
    }
}
