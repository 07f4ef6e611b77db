//! The log of a canister: what it printed and why it trapped (management canister,
//! `fetch_canister_logs`).

use bytes::Bytes;
use imbl::Vector;
use serde::{Deserialize, Serialize};
use types::Time;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Its number since the canister was made.
    pub index: u64,
    /// Block time of the execution that wrote it.
    pub time: Time,
    /// What was printed.
    pub content: Bytes,
}

/// The latest entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanisterLog {
    records: Vector<LogRecord>,
    next_index: u64,
    bytes: u64,
}

/// Bytes that an entry counts besides its content.
const RECORD_OVERHEAD_BYTES: u64 = 16;

impl LogRecord {
    fn bytes(&self) -> u64 {
        self.content.len() as u64 + RECORD_OVERHEAD_BYTES
    }
}

impl CanisterLog {
    /// Appends an entry, cut to fit; the oldest go while all together exceed `bytes_max`.
    pub fn push(&mut self, time: Time, content: &[u8], bytes_max: u64) {
        let room = usize::try_from(bytes_max.saturating_sub(RECORD_OVERHEAD_BYTES));
        let length = content.len().min(room.unwrap_or(usize::MAX));
        let content = Bytes::copy_from_slice(&content[..length]);
        let record = LogRecord { index: self.next_index, time, content };
        self.next_index += 1;
        self.bytes += record.bytes();
        self.records.push_back(record);
        self.trim(bytes_max);
    }

    /// Drops the oldest entries while all together exceed `bytes_max`.
    pub fn trim(&mut self, bytes_max: u64) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    /// The entries, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &LogRecord> {
        self.records.iter()
    }

    /// Bytes that the entries count.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Drops the entries; the numbering goes on.
    pub fn clear(&mut self) {
        self.records.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_entries_stay_within_the_bound() {
        let mut log = CanisterLog::default();
        for n in 0..10u8 {
            log.push(Time(n.into()), &[n; 20], 100);
        }
        let indices: Vec<_> = log.records().map(|record| record.index).collect();
        assert_eq!((indices, log.bytes()), (vec![8, 9], 72));
        log.push(Time(11), &[1; 500], 100);
        let lengths: Vec<_> = log.records().map(|record| record.content.len()).collect();
        assert_eq!((lengths, log.bytes()), (vec![84], 100));
        log.push(Time(11), b"", 100);
        assert_eq!((log.records().count(), log.bytes()), (1, 16), "there is no room for both");
        log.push(Time(11), b"two", 100);
        log.trim(19);
        assert_eq!((log.records().count(), log.bytes()), (1, 19));
        log.push(Time(11), b"nowhere", 0);
        assert_eq!((log.records().count(), log.bytes()), (0, 0));
        log.clear();
        log.push(Time(12), b"x", 100);
        assert_eq!(log.records().next().map(|record| record.index), Some(14));
    }
}
