//! A network that `icp` manages: `plinth` is its launcher, started and stopped by `icp network`, and
//! everything is typed as a user types it, with no subnet and no key.
//!
//! The second test looks at the launcher's own contract, and at what a restart keeps: `icp` itself
//! clears the state of a managed network before each start.

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use system_tests::icp::Project;
use system_tests::network::{free_port, text};
use system_tests::provided::program;
use system_tests::waiting::until;

#[test]
fn icp_starts_uses_and_stops_a_network() {
    let port = free_port();
    let project = Project::managed(port);
    // icp gives ICP and cycles to the identities that are there when the network starts.
    project.icp_anywhere(&["identity", "new", "alice", "--storage", "plaintext"]);
    let network = Managed(&project);
    project.icp(&["network", "start", "--background"]);
    let status = project.icp(&["network", "status", "--json"]);
    assert!(status.contains("candid_ui_principal"), "no Candid UI: {status}");

    project.icp(&["deploy"]);
    assert_eq!(project.call("rust-counter", "add", "(5 : nat64)"), "(5 : nat64)");
    let ledger = format!("(principal \"{}\")", project.canister_id("motoko-ledger"));
    let answer = project.call("rust-counter", "record_in_ledger", &ledger);
    assert!(answer.contains("Ok = 5 : nat"), "the ledger's total: {answer}");
    canisters_have_cycles(&project);
    controllers_control(&project);
    cycles_and_tokens(&project);

    project.icp(&["network", "stop"]);
    assert!(!answers(port), "a node outlived `icp network stop`");
    drop(network);
    foreground(&project, port);
}

/// `icp deploy` pays 2 T for each; a user can add to that.
fn canisters_have_cycles(project: &Project) {
    let cycles = || {
        let status = project.icp(&["canister", "status", "--json", "rust-counter"]);
        let status: Value = serde_json::from_str(&status).unwrap();
        text(&status, "cycles").replace('_', "").parse::<u128>().unwrap()
    };
    assert_eq!(cycles(), 2_000_000_000_000);
    project.icp(&["canister", "top-up", "rust-counter", "--amount", "1t"]);
    assert_eq!(cycles(), 3_000_000_000_000);
}

/// The canisters are the anonymous principal's; another user may not touch them.
fn controllers_control(project: &Project) {
    let said = project.icp_fails(&["canister", "stop", "rust-counter", "--identity", "alice"]);
    assert!(said.contains("IC0512"), "not refused for want of control: {said}");
}

fn cycles_and_tokens(project: &Project) {
    let balance = |who: &str| {
        let said = project.icp(&["cycles", "balance", "--identity", who]);
        let digits: String = said.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u128>().unwrap_or_else(|_| panic!("no balance: {said}"))
    };
    const T: u128 = 1_000_000_000_000;
    const FEE: u128 = 100_000_000;
    assert_eq!(balance("alice"), 2_000 * T, "the opening balance and what icp gave");
    project.icp(&["cycles", "mint", "--cycles", "5t", "--identity", "alice"]);
    assert_eq!(balance("alice"), 2_005 * T);
    let alice = project.icp_anywhere(&["identity", "principal", "--identity", "alice"]);
    project.icp(&["cycles", "transfer", "3t", &alice]);
    assert_eq!(balance("alice"), 2_008 * T);
    let created = ["canister", "create", "--detached", "--quiet", "--identity", "alice"];
    let canister = project.icp(&created);
    assert_eq!(balance("alice"), 2_006 * T - FEE);
    // With nobody's cycles there is nothing to give, and nothing is lost.
    let said =
        project.icp_fails(&["cycles", "transfer", "9000000t", &alice, "--identity", "alice"]);
    assert!(said.to_lowercase().contains("insufficient"), "{said}");
    assert_eq!(balance("alice"), 2_006 * T - FEE);

    project.icp(&["token", "transfer", "10", &alice]);
    let said = project.icp(&["token", "balance", "--identity", "alice"]);
    assert!(said.contains("1000009.9"), "a million, ten, less what was minted from: {said}");
    project.icp(&["canister", "create", "--detached", "--with-icp", "1"]);
    assert_ne!(canister, project.icp(&created));
}

/// `icp network start` without more stays until Ctrl-C.
fn foreground(project: &Project, port: u16) {
    let mut command = project.command(&["network", "start", "-e", "local"]);
    let mut icp = Interruptible(command.spawn().unwrap());
    until("the network in the foreground", || {
        assert!(icp.0.try_wait().unwrap().is_none(), "icp ended early");
        let status = project.try_icp(&["network", "status", "--json"]);
        status.status.success().then_some(())
    });
    project.icp(&["deploy", "motoko-ledger"]);
    assert_eq!(project.call("motoko-ledger", "record", "(\"tea\", 3 : nat)"), "(3 : nat)");
    icp.interrupt();
    let ended = until("icp to end", || icp.0.try_wait().unwrap());
    assert!(ended.success(), "icp ended with {ended}");
    assert!(!answers(port), "a node outlived icp");
}

#[test]
fn the_launcher_tells_where_it_is_and_keeps_its_state() {
    let folder = tempfile::Builder::new().prefix("plinth-launcher-").tempdir().unwrap();
    let port = free_port();
    let project = Project::new(port);
    let (mut launcher, status) = launch(folder.path(), port);
    assert_eq!(status["v"], "1");
    assert_eq!(status["gateway_port"], port);
    assert_eq!(hex::decode(text(&status, "root_key")).unwrap().len(), 133);
    project.icp(&["deploy"]);
    assert_eq!(project.call("rust-counter", "add", "(5 : nat64)"), "(5 : nat64)");
    let cycles = project.icp(&["cycles", "balance"]);
    stop(&mut launcher, port);

    let (mut launcher, again) = launch(folder.path(), port);
    assert_eq!(status["root_key"], again["root_key"]);
    assert_eq!(project.query("rust-counter", "get", "()"), "(5 : nat64)");
    assert_eq!(project.icp(&["cycles", "balance"]), cycles);
    stop(&mut launcher, port);
}

/// Starts a launcher and waits for what it has to say.
fn launch(folder: &Path, port: u16) -> (Interruptible, Value) {
    let status_dir = folder.join("status");
    if status_dir.is_dir() {
        std::fs::remove_dir_all(&status_dir).unwrap();
    }
    std::fs::create_dir(&status_dir).unwrap();
    let mut command = Command::new(program("plinth"));
    command.args(["--interface-version", "1.1.0", "--bind", "127.0.0.1", "--verbose"]);
    command.args(["--domain=localhost", "--gateway-port", &port.to_string()]);
    command.arg("--state-dir").arg(folder.join("state"));
    command.arg("--status-dir").arg(&status_dir);
    let mut launcher = Interruptible(command.stdin(Stdio::null()).spawn().unwrap());
    let status = until("the launcher's status file", || {
        assert!(launcher.0.try_wait().unwrap().is_none(), "the launcher ended early");
        let line = std::fs::read_to_string(status_dir.join("status.json")).ok()?;
        // Half a line is no status; a whole one ends with a line end.
        line.ends_with('\n').then(|| serde_json::from_str::<Value>(&line).unwrap())
    });
    (launcher, status)
}

fn stop(launcher: &mut Interruptible, port: u16) {
    launcher.interrupt();
    let ended = until("the launcher to end", || launcher.0.try_wait().unwrap());
    assert!(ended.success(), "the launcher ended with {ended}");
    assert!(!answers(port), "a node outlived the launcher");
}

fn answers(port: u16) -> bool {
    ureq::get(&format!("http://127.0.0.1:{port}/api/v2/status")).call().is_ok()
}

/// A network in the background; a failing test must not leave it behind.
struct Managed<'a>(&'a Project);

impl Drop for Managed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.0.folder().join(".icp/cache/networks/local/network-launcher");
            let log = std::fs::read_to_string(logs.join("stderr.log")).unwrap_or_default();
            eprintln!("the launcher said:\n{log}");
            self.0.try_icp(&["network", "stop"]);
        }
    }
}

/// A running program that ends in good order at Ctrl-C; a failing test must not leave it behind.
struct Interruptible(Child);

impl Interruptible {
    fn interrupt(&self) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.interrupt();
            let _ = self.0.wait();
        }
    }
}
