//! Update calls, asynchronous (v2) and synchronous (v3, v4).
//!
//! ```text
//!  body -> decode, check signature and expiry, check the URL's id       (4xx)
//!       -> known already?   over: certificate      open: wait
//!       -> inspect          no: non_replicated_rejection
//!       -> submit           no room: 503
//!       -> wait for the certified outcome; 10 s: 202
//! ```

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use replica_state::IngressStatus;
use types::{MessageId, UserError};

use crate::certified::Certified;
use crate::effective::Effective;
use crate::requests;
use crate::shared::Shared;
use crate::waiters::Waiter;
use crate::{Refusal, answer};

/// Whether the client waits for the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Asynchronous,
    Synchronous,
}

/// Where a call is after the node has looked at it.
enum Checked {
    /// Over; the outcome is in this state.
    Known(MessageId, Arc<Certified>),
    /// Not let in.
    Rejected(UserError),
    /// On its way; nobody waits, because the client did not ask for it or all places are taken.
    Accepted,
    /// On its way, with a place to wait.
    Awaited(MessageId, Waiter<Arc<Certified>>),
}

/// `POST /api/v2/canister/<id>/call`
pub(crate) async fn call_v2(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let effective = Effective::canister(&id)?;
    let checked = check(&shared, effective, Mode::Asynchronous, &headers, body).await?;
    Ok(match checked {
        Checked::Rejected(error) => answer::async_call_rejected(&error),
        Checked::Known(..) | Checked::Accepted | Checked::Awaited(..) => answer::accepted(),
    })
}

/// `POST /api/v3|v4/canister/<id>/call`. The two differ in the delegation of the certificate,
/// which the root subnet does not have.
pub(crate) async fn call_sync(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let effective = Effective::canister(&id)?;
    synchronous(&shared, effective, &headers, body).await
}

/// `POST /api/v4/subnet/<id>/call`
pub(crate) async fn subnet_call(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let own = shared.ready()?.chain.subnet_id;
    let effective = Effective::subnet(&id, own)?;
    synchronous(&shared, effective, &headers, body).await
}

async fn synchronous(
    shared: &Shared,
    effective: Effective,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let checked = check(shared, effective, Mode::Synchronous, headers, body).await;
    let (outcome, response) = match checked {
        Err(refusal) => {
            shared.metrics.sync_call_ended("refused");
            return Err(refusal);
        }
        Ok(Checked::Rejected(error)) => ("rejected", answer::call_rejected(&error)),
        Ok(Checked::Known(id, snapshot)) => ("known", certified(&id, &snapshot)),
        Ok(Checked::Accepted) => ("crowded", answer::accepted()),
        Ok(Checked::Awaited(id, waiter)) => wait(shared, id, waiter).await,
    };
    shared.metrics.sync_call_ended(outcome);
    Ok(response)
}

/// Everything up to handing the call over, on a thread of the pool.
async fn check(
    shared: &Shared,
    effective: Effective,
    mode: Mode,
    headers: &HeaderMap,
    body: Body,
) -> Result<Checked, Refusal> {
    let body = shared.bodies.read(headers, body).await?;
    let work = || check_bytes(shared, effective, mode, &body.bytes);
    shared.calls.run(work).await?
}

fn check_bytes(
    shared: &Shared,
    effective: Effective,
    mode: Mode,
    body: &Bytes,
) -> Result<Checked, Refusal> {
    let api = &shared.api;
    let call = requests::call(shared, effective, body)?;
    let id = call.message_id();
    let place = match mode {
        Mode::Synchronous => api.certified.wait_for(id),
        Mode::Asynchronous => None,
    };
    // After taking the place, so that an outcome is either in this state or wakes the place.
    let latest = api.certified.latest().ok_or(Refusal::NotReady)?;
    let known = latest.state.ingress_history.get(&id).map(|entry| entry.status.is_final());
    match known {
        Some(true) => return Ok(Checked::Known(id, latest)),
        // The subnet has it: nothing more to check or to submit.
        Some(false) => {}
        None => {
            if let Err(error) = api.execution.inspect(&latest.state, &call) {
                return Ok(Checked::Rejected(error));
            }
            api.submit.submit(call)?;
        }
    }
    Ok(place.map_or(Checked::Accepted, |place| Checked::Awaited(id, place)))
}

async fn wait(
    shared: &Shared,
    id: MessageId,
    mut waiter: Waiter<Arc<Certified>>,
) -> (&'static str, Response) {
    let waiting = tokio::time::timeout(shared.api.limits.sync_timeout, waiter.completed());
    let snapshot = match waiting.await {
        Ok(Some(snapshot)) => Some(snapshot),
        // A last look costs nothing and spares the client a poll.
        Ok(None) | Err(_) => shared.api.certified.latest(),
    };
    match snapshot.filter(|snapshot| is_over(snapshot, &id)) {
        Some(snapshot) => ("certified", certified(&id, &snapshot)),
        None => ("timeout", answer::accepted()),
    }
}

fn is_over(snapshot: &Certified, id: &MessageId) -> bool {
    let entry = snapshot.state.ingress_history.get(id);
    entry.is_some_and(|entry| IngressStatus::is_final(&entry.status))
}

fn certified(id: &MessageId, snapshot: &Certified) -> Response {
    let paths: [&[&[u8]]; 2] = [&[b"request_status", &id.0], &[b"time"]];
    answer::call_certified(&snapshot.certificate(&paths))
}
