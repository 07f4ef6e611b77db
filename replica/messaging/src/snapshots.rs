//! The states of the last heights, until one of them is certified.

use bytes::Bytes;
use replica_state::CertifiedSnapshot;
use std::collections::BTreeMap;
use types::Height;

/// How many heights wait for their certificate at most. Certification lags a few heights behind
/// execution; a node that lags more than this no longer keeps what it would certify first, which
/// is no loss: a certificate of a later height serves clients as well.
pub const SNAPSHOTS_MAX: usize = 256;

/// Snapshots by height.
#[derive(Default)]
pub(crate) struct Snapshots {
    waiting: BTreeMap<Height, CertifiedSnapshot>,
}

impl Snapshots {
    /// Adds the snapshot of a new height; the oldest goes when there are too many.
    pub(crate) fn push(&mut self, snapshot: CertifiedSnapshot) {
        self.waiting.insert(snapshot.height, snapshot);
        if self.waiting.len() > SNAPSHOTS_MAX {
            self.waiting.pop_first();
        }
    }

    pub(crate) fn get(&self, height: Height) -> Option<&CertifiedSnapshot> {
        self.waiting.get(&height)
    }

    /// The snapshot of a height with its certificate, if there is one; then it and all below are
    /// not kept any longer.
    pub(crate) fn certify(
        &mut self,
        height: Height,
        signature: Bytes,
    ) -> Option<CertifiedSnapshot> {
        if !self.waiting.contains_key(&height) {
            return None;
        }
        let above = self.waiting.split_off(&height.next());
        let mut done = std::mem::replace(&mut self.waiting, above);
        done.remove(&height).map(|snapshot| snapshot.certified(signature))
    }
}
