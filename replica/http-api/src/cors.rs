//! Cross-origin access: any page may use the interface, as at the boundary of the Internet
//! Computer. Requests carry their own signatures and no cookies, so there is nothing to protect
//! by the origin of a page.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// Headers that agents of browsers send.
const REQUEST_HEADERS: &str = "accept, authorization, cache-control, content-type, cookie, dnt, \
     if-modified-since, if-none-match, keep-alive, range, user-agent, x-requested-with, \
     x-ic-canister-id";

/// Headers that pages may read.
const RESPONSE_HEADERS: &str = "accept-ranges, content-length, content-range, retry-after";

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_SECONDS: &str = "7200";

/// Answers preflights and opens all other answers to pages of any origin.
pub(crate) async fn allow_any_origin(request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return preflight(request.headers());
    }
    let mut response = next.run(request).await;
    open(response.headers_mut());
    response
}

fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    open(headers);
    let methods = HeaderValue::from_static("GET, POST, HEAD, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let asked = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let allowed = asked.unwrap_or(HeaderValue::from_static(REQUEST_HEADERS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
    headers.insert(header::VARY, HeaderValue::from_static("access-control-request-headers"));
    response
}

fn open(headers: &mut HeaderMap) {
    // What a canister says about its own pages is its business.
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let readable = HeaderValue::from_static(RESPONSE_HEADERS);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, readable);
}
