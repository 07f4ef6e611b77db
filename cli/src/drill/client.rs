//! One agent for each node. The agent is the ecosystem's own: it checks every certificate and
//! every query signature against the subnet's key.

use std::time::Duration;

use candid::Principal;
use ic_agent::Agent;

use crate::create;
use crate::error::Error;
use crate::up::Started;

/// How long a request may take before it is sent again to another node.
const POLLING_TIME: Duration = Duration::from_secs(15);

/// The agents.
#[derive(Clone)]
pub struct Clients {
    agents: Vec<Agent>,
    /// An id in the subnet's range, for creating canisters.
    pub first_canister: Principal,
}

impl Clients {
    /// An agent for each node of `started`, all with the subnet's key.
    pub async fn connect(started: &Started) -> Result<Self, Error> {
        let root_key = hex::decode(&started.status.root_key)
            .map_err(|error| Error::Drill(format!("the root key is not hexadecimal: {error}")))?;
        let agents = (0..started.network.nodes)
            .map(|index| agent(&format!("http://{}", started.network.addresses(index).api)))
            .collect::<Result<Vec<_>, _>>()?;
        for agent in &agents {
            agent.set_root_key(root_key.clone());
        }
        let range = create::read_subnet(&started.layout)?.canister_index_range;
        let first_canister = types::CanisterId::from_index(range.0).0;
        Ok(Self { agents, first_canister: Principal::from_slice(first_canister.as_slice()) })
    }

    /// The agent of node `index`, or of the one it wraps round to.
    pub fn node(&self, index: usize) -> &Agent {
        &self.agents[index % self.agents.len()]
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.agents.len()
    }
}

fn agent(url: &str) -> Result<Agent, Error> {
    Agent::builder()
        .with_url(url)
        .with_max_polling_time(POLLING_TIME)
        .with_max_tcp_error_retries(0)
        .build()
        .map_err(|error| Error::Drill(format!("no agent for {url}: {error}")))
}
