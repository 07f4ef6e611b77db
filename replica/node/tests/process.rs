//! The `replica` process from outside: keys, exit codes, a subnet of one node, stops and kills.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use types::{Fees, Limits, Member, NodeId, ReplicaVersion, SubnetConfig, SubnetType, Time};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn replica(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replica"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> Output {
    replica(arguments).output().expect("the binary runs")
}

/// A subnet of one node in a directory of its own.
struct Site {
    dir: tempfile::TempDir,
    metrics: SocketAddr,
}

/// Ports that were free a moment ago.
fn free_ports() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound"))
}

impl Site {
    fn new() -> Self {
        let [p2p, api, metrics] = free_ports();
        let site = Self { dir: tempfile::tempdir().expect("a directory"), metrics };
        let keygen = output(&["keygen", "--out", &site.path("node.key")]);
        let key: Value = serde_json::from_slice(&keygen.stdout).expect("JSON");
        let mut public_key = [0; 32];
        let text = key["public_key"].as_str().expect("a string");
        hex::decode_to_slice(text, &mut public_key).expect("hexadecimal");
        let node_id: NodeId = key["node_id"].as_str().expect("a string").parse().expect("an id");
        let subnet = SubnetConfig {
            name: "test".into(),
            subnet_type: SubnetType::CloudEngine,
            development: true,
            genesis_time: Time::from_secs(1_700_000_000),
            replica_version: ReplicaVersion("0.1.0".into()),
            members: vec![Member { node_id, public_key, p2p, api }],
            canister_index_range: (0, 10),
            idle_block_interval_ms: 50,
            checkpoint_interval: 10,
            limits: Limits::default(),
            fees: Fees { free: true, ..Fees::default() },
        };
        site.write("subnet.json", &serde_json::to_string(&subnet).expect("plain data"));
        let yaml = format!(
            "node_dir: {}\nsubnet: {}\nkey: {}\napi: {api}\nmetrics: {metrics}\nlog_level: info\n",
            site.path("data"),
            site.path("subnet.json"),
            site.path("node.key"),
        );
        site.write("replica.yaml", &yaml);
        site
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    fn start(&self) -> Running<'_> {
        let log = std::fs::File::create(self.path("log")).expect("a file");
        let mut command = replica(&["--config", &self.path("replica.yaml")]);
        let child = command.stderr(log).spawn().expect("the binary runs");
        Running { site: self, child }
    }

    /// The body of an answer of the operator's endpoint, if there is one.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.metrics).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.get("/status")?).ok()
    }
}

struct Running<'a> {
    site: &'a Site,
    child: Child,
}

impl Running<'_> {
    /// Waits until the node has certified so many heights.
    fn until_certified(&mut self, height: u64) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.site.status()
                && status["certified_height"].as_u64() >= Some(height)
            {
                return status;
            }
            let ended = self.child.try_wait().expect("our child");
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.site.path("log")).expect("a log");
                panic!("no height {height}, ended {ended:?}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args([name, &pid]).status().expect("kill runs");
        assert!(killed.success());
    }

    fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("our child").code()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Harmless if it has ended.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn keygen_keeps_the_key_that_is_there() {
    let site = Site::new();
    let first = output(&["keygen", "--out", &site.path("other.key")]);
    let second = output(&["keygen", "--out", &site.path("other.key")]);
    assert!(first.status.success());
    assert_eq!(first.stdout, second.stdout);
    site.write("broken.key", "no key");
    let refused = output(&["keygen", "--out", &site.path("broken.key")]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_wrong_configuration_has_an_exit_code_of_its_own() {
    let site = Site::new();
    let check = |yaml: String, expected: &str| {
        site.write("wrong.yaml", &yaml);
        let output = output(&["--config", &site.path("wrong.yaml")]);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(expected), "{text}");
    };
    let good = std::fs::read_to_string(site.path("replica.yaml")).expect("written above");
    check(format!("{good}surprise: 1\n"), "surprise");
    check(good.replace("node.key", "absent.key"), "keygen");
    let subnet = std::fs::read_to_string(site.path("subnet.json")).expect("written above");
    let slow = subnet.replace("\"idle_block_interval_ms\":50", "\"idle_block_interval_ms\":10001");
    site.write("slow.json", &slow);
    check(good.replace("subnet.json", "slow.json"), "must be 1 to 10000");
    assert_eq!(output(&[]).status.code(), Some(2));
}

#[test]
fn a_port_in_use_says_which_field_to_change() {
    let site = Site::new();
    let _taken = TcpListener::bind(site.metrics).expect("still free");
    let output = output(&["--config", &site.path("replica.yaml")]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("`metrics`"), "{text}");
}

#[test]
fn a_state_without_its_votes_does_not_start() {
    let site = Site::new();
    let mut node = site.start();
    node.until_certified(1);
    node.signal("-TERM");
    assert_eq!(node.exit_code(), Some(0));
    std::fs::remove_dir_all(site.path("data/engine")).expect("it is there");
    let refused = output(&["--config", &site.path("replica.yaml")]);
    assert_eq!(refused.status.code(), Some(3));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("votes") && text.contains("Put the right one back"), "{text}");
}

#[test]
fn one_node_makes_its_key_certifies_stops_and_goes_on() {
    let site = Site::new();
    let mut node = site.start();
    let first = node.until_certified(15);
    assert_eq!(first["has_share"], true);
    assert_eq!(first["healthy"], true);
    assert_eq!(first["state_root"].as_str().map(str::len), Some(64));
    let metrics = site.get("/metrics").expect("an answer");
    for name in
        ["plinth_finalized_height", "plinth_finality_seconds_bucket", "plinth_pool_messages"]
    {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    assert_eq!(site.get("/health").as_deref(), Some("healthy\n"));
    node.signal("-TERM");
    assert_eq!(node.exit_code(), Some(0));

    let mut node = site.start();
    let second = node.until_certified(first["certified_height"].as_u64().expect("a number") + 5);
    assert_eq!(second["root_key"], first["root_key"]);
    assert!(!PathBuf::from(site.path("data/dealings")).exists());
    node.signal("-KILL");
    assert_eq!(node.exit_code(), None);

    let mut node = site.start();
    let third = node.until_certified(second["certified_height"].as_u64().expect("a number") + 5);
    assert_eq!(third["root_key"], first["root_key"]);
    node.signal("-INT");
    assert_eq!(node.exit_code(), Some(0));
}
