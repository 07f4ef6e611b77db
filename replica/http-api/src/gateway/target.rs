//! Which canister a request of a browser is for.
//!
//! In this order: the name of the host (`<canister>.localhost`, `<canister>.raw.localhost`), the
//! parameter `canisterId` of the request's own query, that of the page which asks (`Referer`).
//! Paths under `/api/` are the IC's interface under every name, and `/_/` is the status page where
//! the host names no canister.

use axum::http::{HeaderMap, Uri, header};
use types::{CanisterId, Principal};

/// The parameter of the query that names a canister.
const PARAMETER: &str = "canisterId";

/// The label of a host whose answers need no certificate.
const RAW: &str = "raw";

/// A canister that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) canister: CanisterId,
    /// Whether the answer must be certified: not for `<canister>.raw.<domain>`.
    pub(crate) certified: bool,
}

/// A `canisterId` that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{PARAMETER}={0:?} in the URL is not the textual form of a canister id")]
pub(crate) struct NoCanisterId(String);

impl Target {
    /// The canister that a request is for; `None` if it is for the node itself.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Result<Option<Self>, NoCanisterId> {
        if uri.path().starts_with("/api/") {
            return Ok(None);
        }
        let host = host(uri, headers);
        if let Some(target) = host.and_then(by_host) {
            return Ok(Some(target));
        }
        if uri.path() == "/_" || uri.path().starts_with("/_/") {
            return Ok(None);
        }
        if let Some(id) = parameter(uri) {
            let canister = canister(id).ok_or_else(|| NoCanisterId(id.chars().take(80).collect()));
            return canister.map(|canister| Some(Self { canister, certified: true }));
        }
        Ok(by_referer(headers, host))
    }
}

/// The name and the port that the client asked for.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let of_uri = uri.authority().map(|authority| authority.as_str());
    of_uri.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

fn by_host(host: &str) -> Option<Target> {
    let (first, domain) = host.split_once('.')?;
    let canister = canister(&first.to_ascii_lowercase())?;
    let second = domain.split(['.', ':']).next().unwrap_or_default();
    Some(Target { canister, certified: !second.eq_ignore_ascii_case(RAW) })
}

/// What a page loads belongs to the page: `/style.css` of a page with `?canisterId=`.
fn by_referer(headers: &HeaderMap, host: Option<&str>) -> Option<Target> {
    let referer: Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    let is_own = referer.authority().map(|authority| authority.as_str()) == host;
    let canister = canister(parameter(&referer).filter(|_| is_own)?)?;
    Some(Target { canister, certified: true })
}

fn parameter(uri: &Uri) -> Option<&str> {
    let mut parameters = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    parameters.find_map(|(name, value)| (name == PARAMETER).then_some(value))
}

fn canister(text: &str) -> Option<CanisterId> {
    Principal::from_text(text).ok().map(CanisterId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const ID: &str = "bkyz2-fmaaa-aaaaa-qaaaq-cai";

    fn target(host: &'static str, path: &str, referer: &str) -> Result<Option<bool>, NoCanisterId> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if !referer.is_empty() {
            headers.insert(header::REFERER, referer.parse().expect("ascii"));
        }
        let target = Target::of(&path.parse().expect("a path"), &headers)?;
        let target = target.inspect(|target| assert_eq!(target.canister.to_string(), ID));
        Ok(target.map(|target| target.certified))
    }

    #[test]
    fn a_host_names_a_canister() {
        let of = |host| target(host, "/x?y=1", "").expect("no parameter");
        assert_eq!(of("bkyz2-fmaaa-aaaaa-qaaaq-cai.localhost:4943"), Some(true));
        assert_eq!(of("BKYZ2-fmaaa-aaaaa-qaaaq-cai.local.test"), Some(true));
        assert_eq!(of("bkyz2-fmaaa-aaaaa-qaaaq-cai.raw.localhost"), Some(false));
        assert_eq!(of("bkyz2-fmaaa-aaaaa-qaaaq-cai.raw:80"), Some(false));
        for other in ["localhost:4943", "127.0.0.1:4943", "frontend.localhost", "", ID, "..", "a.b"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_parameter_names_a_canister() {
        let of = |path: &str| target("127.0.0.1:4943", path, "");
        assert_eq!(of(&format!("/?a=b&canisterId={ID}&c")), Ok(Some(true)));
        assert_eq!(of("/?canisterid=x"), Ok(None));
        let refused = of("/?canisterId=nonsense").expect_err("no id").to_string();
        assert!(refused.contains("canisterId=\"nonsense\""), "{refused}");
    }

    #[test]
    fn a_page_names_the_canister_of_what_it_loads() {
        let page = format!("http://localhost:4943/index.html?canisterId={ID}");
        assert_eq!(target("localhost:4943", "/style.css", &page), Ok(Some(true)));
        assert_eq!(target("127.0.0.1:4943", "/style.css", &page), Ok(None), "another site");
        assert_eq!(target("localhost:4943", "/style.css", "http://localhost:4943/"), Ok(None));
        assert_eq!(target("localhost:4943", "/style.css", "no url at all"), Ok(None));
    }

    #[test]
    fn the_interface_and_the_status_page_stay_where_they_are() {
        let own = "bkyz2-fmaaa-aaaaa-qaaaq-cai.localhost";
        assert_eq!(target(own, "/api/v2/status", ""), Ok(None));
        assert_eq!(target(own, "/_/", ""), Ok(Some(true)), "a canister's own path");
        let page = format!("http://localhost/?canisterId={ID}");
        assert_eq!(target("localhost", "/_/status.json", &page), Ok(None));
        assert_eq!(target("localhost", "/api/v2/status?canisterId=x", ""), Ok(None));
    }
}
