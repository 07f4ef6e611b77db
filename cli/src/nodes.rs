//! Starts and ends the processes of nodes.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getpid, getppid, setsid};
use orchestrator::{Status, read_status};

use crate::create::Executables;
use crate::error::Error;
use crate::layout::{Layout, Network};
use crate::output;

/// Longer than an orchestrator gives its replica.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an orchestrator may take to start its replica.
const START_TIMEOUT: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(50);

/// Whether nodes outlive this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// They go on.
    Detached,
    /// They stop when this process ends, however it ends.
    Attached,
}

/// Starts node `index` and returns its orchestrator.
pub fn start(
    layout: &Layout,
    index: usize,
    executables: &Executables,
    lifetime: Lifetime,
) -> Result<Child, Error> {
    let log_path = layout.node_log(index);
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(Error::file("write", &log_path))?;
    let second = log.try_clone().map_err(Error::file("write", &log_path))?;
    let mut command = Command::new(&executables.orchestrator);
    command
        .arg("--config")
        .arg(layout.node_dir(index).join("orchestrator.yaml"))
        .stdin(Stdio::null())
        .stdout(second)
        .stderr(log);
    let parent = getpid();
    // SAFETY: between fork and exec the closure makes at most four system calls (sigprocmask,
    // setsid, prctl, getppid), all async-signal-safe; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            // `plinth` blocks the signals that it waits for; a child would inherit that and never
            // hear that it is to stop.
            SigSet::empty().thread_set_mask()?;
            // Its own session: Ctrl-C in the terminal reaches `plinth` alone, which stops the
            // nodes in good order.
            setsid()?;
            if lifetime == Lifetime::Attached {
                prctl::set_pdeathsig(Signal::SIGTERM)?;
                if getppid() != parent {
                    return Err(std::io::Error::from_raw_os_error(nix::libc::ESRCH));
                }
            }
            Ok(())
        });
    }
    command.spawn().map_err(Error::file("start", &executables.orchestrator))
}

/// The orchestrator's status of node `index`; `None` if it does not run.
pub fn status(layout: &Layout, index: usize) -> Result<Option<Status>, Error> {
    let dir = layout.node_dir(index);
    if !dir.is_dir() {
        return Ok(None);
    }
    Ok(read_status(&dir)?)
}

/// The nodes that run.
pub fn running(layout: &Layout, network: &Network) -> Result<Vec<usize>, Error> {
    let mut found = Vec::new();
    for index in 0..network.nodes {
        if status(layout, index)?.is_some() {
            found.push(index);
        }
    }
    Ok(found)
}

/// Asks `nodes` to stop, all at once, and waits until they have. Nodes that do not run are fine.
pub fn stop(layout: &Layout, nodes: &[usize]) -> Result<(), Error> {
    for &index in nodes {
        if let Some(status) = status(layout, index)? {
            send(status.orchestrator_pid, Signal::SIGTERM);
        }
    }
    nodes.iter().try_for_each(|&index| wait_until_ended(layout, index))
}

/// Kills the processes of node `index` at once.
pub fn kill_now(layout: &Layout, index: usize) -> Result<(), Error> {
    if let Some(status) = status(layout, index)? {
        // The orchestrator first, so that it does not start another replica; the kernel then ends
        // the replica with it, the second signal only makes that immediate.
        send(status.orchestrator_pid, Signal::SIGKILL);
        if let Some(replica) = status.replica_pid {
            send(replica, Signal::SIGKILL);
        }
    }
    wait_until_ended(layout, index)
}

/// Waits until the orchestrator of node `index` has started its replica, or has failed to.
pub fn wait_until_started(layout: &Layout, index: usize) -> Result<(), Error> {
    let deadline = Instant::now() + START_TIMEOUT;
    while Instant::now() < deadline {
        if status(layout, index)?.is_some_and(|status| status.replica_pid.is_some()) {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    let (detail, log) = (log_tail(layout, index), layout.node_log(index));
    Err(Error::NodeEnded { node: index, detail, log })
}

fn wait_until_ended(layout: &Layout, index: usize) -> Result<(), Error> {
    let deadline = Instant::now() + STOP_TIMEOUT;
    let mut last_replica = None;
    while let Some(status) = status(layout, index)? {
        last_replica = status.replica_pid.or(last_replica);
        if Instant::now() >= deadline {
            return Err(Error::Stubborn { node: index, pid: status.orchestrator_pid });
        }
        std::thread::sleep(POLL);
    }
    while let Some(pid) = last_replica.filter(|pid| is_running(*pid)) {
        if Instant::now() >= deadline {
            return Err(Error::Stubborn { node: index, pid });
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended; its parent has not asked for its exit code yet.
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A process that is gone already is what the signal was for.
fn send(pid: i32, signal: Signal) {
    if let Err(errno) = kill(Pid::from_raw(pid), signal)
        && errno != nix::errno::Errno::ESRCH
    {
        output::note(format_args!("{signal} did not reach process {pid}: {errno}"));
    }
}

/// The last lines of a node's log, for error messages.
pub fn log_tail(layout: &Layout, index: usize) -> String {
    let text = std::fs::read(layout.node_log(index)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}
