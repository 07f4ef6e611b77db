//! The operator's endpoints, from the outlook and the metrics.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use replica_http_api::{Health, Operator};

use crate::outlook::Outlook;

/// Answers the operator.
pub struct OperatorView {
    outlook: Arc<Outlook>,
    registry: Registry,
}

impl OperatorView {
    /// Over everything that is registered.
    pub fn new(outlook: Arc<Outlook>, registry: Registry) -> Self {
        Self { outlook, registry }
    }
}

impl Operator for OperatorView {
    fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a string fails only if a metric cannot write itself.
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            log::error!(error:% = error; "the metrics cannot be written");
        }
        text
    }

    fn health(&self) -> Health {
        self.outlook.health()
    }

    fn status(&self) -> String {
        serde_json::to_string(&self.outlook.status()).expect("Status has only plain fields")
    }
}
