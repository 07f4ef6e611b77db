//! What became of users' calls (interface specification, "Request statuses").
//!
//! ```text
//!  (unknown) -> Received -> Processing -> Replied | Rejected -> Done -> (pruned)
//!                   \------------------------^
//! ```
//!
//! A call is kept until its expiry at least, so that it cannot enter a second time, and its
//! outcome is kept for [`OUTCOME_KEPT_MS`] after it is known.

use bytes::Bytes;
use imbl::ordmap::DiffItem;
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{CanisterId, MessageId, PrincipalId, Time, UserError};

/// How long an outcome can be read, in milliseconds: five minutes, as the specification aims for.
pub const OUTCOME_KEPT_MS: u64 = 300_000;

/// Bytes of replies and reject texts that the history keeps; beyond that the oldest outcomes are
/// forgotten (status `done`). Four times what blocks of full replies bring in a minute or so.
pub const OUTCOME_BYTES_MAX: u64 = 1 << 30;

/// Where a call is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IngressStatus {
    /// In the queue.
    Received,
    /// Begun, waiting for other calls.
    Processing,
    /// Answered with this.
    Replied(Bytes),
    /// Rejected.
    Rejected(UserError),
    /// Answered or rejected; the outcome is forgotten.
    Done,
}

impl IngressStatus {
    /// The word in the state tree.
    pub fn as_str(&self) -> &'static str {
        match self {
            IngressStatus::Received => "received",
            IngressStatus::Processing => "processing",
            IngressStatus::Replied(_) => "replied",
            IngressStatus::Rejected(_) => "rejected",
            IngressStatus::Done => "done",
        }
    }

    /// Whether the call is over.
    pub fn is_final(&self) -> bool {
        !matches!(self, IngressStatus::Received | IngressStatus::Processing)
    }

    fn outcome_bytes(&self) -> u64 {
        match self {
            IngressStatus::Replied(reply) => reply.len() as u64,
            IngressStatus::Rejected(error) => error.message.len() as u64,
            _ => 0,
        }
    }
}

/// A call in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressEntry {
    /// Who sent it, and may read its status.
    pub sender: PrincipalId,
    /// The canister under whose id its status is read; `None` for a call about no canister yet.
    pub effective_canister: Option<CanisterId>,
    /// From this time on it must not begin, and cannot enter again.
    pub expiry: Time,
    /// Where it is.
    pub status: IngressStatus,
    /// Until when the entry stays; `None` while the call is not over.
    pub kept_until: Option<Time>,
}

/// A change of status that the history does not allow: a bug of the part that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The call was never received.
    #[error("call {0} is not in the ingress history")]
    Unknown(MessageId),
    /// The call is over already.
    #[error("call {0} is over already")]
    Over(MessageId),
    /// The call is known already.
    #[error("call {0} is in the ingress history already")]
    Known(MessageId),
}

/// The history.
#[derive(Clone, Debug, Default)]
pub struct IngressHistory {
    entries: OrdMap<MessageId, Arc<IngressEntry>>,
    /// Calls still in a queue, by expiry.
    waiting: OrdSet<(Time, MessageId)>,
    /// Calls that are over, by the time when they are forgotten altogether.
    prunable: OrdSet<(Time, MessageId)>,
    /// Those of them whose outcome is still there.
    outcomes: OrdSet<(Time, MessageId)>,
    outcome_bytes: u64,
}

impl IngressHistory {
    /// The number of calls.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no call is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A call.
    pub fn get(&self, id: &MessageId) -> Option<&IngressEntry> {
        self.entries.get(id).map(|entry| &**entry)
    }

    /// All calls in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&MessageId, &IngressEntry)> {
        self.entries.iter().map(|(id, entry)| (id, &**entry))
    }

    /// The calls that differ from an earlier history, with how they are now, if they are known.
    /// Takes time in proportion to their number.
    pub fn changed<'a>(
        &'a self,
        before: &'a IngressHistory,
    ) -> impl Iterator<Item = (&'a MessageId, Option<&'a IngressEntry>)> {
        before.entries.diff(&self.entries).map(|item| match item {
            DiffItem::Add(id, entry) => (id, Some(&**entry)),
            DiffItem::Update { new: (id, entry), .. } => (id, Some(&**entry)),
            DiffItem::Remove(id, _) => (id, None),
        })
    }

    /// Enters a call with the status `received`.
    pub fn receive(
        &mut self,
        id: MessageId,
        sender: PrincipalId,
        effective_canister: Option<CanisterId>,
        expiry: Time,
    ) -> Result<(), HistoryError> {
        if self.entries.contains_key(&id) {
            return Err(HistoryError::Known(id));
        }
        let status = IngressStatus::Received;
        let entry = IngressEntry { sender, effective_canister, expiry, status, kept_until: None };
        self.index(id, &entry);
        self.entries.insert(id, Arc::new(entry));
        Ok(())
    }

    /// Notes that a call has begun and waits for other calls.
    pub fn begin(&mut self, id: &MessageId) -> Result<(), HistoryError> {
        let entry = self.open_entry(id)?;
        entry.status = IngressStatus::Processing;
        let expiry = entry.expiry;
        self.waiting.remove(&(expiry, *id));
        Ok(())
    }

    /// Notes the reply to a call.
    pub fn reply(&mut self, id: &MessageId, reply: Bytes, now: Time) -> Result<(), HistoryError> {
        self.finish(id, IngressStatus::Replied(reply), now)
    }

    /// Notes the rejection of a call.
    pub fn reject(
        &mut self,
        id: &MessageId,
        error: UserError,
        now: Time,
    ) -> Result<(), HistoryError> {
        self.finish(id, IngressStatus::Rejected(error), now)
    }

    /// The calls that expired before `now` and have not begun, in order of expiry.
    pub fn expired_waiting(&self, now: Time) -> Vec<MessageId> {
        self.waiting.iter().take_while(|(expiry, _)| *expiry < now).map(|(_, id)| *id).collect()
    }

    /// Removes the calls whose time is over, and forgets the oldest outcomes while they take more
    /// than [`OUTCOME_BYTES_MAX`].
    pub fn prune(&mut self, now: Time) {
        while let Some((until, id)) = self.prunable.get_min().copied() {
            if until >= now {
                break;
            }
            self.prunable.remove(&(until, id));
            self.outcomes.remove(&(until, id));
            if let Some(entry) = self.entries.remove(&id) {
                self.outcome_bytes -= entry.status.outcome_bytes();
            }
        }
        self.forget_outcomes(OUTCOME_BYTES_MAX);
    }

    /// The history with these calls.
    pub(crate) fn from_entries(
        entries: impl IntoIterator<Item = (MessageId, IngressEntry)>,
    ) -> Self {
        let mut history = Self::default();
        for (id, entry) in entries {
            history.index(id, &entry);
            history.entries.insert(id, Arc::new(entry));
        }
        history
    }

    /// Enters a call into the orders that its status belongs to.
    fn index(&mut self, id: MessageId, entry: &IngressEntry) {
        if entry.status == IngressStatus::Received {
            self.waiting.insert((entry.expiry, id));
        }
        if let Some(until) = entry.kept_until {
            self.prunable.insert((until, id));
            if entry.status != IngressStatus::Done {
                self.outcomes.insert((until, id));
            }
        }
        self.outcome_bytes += entry.status.outcome_bytes();
    }

    fn forget_outcomes(&mut self, bytes_max: u64) {
        while self.outcome_bytes > bytes_max {
            let Some(oldest) = self.outcomes.remove_min() else { break };
            if let Some(entry) = self.entries.get_mut(&oldest.1) {
                self.outcome_bytes -= entry.status.outcome_bytes();
                Arc::make_mut(entry).status = IngressStatus::Done;
            }
        }
    }

    fn finish(
        &mut self,
        id: &MessageId,
        status: IngressStatus,
        now: Time,
    ) -> Result<(), HistoryError> {
        let entry = self.open_entry(id)?;
        entry.status = status;
        entry.kept_until = Some(entry.expiry.max(now.plus_ms(OUTCOME_KEPT_MS)));
        let entry = entry.clone();
        self.waiting.remove(&(entry.expiry, *id));
        self.index(*id, &entry);
        Ok(())
    }

    fn open_entry(&mut self, id: &MessageId) -> Result<&mut IngressEntry, HistoryError> {
        let entry = self.entries.get_mut(id).ok_or(HistoryError::Unknown(*id))?;
        match entry.status.is_final() {
            true => Err(HistoryError::Over(*id)),
            false => Ok(Arc::make_mut(entry)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::ErrorCode;

    const MINUTE: u64 = 60_000_000_000;

    fn id(n: u8) -> MessageId {
        MessageId([n; 32])
    }

    fn history(calls: &[(u8, u64)]) -> IngressHistory {
        let mut history = IngressHistory::default();
        for (n, expiry) in calls {
            let sender = PrincipalId::anonymous();
            history.receive(id(*n), sender, None, Time(*expiry)).unwrap();
        }
        history
    }

    fn status(history: &IngressHistory, n: u8) -> Option<&'static str> {
        history.get(&id(n)).map(|entry| entry.status.as_str())
    }

    #[test]
    fn a_call_is_known_once_and_answered_once() {
        let mut history = history(&[(1, 5)]);
        let again = history.receive(id(1), PrincipalId::anonymous(), None, Time(5));
        assert_eq!(again, Err(HistoryError::Known(id(1))));
        history.begin(&id(1)).unwrap();
        assert_eq!(status(&history, 1), Some("processing"));
        history.reply(&id(1), Bytes::from_static(b"yes"), Time(2)).unwrap();
        let error = UserError::new(ErrorCode::CanisterTrapped, "no");
        assert_eq!(history.reject(&id(1), error, Time(3)), Err(HistoryError::Over(id(1))));
        assert_eq!(history.begin(&id(2)), Err(HistoryError::Unknown(id(2))));
        assert_eq!(status(&history, 1), Some("replied"));
    }

    #[test]
    fn only_what_is_over_and_old_is_pruned() {
        let mut history = history(&[(1, 3 * MINUTE), (2, 9 * MINUTE), (3, MINUTE)]);
        for n in [1, 2] {
            history.reply(&id(n), Bytes::from_static(b"r"), Time(MINUTE)).unwrap();
        }
        let left = |history: &mut IngressHistory, now| {
            history.prune(Time(now));
            [1, 2, 3].map(|n| status(history, n).is_some())
        };
        assert_eq!(left(&mut history, 6 * MINUTE), [true, true, true]);
        assert_eq!(left(&mut history, 6 * MINUTE + 1), [false, true, true]);
        assert_eq!(left(&mut history, 9 * MINUTE + 1), [false, false, true]);
        assert_eq!(history.outcome_bytes, 0);
    }

    #[test]
    fn calls_in_the_queue_are_found_by_expiry() {
        let mut history = history(&[(1, 30), (2, 10), (3, 20)]);
        assert_eq!(history.expired_waiting(Time(10)), []);
        assert_eq!(history.expired_waiting(Time(21)), [id(2), id(3)]);
        history.begin(&id(2)).unwrap();
        assert_eq!(history.expired_waiting(Time(21)), [id(3)]);
    }

    #[test]
    fn the_oldest_outcomes_are_forgotten_first() {
        let mut history = history(&[(1, 1), (2, 1), (3, 1)]);
        for n in [3, 1, 2] {
            let now = Time(u64::from(n) * MINUTE);
            history.reply(&id(n), Bytes::from(vec![n; 100]), now).unwrap();
        }
        history.forget_outcomes(250);
        assert_eq!(
            [1, 2, 3].map(|n| status(&history, n)),
            ["done", "replied", "replied"].map(Some)
        );
        assert_eq!(history.outcome_bytes, 200);
    }

    #[test]
    fn a_history_made_of_its_entries_goes_on_alike() {
        let mut history = history(&[(1, 5), (2, 6), (3, 7), (4, 8)]);
        history.begin(&id(2)).unwrap();
        for n in [3, 4] {
            let now = Time(u64::from(n) * MINUTE);
            history.reply(&id(n), Bytes::from(vec![n; 100]), now).unwrap();
        }
        history.forget_outcomes(150);
        let entries = history.iter().map(|(id, entry)| (*id, entry.clone()));
        let copy = IngressHistory::from_entries(entries);
        assert_eq!(format!("{copy:?}"), format!("{history:?}"));
    }
}
