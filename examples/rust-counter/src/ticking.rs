//! A timer that counts. Timers end with an upgrade, so it is started again after one.

use ic_cdk_timers::TimerId;
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    static TICKS: Cell<u64> = const { Cell::new(0) };
    static RUNNING: Cell<Option<(TimerId, u64)>> = const { Cell::new(None) };
}

pub fn ticks() -> u64 {
    TICKS.get()
}

/// Milliseconds between ticks while it ticks.
pub fn interval_ms() -> Option<u64> {
    RUNNING.get().map(|(_, interval_ms)| interval_ms)
}

pub fn start(interval_ms: u64) {
    stop();
    let interval = Duration::from_millis(interval_ms.max(1));
    let timer = ic_cdk_timers::set_timer_interval(interval, async || TICKS.set(TICKS.get() + 1));
    RUNNING.set(Some((timer, interval_ms)));
}

pub fn stop() {
    if let Some((timer, _)) = RUNNING.take() {
        ic_cdk_timers::clear_timer(timer);
    }
}

/// Goes on from what was saved before an upgrade.
pub fn resume(ticks: u64, interval_ms: Option<u64>) {
    TICKS.set(ticks);
    if let Some(interval_ms) = interval_ms {
        start(interval_ms);
    }
}
