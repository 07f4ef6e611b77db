//! Bounded work: how many requests of a kind a node takes on, and how many it works on at a time.
//!
//! The work runs on the very thread that serves the request. To hand it to another thread and the
//! answer back would cost two switches between threads, which for a small query is as much as the
//! query itself. In return the runtime must have more threads than all kinds may take together:
//! see [`Limits::worker_threads`](crate::Limits::worker_threads).

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::Semaphore;

use crate::Refusal;

/// One kind of requests. Up to `admitted` of them are inside at once; those above are refused
/// at once, because a client's retry elsewhere helps more than a queue here. Up to `threads` of
/// them run at a time, the rest wait for a thread.
pub(crate) struct WorkPool {
    kind: &'static str,
    admitted: Semaphore,
    threads: Semaphore,
}

impl WorkPool {
    pub(crate) fn new(kind: &'static str, admitted: usize, threads: usize) -> Self {
        Self { kind, admitted: Semaphore::new(admitted), threads: Semaphore::new(threads) }
    }

    /// Runs `work` once a thread is free for it. A client that goes away meanwhile is not
    /// answered, and frees the thread no earlier than the work ends.
    pub(crate) async fn run<R>(&self, work: impl FnOnce() -> R) -> Result<R, Refusal> {
        let _admission =
            self.admitted.try_acquire().map_err(|_| Refusal::Overloaded { kind: self.kind })?;
        let _thread = self.threads.acquire().await.expect("the semaphore is never closed");
        // What the work leaves behind is dropped with it; what it shares survives panics.
        catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
            log::error!("a {} request ended in a panic", self.kind);
            Refusal::Internal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn requests_beyond_the_bound_are_refused_and_a_panic_is_contained() {
        let pool = Arc::new(WorkPool::new("query", 1, 1));
        let (go, wait) = std::sync::mpsc::sync_channel::<()>(1);
        let busy = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(move || wait.recv().is_ok()).await }
        });
        while pool.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = pool.run(|| ()).await;
        assert!(matches!(refused, Err(Refusal::Overloaded { kind: "query" })), "{refused:?}");
        go.send(()).expect("the work waits");
        assert!(busy.await.expect("no panic").expect("admitted"));
        let stopped = pool.run(|| panic!("on purpose")).await;
        assert!(matches!(stopped, Err::<(), _>(Refusal::Internal)), "{stopped:?}");
        assert_eq!(pool.run(|| 5).await.expect("both places are free again"), 5);
    }
}
