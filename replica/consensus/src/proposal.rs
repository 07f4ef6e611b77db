//! What to propose, and what to vote for.
//!
//! A block is valid above its parent if
//! - it decodes, and its time is above the parent's;
//! - during the key generation: it carries dealer logs only, each by a dealer that has none in the
//!   branch yet; afterwards it carries ingress only, within the limits of the subnet;
//! - each ingress message passes the check at the block's time and is not twice in the block, and
//!   the checks of all together cost at most [`BLOCK_SIGNATURE_COST_MAX`].
//!
//! All of this depends on the block and its branch alone, so a node that was just started judges
//! like one that never stopped. For the same reason a message that an earlier block holds is no
//! fault: which ids a node remembers depends on its life. Leaders leave such messages out where
//! they know them, and the state takes each message once, whatever the blocks hold.
//!
//! A block whose time is further ahead than [`BLOCK_TIME_DRIFT_MS_MAX`] is not voted for yet: that
//! depends on a clock.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use types::{BLOCK_SIGNATURE_COST_MAX, Height, MessageId, Time};

use crate::bounds::{
    BLOCK_INTERVAL_MS_MIN, BLOCK_TIME_DRIFT_MS_MAX, FINALIZED_GAP_HARD, FINALIZED_GAP_SOFT,
    KEY_GENERATION_BLOCK_INTERVAL_MS, PAYLOAD_BYTES_MAX, PAYLOAD_FRAME_BYTES_MAX,
    UNFIT_LOOKED_AT_MAX,
};
use crate::effect::Effect;
use crate::key_generation::LogLedger;
use crate::machine::{Consensus, Phase};
use crate::payload::{Payload, PayloadError};
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

impl BlockContext {
    fn parent_height(&self) -> Height {
        Height(self.height.0.saturating_sub(1))
    }

    /// The parent and the blocks below it that are above this height, from below.
    fn blocks_above(&self, height: Height) -> impl Iterator<Item = (Height, &Bytes)> {
        let ancestors = self.ancestors.iter().map(|one| (one.height, &one.payload));
        let blocks = ancestors.chain([(self.parent_height(), &self.parent)]);
        blocks.filter(move |(at, _)| *at > height)
    }
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
            None => self.propose_ingress(ctx, since, time, now),
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
        let is_idle = self.leading.throttled || self.pool.is_empty();
        let due = match is_idle {
            true => idle_at,
            false => idle_at.min(since.plus_ms(BLOCK_INTERVAL_MS_MIN)),
        };
        // Before the pool is looked through: a leader is asked at each new message.
        if now < due {
            return Decision::WaitUntil(due);
        }
        let (ids, ingress) = match is_idle {
            true => (Vec::new(), Vec::new()),
            false => self.select(ctx, time),
        };
        if ingress.is_empty() && now < idle_at {
            return Decision::WaitUntil(idle_at);
        }
        let block = Payload { time, dealer_logs: Vec::new(), ingress }.encode();
        self.block_ids.put(ctx.height, block.clone(), time, ids);
        Decision::Block(block)
    }

    /// Waiting messages for a block of this time, oldest first, within the limits.
    fn select(&mut self, ctx: &BlockContext, time: Time) -> (Vec<(MessageId, Time)>, Vec<Bytes>) {
        let branch_ids = self.branch_ids(ctx);
        let limits = &self.config.limits;
        let count_max = usize::try_from(limits.block_ingress_count_max).unwrap_or(usize::MAX);
        let bytes_max = self.block_ingress_bytes_max();
        let (mut bytes, mut cost, mut unfit) = (0, 0, 0);
        let eligible = self.pool.iter().filter(|one| {
            one.facts.valid_at(time)
                && !branch_ids.contains(&one.facts.id)
                && !self.ordered.contains(&one.facts.id)
        });
        // One that does not fit any more leaves its room to smaller ones behind it.
        let fitting = eligible.map_while(|one| {
            let fits = bytes + one.envelope.len() <= bytes_max
                && cost + one.cost <= BLOCK_SIGNATURE_COST_MAX;
            match fits {
                true => (bytes, cost) = (bytes + one.envelope.len(), cost + one.cost),
                false => unfit += 1,
            }
            (unfit <= UNFIT_LOOKED_AT_MAX).then_some(fits.then_some(one))
        });
        let entry =
            |one: &crate::pool::Pooled| ((one.facts.id, one.facts.expiry), one.envelope.clone());
        fitting.flatten().take(count_max).map(entry).unzip()
    }

    /// The ids of the blocks above the last final one, as far as they can be read.
    fn branch_ids(&mut self, ctx: &BlockContext) -> BTreeSet<MessageId> {
        let check = self.parts.ingress.as_ref();
        let mut ids = BTreeSet::new();
        for (height, bytes) in ctx.blocks_above(self.finalized) {
            if let Ok(block) = self.block_ids.read(height, bytes, check) {
                ids.extend(block.ids.iter().map(|(id, _)| *id));
            }
        }
        ids
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
            return self.judge_ingress(ctx.height, &payload, block);
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
        let (mut seen, mut cost_left) = (BTreeSet::new(), BLOCK_SIGNATURE_COST_MAX);
        for envelope in &payload.ingress {
            let (id, expiry) = self.judge_envelope(envelope, payload.time, &mut cost_left)?;
            if !seen.insert(id) {
                return Err(format!("the ingress message {id} is twice in the block"));
            }
            ids.push((id, expiry));
        }
        self.block_ids.put(height, block.clone(), payload.time, ids);
        Ok(Verdict::Valid)
    }

    fn judge_envelope(
        &mut self,
        envelope: &Bytes,
        time: Time,
        cost_left: &mut u64,
    ) -> Result<(MessageId, Time), String> {
        if envelope.len() as u64 > self.config.limits.ingress_bytes_max {
            return Err(format!("an ingress message of {} bytes", envelope.len()));
        }
        let (id, _) =
            self.parts.ingress.identify(envelope).ok_or("an ingress message is no envelope")?;
        // The same content may come under another, wrong signature: the bytes must be the same.
        let known = self.pool.get(&id).filter(|known| known.envelope == *envelope);
        // The same for all nodes, whether they have to check the signatures or have done it.
        let cost = match known {
            Some(known) => known.cost,
            None => self.parts.ingress.signature_cost(envelope),
        };
        *cost_left = cost_left
            .checked_sub(cost)
            .ok_or("the signatures of the ingress messages are too costly to check")?;
        if let Some(known) = known.filter(|known| known.facts.valid_at(time)) {
            return Ok((id, known.facts.expiry));
        }
        let facts =
            self.parts.ingress.check(envelope, time).map_err(|refused| {
                format!("the ingress message {id} may not be ordered: {refused}")
            })?;
        Ok((facts.id, facts.expiry))
    }

    /// Reads what the new block depends on in the blocks below it: the time of the parent, and
    /// the dealer logs of the blocks above the last final one.
    fn branch(&mut self, ctx: &BlockContext) -> Result<Branch, String> {
        let parent_height = ctx.parent_height();
        let unread = |height, error| format!("the block {height} below it is no payload: {error}");
        let mut branch = Branch {
            parent_time: self.config.genesis_time,
            ledger: match &self.phase {
                Phase::Generating(generation) => Some(generation.ledger().clone()),
                Phase::Running(_) => None,
            },
        };
        if parent_height == Height(0) {
            return Ok(branch);
        }
        let parent = self.block_ids.read(parent_height, &ctx.parent, self.parts.ingress.as_ref());
        branch.parent_time = parent.map_err(|error| unread(parent_height, error))?.time;
        let Some(ledger) = &mut branch.ledger else { return Ok(branch) };
        for (height, bytes) in ctx.blocks_above(self.finalized) {
            let payload = Payload::decode(bytes).map_err(|error| unread(height, error))?;
            ledger
                .append(height, &payload.dealer_logs, self.parts.dkg.as_ref())
                .map_err(|error| error.to_string())?;
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

/// What is in the blocks that this node has proposed, judged or built upon, so that they are not
/// read again each time that it is asked.
#[derive(Default)]
pub(crate) struct BlockIds(Vec<KnownBlock>);

struct KnownBlock {
    height: Height,
    bytes: Bytes,
    time: Time,
    ids: Ids,
}

impl KnownBlock {
    fn is(&self, height: Height, bytes: &Bytes) -> bool {
        // The same memory mostly, so that megabytes are not compared.
        let same_memory = std::ptr::eq(&raw const self.bytes[..], &raw const bytes[..]);
        self.height == height && (same_memory || self.bytes == *bytes)
    }
}

/// Ids with the time until which they are remembered.
type Ids = Arc<Vec<(MessageId, Time)>>;

impl BlockIds {
    /// Blocks remembered: the few above the final one.
    const BLOCKS_MAX: usize = 8;

    fn put(&mut self, height: Height, bytes: Bytes, time: Time, ids: Vec<(MessageId, Time)>) {
        if self.0.len() >= Self::BLOCKS_MAX {
            self.0.remove(0);
        }
        self.0.push(KnownBlock { height, bytes, time, ids: Arc::new(ids) });
    }

    /// What is in a block; read only if it is not known.
    fn read(
        &mut self,
        height: Height,
        bytes: &Bytes,
        check: &dyn IngressCheck,
    ) -> Result<&KnownBlock, PayloadError> {
        let known = self.0.iter().position(|block| block.is(height, bytes));
        if let Some(at) = known {
            return Ok(&self.0[at]);
        }
        let payload = Payload::decode(bytes)?;
        let ids = payload.ingress.iter().filter_map(|one| check.identify(one)).collect();
        self.put(height, bytes.clone(), payload.time, ids);
        Ok(self.0.last().expect("it was just put there"))
    }

    /// The ids of a final block; forgets all below it.
    pub(crate) fn take(
        &mut self,
        height: Height,
        bytes: &Bytes,
        payload: &Payload,
        check: &dyn IngressCheck,
    ) -> Ids {
        let known = self.0.iter().find(|block| block.is(height, bytes));
        let identified = || payload.ingress.iter().filter_map(|one| check.identify(one)).collect();
        let ids = known.map_or_else(|| Arc::new(identified()), |known| known.ids.clone());
        // The final block itself stays: it is the parent of the next.
        self.0.retain(|block| block.height >= height);
        ids
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::traits::{IngressFacts, IngressRefused};

    /// Counts how often it is asked for an id.
    #[derive(Default)]
    struct Counting(Cell<u64>);

    impl IngressCheck for Counting {
        fn check(&mut self, _: &Bytes, _: Time) -> Result<IngressFacts, IngressRefused> {
            Err(IngressRefused("not asked here".into()))
        }

        fn identify(&self, _: &Bytes) -> Option<(MessageId, Time)> {
            self.0.set(self.0.get() + 1);
            Some((MessageId([1; 32]), Time(9)))
        }
    }

    /// A leader is asked at each new message: what is below its block must not be read each time.
    #[test]
    fn a_block_is_read_once() {
        let (check, mut blocks) = (Counting(Cell::new(0)), BlockIds::default());
        let ingress = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let payload = Payload { time: Time(5), dealer_logs: Vec::new(), ingress };
        let bytes = payload.encode();
        for _ in 0..3 {
            let block = blocks.read(Height(4), &bytes, &check).expect("a good block");
            assert_eq!((block.time, block.ids.len()), (Time(5), 2));
        }
        // Final now, and the parent of the next.
        assert_eq!(blocks.take(Height(4), &bytes, &payload, &check).len(), 2);
        assert!(blocks.read(Height(4), &bytes, &check).is_ok());
        assert_eq!(check.0.get(), 2);
        assert!(blocks.read(Height(4), &Bytes::from_static(b"junk"), &check).is_err());
        blocks.take(Height(5), &bytes, &payload, &check);
        assert!(blocks.0.is_empty());
    }
}
