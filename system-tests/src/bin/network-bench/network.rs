//! The network under measurement and its client.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use candid::{Decode, Encode, Principal};
use ic_agent::Agent;
use ic_agent::identity::BasicIdentity;
use ic_management_canister_types::{
    CanisterIdRecord, CanisterInstallMode, InstallCodeArgs, ProvisionalCreateCanisterWithCyclesArgs,
};
use serde_json::Value;

use crate::Failure;
use crate::load::Request;

/// Takes any bytes and replies with eight.
const SINK: &str = r#"
(module
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reply" (func $reply))
  (memory 1)
  (func (export "canister_update record")
    (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
    (call $append (i32.const 0) (i32.const 8))
    (call $reply))
  (func (export "canister_query count")
    (call $append (i32.const 0) (i32.const 8))
    (call $reply)))
"#;

/// Who sends a query.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// Nobody: there is no signature to check.
    Anonymous,
    /// A user with an Ed25519 key.
    User,
}

/// Four nodes in a temporary directory; stopped when dropped.
pub struct Network {
    dir: tempfile::TempDir,
    status: Value,
    /// For signed requests of any kind.
    pub client: reqwest::Client,
    /// The ecosystem's agent, on node 0.
    pub agent: Agent,
}

impl Network {
    /// Starts it.
    pub fn start() -> Result<Self, Failure> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let output = Command::new(sibling("plinth")?)
            .args(["up", "--detach", "--json", "--port", &port.to_string(), "--dir"])
            .arg(dir.path().join("network"))
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err("plinth up failed".into());
        }
        let status: Value = serde_json::from_slice(&output.stdout)?;
        let endpoint = text(&status["endpoint"])?;
        // Requests are signed as those of users are; the key guards nothing.
        let identity = BasicIdentity::from_raw_key(&[7; 32]);
        let agent = Agent::builder().with_url(endpoint).with_identity(identity).build()?;
        agent.set_root_key(hex::decode(text(&status["root_key"])?)?);
        Ok(Self { dir, status, client: reqwest::Client::new(), agent })
    }

    /// Creates and installs the canister that all measurements use.
    pub async fn install_sink(&self) -> Result<Principal, Failure> {
        let effective = self.first_canister()?;
        let create = ProvisionalCreateCanisterWithCyclesArgs {
            amount: None,
            settings: None,
            specified_id: None,
            sender_canister_version: None,
        };
        let reply = self
            .agent
            .update(&Principal::management_canister(), "provisional_create_canister_with_cycles")
            .with_effective_canister_id(effective)
            .with_arg(Encode!(&create)?)
            .call_and_wait()
            .await?;
        let canister_id = Decode!(&reply, CanisterIdRecord)?.canister_id;
        let install = InstallCodeArgs {
            mode: CanisterInstallMode::Install,
            canister_id,
            wasm_module: wat::parse_str(SINK)?,
            arg: Vec::new(),
            sender_canister_version: None,
        };
        self.agent
            .update(&Principal::management_canister(), "install_code")
            .with_effective_canister_id(canister_id)
            .with_arg(Encode!(&install)?)
            .call_and_wait()
            .await?;
        Ok(canister_id)
    }

    /// `count` signed synchronous update calls with arguments of `bytes` bytes, in turns for all
    /// nodes.
    pub fn sign(
        &self,
        canister: Principal,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Request>, Failure> {
        let nodes = self.nodes()?;
        (0..count)
            .map(|number| {
                let signed = self
                    .agent
                    .update(&canister, "record")
                    .with_arg(vec![0; bytes])
                    .expire_after(std::time::Duration::from_secs(240))
                    .sign()?;
                let api = text(&nodes[number % nodes.len()]["api"])?;
                let url = format!("{api}/api/v4/canister/{canister}/call");
                Ok(Request { url, body: signed.signed_update })
            })
            .collect()
    }

    /// A query for node 0.
    pub fn query(&self, canister: Principal, signer: Signer) -> Result<Request, Failure> {
        let mut agent = self.agent.clone();
        if signer == Signer::Anonymous {
            agent.set_identity(ic_agent::identity::AnonymousIdentity);
        }
        let signed = agent.query(&canister, "count").with_arg(vec![]).sign()?;
        let url = format!("{}/api/v3/canister/{canister}/query", self.endpoint()?);
        Ok(Request { url, body: signed.signed_query })
    }

    /// The nodes as `plinth up --json` named them.
    pub fn nodes(&self) -> Result<&Vec<Value>, Failure> {
        self.status["nodes"].as_array().ok_or_else(|| "no nodes in the status".into())
    }

    /// Resident memory of each replica, in MiB.
    pub fn resident_mib(&self) -> Result<Vec<u64>, Failure> {
        self.nodes()?
            .iter()
            .map(|node| {
                let pid = node["pid"].as_u64().ok_or("a node without a process")?;
                let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
                let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
                let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
                Ok(kib.ok_or("no VmRSS")?.trim().parse::<u64>()? / 1024)
            })
            .collect()
    }

    /// An id in the subnet's range: creations are routed by it.
    fn first_canister(&self) -> Result<Principal, Failure> {
        let bytes = std::fs::read(self.dir.path().join("network/subnet.json"))?;
        let config: types::SubnetConfig = serde_json::from_slice(&bytes)?;
        Ok(types::CanisterId::from_index(config.canister_index_range.0).0)
    }

    fn endpoint(&self) -> Result<&str, Failure> {
        text(&self.status["endpoint"])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let down = sibling("plinth").map(|plinth| {
            Command::new(plinth)
                .args(["down", "--dir"])
                .arg(self.dir.path().join("network"))
                .status()
        });
        if !matches!(down, Ok(Ok(status)) if status.success()) {
            eprintln!("network-bench: the network in {} may still run", self.dir.path().display());
        }
    }
}

/// The HTTP server with a constant answer; killed when dropped.
pub struct Constant {
    process: Child,
    /// Where it answers.
    pub url: String,
}

impl Constant {
    /// Starts it on a free port and waits until it answers.
    pub fn start() -> Result<Self, Failure> {
        let port = free_port()?;
        let program = sibling("examples/constant")?;
        let address = format!("127.0.0.1:{port}");
        let process = Command::new(program).arg(&address).stdout(Stdio::null()).spawn()?;
        let constant = Self { process, url: format!("http://{address}/") };
        for _ in 0..200 {
            if std::net::TcpStream::connect(&address).is_ok() {
                return Ok(constant);
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        Err("the constant server does not answer".into())
    }
}

impl Drop for Constant {
    fn drop(&mut self) {
        if self.process.kill().and_then(|()| self.process.wait().map(|_| ())).is_err() {
            eprintln!("network-bench: the constant server may still run");
        }
    }
}

fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| format!("expected text, found {value}").into())
}

fn sibling(name: &str) -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?.with_file_name(name);
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("{} is missing; run `cargo xtask bench`", path.display()).into()),
    }
}

fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
