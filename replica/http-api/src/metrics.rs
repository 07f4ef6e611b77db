//! What a node measures about its HTTP interface. The names are listed in the crate's docs.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the duration buckets in seconds, from a cached status to a call that ran into
/// its timeout.
const SECONDS: [f64; 12] =
    [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    endpoint: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The counters; a clone counts into the same ones.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: Family<Answer, Counter>,
    seconds: Family<Endpoint, Histogram>,
    in_flight: Family<Endpoint, Gauge>,
    calls: Family<Outcome, Counter>,
}

impl Metrics {
    /// Makes the counters and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            in_flight: Family::default(),
            calls: Family::default(),
        };
        let registry = registry.sub_registry_with_prefix("plinth_http");
        registry.register("requests", "Answered requests", metrics.requests.clone());
        registry.register(
            "request_seconds",
            "Time from the head of a request to its answer",
            metrics.seconds.clone(),
        );
        registry.register("in_flight", "Requests being answered", metrics.in_flight.clone());
        registry.register(
            "sync_calls",
            "How synchronous calls ended: certified, known, rejected, refused, timeout, crowded",
            metrics.calls.clone(),
        );
        metrics
    }

    pub(crate) fn begin(&self, endpoint: &'static str) -> InFlight {
        let gauge = self.in_flight.get_or_create_owned(&Endpoint { endpoint });
        gauge.inc();
        InFlight { gauge }
    }

    pub(crate) fn answered(&self, endpoint: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answer { endpoint, status }).inc();
        self.seconds.get_or_create(&Endpoint { endpoint }).observe(took.as_secs_f64());
    }

    pub(crate) fn sync_call_ended(&self, outcome: &'static str) {
        self.calls.get_or_create(&Outcome { outcome }).inc();
    }
}

/// A request being answered; dropped with it, also when its client goes away.
pub(crate) struct InFlight {
    gauge: Gauge,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
