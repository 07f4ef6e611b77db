//! Paths to handlers, and what every request goes through.

use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use prometheus_client::registry::Registry;

use crate::Api;
use crate::cors::allow_any_origin;
use crate::endpoints::{call, query, read_state, status, topology};
use crate::gateway::serve_canisters;
use crate::metrics::Metrics;
use crate::page;
use crate::shared::Shared;

/// The interface as one router. Its counters go into `registry`.
pub fn router(api: Api, registry: &mut Registry) -> Router {
    let shared = Shared::new(api, registry);
    let metrics = shared.metrics.clone();
    let counted = |name, handler| counted(name, &metrics, handler);
    Router::new()
        .route("/api/v2/status", counted("status", get(status::status)))
        .route("/api/v2/canister/{id}/call", counted("call_v2", post(call::call_v2)))
        .route("/api/v3/canister/{id}/call", counted("call_v3", post(call::call_sync)))
        .route("/api/v4/canister/{id}/call", counted("call_v4", post(call::call_sync)))
        .route("/api/v4/subnet/{id}/call", counted("subnet_call_v4", post(call::subnet_call)))
        .route("/api/v2/canister/{id}/query", counted("query_v2", post(query::query)))
        .route("/api/v3/canister/{id}/query", counted("query_v3", post(query::query)))
        .route("/api/v3/subnet/{id}/query", counted("subnet_query_v3", post(query::subnet_query)))
        .route(
            "/api/v2/canister/{id}/read_state",
            counted("read_state_v2", post(read_state::canister_v2)),
        )
        .route(
            "/api/v3/canister/{id}/read_state",
            counted("read_state_v3", post(read_state::canister_v3)),
        )
        .route(
            "/api/v2/subnet/{id}/read_state",
            counted("subnet_read_state_v2", post(read_state::subnet_v2)),
        )
        .route(
            "/api/v3/subnet/{id}/read_state",
            counted("subnet_read_state_v3", post(read_state::subnet_v3)),
        )
        .route("/_/topology", counted("topology", get(topology::topology)))
        .route("/_/status.json", counted("status_json", get(page::status_json)))
        .route("/_/", counted("page", get(page::page)))
        .route("/_", get(to_page))
        .route("/", get(to_page))
        .fallback(not_found)
        // Bodies are read by `body::BodyReader`, which has its own limit.
        .layer(DefaultBodyLimit::disable())
        // In front of all paths but the interface's, since a canister has paths of its own.
        .layer(from_fn_with_state(shared.clone(), serve_canisters))
        .layer(from_fn(allow_any_origin))
        .with_state(shared)
}

async fn to_page() -> Redirect {
    Redirect::temporary("/_/")
}

async fn not_found() -> Response {
    let text = "There is nothing at this path. The interface is at /api/v2/status and \
                /api/v2..v4/{canister,subnet}/<id>/{call,query,read_state}, the status page at /_/\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Counts and times what a handler answers.
fn counted(
    endpoint: &'static str,
    metrics: &Metrics,
    handler: MethodRouter<Shared>,
) -> MethodRouter<Shared> {
    handler.layer(from_fn_with_state((endpoint, metrics.clone()), count))
}

async fn count(
    State((endpoint, metrics)): State<(&'static str, Metrics)>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let in_flight = metrics.begin(endpoint);
    let response = next.run(request).await;
    metrics.answered(endpoint, response.status().as_u16(), begun.elapsed());
    drop(in_flight);
    response
}
