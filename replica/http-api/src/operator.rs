//! What the node's operator reads, on an address of its own: `/metrics`, `/health`, `/status`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::Health;

/// Prometheus' text format, in the OpenMetrics form that `prometheus-client` writes.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The node as its operator sees it.
pub trait Operator: Send + Sync + 'static {
    /// All metrics in the OpenMetrics text format.
    fn metrics(&self) -> String;

    /// Whether clients should use the node.
    fn health(&self) -> Health;

    /// The node's status as JSON.
    fn status(&self) -> String;
}

/// The operator's router.
pub fn operator_router(operator: Arc<dyn Operator>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/status", get(status))
        .with_state(operator)
}

async fn metrics(State(operator): State<Arc<dyn Operator>>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], operator.metrics()).into_response()
}

/// 200 if clients should use the node, else 503; the word in the body says why, and a second line
/// what to do if something must be done.
async fn health(State(operator): State<Arc<dyn Operator>>) -> Response {
    let health = operator.health();
    let status = match health {
        Health::Healthy => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let advice = health.advice().map(|advice| format!("{advice}\n")).unwrap_or_default();
    (status, format!("{}\n{advice}", health.as_str())).into_response()
}

async fn status(State(operator): State<Arc<dyn Operator>>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], operator.status()).into_response()
}
