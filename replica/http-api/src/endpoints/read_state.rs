//! `read_state`: parts of the certified state tree.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;

use super::read_state_paths::{Generation, Reader};
use crate::effective::Effective;
use crate::requests;
use crate::shared::{Ready, Shared};
use crate::{Refusal, answer};

/// `POST /api/v2/canister/<id>/read_state`
pub(crate) async fn canister_v2(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    read(&shared, Effective::canister(&id)?, Generation::V2, &headers, body).await
}

/// `POST /api/v3/canister/<id>/read_state`
pub(crate) async fn canister_v3(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    read(&shared, Effective::canister(&id)?, Generation::V3, &headers, body).await
}

/// `POST /api/v2/subnet/<id>/read_state`
pub(crate) async fn subnet_v2(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let own = shared.ready()?.chain.subnet_id;
    read(&shared, Effective::subnet(&id, own)?, Generation::V2, &headers, body).await
}

/// `POST /api/v3/subnet/<id>/read_state`
pub(crate) async fn subnet_v3(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let own = shared.ready()?.chain.subnet_id;
    read(&shared, Effective::subnet(&id, own)?, Generation::V3, &headers, body).await
}

async fn read(
    shared: &Shared,
    effective: Effective,
    generation: Generation,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = shared.bodies.read_cbor(headers, body).await?;
    let work = || read_bytes(shared, effective, generation, &body.bytes);
    shared.read_states.run(work).await?
}

fn read_bytes(
    shared: &Shared,
    effective: Effective,
    generation: Generation,
    body: &Bytes,
) -> Result<Response, Refusal> {
    let request = requests::read_state(shared, effective, body)?;
    let Ready { chain, snapshot } = shared.ready()?;
    let reader = Reader {
        sender: request.sender(),
        targets: request.targets(),
        effective,
        generation,
        root_subnet: chain.root_subnet(),
        own_subnet: chain.subnet_id,
        state: &snapshot.state,
    };
    let shown = reader.readable(&snapshot.tree, &request.content().paths)?;
    Ok(answer::state_read(&snapshot.certificate(&shown)))
}
