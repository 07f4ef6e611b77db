//! Measures a local network of four nodes from outside and prints the figures as JSON.
//!
//! Called by `cargo xtask bench`. Every figure that depends on the machine's speed comes with the
//! figure of its limit from the same run, so that the ratio can be compared between machines.

mod load;
mod metrics;
mod network;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::load::{Request, flood};
use crate::metrics::{Quantiles, Scrape};
use crate::network::Network;

/// Bytes of a message for full blocks.
const MEGABYTE: usize = 1_000_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads and timers are there on every machine that runs a network");
    match runtime.block_on(measure()) {
        Ok(figures) => {
            println!("{figures:#}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("network-bench: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<Value, Failure> {
    say("starting four nodes");
    let begin = Instant::now();
    let network = Network::start()?;
    let first_block_s = begin.elapsed().as_secs_f64();
    let canister = network.install_sink().await?;
    say("idle");
    let idle = blocks(&network, Duration::from_secs(15), async {}).await?;
    say("latency");
    let latency = latency(&network, canister).await?;
    say("blocks of a megabyte");
    let big = network.sign(canister, 40, MEGABYTE)?;
    let full = blocks(&network, Duration::from_secs(1), async {
        flood(&network.client, big, 4).await;
    })
    .await?;
    say("updates");
    let updates = updates(&network, canister).await?;
    say("queries");
    let queries = queries(&network, canister).await?;
    let memory = network.resident_mib()?;
    Ok(json!({
        "first_certified_block_s": first_block_s,
        "idle": idle,
        "update_latency": latency,
        "megabyte_blocks": full,
        "updates": updates,
        "queries": queries,
        "resident_mib_per_node": memory,
    }))
}

/// Block rate and finality while `work` goes on, at least for `least`.
async fn blocks(
    network: &Network,
    least: Duration,
    work: impl Future<Output = ()>,
) -> Result<Value, Failure> {
    let before = Scrape::of(network)?;
    let begin = Instant::now();
    work.await;
    tokio::time::sleep(least.saturating_sub(begin.elapsed())).await;
    let seconds = begin.elapsed().as_secs_f64();
    let after = Scrape::of(network)?;
    let finality = after.finality_since(&before)?;
    Ok(json!({
        "seconds": seconds,
        "blocks_per_s": (after.height - before.height) as f64 / seconds,
        "finality_ms": finality,
    }))
}

/// What the ecosystem's own agent sees of a synchronous update call, one at a time.
async fn latency(network: &Network, canister: candid::Principal) -> Result<Value, Failure> {
    let mut samples = Vec::new();
    for number in 0..60u64 {
        let begin = Instant::now();
        network
            .agent
            .update(&canister, "record")
            .with_arg(number.to_le_bytes().to_vec())
            .call_and_wait()
            .await?;
        samples.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(json!({ "calls": samples.len(), "ms": Quantiles::of(&mut samples) }))
}

/// Synchronous update calls at saturation, spread over all nodes.
async fn updates(network: &Network, canister: candid::Principal) -> Result<Value, Failure> {
    let requests = network.sign(canister, 12_000, 8)?;
    let sent = requests.len();
    let begin = Instant::now();
    let answered = flood(&network.client, requests, 1_200).await;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(json!({
        "sent": sent,
        "certified_replies": answered.ok,
        "other_answers": answered.other,
        "seconds": seconds,
        "per_s": answered.ok as f64 / seconds,
    }))
}

/// Queries of one node, and a constant from the same HTTP server under the same load, in turns.
async fn queries(network: &Network, canister: candid::Principal) -> Result<Value, Failure> {
    let constant = network::Constant::start()?;
    let query = network.query(canister)?;
    let fixed = Request { url: constant.url.clone(), body: query.body.clone() };
    let (mut real, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        real.push(rate(network, &query).await?);
        limit.push(rate(network, &fixed).await?);
    }
    let (real, limit) = (metrics::median(&mut real), metrics::median(&mut limit));
    Ok(json!({ "per_s": real, "constant_per_s": limit, "ratio": real / limit }))
}

async fn rate(network: &Network, request: &Request) -> Result<f64, Failure> {
    const COUNT: usize = 6_000;
    let begin = Instant::now();
    let answered = flood(&network.client, vec![request.clone(); COUNT], 32).await;
    if answered.other > 0 {
        return Err(
            format!("{} of {COUNT} answers of {} failed", answered.other, request.url).into()
        );
    }
    Ok(answered.ok as f64 / begin.elapsed().as_secs_f64())
}

fn say(text: &str) {
    eprintln!("network-bench: {text}");
}
