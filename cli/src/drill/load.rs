//! The load: workers that record requests and the certified replies to them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use candid::Principal;
use ic_agent::AgentError;
use ic_agent::agent::CallResponse;
use tokio::task::JoinHandle;

use super::client::Clients;
use super::ledger;
use crate::error::Error;

/// Enough to keep the subnet busy, few enough that checking certificates leaves it the machine.
const WORKERS: u64 = 8;

/// How often a request is offered to one node after another.
const ATTEMPTS: usize = 4;

/// The wait before the next node is tried.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// A request and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was sent.
    pub id: u64,
    /// The position in the certified reply; `None` if no reply came: then it may or may not be in
    /// the ledger, but at most once.
    pub position: Option<u64>,
}

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    replies: Arc<AtomicU64>,
    records: Arc<Mutex<Vec<Record>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the workers; `first_id` and the ids after it are this load's own.
    pub fn start(clients: &Clients, ledger: Principal, first_id: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let replies = Arc::new(AtomicU64::new(0));
        let records = Arc::new(Mutex::new(Vec::new()));
        let next_id = Arc::new(AtomicU64::new(first_id));
        let workers = (0..WORKERS)
            .map(|worker| {
                let clients = clients.clone();
                let (stop, replies) = (stop.clone(), replies.clone());
                let (records, next_id) = (records.clone(), next_id.clone());
                tokio::spawn(async move {
                    let mut node = usize::try_from(worker).unwrap_or(0);
                    while !stop.load(Ordering::Relaxed) {
                        let id = next_id.fetch_add(1, Ordering::Relaxed);
                        let position = record(&clients, &mut node, ledger, id).await;
                        if position.is_some() {
                            replies.fetch_add(1, Ordering::Relaxed);
                        }
                        let mut records = records.lock().unwrap_or_else(|e| e.into_inner());
                        records.push(Record { id, position });
                    }
                })
            })
            .collect();
        Self { stop, replies, records, workers }
    }

    /// Certified replies so far.
    pub fn replies(&self) -> u64 {
        self.replies.load(Ordering::Relaxed)
    }

    /// Stops the workers after their current request and returns all records.
    pub async fn stop(self) -> Result<Vec<Record>, Error> {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.map_err(|error| Error::Drill(format!("a worker failed: {error}")))?;
        }
        let records = self.records.lock().unwrap_or_else(|e| e.into_inner());
        Ok(records.clone())
    }
}

/// Sends one signed request, and the very same bytes to the next node if that brings no reply: a
/// request that two nodes got must still be executed once.
async fn record(clients: &Clients, node: &mut usize, ledger: Principal, id: u64) -> Option<u64> {
    let signed = clients
        .node(*node)
        .update(&ledger, "record")
        .with_arg(id.to_le_bytes().to_vec())
        .sign()
        .ok()?;
    for _ in 0..ATTEMPTS {
        if let Ok(reply) = send(clients, *node, ledger, &signed).await {
            return ledger::numbers(&reply).ok()?.first().copied();
        }
        *node += 1;
        tokio::time::sleep(RETRY_WAIT).await;
    }
    None
}

async fn send(
    clients: &Clients,
    node: usize,
    ledger: Principal,
    signed: &ic_agent::agent::signed::SignedUpdate,
) -> Result<Vec<u8>, AgentError> {
    let agent = clients.node(node);
    match agent.update_signed(ledger, signed.signed_update.clone()).await? {
        CallResponse::Response(reply) => Ok(reply),
        CallResponse::Poll(request_id) => {
            let status = agent.sign_request_status(ledger, request_id)?;
            let signed_status = status.signed_request_status;
            Ok(agent.wait_signed(&request_id, ledger, signed_status).await?.0)
        }
    }
}
