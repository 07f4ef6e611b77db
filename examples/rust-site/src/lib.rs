//! An example canister that browsers open (HTTP gateway protocol): certified pages, one file that
//! is too large for one answer, and a counter of visits that only a call can change.

mod protocol;
mod site;

use ic_cdk::{init, post_upgrade, query, update};
use protocol::{Request, Response};
use serde_bytes::ByteBuf;
use std::cell::Cell;

/// Where a browser posts a visit.
const VISITS: &str = "/visits";

thread_local! {
    static VISIT_COUNT: Cell<u64> = const { Cell::new(0) };
}

#[init]
fn init() {
    site::certify();
}

/// The pages are part of the module; the visits of before are not kept.
#[post_upgrade]
fn post_upgrade() {
    site::certify();
}

/// A file with its certificate, or the wish to be called.
#[query]
fn http_request(request: Request) -> Response {
    match request.method.as_str() {
        "GET" | "HEAD" => site::serve(&request),
        _ => Response { upgrade: Some(true), ..plain(200, String::new()) },
    }
}

/// Counts a visit.
#[update]
fn http_request_update(request: Request) -> Response {
    if (request.method.as_str(), request.url.as_str()) != ("POST", VISITS) {
        return plain(405, "POST to /visits\n".into());
    }
    VISIT_COUNT.set(VISIT_COUNT.get() + 1);
    plain(201, format!("{}\n", VISIT_COUNT.get()))
}

/// How many visits there have been.
#[query]
fn visits() -> u64 {
    VISIT_COUNT.get()
}

fn plain(status_code: u16, text: String) -> Response {
    let headers = vec![("content-type".into(), "text/plain; charset=utf-8".into())];
    Response { status_code, headers, body: ByteBuf::from(text), upgrade: None }
}

ic_cdk::export_candid!();
