//! What a node measures of itself.
//!
//! | name | meaning |
//! |---|---|
//! | `plinth_finalized_height`, `plinth_executed_height`, `plinth_certified_height` | this node's heights |
//! | `plinth_finality_seconds` | histogram: from a block's time to its finality at this node |
//! | `plinth_certification_seconds` | histogram: from a block's time to its certification at this node |
//! | `plinth_execution_seconds` | histogram: execution of one batch with the hashing of its state |
//! | `plinth_checkpoint_seconds` | histogram: writing of one checkpoint |
//! | `plinth_ordered_messages_total` | ingress messages in final blocks |
//! | `plinth_executed_updates` | update messages executed since genesis |
//! | `plinth_canisters` | canisters on the subnet |
//! | `plinth_pool_messages`, `plinth_pool_bytes` | ingress that waits to be ordered |
//! | `plinth_peers_in_step` | other members at most twenty heights behind this node |
//! | `plinth_tapes_missing` | final heights without a random tape |
//! | `plinth_refused_total{reason}` | refused messages of other members |

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use replica_consensus::Standing;

/// Bounds in seconds: fine where local networks finalize, coarse where something is wrong.
const FINALITY_SECONDS: [f64; 24] = [
    0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1,
    0.12, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Bounds in seconds: from an empty batch to a long installation.
const WORK_SECONDS: [f64; 14] =
    [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0];

/// How far another member may be behind and still count as in step.
const IN_STEP_HEIGHTS: u64 = 20;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// The node's metrics; a clone counts into the same ones.
#[derive(Clone)]
pub struct Metrics {
    finalized_height: Gauge,
    executed_height: Gauge,
    certified_height: Gauge,
    pub(crate) finality_seconds: Histogram,
    pub(crate) certification_seconds: Histogram,
    pub(crate) execution_seconds: Histogram,
    pub(crate) checkpoint_seconds: Histogram,
    pub(crate) ordered_messages: Counter,
    pub(crate) executed_updates: Gauge,
    pub(crate) canisters: Gauge,
    pool_messages: Gauge,
    pool_bytes: Gauge,
    peers_in_step: Gauge,
    tapes_missing: Gauge,
    refused: Family<Reason, Counter>,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            finalized_height: Gauge::default(),
            executed_height: Gauge::default(),
            certified_height: Gauge::default(),
            finality_seconds: Histogram::new(FINALITY_SECONDS),
            certification_seconds: Histogram::new(FINALITY_SECONDS),
            execution_seconds: Histogram::new(WORK_SECONDS),
            checkpoint_seconds: Histogram::new(WORK_SECONDS),
            ordered_messages: Counter::default(),
            executed_updates: Gauge::default(),
            canisters: Gauge::default(),
            pool_messages: Gauge::default(),
            pool_bytes: Gauge::default(),
            peers_in_step: Gauge::default(),
            tapes_missing: Gauge::default(),
            refused: Family::default(),
        };
        metrics.clone().put_into(registry.sub_registry_with_prefix("plinth"));
        metrics
    }

    fn put_into(self, registry: &mut Registry) {
        registry.register("finalized_height", "Highest final block", self.finalized_height);
        registry.register("executed_height", "Highest executed block", self.executed_height);
        registry.register("certified_height", "Highest certified block", self.certified_height);
        registry.register(
            "finality_seconds",
            "From a block's time to its finality at this node",
            self.finality_seconds,
        );
        registry.register(
            "certification_seconds",
            "From a block's time to its certification at this node",
            self.certification_seconds,
        );
        registry.register("execution_seconds", "Execution of one batch", self.execution_seconds);
        registry.register("checkpoint_seconds", "Writing one checkpoint", self.checkpoint_seconds);
        registry.register("ordered_messages", "Ingress in final blocks", self.ordered_messages);
        registry.register(
            "executed_updates",
            "Update messages executed since genesis",
            self.executed_updates,
        );
        registry.register("canisters", "Canisters on the subnet", self.canisters);
        registry.register("pool_messages", "Ingress that waits", self.pool_messages);
        registry.register("pool_bytes", "Bytes of ingress that waits", self.pool_bytes);
        registry.register(
            "peers_in_step",
            "Other members at most twenty heights behind",
            self.peers_in_step,
        );
        registry.register("tapes_missing", "Final heights without a tape", self.tapes_missing);
        registry.register("refused", "Refused messages of other members", self.refused);
    }

    /// Takes over where consensus stands. The counts of what was refused only grow.
    pub(crate) fn standing(&self, before: Option<&Standing>, now: &Standing) {
        self.finalized_height.set(signed(now.own.finalized.0));
        self.executed_height.set(signed(now.own.executed.0));
        self.certified_height.set(signed(now.own.certified.0));
        self.pool_messages.set(signed(now.pool.count as u64));
        self.pool_bytes.set(signed(now.pool.bytes as u64));
        self.tapes_missing.set(signed(now.tapes_missing));
        let finalized = now.own.finalized.0;
        let in_step = now
            .peers
            .iter()
            .filter(|(_, peer)| peer.finalized.0.saturating_add(IN_STEP_HEIGHTS) >= finalized);
        self.peers_in_step.set(signed(in_step.count() as u64));
        let old = before.map(|before| before.counters).unwrap_or_default();
        let new = now.counters;
        for (reason, old, new) in [
            ("malformed", old.malformed, new.malformed),
            ("stranger", old.strangers, new.strangers),
            ("bad_signature", old.bad_signatures, new.bad_signatures),
            ("ingress", old.ingress_refused, new.ingress_refused),
            ("unsolicited", old.unsolicited, new.unsolicited),
            ("out_of_window", old.out_of_window, new.out_of_window),
        ] {
            if new > old {
                self.refused.get_or_create(&Reason { reason }).inc_by(new - old);
            }
        }
    }
}

/// Gauges are signed; what does not fit has no meaning anyway.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
