//! What gateways ask and what they are answered (HTTP gateway protocol), as this canister's interface
//! states it.

use candid::{CandidType, Deserialize};
use ic_http_certification::{HttpRequest, HttpResponse, Method};
use serde_bytes::ByteBuf;

#[derive(CandidType, Deserialize)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: ByteBuf,
    pub certificate_version: Option<u16>,
}

#[derive(CandidType)]
pub struct Response {
    pub status_code: u16,
    pub headers: Vec<(String, String)>,
    pub body: ByteBuf,
    pub upgrade: Option<bool>,
}

impl Request {
    /// As the certification library takes it; `None` if the method is none of HTTP.
    pub fn to_library(&self) -> Option<HttpRequest<'_>> {
        let request = HttpRequest::builder()
            .with_method(Method::from_bytes(self.method.as_bytes()).ok()?)
            .with_url(self.url.as_str())
            .with_headers(self.headers.clone())
            .with_body(self.body.as_slice());
        Some(request.build())
    }
}

impl From<HttpResponse<'_>> for Response {
    fn from(response: HttpResponse<'_>) -> Self {
        Self {
            status_code: response.status_code().as_u16(),
            headers: response.headers().to_vec(),
            body: ByteBuf::from(response.body()),
            upgrade: response.upgrade(),
        }
    }
}
