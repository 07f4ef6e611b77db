//! A local network that lives as long as its value.

use crate::provided::program;
use candid::Principal;
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A running network of four nodes; stopped when dropped. A failing test shows the ends of its logs.
pub struct LocalNetwork {
    dir: PathBuf,
    endpoint: String,
    root_key: Vec<u8>,
    subnet_id: Principal,
    _folder: TempDir,
}

impl LocalNetwork {
    /// Runs `plinth up --detach` and waits until it says that the network answers.
    pub fn start() -> Self {
        let folder =
            tempfile::Builder::new().prefix("plinth-").tempdir().expect("a temporary folder");
        let dir = folder.path().join("network");
        let mut command = Command::new(program("plinth"));
        command
            .args(["up", "--detach", "--json", "--port", &free_port().to_string(), "--dir"])
            .arg(&dir);
        let status = json(command, &dir);
        Self {
            endpoint: text(&status, "endpoint"),
            root_key: hex::decode(text(&status, "root_key")).expect("the root key is hexadecimal"),
            subnet_id: Principal::from_text(text(&status, "subnet_id"))
                .expect("the subnet id is a principal"),
            dir,
            _folder: folder,
        }
    }

    /// The URL for clients.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The root key in DER, as `plinth` says it.
    pub fn root_key(&self) -> &[u8] {
        &self.root_key
    }

    /// The id of the subnet.
    pub fn subnet_id(&self) -> Principal {
        self.subnet_id
    }

    /// The URLs of all nodes.
    pub fn node_urls(&self) -> Vec<String> {
        let status = self.status();
        let nodes = status["nodes"].as_array().expect("`nodes` is a list");
        nodes.iter().map(|node| text(node, "api")).collect()
    }

    /// What `plinth status --json` says now.
    pub fn status(&self) -> Value {
        self.plinth(&["status", "--json"])
    }

    /// Runs a command of `plinth` that prints JSON on this network.
    pub fn plinth(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(program("plinth"));
        command.args(arguments).arg("--dir").arg(&self.dir);
        json(command, &self.dir)
    }
}

impl Drop for LocalNetwork {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", log_ends(&self.dir));
        }
        let down = Command::new(program("plinth")).arg("down").arg("--dir").arg(&self.dir).output();
        match down {
            Ok(output) if output.status.success() => {}
            outcome => eprintln!("`plinth down` failed: {outcome:?}"),
        }
    }
}

/// A port that is free now, with the two above it.
pub fn free_port() -> u16 {
    loop {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let port = any.local_addr().expect("it listens").port();
        let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if port < 65_000 && is_free(port + 1) && is_free(port + 2) {
            return port;
        }
    }
}

/// The member of a JSON object, a text that is not empty.
pub fn text(value: &Value, name: &str) -> String {
    match value[name].as_str() {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => panic!("`{name}` is missing or empty in {value}"),
    }
}

fn json(mut command: Command, dir: &Path) -> Value {
    let output = command.stdin(Stdio::null()).output().expect("plinth can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{said}\n{}", log_ends(dir));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{command:?} printed no JSON: {error}"))
}

/// The last lines of every node's log, without the steps of the ordering engine.
fn log_ends(dir: &Path) -> String {
    const LINES: usize = 30;
    let mut logs = Vec::new();
    find_logs(dir, &mut logs);
    let mut ends = String::new();
    for log in logs {
        let content = std::fs::read(&log).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        let lines: Vec<&str> =
            content.lines().filter(|line| !line.contains("tracing::span")).collect();
        let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
        ends.push_str(&format!("--- end of {}\n{end}\n", log.display()));
    }
    ends
}

fn find_logs(dir: &Path, logs: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find_logs(&path, logs);
        } else if path.file_name().is_some_and(|name| name == "log") {
            logs.push(path);
        }
    }
}
