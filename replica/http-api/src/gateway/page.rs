//! What a browser is shown when there is no answer of a canister: what happened, and what helps.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use types::{ErrorCode, RejectCode, UserError};

use super::exchange::Failure;
use super::target::Target;
use crate::page::escaped;

/// Nothing but the page's own few rules.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}\
     code{overflow-wrap:anywhere}";

/// A page, or plain text for who does not ask for HTML.
pub(crate) struct Page {
    status: StatusCode,
    title: &'static str,
    /// What happened.
    cause: String,
    /// What helps.
    advice: String,
}

impl Page {
    /// For a request that names no canister.
    pub(crate) fn of_request(cause: String) -> Self {
        let advice = "open http://CANISTER-ID.localhost:PORT/, or the endpoint with \
                      ?canisterId=CANISTER-ID";
        let (status, title) = (StatusCode::BAD_REQUEST, "No such canister");
        Self { status, title, cause, advice: advice.into() }
    }

    /// For an exchange that failed.
    pub(crate) fn of_failure(failure: &Failure, target: &Target) -> Self {
        let (status, title) = kind(failure);
        let cause = match failure {
            Failure::Refusal(refusal) => refusal.to_text(),
            failure => failure.to_string(),
        };
        let advice = advice(failure, target);
        Self { status, title, cause, advice }
    }

    /// The response to a request with these headers.
    pub(crate) fn into_response_to(self, request: &HeaderMap) -> Response {
        let accepted = request.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let mut response = match accepted.is_some_and(|accepted| accepted.contains("text/html")) {
            true => (self.status, Html(self.html())).into_response(),
            false => (self.status, self.text()).into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn text(&self) -> String {
        format!("{}: {}\n{}\n", self.title, self.cause, self.advice)
    }

    fn html(&self) -> String {
        let (title, cause, advice) =
            (escaped(self.title), escaped(&self.cause), escaped(&self.advice));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
             <p id=\"cause\"><code>{cause}</code></p>\n<p id=\"advice\">{advice}</p>\n\
             <p><a href=\"/_/\">Status of the subnet</a></p>\n</body>\n</html>\n"
        )
    }
}

fn kind(failure: &Failure) -> (StatusCode, &'static str) {
    match failure {
        Failure::Refusal(refusal) => (refusal.status(), "The request is not served"),
        Failure::Rejected(error) => rejected(error),
        Failure::Slow => (StatusCode::GATEWAY_TIMEOUT, "The canister takes too long"),
        Failure::RequestHeader(_) => (StatusCode::BAD_REQUEST, "The request is not served"),
        Failure::Message(_)
        | Failure::Range(_)
        | Failure::Header(_)
        | Failure::Status(_)
        | Failure::TooLarge => (StatusCode::BAD_GATEWAY, "The canister's answer cannot be shown"),
        Failure::NotCertified(_) => {
            (StatusCode::BAD_GATEWAY, "The canister's answer is not certified")
        }
    }
}

fn rejected(error: &UserError) -> (StatusCode, &'static str) {
    match (error.code, error.reject_code()) {
        (ErrorCode::CanisterMethodNotFound, _) => {
            (StatusCode::NOT_FOUND, "The canister serves no web pages")
        }
        (ErrorCode::CanisterWasmModuleNotFound, _) => {
            (StatusCode::NOT_FOUND, "The canister is empty")
        }
        (_, RejectCode::DestinationInvalid) => (StatusCode::NOT_FOUND, "No such canister"),
        (_, RejectCode::SysTransient) => {
            (StatusCode::SERVICE_UNAVAILABLE, "The canister cannot answer now")
        }
        _ => (StatusCode::BAD_GATEWAY, "The canister failed"),
    }
}

fn advice(failure: &Failure, target: &Target) -> String {
    let id = target.canister;
    match failure {
        Failure::Refusal(_) | Failure::RequestHeader(_) => {
            "See docs/http-api.md for what each refusal means.".into()
        }
        Failure::Rejected(error) => match error.code {
            ErrorCode::CanisterMethodNotFound => format!(
                "A canister with pages has the query method http_request. What {id} has instead \
                 can be called with `icp canister call {id}`."
            ),
            ErrorCode::CanisterWasmModuleNotFound => format!("Install a module in {id}."),
            ErrorCode::CanisterNotFound => {
                format!("See that {id} was created on this network, and not on another one.")
            }
            _ => format!("The canister's log may say more: `icp canister logs {id}`."),
        },
        Failure::Slow => "Ask again later for what it should have done.".into(),
        Failure::Message(_) | Failure::Header(_) | Failure::Status(_) => {
            "See that http_request has the type of the HTTP gateway protocol.".into()
        }
        Failure::Range(_) => "See that each range of a large body comes with its own place.".into(),
        Failure::TooLarge => {
            "Serve large bodies in ranges, and let the page ask for those that it needs.".into()
        }
        Failure::NotCertified(_) => format!(
            "Gateways of the public network refuse it too. Certify the answer, or open the same \
             path under the host {id}.raw.localhost, where nothing is verified."
        ),
    }
}
