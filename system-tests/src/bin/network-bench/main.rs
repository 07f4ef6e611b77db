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
use crate::network::{Network, Signer};

/// Bytes of a message for full blocks.
const MEGABYTE: usize = 1_000_000;

/// What can be measured, in this order.
const PARTS: [&str; 5] = ["idle", "update_latency", "megabyte_blocks", "updates", "queries"];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads and timers are there on every machine that runs a network");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| !PARTS.contains(&name.as_str())) {
        eprintln!("network-bench: no part `{unknown}`; the parts are {}", PARTS.join(", "));
        return std::process::ExitCode::from(2);
    }
    match runtime.block_on(measure(&wanted)) {
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

/// All parts, or those named in `wanted`.
async fn measure(wanted: &[String]) -> Result<Value, Failure> {
    say("starting four nodes");
    let begin = Instant::now();
    let network = Network::start()?;
    let mut figures = serde_json::Map::new();
    figures.insert("first_certified_block_s".into(), begin.elapsed().as_secs_f64().into());
    let canister = network.install_sink().await?;
    for part in PARTS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == part) {
            continue;
        }
        say(part);
        let measured = match part {
            "idle" => blocks(&network, Duration::from_secs(15), async { json!({}) }).await?,
            "update_latency" => latency(&network, canister).await?,
            "megabyte_blocks" => {
                let big = network.sign(canister, 80, MEGABYTE)?;
                let load = async { flood(&network.client, big, 8).await.figures() };
                blocks(&network, Duration::from_secs(1), load).await?
            }
            "updates" => updates(&network, canister).await?,
            "queries" => queries(&network, canister).await?,
            _ => return Err(format!("nothing measures {part}").into()),
        };
        figures.insert(part.into(), measured);
    }
    figures.insert("resident_mib_per_node".into(), json!(network.resident_mib()?));
    Ok(Value::Object(figures))
}

/// Block rate and finality while `work` goes on, at least for `least`.
async fn blocks(
    network: &Network,
    least: Duration,
    work: impl Future<Output = Value>,
) -> Result<Value, Failure> {
    let before = Scrape::of(network)?;
    let begin = Instant::now();
    let answers = work.await;
    tokio::time::sleep(least.saturating_sub(begin.elapsed())).await;
    let seconds = begin.elapsed().as_secs_f64();
    let after = Scrape::of(network)?;
    let finality = after.finality_since(&before)?;
    Ok(json!({
        "seconds": seconds,
        "blocks_per_s": (after.height - before.height) as f64 / seconds,
        "finality_ms": finality,
        "answers": answers,
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
        "answers": answered.figures(),
        "seconds": seconds,
        "per_s": answered.ok() as f64 / seconds,
    }))
}

/// Queries of one node, anonymous and signed, and a constant from the same HTTP server under the
/// same load, in turns.
async fn queries(network: &Network, canister: candid::Principal) -> Result<Value, Failure> {
    let constant = network::Constant::start()?;
    let anonymous = network.query(canister, Signer::Anonymous)?;
    let signed = network.query(canister, Signer::User)?;
    let fixed = Request { url: constant.url.clone(), body: anonymous.body.clone() };
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..5 {
        for (request, rates) in [&anonymous, &signed, &fixed].into_iter().zip(&mut rates) {
            rates.push(rate(network, request).await?);
        }
    }
    let [anonymous, signed, limit] = rates.map(|mut rates| metrics::median(&mut rates));
    Ok(json!({
        "anonymous_per_s": anonymous,
        "signed_per_s": signed,
        "constant_per_s": limit,
        "ratio_anonymous": anonymous / limit,
        "ratio_signed": signed / limit,
    }))
}

async fn rate(network: &Network, request: &Request) -> Result<f64, Failure> {
    const COUNT: usize = 6_000;
    let begin = Instant::now();
    let answered = flood(&network.client, vec![request.clone(); COUNT], 32).await;
    if answered.ok() < COUNT as u64 {
        return Err(format!("answers of {}: {}", request.url, answered.figures()).into());
    }
    Ok(answered.ok() as f64 / begin.elapsed().as_secs_f64())
}

fn say(text: &str) {
    eprintln!("network-bench: {text}");
}
