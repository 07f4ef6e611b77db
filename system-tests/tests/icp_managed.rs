//! `plinth` started with the command line by which `icp network start` runs a managed network, used by
//! `icp`, and stopped as `icp network stop` does it.
//!
//! `icp network start` itself goes one step further than this test: it puts its Candid UI canister on the
//! new network through the cycles ledger, and gives up where there is none.

use candid::Principal;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use system_tests::icp::Project;
use system_tests::network::{free_port, text};
use system_tests::provided::program;
use system_tests::waiting::until;

#[test]
fn plinth_is_a_launcher_for_icp() {
    let folder = tempfile::Builder::new().prefix("plinth-launcher-").tempdir().unwrap();
    let port = free_port();
    let mut launcher = Launcher::start(folder.path(), port);
    let status_file = folder.path().join("status/status.json");
    let status = until("the launcher's status file", || {
        assert!(launcher.0.try_wait().unwrap().is_none(), "the launcher ended early");
        let line = std::fs::read_to_string(&status_file).ok()?;
        // Half a line is no status; a whole one ends with a line end.
        line.ends_with('\n').then(|| serde_json::from_str::<Value>(&line).unwrap())
    });
    assert_eq!(status["v"], "1");
    assert_eq!(status["gateway_port"], port);

    let root_key = hex::decode(text(&status, "root_key")).unwrap();
    let subnet = Principal::self_authenticating(root_key).to_text();
    let project = Project::new(port);
    project.icp(&["deploy", "--subnet", &subnet]);
    assert_eq!(project.call("rust-counter", "add", "(5 : nat64)"), "(5 : nat64)");
    assert_eq!(project.call("motoko-ledger", "record", "(\"tea\", 3 : nat)"), "(3 : nat)");

    launcher.interrupt();
    let ended = until("the launcher to end", || launcher.0.try_wait().unwrap());
    assert!(ended.success(), "the launcher ended with {ended}");
    let address = format!("http://127.0.0.1:{port}/api/v2/status");
    assert!(ureq::get(&address).call().is_err(), "a node outlived the launcher");
}

/// A running launcher; a failing test must not leave it behind.
struct Launcher(Child);

impl Launcher {
    fn start(folder: &Path, port: u16) -> Self {
        std::fs::create_dir(folder.join("status")).unwrap();
        let mut command = Command::new(program("plinth"));
        command.args(["--interface-version", "1.1.0", "--bind", "127.0.0.1", "--verbose"]);
        command.args(["--domain=localhost", "--gateway-port", &port.to_string()]);
        command.arg("--state-dir").arg(folder.join("state"));
        command.arg("--status-dir").arg(folder.join("status"));
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    fn interrupt(&self) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.interrupt();
            let _ = self.0.wait();
        }
    }
}
