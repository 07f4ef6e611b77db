//! Makes a new network on disk: keys, the subnet's configuration, each node's files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use types::{Fees, Limits, Member, NodeId, ReplicaVersion, SubnetConfig, SubnetType, Time};

use crate::error::Error;
use crate::layout::{Layout, Network, write_whole};
use crate::system_canisters;

/// A node's secret key, in its directory; without it the node is another one.
const NODE_KEY: &str = "node.key";

/// Milliseconds between blocks while nothing waits: timers fire this often, and an idle network of
/// four costs a few percent of a core.
const IDLE_BLOCK_INTERVAL_MS: u64 = 300;

/// Heights between checkpoints: a restart replays at most this many rounds.
const CHECKPOINT_INTERVAL: u64 = 500;

/// The canister ids of a local network: from those of the NNS canisters up to those of all public
/// canisters that tools ask by name (the cycles ledger, the registry of engines). On a network of one
/// subnet, what is not there is "not found", which they understand, and not elsewhere. Users' canisters
/// get ids behind those of the NNS (`SubnetConfig::first_allotted_index`).
const CANISTER_INDEX_RANGE: (u64, u64) = (0, (1 << 26) - 1);

/// How long an orchestrator gives its replica to write a checkpoint and stop.
const STOP_TIMEOUT_MS: u64 = 20_000;

/// The replica's configuration file, as the `replica` executable reads it.
#[derive(Debug, Serialize, Deserialize)]
struct ReplicaFile {
    node_dir: PathBuf,
    subnet: PathBuf,
    key: PathBuf,
    api: std::net::SocketAddr,
    metrics: std::net::SocketAddr,
    log_level: String,
}

#[derive(Deserialize)]
struct GeneratedKey {
    node_id: NodeId,
    public_key: String,
}

/// The executables beside this one.
#[derive(Clone, Debug)]
pub struct Executables {
    /// The orchestrator.
    pub orchestrator: PathBuf,
    /// The replica.
    pub replica: PathBuf,
}

impl Executables {
    /// Finds them, or names the missing one.
    pub fn find() -> Result<Self, Error> {
        let own = std::env::current_exe().map_err(Error::file("find", Path::new("plinth")))?;
        let sibling = |name: &str| {
            let path = own.with_file_name(name);
            if path.is_file() { Ok(path) } else { Err(Error::Executable(path)) }
        };
        Ok(Self { orchestrator: sibling("orchestrator")?, replica: sibling("replica")? })
    }
}

/// Makes the files of `network`. Until the last one is written there is no network: an interrupted
/// start leaves nothing that a later one would take for whole.
pub fn create(
    layout: &Layout,
    network: &Network,
    executables: &Executables,
) -> Result<SubnetConfig, Error> {
    let mut nodes = Vec::new();
    for index in 0..network.nodes {
        let dir = layout.node_dir(index);
        std::fs::create_dir_all(&dir).map_err(Error::file("make", &dir))?;
        let key = generate_key(&executables.replica, &dir.join(NODE_KEY))?;
        nodes.push(member(network, index, &key)?);
    }
    if !network.bare {
        // The owner of the system canisters; its key has a node key's form.
        generate_key(&executables.replica, &system_canisters::key_file(&layout.dir))?;
    }
    let config = subnet_config(nodes);
    config.check()?;
    let bytes = serde_json::to_vec_pretty(&config).expect("plain data");
    write_whole(&layout.subnet_file(), &bytes)?;
    write_node_files(layout, network, executables)?;
    layout.write_network(network)?;
    Ok(config)
}

fn generate_key(replica: &Path, file: &Path) -> Result<GeneratedKey, Error> {
    let what = format!("{} keygen", replica.display());
    let failed = |detail: String| Error::Helper { what: what.clone(), detail };
    let output = Command::new(replica)
        .args(["keygen", "--out"])
        .arg(file)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

fn member(network: &Network, index: usize, key: &GeneratedKey) -> Result<Member, Error> {
    let mut public_key = [0; 32];
    hex::decode_to_slice(&key.public_key, &mut public_key).map_err(|error| Error::Helper {
        what: "replica keygen".into(),
        detail: error.to_string(),
    })?;
    let addresses = network.addresses(index);
    Ok(Member { node_id: key.node_id, public_key, p2p: addresses.p2p, api: addresses.api })
}

fn subnet_config(mut members: Vec<Member>) -> SubnetConfig {
    members.sort_by_key(|member| member.node_id);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SubnetConfig {
        name: "local".into(),
        subnet_type: SubnetType::Application,
        development: true,
        genesis_time: Time(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)),
        replica_version: ReplicaVersion(env!("CARGO_PKG_VERSION").into()),
        members,
        canister_index_range: CANISTER_INDEX_RANGE,
        idle_block_interval_ms: IDLE_BLOCK_INTERVAL_MS,
        checkpoint_interval: CHECKPOINT_INTERVAL,
        limits: Limits::default(),
        fees: Fees { free: true, ..Fees::default() },
    }
}

/// Writes what each node's processes read. Done anew at every start, so that a directory that was
/// moved and executables that were built elsewhere are found.
pub fn write_node_files(
    layout: &Layout,
    network: &Network,
    executables: &Executables,
) -> Result<(), Error> {
    for index in 0..network.nodes {
        let dir = layout.node_dir(index);
        if !dir.join(NODE_KEY).is_file() {
            return Err(Error::NodeMissing { node: index, dir });
        }
        let addresses = network.addresses(index);
        let replica_file = dir.join("replica.yaml");
        write_yaml(
            &replica_file,
            &ReplicaFile {
                node_dir: dir.join("data"),
                subnet: layout.subnet_file(),
                key: dir.join(NODE_KEY),
                api: addresses.api,
                metrics: addresses.metrics,
                log_level: "info".into(),
            },
        )?;
        let orchestrator = orchestrator::Config {
            node_dir: dir.clone(),
            replica: executables.replica.clone(),
            arguments: vec!["--config".into(), replica_file.display().to_string()],
            stop_timeout_ms: STOP_TIMEOUT_MS,
        };
        write_yaml(&dir.join("orchestrator.yaml"), &orchestrator)?;
    }
    Ok(())
}

fn write_yaml(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = serde_yaml::to_string(value).expect("plain data");
    write_whole(path, text.as_bytes())
}

/// The configuration of an existing network.
pub fn read_subnet(layout: &Layout) -> Result<SubnetConfig, Error> {
    let path = layout.subnet_file();
    let bytes = std::fs::read(&path).map_err(Error::file("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Damaged { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_subnet_is_valid_and_its_members_are_in_order() {
        let bind = std::net::Ipv4Addr::LOCALHOST.into();
        let network = Network { format: 1, port: 4943, bind, nodes: 4, bare: false };
        let members = (0..4u8)
            .map(|index| {
                let public_key = [index; 32];
                let node_id = NodeId::from_public_key(&public_key);
                let key = GeneratedKey { node_id, public_key: hex::encode(public_key) };
                member(&network, index.into(), &key).expect("a key")
            })
            .collect();
        let config = subnet_config(members);
        config.check().expect("valid");
        assert_eq!(config.quorum(), 3);
    }
}
