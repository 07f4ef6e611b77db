//! The `icp` client against a network that runs already: the project of `examples/` deployed, used and
//! upgraded, as its README tells.

use system_tests::LocalNetwork;
use system_tests::icp::Project;
use system_tests::waiting::until;

#[test]
fn deploys_uses_and_upgrades_the_examples() {
    let network = LocalNetwork::start();
    let port = network.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    let project = Project::new(port);
    project.icp(&["network", "ping"]);
    project.icp(&["deploy"]);
    let counter = format!("(principal \"{}\")", project.canister_id("rust-counter"));
    let ledger = format!("(principal \"{}\")", project.canister_id("motoko-ledger"));

    calls(&project, &ledger, &counter);
    errors(&project);
    upgrades(&project);
    management(&project);
    absent_canisters(&project);
    let subnet = network.subnet_id().to_text();
    project.icp(&["canister", "create", "--detached", "--subnet", &subnet]);
}

fn calls(project: &Project, ledger: &str, counter: &str) {
    assert_eq!(project.call("rust-counter", "add", "(5 : nat64)"), "(5 : nat64)");
    assert_eq!(project.query("rust-counter", "get", "()"), "(5 : nat64)");
    assert_eq!(project.query("rust-counter", "label", "()"), "(\"from icp.yaml\")");
    project.call("rust-counter", "put_note", "(\"colour\", \"green\")");
    assert_eq!(project.query("rust-counter", "get_note", "(\"colour\")"), "(opt \"green\")");

    let random = || project.call("rust-counter", "random_bytes", "()");
    assert_ne!(random(), random());

    assert_eq!(project.call("motoko-ledger", "record", "(\"tea\", 3 : nat)"), "(3 : nat)");
    let answer = project.call("rust-counter", "record_in_ledger", ledger);
    assert!(answer.contains("Ok = 8 : nat"), "3 of tea and the counter's 5: {answer}");
    let argument = counter.replace(')', ", 2 : nat64)");
    assert_eq!(project.call("motoko-ledger", "addToCounter", &argument), "(7 : nat64)");

    project.call("rust-counter", "start_ticking", "(100 : nat64)");
    ticks_more(project, "rust-counter", "ticks");
    ticks_more(project, "motoko-ledger", "heartbeats");
}

fn errors(project: &Project) {
    let said = project.icp_fails(&[
        "canister",
        "call",
        "rust-counter",
        "add_and_trap",
        "(1 : nat64, \"on purpose\")",
    ]);
    assert!(said.contains("IC0503") && said.contains("on purpose"), "{said}");
    assert_eq!(project.query("rust-counter", "get", "()"), "(7 : nat64)", "a trap leaves no trace");
    let said =
        project.icp_fails(&["canister", "call", "rust-counter", "reject_with", "(\"no thanks\")"]);
    assert!(said.contains("no thanks"), "{said}");
}

fn upgrades(project: &Project) {
    project.icp(&["canister", "install", "--mode", "upgrade", "rust-counter", "--args", "(null)"]);
    assert_eq!(project.query("rust-counter", "get", "()"), "(7 : nat64)");
    assert_eq!(project.query("rust-counter", "label", "()"), "(\"from icp.yaml\")");
    assert_eq!(project.query("rust-counter", "get_note", "(\"colour\")"), "(opt \"green\")");
    ticks_more(project, "rust-counter", "ticks");

    // icp keeps the main memory of Motoko canisters by itself.
    project.icp(&["canister", "install", "--mode", "upgrade", "motoko-ledger"]);
    assert_eq!(project.query("motoko-ledger", "total", "()"), "(10 : nat)");
    ticks_more(project, "motoko-ledger", "heartbeats");
}

fn management(project: &Project) {
    let status = || -> serde_json::Value {
        serde_json::from_str(&project.icp(&["canister", "status", "--json", "rust-counter"]))
            .unwrap()
    };
    assert_eq!(status()["status"], "Running", "{}", status());
    project.icp(&["canister", "settings", "update", "rust-counter", "--freezing-threshold", "20d"]);
    let settings = project.icp(&["canister", "settings", "show", "rust-counter"]);
    assert!(settings.contains("1_728_000"), "20 days in seconds: {settings}");
    project.icp(&["canister", "stop", "rust-counter"]);
    assert_eq!(status()["status"], "Stopped", "{}", status());
    project.icp(&["canister", "start", "rust-counter"]);
    assert_eq!(project.call("rust-counter", "add", "(1 : nat64)"), "(8 : nat64)");
    project.icp(&["canister", "stop", "motoko-ledger"]);
    project.icp(&["canister", "delete", "motoko-ledger"]);
}

/// What is not there is "not found", also where the public network has a canister that tools know.
fn absent_canisters(project: &Project) {
    const REGISTRY: &str = "rwlgt-iiaaa-aaaaa-aaaaa-cai";
    for how in [None, Some("--query")] {
        let mut arguments = vec!["canister", "call", REGISTRY, "get_latest_version", "()"];
        arguments.extend(how);
        let said = project.icp_fails(&arguments);
        assert!(said.contains("IC0301") && said.contains("not found"), "{said}");
    }
}

/// Waits until a counting query answers more than it does now.
fn ticks_more(project: &Project, canister: &str, method: &str) {
    let before = project.query(canister, method, "()");
    until(&format!("{method} of {canister} to grow beyond {before}"), || {
        (project.query(canister, method, "()") != before).then_some(())
    });
}
