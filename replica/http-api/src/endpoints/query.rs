//! Queries: executed by this node alone against its latest certified state, and signed by it.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use replica_crypto::signatures::QueryAnswer;
use types::UserError;

use crate::Refusal;
use crate::answer::{self, NodeSignature};
use crate::effective::Effective;
use crate::requests;
use crate::shared::Shared;

/// `POST /api/v2|v3/canister/<id>/query`
pub(crate) async fn query(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let effective = Effective::canister(&id)?;
    answer_query(&shared, effective, &headers, body).await
}

/// `POST /api/v3/subnet/<id>/query`
pub(crate) async fn subnet_query(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let own = shared.ready()?.chain.subnet_id;
    let effective = Effective::subnet(&id, own)?;
    answer_query(&shared, effective, &headers, body).await
}

async fn answer_query(
    shared: &Shared,
    effective: Effective,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = shared.bodies.read_cbor(headers, body).await?;
    let work = || answer_bytes(shared, effective, &body.bytes);
    shared.queries.run(work).await?
}

fn answer_bytes(shared: &Shared, effective: Effective, body: &Bytes) -> Result<Response, Refusal> {
    let api = &shared.api;
    let query = requests::query(shared, effective, body)?;
    let snapshot = shared.ready()?.snapshot;
    let certificate = snapshot.data_certificate(&query.content().canister_id);
    let outcome = api.execution.query(&snapshot.state, &query, certificate);
    let error_code = outcome.as_ref().err().map(|error| error.code.to_string());
    let signed = match &outcome {
        Ok(reply) => QueryAnswer::Replied(reply),
        Err(error) => rejected(error, error_code.as_deref()),
    };
    // The time of the state that the answer comes from: it says how old the answer is.
    let timestamp = snapshot.state.time;
    let signature = api.node_key.sign_query_answer(&query.message_id(), timestamp, signed);
    let signature = NodeSignature { timestamp, signature, identity: shared.node_id };
    Ok(answer::query_answered(signed, &signature))
}

fn rejected<'a>(error: &'a UserError, error_code: Option<&'a str>) -> QueryAnswer<'a> {
    QueryAnswer::Rejected { code: error.reject_code(), message: &error.message, error_code }
}
