//! What all handlers share.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use prometheus_client::registry::Registry;
use replica_ingress::Gate;
use types::NodeId;

use crate::body::BodyReader;
use crate::certified::Certified;
use crate::metrics::Metrics;
use crate::work::WorkPool;
use crate::{Api, Chain, Health, Refusal};

/// A cheap handle to the one set of shared things.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) api: Api,
    pub(crate) node_id: NodeId,
    /// Who may enter; see `requests`.
    pub(crate) gate: OnceLock<Gate>,
    pub(crate) bodies: BodyReader,
    pub(crate) calls: WorkPool,
    pub(crate) queries: WorkPool,
    pub(crate) read_states: WorkPool,
    pub(crate) metrics: Metrics,
}

/// What a request is answered from.
pub(crate) struct Ready {
    pub(crate) chain: Arc<Chain>,
    pub(crate) snapshot: Arc<Certified>,
}

impl Shared {
    pub(crate) fn new(api: Api, registry: &mut Registry) -> Self {
        let limits = &api.limits;
        let body_bytes_max = usize::try_from(api.subnet.limits.http_body_bytes_max);
        Self(Arc::new(Inner {
            node_id: api.node_key.node_id(),
            gate: OnceLock::new(),
            bodies: BodyReader::new(body_bytes_max.unwrap_or(usize::MAX), limits),
            calls: WorkPool::new("call", limits.calls_max, limits.call_threads),
            queries: WorkPool::new("query", limits.queries_max, limits.query_threads),
            read_states: WorkPool::new(
                "read_state",
                limits.read_states_max,
                limits.read_state_threads,
            ),
            metrics: Metrics::register(registry),
            api,
        }))
    }

    /// What agents are told about this node.
    pub(crate) fn health(&self) -> Health {
        match self.api.node.progress().health {
            Health::Healthy if self.ready().is_err() => Health::Starting,
            health => health,
        }
    }

    /// The state to answer from, once there is one.
    pub(crate) fn ready(&self) -> Result<Ready, Refusal> {
        let chain = self.api.node.chain().ok_or(Refusal::NotReady)?;
        let snapshot = self.api.certified.latest().ok_or(Refusal::NotReady)?;
        Ok(Ready { chain, snapshot })
    }
}

impl Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
