//! What the nodes measure of themselves: Prometheus text, read back.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::network::Network;

const FINALITY: &str = "plinth_finality_seconds_bucket";
const HEIGHT: &str = "plinth_finalized_height";

/// The metrics of all nodes at one moment.
pub struct Scrape {
    /// The highest finalized height.
    pub height: u64,
    /// Finalizations of all nodes by the upper bound of their time, in microseconds; cumulative.
    finality: BTreeMap<u64, u64>,
}

impl Scrape {
    /// Asks all nodes of `network`.
    pub fn of(network: &Network) -> Result<Self, Failure> {
        let mut scrape = Self { height: 0, finality: BTreeMap::new() };
        for node in network.nodes()? {
            let url = node["metrics"].as_str().ok_or("a node without metrics")?;
            let text = ureq::get(url).call()?.body_mut().read_to_string()?;
            scrape.add(&text)?;
        }
        Ok(scrape)
    }

    fn add(&mut self, text: &str) -> Result<(), Failure> {
        for line in text.lines() {
            if let Some(value) = line.strip_prefix(HEIGHT) {
                self.height = self.height.max(value.trim().parse()?);
            }
            let Some(rest) = line.strip_prefix(FINALITY) else { continue };
            let (bound, count) = rest
                .split_once("le=\"")
                .ok_or("a bucket without bound")?
                .1
                .split_once("\"}")
                .ok_or("a bucket without count")?;
            let bound = match bound {
                "+Inf" => u64::MAX,
                seconds => (seconds.parse::<f64>()? * 1e6).round() as u64,
            };
            *self.finality.entry(bound).or_default() += count.trim().parse::<u64>()?;
        }
        Ok(())
    }

    /// Median and 99th percentile of finality since `before`: the upper bounds of their buckets.
    pub fn finality_since(&self, before: &Self) -> Result<Value, Failure> {
        let counts: Vec<_> = self
            .finality
            .iter()
            .map(|(bound, count)| (*bound, count - before.finality.get(bound).unwrap_or(&0)))
            .collect();
        let total = counts.last().map_or(0, |(_, count)| *count);
        if total == 0 {
            return Err("no block was finalized meanwhile".into());
        }
        let at = |share: f64| {
            let wanted = (total as f64 * share).ceil() as u64;
            counts.iter().find(|(_, count)| *count >= wanted).map(|(bound, _)| *bound as f64 / 1e3)
        };
        Ok(serde_json::json!({
            "samples": total, "median_at_most": at(0.5), "p99_at_most": at(0.99),
        }))
    }
}

/// Median and 99th percentile.
#[derive(Serialize)]
pub struct Quantiles {
    median: f64,
    p99: f64,
}

impl Quantiles {
    /// Of `samples`, which are sorted on the way.
    pub fn of(samples: &mut [f64]) -> Self {
        let median = median(samples);
        let last = samples.len().saturating_sub(1);
        let p99 = samples.get((samples.len() * 99).div_ceil(100).saturating_sub(1).min(last));
        Self { median, p99: p99.copied().unwrap_or(f64::NAN) }
    }
}

/// The middle one of `samples`, which are sorted on the way; not a number without samples.
pub fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}
