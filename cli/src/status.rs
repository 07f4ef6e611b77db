//! What the nodes say of themselves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layout::{Layout, Network};
use crate::{create, nodes};

/// A node that does not answer within this time counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The network as `plinth status` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkStatus {
    /// The URL for clients.
    pub endpoint: String,
    /// The root key in DER, hexadecimal; empty until the nodes have made it.
    pub root_key: String,
    /// The subnet; empty until the nodes have made its key.
    pub subnet_id: String,
    /// The network's directory.
    pub dir: String,
    /// The nodes, in order of their index.
    pub nodes: Vec<NodeStatus>,
}

/// A node as `plinth status` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// Its number for `plinth node`.
    pub index: usize,
    /// Its id.
    pub id: String,
    /// What it does: `running`, `starting`, `unreachable` (running but silent), `stopped`.
    pub state: &'static str,
    /// The replica's process id, while it runs.
    pub pid: Option<i32>,
    /// The orchestrator's process id, while it runs.
    pub orchestrator_pid: Option<i32>,
    /// How often the orchestrator started the replica again.
    pub restarts: u64,
    /// The URL of its IC interface.
    pub api: String,
    /// The URL of its metrics.
    pub metrics: String,
    /// Its last finalized height.
    pub height: u64,
    /// Its last certified height.
    pub certified_height: u64,
    /// The state root at its certified height, hexadecimal.
    pub state_root: String,
    /// The version that it runs.
    pub replica_version: String,
}

/// The answer of a node's `/status`.
#[derive(Clone, Debug, Default, Deserialize)]
struct Report {
    height: u64,
    certified_height: u64,
    state_root: String,
    replica_version: String,
    subnet_id: Option<String>,
    root_key: Option<String>,
}

/// Asks all nodes.
pub fn collect(layout: &Layout, network: &Network) -> Result<NetworkStatus, Error> {
    let config = create::read_subnet(layout)?;
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).build().into();
    let answers = ask_all(&agent, network);
    let mut status = NetworkStatus {
        endpoint: network.endpoint(),
        root_key: String::new(),
        subnet_id: String::new(),
        dir: layout.dir.display().to_string(),
        nodes: Vec::new(),
    };
    for (index, report) in answers.into_iter().enumerate() {
        let process = nodes::status(layout, index)?;
        let addresses = network.addresses(index);
        let member = config.members.iter().find(|member| member.p2p == addresses.p2p);
        let pid = process.as_ref().and_then(|process| process.replica_pid);
        let state = match (&process, &report) {
            (None, _) => "stopped",
            (Some(_), Some(report)) if report.certified_height > 0 => "running",
            (Some(_), Some(_)) => "starting",
            (Some(_), None) => "unreachable",
        };
        let report = report.unwrap_or_default();
        fill(&mut status.root_key, report.root_key);
        fill(&mut status.subnet_id, report.subnet_id);
        status.nodes.push(NodeStatus {
            index,
            id: member.map(|member| member.node_id.to_string()).unwrap_or_default(),
            state,
            pid,
            orchestrator_pid: process.as_ref().map(|process| process.orchestrator_pid),
            restarts: process.map(|process| process.restarts).unwrap_or_default(),
            api: format!("http://{}", addresses.api),
            metrics: format!("http://{}/metrics", addresses.metrics),
            height: report.height,
            certified_height: report.certified_height,
            state_root: report.state_root,
            replica_version: report.replica_version,
        });
    }
    Ok(status)
}

fn fill(field: &mut String, value: Option<String>) {
    if let Some(value) = value.filter(|_| field.is_empty()) {
        *field = value;
    }
}

/// All at once, so that silent nodes cost one time-out together.
fn ask_all(agent: &ureq::Agent, network: &Network) -> Vec<Option<Report>> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..network.nodes)
            .map(|index| {
                let url = format!("http://{}/status", network.addresses(index).metrics);
                scope.spawn(move || ask(agent, &url))
            })
            .collect();
        asked.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    })
}

fn ask(agent: &ureq::Agent, url: &str) -> Option<Report> {
    agent.get(url).call().ok()?.body_mut().read_json().ok()
}

impl NetworkStatus {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = format!("endpoint  {}\n", self.endpoint);
        text += &format!("subnet    {}\n", or_dash(&self.subnet_id));
        text += &format!("root key  {}\n", or_dash(&self.root_key));
        text += &format!("directory {}\n\n", self.dir);
        text += &format!(
            "{:<5} {:<12} {:>8} {:>8} {:>10}  {:<13} {}\n",
            "node", "state", "pid", "height", "certified", "state root", "api"
        );
        for node in &self.nodes {
            let pid = node.pid.map(|pid| pid.to_string()).unwrap_or_else(|| "-".into());
            let root: String = node.state_root.chars().take(12).collect();
            text += &format!(
                "{:<5} {:<12} {:>8} {:>8} {:>10}  {:<13} {}\n",
                node.index,
                node.state,
                pid,
                node.height,
                node.certified_height,
                or_dash(&root),
                node.api
            );
        }
        text
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
