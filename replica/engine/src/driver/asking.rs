//! The driver's part that asks the application: what to propose, what to vote for.

use bytes::Bytes;
use commonware_consensus::Heightable as _;
use commonware_cryptography::{Digested, Digestible as _, ed25519::PublicKey};
use commonware_p2p::Sender;
use commonware_runtime::Clock;
use commonware_utils::channel::oneshot;
use types::{Height, Time};

use super::{Driver, DriverEnd};
use crate::application::{BLOCK_BYTES_MAX, Proposal, ProposalContext, TICK_MS, Verdict};
use crate::block::OrderedBlock;
use crate::bridge::Place;

/// A view in which this node leads and has not proposed yet.
pub(super) struct PendingProposal {
    pub(super) place: Place,
    /// When to ask again without being woken.
    pub(super) ask_at: Time,
    pub(super) reply: oneshot::Sender<Digested<OrderedBlock>>,
}

/// A block of another leader that this node has not judged yet.
pub(super) struct PendingCheck {
    pub(super) place: Place,
    pub(super) block: Digested<OrderedBlock>,
    pub(super) reply: oneshot::Sender<bool>,
}

impl<E, S> Driver<E, S>
where
    E: Clock,
    S: Sender<PublicKey = PublicKey>,
{
    /// Asks the application about what is pending, where its answer may have changed.
    pub(super) fn answer(&mut self) -> Result<(), DriverEnd> {
        if self.replaying() {
            return Ok(());
        }
        let now = self.now();
        let woken = std::mem::take(&mut self.woken);
        if woken {
            self.answer_checks(now);
        }
        self.answer_proposals(now, woken)
    }

    fn answer_checks(&mut self, now: Time) {
        for check in std::mem::take(&mut self.checks) {
            if check.reply.is_closed() {
                continue;
            }
            let verdict = match self.context(&check.place) {
                Some(ctx) => self.application.validate(&ctx, &check.block.inner().payload, now),
                None => Verdict::Pending,
            };
            match verdict {
                Verdict::Valid => {
                    let _gone = check.reply.send(true);
                }
                Verdict::Invalid(reason) => {
                    let (height, view) = (check.block.height(), check.place.view);
                    log::warn!("block {height} of view {view} is invalid: {reason}");
                    let _gone = check.reply.send(false);
                }
                Verdict::Pending => self.checks.push(check),
            }
        }
    }

    fn answer_proposals(&mut self, now: Time, woken: bool) -> Result<(), DriverEnd> {
        for mut pending in std::mem::take(&mut self.proposals) {
            if pending.reply.is_closed() {
                continue;
            }
            if !woken && now < pending.ask_at {
                self.proposals.push(pending);
                continue;
            }
            let proposal = match self.context(&pending.place) {
                Some(ctx) => self.application.propose(&ctx, now),
                None => Proposal::WaitUntil(now.plus_ms(TICK_MS)),
            };
            match proposal {
                Proposal::Block(payload) => {
                    let block = make_block(&pending.place, payload)?;
                    let _gone = pending.reply.send(block);
                }
                Proposal::WaitUntil(at) => {
                    // A time in the past would make this loop spin.
                    pending.ask_at = at.max(now.plus_ms(1));
                    self.proposals.push(pending);
                }
            }
        }
        Ok(())
    }

    /// The place of a block in our terms; none if the chain has passed it already.
    fn context(&self, place: &Place) -> Option<ProposalContext> {
        let delivered = self.delivered();
        let parent = place.parents.first()?;
        let parent_height = parent.height().get();
        if parent_height < delivered {
            return None;
        }
        let pending = place.parents[1..].iter().filter(|block| block.height().get() > delivered);
        Some(ProposalContext {
            height: Height(parent_height + 1),
            view: place.view,
            leader: self.parts.committee.node(&place.leader)?,
            parent_height: Height(parent_height),
            parent_digest: parent.digest().0,
            parent: parent.inner().payload.clone(),
            ancestors: pending.rev().map(|b| b.inner().to_ancestor(b.digest())).collect(),
        })
    }
}

/// Puts a payload on top of its parent.
fn make_block(place: &Place, payload: Bytes) -> Result<Digested<OrderedBlock>, DriverEnd> {
    if payload.len() > BLOCK_BYTES_MAX {
        let size = payload.len();
        let reason = format!("proposed a block of {size} bytes; the limit is {BLOCK_BYTES_MAX}");
        return Err(DriverEnd::Halted(reason));
    }
    let parent = place.parents.first().ok_or(DriverEnd::Disconnected("consensus"))?;
    let height = parent.height().get() + 1;
    let block = OrderedBlock { parent: parent.digest(), height, payload };
    let digest = block.digest();
    Ok(Digested::precomputed(block, digest))
}
