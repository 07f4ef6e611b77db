//! The status page `/_/` and its data `/_/status.json`: this node's own view, drawn on the
//! server, then kept up to date by a small script that also asks the other members' nodes.

mod html;
mod plot;
mod report;

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;

use crate::answer::json_answer;
use crate::shared::Shared;
pub(crate) use html::escaped;
use report::{Paging, Report};

/// The most canisters of one page.
const PER_PAGE_MAX: usize = 200;

/// Canisters of a page when the request does not say.
const PER_PAGE: usize = 50;

/// Which canisters to list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    /// From 1.
    page: Option<usize>,
    /// 0 leaves the list out.
    per_page: Option<usize>,
}

impl Wanted {
    fn paging(&self) -> Paging {
        let per_page = self.per_page.unwrap_or(PER_PAGE).min(PER_PAGE_MAX);
        Paging { page: self.page.unwrap_or(1).max(1), per_page }
    }
}

/// `GET /_/`
pub(crate) async fn page(State(shared): State<Shared>, Query(wanted): Query<Wanted>) -> Response {
    let report = Report::of(&shared, wanted.paging());
    let policy = html::content_security_policy(&report);
    let mut response = Html(html::render(&report)).into_response();
    let headers = response.headers_mut();
    // The policy has only digests and socket addresses in it, which are plain ASCII.
    let policy = HeaderValue::try_from(policy).expect("a policy is plain ASCII");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `GET /_/status.json`
pub(crate) async fn status_json(
    State(shared): State<Shared>,
    Query(wanted): Query<Wanted>,
) -> Response {
    json_answer(&Report::of(&shared, wanted.paging()))
}
