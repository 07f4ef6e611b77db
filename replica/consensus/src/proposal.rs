//! What to propose, and what to vote for.
//!
//! A block is valid above its parent if
//! - it decodes, and its time is above the parent's;
//! - during the key generation: it carries dealer logs only, each by a dealer that has none in the
//!   branch yet; afterwards it carries ingress only, within the limits of the subnet;
//! - each ingress message passes the check at the block's time, and is neither twice in the block,
//!   nor in an ancestor that is not final, nor in a final block whose copy has not expired.
//!
//! All of this depends on the block and its branch alone. A block whose time is further ahead
//! than [`BLOCK_TIME_DRIFT_MS_MAX`] is not voted for yet: that depends on a clock.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use types::{Height, MessageId, Time};

use crate::bounds::{
    BLOCK_INTERVAL_MS_MIN, BLOCK_TIME_DRIFT_MS_MAX, FINALIZED_GAP_HARD, FINALIZED_GAP_SOFT,
    KEY_GENERATION_BLOCK_INTERVAL_MS, PAYLOAD_BYTES_MAX, PAYLOAD_FRAME_BYTES_MAX,
};
use crate::effect::Effect;
use crate::key_generation::LogLedger;
use crate::machine::{Consensus, Phase};
use crate::payload::Payload;
use crate::traits::IngressCheck;

/// Where in the chain a block is to stand.
#[derive(Clone, Debug)]
pub struct BlockContext {
    /// The height of the block.
    pub height: Height,
    /// The view: a leader is asked several times in one.
    pub view: u64,
    /// The payload of the block below; empty if that is genesis.
    pub parent: Bytes,
    /// The blocks between the last final one and the parent.
    pub ancestors: Vec<Ancestor>,
}

/// A block below the parent that is not final yet.
#[derive(Clone, Debug)]
pub struct Ancestor {
    /// Its height.
    pub height: Height,
    /// Its payload.
    pub payload: Bytes,
}

/// What to do about proposing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Propose this payload.
    Block(Bytes),
    /// Ask again at this time, or on [`Effect::Wake`].
    WaitUntil(Time),
}

/// Whether to vote for a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Valid,
    /// Never, with the reason.
    Invalid(String),
    /// Not yet.
    Pending,
}

/// When this node was first asked to lead the view, and whether it holds its block back because
/// execution is behind.
#[derive(Default)]
pub(crate) struct Leading {
    view: Option<(u64, Time)>,
    throttled: bool,
}

/// What follows from the blocks that are not final yet.
struct Branch {
    parent_time: Time,
    /// The dealer logs, while the key generation is not over in the final chain.
    ledger: Option<LogLedger>,
    ids: BTreeSet<MessageId>,
}

impl Consensus {
    /// The block that this node wants above the parent.
    pub fn propose(&mut self, ctx: &BlockContext, now: Time) -> Decision {
        let idle_ms = self.config.idle_block_interval_ms;
        let branch = match self.branch(ctx) {
            Ok(branch) if !self.halted => branch,
            _ => return Decision::WaitUntil(now.plus_ms(idle_ms)),
        };
        let asked = match self.leading.view {
            Some((view, asked)) if view == ctx.view => asked,
            _ => now,
        };
        self.leading.view = Some((ctx.view, asked));
        // A parent from a fast clock must not make us wait beyond the interval.
        let since = branch.parent_time.min(asked);
        let time = now.max(branch.parent_time.plus_ns(1));
        match &branch.ledger {
            Some(ledger) => self.propose_logs(ledger, since, time, now),
            None => self.propose_ingress(ctx, &branch, since, time, now),
        }
    }

    fn propose_logs(&self, ledger: &LogLedger, since: Time, time: Time, now: Time) -> Decision {
        let interval_ms = KEY_GENERATION_BLOCK_INTERVAL_MS.min(self.config.idle_block_interval_ms);
        let due = since.plus_ms(interval_ms);
        let dealer_logs = match &self.phase {
            Phase::Generating(generation) if ledger.outcome().is_none() => {
                generation.logs_for(ledger)
            }
            _ => Vec::new(),
        };
        if dealer_logs.is_empty() && now < due {
            return Decision::WaitUntil(due);
        }
        Decision::Block(Payload { time, dealer_logs, ingress: Vec::new() }.encode())
    }

    fn propose_ingress(
        &mut self,
        ctx: &BlockContext,
        branch: &Branch,
        since: Time,
        time: Time,
        now: Time,
    ) -> Decision {
        let idle_ms = self.config.idle_block_interval_ms;
        let idle_at = since.plus_ms(idle_ms);
        let gap = self.execution_gap();
        self.leading.throttled = gap > FINALIZED_GAP_SOFT;
        if gap > FINALIZED_GAP_HARD {
            return Decision::WaitUntil(now.plus_ms(idle_ms));
        }
        let (ids, ingress) = match self.leading.throttled {
            true => (Vec::new(), Vec::new()),
            false => self.select(branch, time),
        };
        let due = match ingress.is_empty() {
            true => idle_at,
            false => idle_at.min(since.plus_ms(BLOCK_INTERVAL_MS_MIN)),
        };
        if now < due {
            return Decision::WaitUntil(due);
        }
        let block = Payload { time, dealer_logs: Vec::new(), ingress }.encode();
        self.block_ids.put(ctx.height, block.clone(), ids);
        Decision::Block(block)
    }

    /// Waiting messages for a block of this time, oldest first, within the limits.
    fn select(&self, branch: &Branch, time: Time) -> (Vec<(MessageId, Time)>, Vec<Bytes>) {
        let limits = &self.config.limits;
        let count_max = usize::try_from(limits.block_ingress_count_max).unwrap_or(usize::MAX);
        let bytes_max = self.block_ingress_bytes_max();
        let mut bytes = 0;
        let eligible = self.pool.iter().filter(|one| {
            one.facts.valid_at(time)
                && !branch.ids.contains(&one.facts.id)
                && !self.ordered.contains(&one.facts.id)
        });
        // One that does not fit any more leaves its room to smaller ones behind it.
        let fitting = eligible.filter(|one| {
            let fits = bytes + one.envelope.len() <= bytes_max;
            bytes += if fits { one.envelope.len() } else { 0 };
            fits
        });
        let entry =
            |one: &crate::pool::Pooled| ((one.facts.id, one.facts.expiry), one.envelope.clone());
        fitting.take(count_max).map(entry).unzip()
    }

    /// Whether this node may vote for the block above the parent.
    pub fn validate(&mut self, ctx: &BlockContext, block: &[u8], now: Time) -> Verdict {
        if self.halted {
            return Verdict::Pending;
        }
        let block = Bytes::copy_from_slice(block);
        match self.judge(ctx, &block, now) {
            Ok(verdict) => verdict,
            Err(reason) => Verdict::Invalid(reason),
        }
    }

    fn judge(&mut self, ctx: &BlockContext, block: &Bytes, now: Time) -> Result<Verdict, String> {
        let payload = Payload::decode(block).map_err(|error| error.to_string())?;
        let branch = self.branch(ctx)?;
        if payload.time <= branch.parent_time {
            let parent = branch.parent_time.0;
            return Err(format!("the time {} is not above the parent's {parent}", payload.time.0));
        }
        if payload.time > now.plus_ms(BLOCK_TIME_DRIFT_MS_MAX) {
            return Ok(Verdict::Pending);
        }
        let Some(mut ledger) = branch.ledger else {
            return self.judge_ingress(ctx.height, &payload, block, &branch.ids);
        };
        let is_over = ledger.outcome().is_some();
        ledger
            .append(ctx.height, &payload.dealer_logs, self.parts.dkg.as_ref())
            .map_err(|error| error.to_string())?;
        match (payload.ingress.is_empty(), is_over) {
            (true, _) => Ok(Verdict::Valid),
            (false, false) => Err("ingress before the chain key is fixed".into()),
            // The key is fixed in a block that is not final for us yet; it will be.
            (false, true) => Ok(Verdict::Pending),
        }
    }

    fn judge_ingress(
        &mut self,
        height: Height,
        payload: &Payload,
        block: &Bytes,
        branch_ids: &BTreeSet<MessageId>,
    ) -> Result<Verdict, String> {
        if !payload.dealer_logs.is_empty() {
            return Err("dealer logs after the end of the key generation".into());
        }
        let limits = &self.config.limits;
        let count = payload.ingress.len();
        if count as u64 > limits.block_ingress_count_max {
            return Err(format!("{count} ingress messages, above the limit"));
        }
        let bytes: usize = payload.ingress.iter().map(Bytes::len).sum();
        if bytes > self.block_ingress_bytes_max() {
            return Err(format!("{bytes} bytes of ingress, above the limit"));
        }
        let mut ids = Vec::with_capacity(count);
        let mut seen = BTreeSet::new();
        for envelope in &payload.ingress {
            let (id, expiry) = self.judge_envelope(envelope, payload.time)?;
            if !seen.insert(id) || branch_ids.contains(&id) || self.ordered.contains(&id) {
                return Err(format!("the ingress message {id} is in the chain already"));
            }
            ids.push((id, expiry));
        }
        self.block_ids.put(height, block.clone(), ids);
        Ok(Verdict::Valid)
    }

    fn judge_envelope(
        &mut self,
        envelope: &Bytes,
        time: Time,
    ) -> Result<(MessageId, Time), String> {
        if envelope.len() as u64 > self.config.limits.ingress_bytes_max {
            return Err(format!("an ingress message of {} bytes", envelope.len()));
        }
        let (id, _) =
            self.parts.ingress.identify(envelope).ok_or("an ingress message is no envelope")?;
        // The same content may come under another, wrong signature: the bytes must be the same.
        if let Some(known) = self.pool.get(&id)
            && known.envelope == *envelope
            && known.facts.valid_at(time)
        {
            return Ok((id, known.facts.expiry));
        }
        let facts =
            self.parts.ingress.check(envelope, time).map_err(|refused| {
                format!("the ingress message {id} may not be ordered: {refused}")
            })?;
        Ok((facts.id, facts.expiry))
    }

    /// Reads the blocks between the last final one and the new one.
    fn branch(&mut self, ctx: &BlockContext) -> Result<Branch, String> {
        let parent_height = Height(ctx.height.0.saturating_sub(1));
        let read = |height: Height, bytes: &Bytes| match Payload::decode(bytes) {
            Ok(payload) => Ok(payload),
            Err(error) => Err(format!("the block {height} below it is no payload: {error}")),
        };
        let mut branch = Branch {
            parent_time: self.config.genesis_time,
            ledger: match &self.phase {
                Phase::Generating(generation) => Some(generation.ledger().clone()),
                Phase::Running(_) => None,
            },
            ids: BTreeSet::new(),
        };
        if parent_height == Height(0) {
            return Ok(branch);
        }
        let parent = read(parent_height, &ctx.parent)?;
        branch.parent_time = parent.time;
        let ancestors = ctx.ancestors.iter().map(|one| (one.height, one.payload.clone()));
        let parent_entry = (parent_height, ctx.parent.clone());
        for (height, bytes) in ancestors.chain([parent_entry]) {
            if height <= self.finalized {
                continue;
            }
            let payload = read(height, &bytes)?;
            if let Some(ledger) = &mut branch.ledger {
                ledger
                    .append(height, &payload.dealer_logs, self.parts.dkg.as_ref())
                    .map_err(|error| error.to_string())?;
            }
            let ids = self.block_ids.get(height, &bytes, &payload, self.parts.ingress.as_ref());
            branch.ids.extend(ids.iter().map(|(id, _)| *id));
        }
        Ok(branch)
    }

    /// Ingress bytes that a block may hold: what the subnet allows and what a payload can carry.
    fn block_ingress_bytes_max(&self) -> usize {
        let agreed = usize::try_from(self.config.limits.block_ingress_bytes_max);
        agreed.unwrap_or(usize::MAX).min(PAYLOAD_BYTES_MAX - PAYLOAD_FRAME_BYTES_MAX)
    }

    /// How many final heights a quorum has not executed yet. Counted from the final height and not
    /// from the parent: execution of final heights goes on without new blocks, so a leader that
    /// waits for it never waits forever.
    fn execution_gap(&self) -> u64 {
        let own = match &self.phase {
            Phase::Generating(_) => self.finalized,
            Phase::Running(running) => running.certifier.executed(),
        };
        self.finalized.0.saturating_sub(self.peers.executed_by_quorum(own).0)
    }

    /// To be called when heights of members have moved: a leader may go on.
    pub(crate) fn wake_if_unthrottled(&mut self) -> Vec<Effect> {
        if !self.leading.throttled || self.execution_gap() > FINALIZED_GAP_SOFT {
            return Vec::new();
        }
        self.leading.throttled = false;
        vec![Effect::Wake]
    }
}

/// The ids of blocks that this node has proposed or judged, so that they are not computed again.
#[derive(Default)]
pub(crate) struct BlockIds(Vec<KnownBlock>);

struct KnownBlock {
    height: Height,
    bytes: Bytes,
    ids: Ids,
}

/// Ids with the time until which they are remembered.
type Ids = Arc<Vec<(MessageId, Time)>>;

impl BlockIds {
    /// Blocks remembered: the few above the final one.
    const BLOCKS_MAX: usize = 8;

    fn put(&mut self, height: Height, bytes: Bytes, ids: Vec<(MessageId, Time)>) -> Ids {
        if self.0.len() >= Self::BLOCKS_MAX {
            self.0.remove(0);
        }
        let ids = Arc::new(ids);
        self.0.push(KnownBlock { height, bytes, ids: ids.clone() });
        ids
    }

    fn get(
        &mut self,
        height: Height,
        bytes: &Bytes,
        payload: &Payload,
        check: &dyn IngressCheck,
    ) -> Ids {
        let known = self.0.iter().find(|block| block.height == height && block.bytes == *bytes);
        if let Some(known) = known {
            return known.ids.clone();
        }
        let ids = payload.ingress.iter().filter_map(|one| check.identify(one)).collect();
        self.put(height, bytes.clone(), ids)
    }

    /// The ids of a final block; forgets it and all below.
    pub(crate) fn take(
        &mut self,
        height: Height,
        bytes: &Bytes,
        payload: &Payload,
        check: &dyn IngressCheck,
    ) -> Ids {
        let ids = self.get(height, bytes, payload, check);
        self.0.retain(|block| block.height > height);
        ids
    }
}
