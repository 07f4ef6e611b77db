//! The real executable with a small real child in place of a replica.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use orchestrator::{Status, read_status};

fn start(dir: &Path, script: &str) -> Child {
    let config = dir.join("orchestrator.yaml");
    let dir = dir.display();
    let yaml = format!(
        "node_dir: {dir}\nreplica: /bin/sh\narguments: [-c, '{script}']\nstop_timeout_ms: 500\n"
    );
    std::fs::write(&config, yaml).expect("a file");
    Command::new(env!("CARGO_BIN_EXE_orchestrator"))
        .arg("--config")
        .arg(&config)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("the orchestrator starts")
}

/// Waits until the orchestrator's status satisfies `wanted`.
fn wait_for(dir: &Path, wanted: impl Fn(&Status) -> bool) -> Status {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if let Some(status) = read_status(dir).expect("readable")
            && wanted(&status)
        {
            return status;
        }
        std::thread::yield_now();
    }
    panic!("the orchestrator did not get there in 20 s");
}

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("the process is there");
}

fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn a_killed_replica_comes_back_and_a_stop_ends_both() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut child = start(dir.path(), "exec sleep 1000");
    let first = wait_for(dir.path(), |s| s.replica_pid.is_some()).replica_pid.expect("running");
    send(first, Signal::SIGKILL);
    let status = wait_for(dir.path(), |s| s.restarts == 1 && s.replica_pid.is_some());
    let second = status.replica_pid.expect("running");
    assert_ne!(first, second);
    send(status.orchestrator_pid, Signal::SIGTERM);
    assert!(child.wait().expect("ended").success());
    assert!(!alive(second));
}

#[test]
fn a_replica_that_ignores_the_stop_is_killed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut child = start(dir.path(), "trap \"\" TERM; exec sleep 1000");
    let status = wait_for(dir.path(), |s| s.replica_pid.is_some());
    send(status.orchestrator_pid, Signal::SIGTERM);
    assert!(child.wait().expect("ended").success());
    assert!(!alive(status.replica_pid.expect("was running")));
}

#[test]
fn the_replica_dies_with_its_orchestrator() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut child = start(dir.path(), "exec sleep 1000");
    let replica = wait_for(dir.path(), |s| s.replica_pid.is_some()).replica_pid.expect("running");
    child.kill().expect("killed");
    child.wait().expect("ended");
    let deadline = Instant::now() + Duration::from_secs(20);
    while alive(replica) {
        assert!(Instant::now() < deadline, "the replica outlives its orchestrator");
        std::thread::yield_now();
    }
}

#[test]
fn a_hopeless_replica_is_not_restarted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let status = start(dir.path(), "exit 3").wait().expect("ended");
    assert_eq!(status.code(), Some(3));
}
