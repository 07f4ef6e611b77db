//! `plinth` as somebody uses it who makes mistakes: each gets its exit code and a text that names the
//! fix, and leaves nothing behind.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use system_tests::network::free_port;
use system_tests::provided::program;

/// Runs `plinth` in a folder.
fn plinth(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program("plinth"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.output().expect("plinth can be started")
}

fn check(folder: &Path, arguments: &[&str], code: i32, text: &str) {
    let output = plinth(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(text), "{arguments:?} does not say {text:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code, text| check(folder.path(), arguments, code, text);
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["down"],
        &["node", "start", "1"],
        &["node", "stop", "1"],
        &["node", "kill", "9"],
    ] {
        check(command, 4, "start one with `plinth up --dir");
    }
    check(&["status", "--dir", "my net"], 4, "my net'`");
    check(&["up", "--nodes", "41"], 2, "1..=40");
    check(&["up", "--port", "80"], 2, "1024..=65533");
    check(&["up", "--dir", "/dev/null"], 1, "choose an empty or a new directory");
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    std::fs::write(folder.path().join("mine/letter"), "dear").unwrap();
    check(&["up", "--dir", "mine"], 1, "choose an empty or a new directory");
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.2", port + 1)).unwrap();
    let port = port.to_string();
    check(&["up", "--port", &port, "--dir", "new"], 1, "choose another port with --port");
    assert!(!folder.path().join("new").exists(), "something was left behind");
}

/// `plinth` without what belongs beside it.
#[test]
fn without_its_companions() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| std::fs::copy(program(name), folder.path().join(name)).unwrap();
    copy("plinth");
    let up = || {
        let mut command = Command::new(folder.path().join("plinth"));
        command.args(["up", "--detach", "--dir", "net"]).current_dir(folder.path());
        let output = command.stdin(Stdio::null()).output().expect("plinth can be started");
        assert_eq!(output.status.code(), Some(1));
        assert!(!folder.path().join("net").exists(), "something was left behind");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = up();
    assert!(said.contains("orchestrator is missing") && said.contains("cargo xtask up"), "{said}");
    copy("orchestrator");
    copy("replica");
    let said = up();
    assert!(said.contains("--bare") && said.contains("cargo xtask canisters"), "{said}");
}

#[test]
fn with_a_network_in_a_folder_with_spaces() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code, text| {
        let arguments = [arguments, &["--dir", "my net"]].concat();
        check(folder.path(), &arguments, code, text);
    };
    let port = free_port().to_string();
    let up = ["up", "--detach", "--bare", "--port", &port, "--dir", "my net"];
    let output = plinth(folder.path(), &up);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("plinth status --dir '/"), "{said}");

    check(&["up", "--detach"], 0, "the network runs already");
    check(&["up", "--nodes", "5"], 2, "leave --nodes away");
    check(&["up", "--port", "5000"], 2, "leave --port away");
    check(&["node", "start", "7"], 2, "nodes 0 to 3, no node 7");
    check(&["node", "start", "2"], 0, "node 2 runs already");
    check(&["node", "kill", "2"], 0, "");
    check(&["node", "kill", "2"], 0, "node 2 does not run");
    check(&["node", "start", "2"], 0, "");
    // Nobody reads on; whoever prints must not end for it.
    let script = "\"$0\" status --dir 'my net' 2>&1 | true; echo ${PIPESTATUS[0]}";
    let mut piped = Command::new("bash");
    piped.args(["-c", script]).arg(program("plinth")).current_dir(folder.path());
    assert_eq!(String::from_utf8_lossy(&piped.output().unwrap().stdout).trim(), "0");

    check(&["down"], 0, "stopping 4 nodes");
    check(&["down"], 0, "stopping 0 nodes");
    check(&["status"], 4, "is stopped; start it with `plinth up --dir '/");
    let key = folder.path().join("my net/nodes/2/node.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    check(&["up", "--detach"], 1, "the files of node 2 are missing");
    std::fs::write(&key, kept).unwrap();
    std::fs::write(folder.path().join("my net/network.json"), "{\"format\": 2").unwrap();
    check(&["up", "--detach"], 1, "is damaged; remove the directory");
}
