//! The generation of the chain key, in the first blocks of the chain.
//!
//! Dealings and acknowledgements go from member to member; the dealers' signed logs go into
//! blocks. The outcome depends on the chain alone:
//!
//! - a log counts if it is the first of its dealer in the chain;
//! - the outcome is tried when the logs of all members are there, and also
//!   [`KEY_GENERATION_GRACE_BLOCKS`] blocks after a quorum of logs was there, and at each further
//!   log from then on;
//! - the first block after which it succeeds ends the generation: blocks above it carry ingress.
//!
//! If it fails with the logs of all members, more than f of them have dealt wrongly, and there is
//! no subnet.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::{Height, NodeId, SubnetConfig, Time, Transcript};

use crate::bounds::{
    DEALER_LOG_RESEND_MS, DEALER_LOG_WAIT_MS, DEALER_LOGS_PER_BLOCK_MAX, DEALING_RESEND_MS,
    KEY_GENERATION_GRACE_BLOCKS,
};
use crate::effect::Effect;
use crate::message::Message;
use crate::traits::{DkgCeremony, StoredKey};

/// The dealer logs of a chain up to some height.
#[derive(Clone, Debug)]
pub(crate) struct LogLedger {
    members: usize,
    quorum: usize,
    logs: BTreeMap<NodeId, Bytes>,
    /// The block that brought the log of a quorum's last member.
    quorum_at: Option<Height>,
    outcome: Option<(Height, Transcript)>,
}

/// Why a list of logs may not stand in a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogRefused {
    #[error("dealer logs after the end of the key generation")]
    Over,
    #[error("a dealer log is not well formed or not signed by a member")]
    Malformed,
    #[error("a second log of dealer {0}")]
    Repeated(NodeId),
}

impl LogLedger {
    fn new(config: &SubnetConfig) -> Self {
        let (members, quorum) = (config.members.len(), config.quorum());
        Self { members, quorum, logs: BTreeMap::new(), quorum_at: None, outcome: None }
    }

    /// The height whose block ended the generation, with the outcome.
    pub(crate) fn outcome(&self) -> Option<&(Height, Transcript)> {
        self.outcome.as_ref()
    }

    /// Whether all logs are there and make no key.
    fn has_failed(&self) -> bool {
        self.outcome.is_none() && self.logs.len() == self.members
    }

    /// Appends the logs of the block at `height`.
    pub(crate) fn append(
        &mut self,
        height: Height,
        logs: &[Bytes],
        ceremony: &dyn DkgCeremony,
    ) -> Result<(), LogRefused> {
        if self.outcome.is_some() {
            return if logs.is_empty() { Ok(()) } else { Err(LogRefused::Over) };
        }
        for log in logs {
            let dealer = ceremony.log_dealer(log).ok_or(LogRefused::Malformed)?;
            if self.logs.insert(dealer, log.clone()).is_some() {
                return Err(LogRefused::Repeated(dealer));
            }
        }
        if self.quorum_at.is_none() && self.logs.len() >= self.quorum {
            self.quorum_at = Some(height);
        }
        if self.is_due(height, !logs.is_empty()) {
            self.outcome = ceremony.outcome(&self.logs).map(|transcript| (height, transcript));
        }
        Ok(())
    }

    /// Whether the outcome is tried at this height.
    fn is_due(&self, height: Height, grew: bool) -> bool {
        let Some(quorum_at) = self.quorum_at else { return false };
        let grace_over = Height(quorum_at.0 + KEY_GENERATION_GRACE_BLOCKS);
        let all = self.logs.len() == self.members;
        height == grace_over || (grew && (all || height > grace_over))
    }
}

/// This node's part until the chain key is fixed.
pub(crate) struct KeyGeneration {
    me: NodeId,
    faults_max: usize,
    /// The logs of the final blocks.
    ledger: LogLedger,
    /// Members that have not acknowledged our dealing.
    unacknowledged: BTreeSet<NodeId>,
    /// Logs known to this node and not in a final block, for when it leads.
    loose_logs: BTreeMap<NodeId, Bytes>,
    started: Option<Time>,
    dealings_sent: Option<Time>,
    own_log_sent: Option<Time>,
}

impl KeyGeneration {
    pub(crate) fn new(config: &SubnetConfig, me: NodeId) -> Self {
        let others = config.members.iter().map(|member| member.node_id);
        Self {
            me,
            faults_max: config.faults_max(),
            ledger: LogLedger::new(config),
            unacknowledged: others.filter(|node| *node != me).collect(),
            loose_logs: BTreeMap::new(),
            started: None,
            dealings_sent: None,
            own_log_sent: None,
        }
    }

    /// The logs of the final blocks.
    pub(crate) fn ledger(&self) -> &LogLedger {
        &self.ledger
    }

    /// The logs to put into a block above this branch.
    pub(crate) fn logs_for(&self, branch: &LogLedger) -> Vec<Bytes> {
        let fresh = self.loose_logs.iter().filter(|(dealer, _)| !branch.logs.contains_key(dealer));
        fresh.map(|(_, log)| log.clone()).take(DEALER_LOGS_PER_BLOCK_MAX as usize).collect()
    }

    /// Deals, and publishes the own log when it is time.
    pub(crate) fn tick(&mut self, ceremony: &mut dyn DkgCeremony, now: Time) -> Vec<Effect> {
        let started = *self.started.get_or_insert(now);
        let mut effects = Vec::new();
        let sealed = self.loose_logs.contains_key(&self.me);
        if self.ledger.logs.contains_key(&self.me) {
            return effects;
        }
        if !sealed && is_due(&mut self.dealings_sent, DEALING_RESEND_MS, now) {
            effects.extend(self.unacknowledged.iter().filter_map(|player| {
                let message = Message::Dealing(ceremony.dealing(player)?).encode();
                Some(Effect::Send { to: *player, message })
            }));
        }
        // A log can reveal the shares of f members, no more: that many could be put together.
        let waited = now.ms_since(started) >= DEALER_LOG_WAIT_MS
            && self.unacknowledged.len() <= self.faults_max;
        if !sealed && (self.unacknowledged.is_empty() || waited) {
            log::info!(unacknowledged = self.unacknowledged.len(); "the own dealer log is complete");
            self.loose_logs.insert(self.me, ceremony.dealer_log());
            effects.push(Effect::Wake);
        }
        if let Some(log) = self.loose_logs.get(&self.me)
            && is_due(&mut self.own_log_sent, DEALER_LOG_RESEND_MS, now)
        {
            effects.push(Effect::Broadcast { message: Message::DealerLog(log.clone()).encode() });
        }
        effects
    }

    /// The dealing of another member.
    pub(crate) fn on_dealing(
        &mut self,
        from: NodeId,
        dealing: &[u8],
        ceremony: &mut dyn DkgCeremony,
    ) -> Option<Effect> {
        let acknowledgement = ceremony.take_dealing(&from, dealing)?;
        let message = Message::DealingAcknowledged(acknowledgement).encode();
        Some(Effect::Send { to: from, message })
    }

    /// Whether the acknowledgement is good. Those that come after the own log was made are not
    /// looked at.
    pub(crate) fn on_acknowledgement(
        &mut self,
        from: NodeId,
        acknowledgement: &[u8],
        ceremony: &mut dyn DkgCeremony,
        now: Time,
    ) -> Option<Vec<Effect>> {
        if self.loose_logs.contains_key(&self.me) || !self.unacknowledged.contains(&from) {
            return Some(Vec::new());
        }
        if !ceremony.take_acknowledgement(&from, acknowledgement) {
            return None;
        }
        self.unacknowledged.remove(&from);
        Some(self.tick(ceremony, now))
    }

    /// Whether the log of another member is well formed and by the sender itself.
    pub(crate) fn on_log(&mut self, from: NodeId, log: Bytes, ceremony: &dyn DkgCeremony) -> bool {
        if ceremony.log_dealer(&log) != Some(from) {
            return false;
        }
        if !self.ledger.logs.contains_key(&from) {
            self.loose_logs.entry(from).or_insert(log);
        }
        true
    }

    /// The next final block. Gives the key once it is fixed, or why there can be none.
    pub(crate) fn finalized(
        &mut self,
        height: Height,
        logs: &[Bytes],
        ceremony: &mut dyn DkgCeremony,
    ) -> Result<Option<StoredKey>, String> {
        self.ledger.append(height, logs, ceremony).map_err(|error| error.to_string())?;
        self.loose_logs.retain(|dealer, _| !self.ledger.logs.contains_key(dealer));
        if self.ledger.has_failed() {
            return Err("the key generation failed with the logs of all members: more than f of \
                        them dealt wrongly. Start a new subnet"
                .into());
        }
        Ok(self.ledger.outcome.clone().map(|(height, transcript)| {
            let share = ceremony.secret_share(&self.ledger.logs);
            StoredKey { height, transcript, share }
        }))
    }
}

/// Whether the interval since the last time has passed; if so, starts the next.
fn is_due(last: &mut Option<Time>, interval_ms: u64, now: Time) -> bool {
    if last.is_some_and(|last| now.ms_since(last) < interval_ms) {
        return false;
    }
    *last = Some(now);
    true
}
