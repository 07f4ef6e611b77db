//! Many requests at once over kept connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// A request that is ready to be sent.
#[derive(Clone)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// The signed envelope.
    pub body: Vec<u8>,
}

/// How requests were answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answered {
    /// 200: a reply.
    pub ok: u64,
    /// Anything else.
    pub other: u64,
}

/// Sends all requests, at most `at_once` under way at a time, and waits for all answers.
pub async fn flood(client: &reqwest::Client, requests: Vec<Request>, at_once: usize) -> Answered {
    let (ok, other) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let queue = Arc::new(Mutex::new(requests));
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let (client, queue) = (client.clone(), queue.clone());
            let (ok, other) = (ok.clone(), other.clone());
            tokio::spawn(async move {
                loop {
                    let Some(request) = queue.lock().await.pop() else { return };
                    let counter = if send(&client, request).await { &ok } else { &other };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for worker in workers {
        if worker.await.is_err() {
            other.fetch_add(1, Ordering::Relaxed);
        }
    }
    Answered { ok: ok.load(Ordering::Relaxed), other: other.load(Ordering::Relaxed) }
}

async fn send(client: &reqwest::Client, request: Request) -> bool {
    let sent = client
        .post(&request.url)
        .header("content-type", "application/cbor")
        .body(request.body)
        .send()
        .await;
    match sent {
        Ok(response) if response.status() == 200 => response.bytes().await.is_ok(),
        _ => false,
    }
}
