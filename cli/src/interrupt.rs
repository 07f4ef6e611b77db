//! Ctrl-C and SIGTERM, taken as a request to stop in good order.

use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::error::Error;

/// From its making on, SIGINT and SIGTERM no longer end the process: they are read here.
pub struct Interrupts {
    signals: SigSet,
}

impl Interrupts {
    /// Blocks the signals. Made before any thread, since threads inherit what is blocked.
    pub fn take() -> Result<Self, Error> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().map_err(Error::Signals)?;
        Ok(Self { signals })
    }

    /// Whether one arrived; does not wait and leaves it there.
    pub fn pending(&self) -> bool {
        let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return false };
        let masks = text.lines().filter_map(|line| {
            line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:"))
        });
        let wanted = bit(Signal::SIGINT) | bit(Signal::SIGTERM);
        masks
            .filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .any(|mask| mask & wanted != 0)
    }

    /// Waits for one.
    pub fn wait(&self) -> Result<(), Error> {
        self.signals.wait().map(|_| ()).map_err(Error::Signals)
    }

    /// Sleeps for `time`, or until one arrives. Says whether one did.
    pub fn sleep(&self, time: Duration) -> bool {
        std::thread::sleep(time);
        self.pending()
    }
}

fn bit(signal: Signal) -> u64 {
    1 << (signal as i32 - 1)
}
