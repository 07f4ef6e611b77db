//! Who waits for which message: the one map through which a certified height answers the
//! synchronous calls whose messages it completed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use types::MessageId;

/// Waiting parties by message. `T` is what they are woken with.
pub(crate) struct Waiters<T> {
    places: Mutex<Places<T>>,
    count_max: usize,
}

struct Places<T> {
    by_message: HashMap<MessageId, Vec<(u64, oneshot::Sender<T>)>>,
    count: usize,
    next_ticket: u64,
}

/// A place in the map; dropping it gives the place back.
pub(crate) struct Waiter<T> {
    waiters: Arc<Waiters<T>>,
    message: MessageId,
    ticket: u64,
    answer: oneshot::Receiver<T>,
}

impl<T: Clone> Waiters<T> {
    /// A map with room for `count_max` waiting parties.
    pub(crate) fn new(count_max: usize) -> Arc<Self> {
        let places = Places { by_message: HashMap::new(), count: 0, next_ticket: 0 };
        Arc::new(Self { places: Mutex::new(places), count_max })
    }

    /// Takes a place; `None` when all are taken. Several parties may wait for one message: a
    /// client that sends a request twice is answered twice.
    pub(crate) fn wait_for(self: &Arc<Self>, message: MessageId) -> Option<Waiter<T>> {
        let mut places = self.lock();
        if places.count >= self.count_max {
            return None;
        }
        places.count += 1;
        let ticket = places.next_ticket;
        places.next_ticket += 1;
        let (sender, answer) = oneshot::channel();
        places.by_message.entry(message).or_default().push((ticket, sender));
        drop(places);
        Some(Waiter { waiters: Arc::clone(self), message, ticket, answer })
    }

    /// Wakes all who wait for one of `messages`.
    pub(crate) fn wake(&self, messages: &[MessageId], value: &T) {
        let mut places = self.lock();
        for message in messages {
            for (_, sender) in places.by_message.remove(message).unwrap_or_default() {
                places.count -= 1;
                // The party may just be gone; then nobody misses the value.
                let _ = sender.send(value.clone());
            }
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    /// The map stays consistent between any two statements above, so a poisoned lock is usable.
    fn lock(&self) -> MutexGuard<'_, Places<T>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Waiter<T> {
    /// Waits until the message completes.
    pub(crate) async fn completed(&mut self) -> Option<T> {
        (&mut self.answer).await.ok()
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let mut places = self.waiters.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = places.by_message.get_mut(&self.message) else { return };
        let before = waiting.len();
        waiting.retain(|(ticket, _)| *ticket != self.ticket);
        let gone = before - waiting.len();
        if waiting.is_empty() {
            places.by_message.remove(&self.message);
        }
        places.count -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: MessageId = MessageId([1; 32]);
    const TWO: MessageId = MessageId([2; 32]);

    #[tokio::test]
    async fn all_who_wait_for_a_message_are_woken_and_no_others() {
        let waiters = Waiters::new(3);
        let mut first = waiters.wait_for(ONE).expect("room");
        let mut second = waiters.wait_for(ONE).expect("room");
        let mut other = waiters.wait_for(TWO).expect("room");
        waiters.wake(&[ONE], &7);
        assert_eq!((first.completed().await, second.completed().await), (Some(7), Some(7)));
        assert!(other.answer.try_recv().is_err());
        assert_eq!(waiters.count(), 1);
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let waiters = Waiters::<u8>::new(2);
        let first = waiters.wait_for(ONE).expect("room");
        let second = waiters.wait_for(ONE).expect("room");
        assert!(waiters.wait_for(TWO).is_none());
        drop(first);
        assert_eq!(waiters.count(), 1);
        assert!(waiters.wait_for(TWO).is_some());
        drop(second);
        assert_eq!(waiters.count(), 0);
        assert!(waiters.lock().by_message.is_empty());
    }

    #[test]
    fn a_woken_place_is_given_back_once() {
        let waiters = Waiters::new(1);
        let woken = waiters.wait_for(ONE).expect("room");
        waiters.wake(&[ONE, ONE], &1);
        let next = waiters.wait_for(ONE).expect("the place is free again");
        drop(woken);
        assert_eq!(waiters.count(), 1);
        drop(next);
    }
}
