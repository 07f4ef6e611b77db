//! The shell: owns the replica process, the signals and the clock.

use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid, getppid};
use thiserror::Error;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::config::Config;
use crate::log_file::LogFile;
use crate::status::{NodeLock, Status, StatusError};
use crate::supervisor::{Action, Backoff, Event, Exit, Supervisor};

/// How often time is looked at: fine enough for waits of a second, and idle otherwise.
const TICK: Duration = Duration::from_millis(100);

/// How often the size of the log is looked at, and how large it may become; as much again is kept
/// of what was before. At the level `info` that is weeks.
const LOG_LOOK: Duration = Duration::from_secs(30);
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why the orchestrator failed itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// Lock or status.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The signal handlers.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Supervises the replica of `config` until somebody asks to stop or a restart cannot help.
pub async fn run(config: &Config) -> Result<Exit, RunError> {
    let lock = NodeLock::take(&config.node_dir)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut shell = Shell {
        config,
        lock,
        supervisor: Supervisor::new(Backoff::default(), config.stop_timeout_ms),
        started: Instant::now(),
        child: None,
        last_exit: String::new(),
    };
    let mut ticks = tokio::time::interval(TICK);
    let mut log_looks = tokio::time::interval(LOG_LOOK);
    let log_file = LogFile::of_stderr();
    loop {
        let event = tokio::select! {
            status = wait(&mut shell.child) => shell.exited(status),
            _ = terminate.recv() => Event::StopAsked,
            _ = interrupt.recv() => Event::StopAsked,
            _ = ticks.tick() => Event::Tick,
            _ = log_looks.tick() => {
                bound_log(log_file.as_ref());
                Event::Tick
            }
        };
        if let Some(exit) = shell.handle(event)? {
            return Ok(exit);
        }
    }
}

/// Keeps the log from filling the disk.
fn bound_log(log_file: Option<&LogFile>) {
    let Some(log_file) = log_file else { return };
    match log_file.keep_below(LOG_BYTES_MAX) {
        Ok(false) => {}
        Ok(true) => log::info!("the log begins anew; before: {}", log_file.previous().display()),
        Err(error) => log::warn!("the log could not be kept below {LOG_BYTES_MAX} bytes: {error}"),
    }
}

struct Shell<'a> {
    config: &'a Config,
    lock: NodeLock,
    supervisor: Supervisor,
    started: Instant,
    child: Option<Child>,
    last_exit: String,
}

impl Shell<'_> {
    fn handle(&mut self, event: Event) -> Result<Option<Exit>, RunError> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.supervisor.step(event, now_ms) {
            None => {}
            Some(Action::Exit(exit)) => return Ok(Some(exit)),
            Some(Action::Terminate) => self.signal(Signal::SIGTERM),
            Some(Action::Kill) => self.signal(Signal::SIGKILL),
            Some(Action::Start) => return self.start(),
        }
        if event != Event::Tick {
            self.publish()?;
        }
        Ok(None)
    }

    fn start(&mut self) -> Result<Option<Exit>, RunError> {
        match spawn(self.config) {
            Ok(child) => {
                log::info!(pid = child.id(); "replica started");
                self.child = Some(child);
                self.publish()?;
                Ok(None)
            }
            Err(error) => {
                log::error!("cannot start {}: {error}", self.config.replica.display());
                self.last_exit = format!("not started: {error}");
                self.handle(Event::StartFailed)
            }
        }
    }

    fn exited(&mut self, status: std::io::Result<ExitStatus>) -> Event {
        self.child = None;
        self.last_exit = match &status {
            Ok(status) => status.to_string(),
            Err(error) => format!("lost: {error}"),
        };
        log::warn!("replica ended: {}", self.last_exit);
        Event::Exited(status.ok().and_then(|status| status.code()))
    }

    fn signal(&self, signal: Signal) {
        let Some(pid) = self.child_pid() else { return };
        log::info!(pid; "sending {signal} to the replica");
        if let Err(errno) = kill(Pid::from_raw(pid), signal) {
            log::warn!("{signal} did not reach the replica: {errno}");
        }
    }

    fn child_pid(&self) -> Option<i32> {
        self.child.as_ref()?.id().and_then(|pid| i32::try_from(pid).ok())
    }

    fn publish(&self) -> Result<(), StatusError> {
        self.lock.write(&Status {
            orchestrator_pid: getpid().as_raw(),
            replica_pid: self.child_pid(),
            restarts: self.supervisor.restarts(),
            last_exit: self.last_exit.clone(),
        })
    }
}

/// Waits for the child to end; for ever if there is none.
async fn wait(child: &mut Option<Child>) -> std::io::Result<ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

/// Starts the replica so that it cannot outlive its orchestrator: a replica that nobody supervises
/// would hold the node's ports and data against the next one.
fn spawn(config: &Config) -> std::io::Result<Child> {
    let orchestrator = getpid();
    let mut command = Command::new(&config.replica);
    command.args(&config.arguments).stdin(std::process::Stdio::null());
    // SAFETY: between fork and exec the closure makes two system calls (prctl, getppid), both
    // async-signal-safe; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The orchestrator may have died before the line above took effect.
            if getppid() != orchestrator {
                return Err(std::io::Error::from_raw_os_error(nix::libc::ESRCH));
            }
            Ok(())
        });
    }
    command.spawn()
}
