//! Answers of the HTTP interface, frozen by hash, byte for byte. Their form is that of the
//! interface specification, whose version is the one in the path.

#[path = "../../../types/conformance.rs"]
mod conformance;
mod fixture;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use conformance::{Format, check};
use fixture::client::{Key, message, read_state};
use fixture::{Answer, START, TestChain, get, post};
use types::{CanisterId, MANAGEMENT_CANISTER, Principal, Time};

const SOON: Time = Time(START.0 + 60_000_000_000);

/// A served chain with one canister. Every key and every time is fixed.
struct Site {
    chain: Arc<TestChain>,
    router: Router,
    canister: CanisterId,
}

impl Site {
    fn new() -> Self {
        let chain = TestChain::new();
        *chain.instant.lock().expect("no panic") = true;
        let canister = chain.add_canister(Principal::anonymous());
        Self { router: chain.router(), chain, canister }
    }

    async fn send(&self, version: u8, kind: &str, canister: CanisterId, method: &str) -> Vec<u8> {
        let sender = Principal::anonymous();
        let content = message(kind, &sender, &canister, method, b"argument", SOON);
        let path = format!("/api/v{version}/canister/{}/{kind}", self.canister);
        whole(post(&self.router, &path, Key::Anonymous.envelope(&content)).await)
    }

    async fn read(&self, version: u8, of: &str, paths: &[Vec<&[u8]>]) -> Vec<u8> {
        let sender = Principal::anonymous();
        let body = Key::Anonymous.envelope(&read_state(&sender, paths, SOON));
        let path = format!("/api/v{version}/{of}/read_state");
        whole(post(&self.router, &path, body).await)
    }
}

/// Status, content type and body.
fn whole(answer: Answer) -> Vec<u8> {
    let kind = answer.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    [answer.status.as_str().as_bytes(), b" ", kind, b"\n", &answer.body].concat()
}

async fn calls(site: &Site) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    for version in [2, 3, 4] {
        for method in ["echo", "reject", "refuse"] {
            answers.push(site.send(version, "call", site.canister, method).await);
        }
    }
    answers
}

async fn queries(site: &Site) -> Vec<Vec<u8>> {
    let missing = MANAGEMENT_CANISTER;
    let mut answers = Vec::new();
    for version in [2, 3] {
        answers.push(site.send(version, "query", site.canister, "echo").await);
        answers.push(site.send(version, "query", site.canister, "certificate").await);
        answers.push(site.send(version, "query", missing, "no_such_method").await);
    }
    answers
}

async fn reads(site: &Site) -> Vec<Vec<u8>> {
    let id = site.canister.as_slice();
    let subnet_id = site.chain.chain.subnet_id;
    let subnet = subnet_id.as_slice();
    let of_canister = [
        vec![&b"canister"[..], id, b"module_hash"],
        vec![b"canister", id, b"controllers"],
        vec![b"canister", id, b"metadata", b"open"],
        vec![b"request_status", &[1; 32]],
        vec![b"subnet"],
    ];
    let of_subnet = [
        vec![&b"subnet"[..], subnet, b"metrics"],
        vec![b"canister_ranges", subnet],
        vec![b"subnet", subnet, b"node"],
    ];
    let mut answers = Vec::new();
    for version in [2, 3] {
        answers
            .push(site.read(version, &format!("canister/{}", site.canister), &of_canister).await);
        answers.push(site.read(version, &format!("subnet/{subnet_id}"), &of_subnet).await);
        let hidden = [vec![&b"no"[..], b"such"]];
        answers.push(site.read(version, &format!("subnet/{subnet_id}"), &hidden).await);
    }
    answers
}

#[tokio::test]
async fn answers_are_frozen() {
    let site = Site::new();
    let status = vec![whole(get(&site.router, "/api/v2/status").await)];
    let (reads, queries, calls) = (reads(&site).await, queries(&site).await, calls(&site).await);
    let url = format!("/api/v2/canister/{}/query", site.canister);
    let refusals = vec![
        whole(post(&site.router, &url, "no envelope").await),
        whole(post(&site.router, "/api/v2/canister/nobody/query", "").await),
    ];
    check(&[
        Format {
            name: "status",
            encodings: status,
            hash: "bf61d514ab7f7130924c9ecb69980605353d73a8eb7a394769f29c8a3a6abfef",
        },
        Format {
            name: "answers to calls",
            encodings: calls,
            hash: "6b0a184480cedc18f3daed0324203cca7f1d9200952e7b50d001be577bd340b2",
        },
        Format {
            name: "answers to queries",
            encodings: queries,
            hash: "f19a22340c54d784233365d90ccc70a0251bbaeaf977eb4901293ffe2d9857c6",
        },
        Format {
            name: "answers to read_state",
            encodings: reads,
            hash: "1abed6537216fc612dbad9c2673159d47a8bba9da02101408ee35453de12a4b4",
        },
        Format {
            name: "refusals",
            encodings: refusals,
            hash: "6ecbf7714956a93e5815105cc9cf8399a729d8b447d29a4e5763af2ae9f2fccd",
        },
    ]);
}
