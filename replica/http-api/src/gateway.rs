//! Canisters in the browser (HTTP gateway protocol): the pages of a subnet's own canisters.
//!
//! ```text
//!  http://<canister>.localhost:4943/path      \
//!  http://127.0.0.1:4943/path?canisterId=..   -> target -> exchange -> the canister's answer,
//!                                                                      or a page that says why not
//! ```
//!
//! The gateway is a client like others: its queries and calls are those of the anonymous sender
//! and are admitted like all. What it passes on was certified, as gateways of the public network
//! demand; under `<canister>.raw.<domain>` it passes on everything.

mod exchange;
mod message;
mod page;
mod range;
mod target;
mod verification;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use replica_state::IngressStatus;

use crate::body::{ReadBody, Room};
use crate::effective::Effective;
use crate::endpoints::call::{self, Outcome};
use crate::shared::Shared;
use exchange::{Exchange, Failure, Step, Whole};
use message::Asked;
use page::Page;
use target::Target;

/// What its requests are counted as.
const ENDPOINT: &str = "gateway";

/// Bytes of an answer that go to the connection at a time. When the last of them are taken, the
/// answer gives back its part of the node's memory.
const CHUNK_BYTES: usize = 64 << 10;

/// Tells calls of one moment apart.
static CALL_COUNT: AtomicU64 = AtomicU64::new(0);

/// Answers what is for a canister, and hands on what is for the node.
pub(crate) async fn serve_canisters(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let target = match Target::of(request.uri(), request.headers()).transpose() {
        None => return next.run(request).await,
        Some(target) => target,
    };
    let begun = Instant::now();
    let in_flight = shared.metrics.begin(ENDPOINT);
    let (head, body) = request.into_parts();
    let response = match target {
        Err(no_id) => Page::of_request(no_id.to_string()).into_response_to(&head.headers),
        Ok(target) => match answer(&shared, target, &head, body).await.and_then(response) {
            Ok(response) => response,
            Err(failure) => Page::of_failure(&failure, &target).into_response_to(&head.headers),
        },
    };
    shared.metrics.answered(ENDPOINT, response.status().as_u16(), begun.elapsed());
    drop(in_flight);
    response
}

async fn answer(
    shared: &Shared,
    target: Target,
    head: &Parts,
    body: Body,
) -> Result<Whole, Failure> {
    let body = shared.bodies.read(&head.headers, body).await?;
    let asked = asked(head, &body.bytes)?;
    let exchange = Exchange { shared: shared.clone(), target, asked };
    match shared.queries.run(|| exchange.ask()).await?? {
        Step::Whole(whole) => Ok(whole),
        Step::Upgrade => {
            let reply = called(&exchange).await?;
            shared.queries.run(|| exchange.finish(&reply)).await?
        }
    }
}

/// The request as the canister is asked it. A canister that has a page only as it is must know
/// that browsers take that too, whatever they write.
fn asked(head: &Parts, body: &Bytes) -> Result<Asked, Failure> {
    let mut headers = Vec::with_capacity(head.headers.len());
    for (name, value) in &head.headers {
        let text = value.to_str().map_err(|_| Failure::RequestHeader(name.to_string()))?;
        let mut text = text.to_owned();
        if name == header::ACCEPT_ENCODING && !text.contains("identity") {
            text += ", identity";
        }
        headers.push((name.to_string(), text));
    }
    let url = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(Asked { method: head.method.to_string(), url, headers, body: body.to_vec() })
}

/// The certified reply to the call that the canister wants.
async fn called(exchange: &Exchange) -> Result<Bytes, Failure> {
    let shared = &exchange.shared;
    let envelope = ReadBody::own(exchange.call(nonce(shared))?);
    let effective = Effective::Canister(exchange.target.canister);
    match call::outcome(shared, effective, envelope).await? {
        Outcome::Rejected(error) => Err(Failure::Rejected(error)),
        Outcome::Pending { .. } => Err(Failure::Slow),
        Outcome::Over { id, snapshot, .. } => {
            match snapshot.state.ingress_history.get(&id).map(|entry| &entry.status) {
                Some(IngressStatus::Replied(reply)) => Ok(reply.clone()),
                Some(IngressStatus::Rejected(error)) => Err(Failure::Rejected(error.clone())),
                _ => Err(Failure::Slow),
            }
        }
    }
}

/// Two equal requests of browsers are two calls: this node's id, its clock and a count differ.
fn nonce(shared: &Shared) -> [u8; 32] {
    let mut nonce = [0; 32];
    let id = shared.node_id.as_slice();
    nonce[..16].copy_from_slice(&id[..16]);
    nonce[16..24].copy_from_slice(&shared.api.clock.now().0.to_be_bytes());
    nonce[24..].copy_from_slice(&CALL_COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    nonce
}

fn response(whole: Whole) -> Result<Response, Failure> {
    let status = StatusCode::from_u16(whole.status).ok().filter(|status| *status >= StatusCode::OK);
    let status = status.ok_or(Failure::Status(whole.status))?;
    let length = HeaderValue::from(whole.body.len());
    let mut response = Response::new(in_chunks(whole.body, whole.room));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in &whole.headers {
        let refused = || Failure::Header(name.chars().take(80).collect());
        let key = HeaderName::try_from(name).map_err(|_| refused())?;
        headers.append(key, HeaderValue::try_from(value).map_err(|_| refused())?);
    }
    if !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    Ok(response)
}

fn in_chunks(bytes: Bytes, room: Room) -> Body {
    let chunks = futures::stream::unfold((bytes, room), |(mut bytes, room)| async move {
        let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES));
        (!chunk.is_empty()).then_some((Ok::<_, Infallible>(chunk), (bytes, room)))
    });
    Body::from_stream(chunks)
}
