//! Many requests at once over kept connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// A request that is ready to be sent.
#[derive(Clone)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// The signed envelope.
    pub body: Vec<u8>,
}

/// How many requests were answered with which HTTP status; 0 stands for no answer.
#[derive(Clone, Debug, Default)]
pub struct Answered(BTreeMap<u16, u64>);

impl Answered {
    /// Answers with status 200: a reply.
    pub fn ok(&self) -> u64 {
        self.0.get(&200).copied().unwrap_or(0)
    }

    /// The counts by status.
    pub fn figures(&self) -> Value {
        self.0.iter().map(|(status, count)| (status.to_string(), Value::from(*count))).collect()
    }
}

/// Sends all requests, at most `at_once` under way at a time, and waits for all answers.
pub async fn flood(client: &reqwest::Client, requests: Vec<Request>, at_once: usize) -> Answered {
    let answered = Arc::new(Mutex::new(Answered::default()));
    let queue = Arc::new(Mutex::new(requests));
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let (client, queue, answered) = (client.clone(), queue.clone(), answered.clone());
            tokio::spawn(async move {
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
                while let Some(request) = next() {
                    let status = send(&client, request).await;
                    let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
                    *answered.0.entry(status).or_default() += 1;
                }
            })
        })
        .collect();
    for worker in workers {
        // A worker that stopped leaves its request without an answer.
        let _ = worker.await;
    }
    let answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
    answered.clone()
}

/// The status of the answer, if all of it came.
async fn send(client: &reqwest::Client, request: Request) -> u16 {
    let sent = client
        .post(&request.url)
        .header("content-type", "application/cbor")
        .body(request.body)
        .send()
        .await;
    match sent {
        Ok(response) => {
            let status = response.status().as_u16();
            if response.bytes().await.is_ok() { status } else { 0 }
        }
        Err(_) => 0,
    }
}
