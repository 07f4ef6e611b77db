//! The orchestrator's files, changed: refused or read, never a reason to panic.

#[path = "../../fuzz/mutations.rs"]
mod mutations;

use mutations::for_each_mutant;
use orchestrator::{Config, NodeLock, STATUS_FILE, Status, read_status};

#[test]
fn changed_configurations_are_refused_or_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("orchestrator.yaml");
    let good = format!(
        "node_dir: {}\nreplica: /bin/sh\narguments: [-c, 'true']\nstop_timeout_ms: 1000\n",
        dir.path().display()
    );
    for_each_mutant(&[good.clone().into_bytes()], 3_000, |bytes| {
        std::fs::write(&path, bytes).expect("writable");
        let _ = Config::load(&path);
    });
    std::fs::write(&path, good).expect("writable");
    assert!(Config::load(&path).is_ok());
}

#[test]
fn a_changed_status_is_refused_or_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let lock = NodeLock::take(dir.path()).expect("nobody else runs here");
    let status = Status {
        orchestrator_pid: 7,
        replica_pid: Some(8),
        restarts: 2,
        last_exit: "exit code 1".into(),
    };
    lock.write(&status).expect("writable");
    let file = dir.path().join(STATUS_FILE);
    let good = std::fs::read(&file).expect("it was written");
    for_each_mutant(&[good], 1_000, |bytes| {
        std::fs::write(&file, bytes).expect("writable");
        if let Ok(found) = read_status(dir.path()) {
            assert!(found.is_some(), "the lock is held");
        }
    });
}
