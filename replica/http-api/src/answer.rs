//! The forms of answers: CBOR, empty, refused.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minicbor::Encoder;
use replica_crypto::cbor;
use replica_crypto::signatures::QueryAnswer;
use serde::Serialize;
use types::{NodeId, Time, UserError};

use crate::Refusal;

/// The media type of CBOR.
const CBOR: HeaderValue = HeaderValue::from_static("application/cbor");

/// What a node signs about an answer to a query.
pub(crate) struct NodeSignature {
    pub(crate) timestamp: Time,
    pub(crate) signature: [u8; 64],
    pub(crate) identity: NodeId,
}

/// A body of encoded CBOR with status 200.
pub(crate) fn cbor_answer(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, CBOR)], body).into_response()
}

/// A body of JSON with status 200, of this moment.
pub(crate) fn json_answer(value: &impl Serialize) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let body = serde_json::to_vec(value).expect("reports have text keys and plain values");
    (headers, body).into_response()
}

/// Status 202 without a body: the call is on its way, its status is to be read later.
pub(crate) fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// The answer to a synchronous call that is over.
pub(crate) fn call_certified(certificate: &[u8]) -> Response {
    let mut map = map(2, certificate.len() + 64);
    cbor::put_text(&mut map, "status");
    cbor::put_text(&mut map, "replied");
    cbor::put_text(&mut map, "certificate");
    cbor::put_bytes(&mut map, certificate);
    cbor_answer(map.into_writer())
}

/// The answer to a synchronous call that this node did not let in.
pub(crate) fn call_rejected(error: &UserError) -> Response {
    let mut map = map(4, error.message.len() + 128);
    cbor::put_text(&mut map, "status");
    cbor::put_text(&mut map, "non_replicated_rejection");
    put_reject(&mut map, error);
    cbor_answer(map.into_writer())
}

/// The answer to an asynchronous call that this node did not let in.
pub(crate) fn async_call_rejected(error: &UserError) -> Response {
    let mut map = map(3, error.message.len() + 128);
    put_reject(&mut map, error);
    cbor_answer(map.into_writer())
}

/// The answer to `read_state`.
pub(crate) fn state_read(certificate: &[u8]) -> Response {
    let mut map = map(1, certificate.len() + 32);
    cbor::put_text(&mut map, "certificate");
    cbor::put_bytes(&mut map, certificate);
    cbor_answer(map.into_writer())
}

/// The answer to a query, as it was signed.
pub(crate) fn query_answered(answer: QueryAnswer<'_>, signature: &NodeSignature) -> Response {
    let mut map = match answer {
        QueryAnswer::Replied(arg) => {
            let mut map = map(3, arg.len() + 256);
            cbor::put_text(&mut map, "status");
            cbor::put_text(&mut map, "replied");
            cbor::put_text(&mut map, "reply");
            cbor::put_map(&mut map, 1);
            cbor::put_text(&mut map, "arg");
            cbor::put_bytes(&mut map, arg);
            map
        }
        QueryAnswer::Rejected { code, message, error_code } => {
            let mut map = map(4 + u64::from(error_code.is_some()), message.len() + 256);
            cbor::put_text(&mut map, "status");
            cbor::put_text(&mut map, "rejected");
            cbor::put_text(&mut map, "reject_code");
            cbor::put_u64(&mut map, code as u64);
            cbor::put_text(&mut map, "reject_message");
            cbor::put_text(&mut map, message);
            if let Some(error_code) = error_code {
                cbor::put_text(&mut map, "error_code");
                cbor::put_text(&mut map, error_code);
            }
            map
        }
    };
    put_signature(&mut map, signature);
    cbor_answer(map.into_writer())
}

fn put_signature(map: &mut Encoder<Vec<u8>>, signature: &NodeSignature) {
    cbor::put_text(map, "signatures");
    cbor::put_array(map, 1);
    cbor::put_map(map, 3);
    cbor::put_text(map, "timestamp");
    cbor::put_u64(map, signature.timestamp.0);
    cbor::put_text(map, "signature");
    cbor::put_bytes(map, &signature.signature);
    cbor::put_text(map, "identity");
    cbor::put_bytes(map, signature.identity.as_slice());
}

fn put_reject(map: &mut Encoder<Vec<u8>>, error: &UserError) {
    cbor::put_text(map, "reject_code");
    cbor::put_u64(map, error.reject_code() as u64);
    cbor::put_text(map, "reject_message");
    cbor::put_text(map, &error.message);
    cbor::put_text(map, "error_code");
    cbor::put_text(map, &error.code.to_string());
}

fn map(entries: u64, bytes: usize) -> Encoder<Vec<u8>> {
    let mut map = Encoder::new(Vec::with_capacity(bytes));
    cbor::put_self_describing_tag(&mut map);
    cbor::put_map(&mut map, entries);
    map
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        let mut response = (status, [(header::CONTENT_TYPE, text)], self.to_text()).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
