//! The certified states as they appear: the latest one, and the calls that wait for theirs.

use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use replica_crypto::certificate::Certificate;
use replica_crypto::chain_key::Signature;
use replica_state::CertifiedSnapshot;
use types::{CanisterId, Height, MessageId, Time};

use crate::waiters::{Waiter, Waiters};

/// How many samples of the height are kept, one a second: what the plot of the status page shows.
const SAMPLE_COUNT_MAX: usize = 120;

/// A snapshot whose certificate is there.
pub(crate) struct Certified {
    snapshot: CertifiedSnapshot,
    /// The chain key's signature on the root.
    signature: Signature,
    /// Certificates for queries, by canister: a popular canister is queried many times between
    /// two heights.
    data_certificates: Mutex<HashMap<CanisterId, Bytes>>,
}

/// How many canisters' data certificates one state keeps: some 500 bytes each. When there are
/// more, all are made anew.
const DATA_CERTIFICATES_MAX: usize = 1_000;

impl Certified {
    /// The certificate for some paths, encoded. This subnet is the root of its network, so there
    /// is no delegation. The witness is cut from the state's own tree: the cost is in proportion
    /// to what it shows.
    pub(crate) fn certificate<P, L>(&self, paths: &[P]) -> Vec<u8>
    where
        P: AsRef<[L]>,
        L: AsRef<[u8]>,
    {
        let tree = self.tree.witness(paths);
        Certificate { tree, signature: self.signature, delegation: None }.to_cbor()
    }

    /// The certificate of a canister's `certified_data`, for its queries; `None` if there is no
    /// such canister.
    pub(crate) fn data_certificate(&self, canister: &CanisterId) -> Option<Bytes> {
        self.state.canister(canister)?;
        let kept = || self.data_certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certificate) = kept().get(canister) {
            return Some(certificate.clone());
        }
        let paths: [&[&[u8]]; 2] =
            [&[b"canister", canister.as_slice(), b"certified_data"], &[b"time"]];
        let certificate = Bytes::from(self.certificate(&paths));
        let mut kept = kept();
        if kept.len() >= DATA_CERTIFICATES_MAX {
            kept.clear();
        }
        kept.insert(*canister, certificate.clone());
        Some(certificate)
    }
}

impl Deref for Certified {
    type Target = CertifiedSnapshot;

    fn deref(&self) -> &CertifiedSnapshot {
        &self.snapshot
    }
}

/// A snapshot was to be shown that has no signature of the chain key: a bug of the part that
/// publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot of height {0} has no signature of 48 bytes; publish it once it is certified")]
pub struct NotCertified(pub Height);

/// The door through which the node shows what the subnet certified.
///
/// ```text
///  node: height certified --publish(snapshot, completed)--> latest    --> query, read_state
///                                                       \--> waiters --> synchronous calls
/// ```
pub struct CertifiedStates {
    latest: RwLock<Option<Arc<Certified>>>,
    waiters: Arc<Waiters<Arc<Certified>>>,
    samples: Mutex<VecDeque<Sample>>,
}

/// The certified height at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Time,
    pub(crate) height: Height,
}

impl CertifiedStates {
    /// No state yet; room for `waiting_calls_max` waiting calls (see [`crate::Limits`]).
    pub fn new(waiting_calls_max: usize) -> Self {
        Self {
            latest: RwLock::new(None),
            waiters: Waiters::new(waiting_calls_max),
            samples: Mutex::new(VecDeque::new()),
        }
    }

    /// Shows a certified state and answers the calls that wait for `completed`: the messages
    /// that are over in this state and were not over in the one published before. Heights may
    /// be left out, then `completed` has those of all heights since the last.
    ///
    /// A state below the latest is not shown, so that a client of this node never sees time go
    /// back; its calls are answered all the same.
    pub fn publish(
        &self,
        snapshot: CertifiedSnapshot,
        completed: &[MessageId],
        now: Time,
    ) -> Result<(), NotCertified> {
        let signature = snapshot.signature.as_deref().and_then(Signature::from_slice);
        let signature = signature.ok_or(NotCertified(snapshot.height))?;
        let certified =
            Arc::new(Certified { snapshot, signature, data_certificates: Mutex::default() });
        self.sample(Sample { at: now, height: certified.height });
        {
            let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
            if latest.as_ref().is_none_or(|latest| latest.height < certified.height) {
                *latest = Some(Arc::clone(&certified));
            }
        }
        // In this order: who begins to wait after this line finds the message in `latest`.
        self.waiters.wake(completed, &certified);
        Ok(())
    }

    /// The latest certified state.
    pub(crate) fn latest(&self) -> Option<Arc<Certified>> {
        self.latest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The height of the latest certified state.
    pub fn latest_height(&self) -> Option<Height> {
        self.latest().map(|latest| latest.height)
    }

    /// How many calls wait.
    pub fn waiting_count(&self) -> usize {
        self.waiters.count()
    }

    /// Takes a place to wait for a message. To miss nothing, look at [`CertifiedStates::latest`]
    /// after this, not before.
    pub(crate) fn wait_for(&self, message: MessageId) -> Option<Waiter<Arc<Certified>>> {
        self.waiters.wait_for(message)
    }

    /// The certified heights of the last two minutes, oldest first.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn sample(&self, sample: Sample) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        push_sample(&mut samples, sample);
    }
}

/// Keeps the first sample of each second, and not too many.
fn push_sample(samples: &mut VecDeque<Sample>, sample: Sample) {
    if samples.back().is_some_and(|last| last.at.as_secs() >= sample.at.as_secs()) {
        return;
    }
    if samples.len() == SAMPLE_COUNT_MAX {
        samples.pop_front();
    }
    samples.push_back(sample);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_a_second_for_two_minutes() {
        let mut samples = VecDeque::new();
        for tenth in 0..2_000u64 {
            let sample = Sample { at: Time(tenth * 100_000_000), height: Height(tenth) };
            push_sample(&mut samples, sample);
        }
        let heights: Vec<_> = samples.iter().map(|sample| sample.height.0).collect();
        assert_eq!(heights.len(), SAMPLE_COUNT_MAX);
        assert_eq!((heights[0], heights[1], heights[119]), (800, 810, 1990));
    }
}
