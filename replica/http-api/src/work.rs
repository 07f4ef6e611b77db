//! Bounded work off the async threads: how many requests of a kind a node takes on, and on how
//! many threads it works on them.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::Refusal;

/// One kind of requests. Up to `admitted` of them are inside at once; those above are refused
/// at once, because a client's retry elsewhere helps more than a queue here. Up to `threads` of
/// them run at a time, the rest wait for a thread.
pub(crate) struct WorkPool {
    kind: &'static str,
    admitted: Semaphore,
    threads: Arc<Semaphore>,
}

impl WorkPool {
    pub(crate) fn new(kind: &'static str, admitted: usize, threads: usize) -> Self {
        let threads = Arc::new(Semaphore::new(threads));
        Self { kind, admitted: Semaphore::new(admitted), threads }
    }

    /// Runs `work` on a thread of its own. A client that goes away does not free the thread
    /// before the work ends.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Refusal> {
        let _admission =
            self.admitted.try_acquire().map_err(|_| Refusal::Overloaded { kind: self.kind })?;
        let thread = Arc::clone(&self.threads).acquire_owned().await;
        let thread = thread.expect("the semaphore is never closed");
        let worked = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(thread);
            result
        });
        worked.await.map_err(|error| {
            log::error!("a {} request stopped its thread: {error}", self.kind);
            Refusal::Internal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
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
