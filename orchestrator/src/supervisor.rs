//! When to start, stop and give up on the replica: a state machine without clock or process.

/// How long to wait before the next start, in milliseconds of any monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first exit.
    pub first_ms: u64,
    /// The longest wait.
    pub ms_max: u64,
    /// A replica that ran this long was healthy: the next wait is the first again.
    pub healthy_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first_ms: 1_000, ms_max: 60_000, healthy_ms: 60_000 }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The replica ended, with its exit code, or without one if a signal ended it.
    Exited(Option<i32>),
    /// It could not be started at all.
    StartFailed,
    /// Somebody asks the orchestrator to stop.
    StopAsked,
    /// Time passed.
    Tick,
}

/// Why the orchestrator ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to.
    Asked,
    /// The replica ended with a code that says a restart cannot help.
    Hopeless(i32),
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the replica.
    Start,
    /// Ask the replica to stop.
    Terminate,
    /// The replica did not stop in time: end it.
    Kill,
    /// End the orchestrator.
    Exit(Exit),
}

/// Exit codes of the replica after which a restart cannot help: bad configuration, and a state
/// that differs from the certified one (its evidence must not be run over).
const HOPELESS: [i32; 2] = [2, 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { until_ms: u64 },
    Running { since_ms: u64 },
    Stopping { kill_at_ms: u64, killed: bool },
}

/// Keeps one replica running: restarts it with growing waits, stops it when asked.
#[derive(Clone, Debug)]
pub struct Supervisor {
    backoff: Backoff,
    stop_timeout_ms: u64,
    wait_ms: u64,
    state: State,
    restarts: u64,
}

impl Supervisor {
    /// A supervisor that wants to start at once.
    pub fn new(backoff: Backoff, stop_timeout_ms: u64) -> Self {
        let state = State::Waiting { until_ms: 0 };
        Self { backoff, stop_timeout_ms, wait_ms: backoff.first_ms, state, restarts: 0 }
    }

    /// How often the replica was started again.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Takes one event at `now_ms` and says what to do, if anything.
    pub fn step(&mut self, event: Event, now_ms: u64) -> Option<Action> {
        match (self.state, event) {
            (State::Waiting { .. }, Event::StopAsked) => Some(Action::Exit(Exit::Asked)),
            (State::Waiting { until_ms }, _) if now_ms >= until_ms => {
                self.state = State::Running { since_ms: now_ms };
                Some(Action::Start)
            }
            (State::Waiting { .. }, _) => None,
            (State::Running { .. }, Event::Exited(Some(code))) if HOPELESS.contains(&code) => {
                Some(Action::Exit(Exit::Hopeless(code)))
            }
            (State::Running { since_ms }, Event::Exited(_) | Event::StartFailed) => {
                self.wait_after_exit(now_ms, since_ms);
                None
            }
            (State::Running { .. }, Event::StopAsked) => {
                let kill_at_ms = now_ms.saturating_add(self.stop_timeout_ms);
                self.state = State::Stopping { kill_at_ms, killed: false };
                Some(Action::Terminate)
            }
            (State::Running { .. }, Event::Tick) => None,
            (State::Stopping { .. }, Event::Exited(_) | Event::StartFailed) => {
                Some(Action::Exit(Exit::Asked))
            }
            (State::Stopping { kill_at_ms, killed: false }, _) if now_ms >= kill_at_ms => {
                self.state = State::Stopping { kill_at_ms, killed: true };
                Some(Action::Kill)
            }
            (State::Stopping { .. }, _) => None,
        }
    }

    fn wait_after_exit(&mut self, now_ms: u64, since_ms: u64) {
        if now_ms.saturating_sub(since_ms) >= self.backoff.healthy_ms {
            self.wait_ms = self.backoff.first_ms;
        }
        self.state = State::Waiting { until_ms: now_ms.saturating_add(self.wait_ms) };
        self.wait_ms = self.wait_ms.saturating_mul(2).min(self.backoff.ms_max);
        self.restarts += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first_ms: 10, ms_max: 40, healthy_ms: 1_000 };

    fn check(script: &[(u64, Event, Option<Action>)]) {
        let mut supervisor = Supervisor::new(BACKOFF, 100);
        for (at, (now_ms, event, expected)) in script.iter().enumerate() {
            assert_eq!(supervisor.step(*event, *now_ms), *expected, "step {at} of {script:?}");
        }
    }

    #[test]
    fn restarts_wait_twice_as_long_each_time_up_to_a_bound() {
        use Event::{Exited, Tick};
        let start = Some(Action::Start);
        check(&[
            (0, Tick, start),
            (1, Exited(Some(1)), None),
            (10, Tick, None),
            (11, Tick, start),
            (12, Exited(None), None),
            (31, Tick, None),
            (32, Tick, start),
            (33, Event::StartFailed, None),
            (73, Tick, start),
            (74, Exited(Some(0)), None),
            (113, Tick, None),
            (114, Tick, start),
        ]);
    }

    #[test]
    fn a_healthy_run_resets_the_wait() {
        use Event::{Exited, Tick};
        let start = Some(Action::Start);
        check(&[
            (0, Tick, start),
            (1, Exited(Some(1)), None),
            (11, Tick, start),
            (1_011, Exited(Some(1)), None),
            (1_020, Tick, None),
            (1_021, Tick, start),
        ]);
    }

    #[test]
    fn hopeless_codes_end_the_orchestrator() {
        for code in [2, 3] {
            let exit = Some(Action::Exit(Exit::Hopeless(code)));
            check(&[(0, Event::Tick, Some(Action::Start)), (5, Event::Exited(Some(code)), exit)]);
        }
    }

    #[test]
    fn stopping_is_gentle_first() {
        use Event::{Exited, StopAsked, Tick};
        let asked = Some(Action::Exit(Exit::Asked));
        let start = (0, Tick, Some(Action::Start));
        check(&[(0, StopAsked, asked)]);
        check(&[start, (5, StopAsked, Some(Action::Terminate)), (9, Exited(Some(0)), asked)]);
        check(&[
            start,
            (5, StopAsked, Some(Action::Terminate)),
            (104, Tick, None),
            (105, Tick, Some(Action::Kill)),
            (106, Tick, None),
            (107, Exited(None), asked),
        ]);
    }

    #[test]
    fn a_second_stop_changes_nothing() {
        use Event::{StopAsked, Tick};
        check(&[
            (0, Tick, Some(Action::Start)),
            (5, StopAsked, Some(Action::Terminate)),
            (6, StopAsked, None),
        ]);
    }
}
