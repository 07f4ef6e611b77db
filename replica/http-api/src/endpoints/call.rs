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

use crate::body::ReadBody;
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

/// How a call ended for whoever waited for it.
pub(crate) enum Outcome {
    /// It is over; the outcome is in this state.
    Over {
        id: MessageId,
        snapshot: Arc<Certified>,
        /// Whether it was over before it was sent now.
        known: bool,
    },
    /// This node did not let it in.
    Rejected(UserError),
    /// It is on its way.
    Pending {
        /// Whether there was no place to wait.
        crowded: bool,
    },
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
    let body = shared.bodies.read_cbor(&headers, body).await?;
    let checked = check(&shared, effective, Mode::Asynchronous, body).await?;
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
    let ended = match shared.bodies.read_cbor(headers, body).await {
        Ok(body) => outcome(shared, effective, body).await,
        Err(refusal) => Err(refusal),
    };
    let (word, answer) = match ended {
        Err(refusal) => ("refused", Err(refusal)),
        Ok(Outcome::Rejected(error)) => ("rejected", Ok(answer::call_rejected(&error))),
        Ok(Outcome::Over { id, snapshot, known }) => {
            (if known { "known" } else { "certified" }, Ok(certified(&id, &snapshot)))
        }
        Ok(Outcome::Pending { crowded }) => {
            (if crowded { "crowded" } else { "timeout" }, Ok(answer::accepted()))
        }
    };
    shared.metrics.sync_call_ended(word);
    answer
}

/// Hands a call over and waits for its outcome.
pub(crate) async fn outcome(
    shared: &Shared,
    effective: Effective,
    envelope: ReadBody,
) -> Result<Outcome, Refusal> {
    Ok(match check(shared, effective, Mode::Synchronous, envelope).await? {
        Checked::Rejected(error) => Outcome::Rejected(error),
        Checked::Known(id, snapshot) => Outcome::Over { id, snapshot, known: true },
        Checked::Accepted => Outcome::Pending { crowded: true },
        Checked::Awaited(id, waiter) => wait(shared, id, waiter).await,
    })
}

/// Everything up to handing the call over, on a thread of the pool.
async fn check(
    shared: &Shared,
    effective: Effective,
    mode: Mode,
    envelope: ReadBody,
) -> Result<Checked, Refusal> {
    let work = || check_bytes(shared, effective, mode, &envelope.bytes);
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

async fn wait(shared: &Shared, id: MessageId, mut waiter: Waiter<Arc<Certified>>) -> Outcome {
    let waiting = tokio::time::timeout(shared.api.limits.sync_timeout, waiter.completed());
    let snapshot = match waiting.await {
        Ok(Some(snapshot)) => Some(snapshot),
        // A last look costs nothing and spares the client a poll.
        Ok(None) | Err(_) => shared.api.certified.latest(),
    };
    match snapshot.filter(|snapshot| is_over(snapshot, &id)) {
        Some(snapshot) => Outcome::Over { id, snapshot, known: false },
        None => Outcome::Pending { crowded: false },
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
