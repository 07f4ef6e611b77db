//! The `icp` client with `plinth` as the program that runs its local network.

use candid::Principal;
use serde_json::Value;
use system_tests::icp::Project;
use system_tests::network::{free_port, text};
use system_tests::provided::program;
use system_tests::waiting::until;

#[test]
fn icp_starts_uses_and_stops_a_network() {
    let port = free_port();
    let mut project = Project::new("local", port);
    project.set("ICP_CLI_NETWORK_LAUNCHER_PATH", program("plinth"));
    let running = Running::start(project);

    let status: Value =
        serde_json::from_str(&running.0.icp(&["network", "status", "--json"])).unwrap();
    let root_key = hex::decode(text(&status, "root_key")).unwrap();
    let subnet = Principal::self_authenticating(root_key).to_text();
    running.0.icp(&["deploy", "--subnet", &subnet]);
    assert_eq!(running.0.call("rust-counter", "add", "(5 : nat64)"), "(5 : nat64)");
    assert_eq!(running.0.query("rust-counter", "get", "()"), "(5 : nat64)");
    assert_eq!(running.0.call("motoko-ledger", "record", "(\"tea\", 3 : nat)"), "(3 : nat)");

    running.stop();
    until("the endpoint to stop answering", || {
        ureq::get(format!("http://127.0.0.1:{port}/api/v2/status")).call().is_err().then_some(())
    });
}

/// A started network; a failing test must not leave it behind.
struct Running(Project);

impl Running {
    fn start(project: Project) -> Self {
        let running = Self(project);
        running.0.icp(&["network", "start", "-d"]);
        running
    }

    fn stop(&self) {
        self.0.icp(&["network", "stop"]);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let output = self.0.try_icp(&["network", "stop"]);
            eprintln!("stopping the network after a failure: {output:?}");
        }
    }
}
