//! Messages of the application on their way to the driver, bounded by bytes for each member.
//!
//! The network bounds what waits by number only, and a message may have megabytes. So a task that
//! does nothing else takes messages from the network as they come and drops those of a member that
//! has its part filled, while the driver is busy with votes and blocks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::Receiver;
use commonware_utils::channel::mpsc;

/// Bytes of messages of all other members that may wait.
const INBOX_BYTES_MAX: usize = 128 * 1024 * 1024;

/// The least part of one member: two messages of the largest size, also on a large subnet.
const PART_BYTES_MIN: usize = 2 * crate::application::MESSAGE_BYTES_MAX;

/// What a message counts at least: it takes memory besides its bytes.
const MESSAGE_BYTES_MIN: usize = 1024;

/// The driver's end.
pub(crate) struct Inbox {
    messages: mpsc::UnboundedReceiver<(PublicKey, Bytes)>,
    loads: Arc<Loads>,
}

/// The network's end.
pub(crate) struct Filler {
    messages: mpsc::UnboundedSender<(PublicKey, Bytes)>,
    loads: Arc<Loads>,
}

/// What waits of each member.
struct Loads {
    bytes: Mutex<BTreeMap<PublicKey, usize>>,
    part_bytes_max: usize,
}

/// The two ends, for a committee of so many members.
pub(crate) fn inbox(members: usize) -> (Filler, Inbox) {
    let others = members.saturating_sub(1).max(1);
    let part_bytes_max = (INBOX_BYTES_MAX / others).max(PART_BYTES_MIN);
    let loads = Arc::new(Loads { bytes: Mutex::default(), part_bytes_max });
    #[expect(clippy::disallowed_methods, reason = "the bytes of each member are bounded")]
    let (sender, receiver) = mpsc::unbounded_channel();
    (Filler { messages: sender, loads: loads.clone() }, Inbox { messages: receiver, loads })
}

impl Loads {
    /// A panic elsewhere cannot leave plain numbers in a bad state, so poison is ignored.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PublicKey, usize>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(message: &Bytes) -> usize {
    message.len().max(MESSAGE_BYTES_MIN)
}

impl Filler {
    /// Runs until the network or the driver has ended.
    pub(crate) async fn run(self, mut network: impl Receiver<PublicKey = PublicKey>) {
        while let Ok((from, bytes)) = network.recv().await {
            if !self.put(from, bytes.into()) {
                return;
            }
        }
    }

    /// Takes a message, or drops it if its sender has its part filled; whether the driver lives.
    fn put(&self, from: PublicKey, message: Bytes) -> bool {
        let mut loads = self.loads.lock();
        let load = loads.entry(from.clone()).or_default();
        let filled = load.saturating_add(weight(&message));
        if filled > self.loads.part_bytes_max {
            log::debug!("dropped a message of {from}: too many of it wait");
            return true;
        }
        *load = filled;
        drop(loads);
        self.messages.send((from, message)).is_ok()
    }
}

impl Inbox {
    /// The next message; `None` when the network has ended.
    pub(crate) async fn recv(&mut self) -> Option<(PublicKey, Bytes)> {
        let (from, message) = self.messages.recv().await?;
        if let Some(load) = self.loads.lock().get_mut(&from) {
            *load = load.saturating_sub(weight(&message));
        }
        Some((from, message))
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
    use futures::FutureExt as _;

    use super::*;

    fn key(seed: u64) -> PublicKey {
        PrivateKey::from_seed(seed).public_key()
    }

    fn take(inbox: &mut Inbox) -> Option<(PublicKey, usize)> {
        let message = inbox.recv().now_or_never()?;
        message.map(|(from, bytes)| (from, bytes.len()))
    }

    #[test]
    fn one_member_cannot_fill_the_memory_nor_crowd_out_another() {
        let (filler, mut inbox) = inbox(4);
        let large = Bytes::from(vec![0; crate::application::MESSAGE_BYTES_MAX]);
        let most = INBOX_BYTES_MAX / 3 / large.len();
        for _ in 0..most + 5 {
            assert!(filler.put(key(1), large.clone()));
        }
        assert!(filler.put(key(2), Bytes::from_static(b"vote")));
        for _ in 0..most {
            assert_eq!(take(&mut inbox), Some((key(1), large.len())));
        }
        assert_eq!(take(&mut inbox), Some((key(2), 4)));
        assert_eq!(take(&mut inbox), None);
        // What has been taken makes room again.
        assert!(filler.put(key(1), large.clone()));
        assert_eq!(take(&mut inbox), Some((key(1), large.len())));
    }

    #[test]
    fn small_messages_are_bounded_in_number() {
        let (filler, mut inbox) = inbox(200);
        for _ in 0..2 * PART_BYTES_MIN / MESSAGE_BYTES_MIN {
            assert!(filler.put(key(1), Bytes::new()));
        }
        let waiting = std::iter::from_fn(|| take(&mut inbox)).count();
        assert_eq!(waiting, PART_BYTES_MIN / MESSAGE_BYTES_MIN);
        drop(inbox);
        assert!(!filler.put(key(1), Bytes::new()));
    }
}
