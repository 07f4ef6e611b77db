//! Faults on a real network under load, from seeds: `plinth drill` as a user runs it.

use std::process::Command;

use serde_json::Value;
use system_tests::provided;

/// A seed and the scenarios that it breaks a fresh network with. The order matters: what one fault
/// leaves behind, the next must cope with.
fn check(seed: u64, scenarios: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new(provided::program("plinth"))
        .args(["drill", "--json", "--seed", &seed.to_string(), "--scenarios", scenarios, "--dir"])
        .arg(dir.path().join("drill"))
        .output()
        .expect("plinth starts");
    let progress = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no report ({error}); standard error:\n{progress}"));
    assert!(output.status.success(), "{report:#}\n{progress}");
    let outcomes = report["outcomes"].as_array().expect("outcomes");
    assert_eq!(outcomes.len(), scenarios.split(',').count());
    for outcome in outcomes {
        assert!(outcome["left_out"].is_null(), "not run: {outcome:#}");
        assert!(outcome["replies"].as_u64() > Some(0), "no load: {outcome:#}");
    }
}

#[test]
fn killed_nodes_lose_nothing() {
    check(11, "kill-one,kill-two,kill-all");
}

#[test]
fn kills_at_random_instants_lose_nothing() {
    check(14, "random-kills");
}

#[test]
fn a_paused_node_catches_up() {
    check(12, "pause-one");
}

#[test]
fn a_full_disk_stops_one_node_only_and_room_brings_it_back() {
    check(13, "full-disk,kill-one");
}
