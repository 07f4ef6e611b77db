//! Waiting for something that another process does.

use std::time::{Duration, Instant};

/// How long anything on a local network may take on a loaded machine of two cores.
pub const PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(200);

/// Asks until there is an answer; panics with what was awaited when `PATIENCE` is over.
pub fn until<T>(awaited: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {awaited}");
        std::thread::sleep(POLL);
    }
}
