//! The status page, its data, the topology, and a node that is not ready.

mod fixture;

use std::sync::Arc;

use axum::http::{StatusCode, header};
use fixture::client::{Key, message, read_state};
use fixture::{START, TestChain, get, limits, post};
use prometheus_client::registry::Registry;
use replica_http_api::{Api, CertifiedStates, Health, router};
use types::{CanisterId, Principal, Time};

#[tokio::test]
async fn the_page_shows_the_certified_state() {
    let chain = TestChain::new();
    let canister = chain.add_canister(Principal::anonymous());
    let answer = get(&chain.router(), "/_/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("ascii");
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    let page = answer.text();
    for text in [
        canister.to_string(),
        chain.chain.subnet_id.to_string(),
        chain.node_key.node_id().to_string(),
        "running".into(),
    ] {
        assert!(page.contains(&text), "{text} is not on the page");
    }
    for outside in ["src=\"http", "@import", "url("] {
        assert!(!page.contains(outside), "the page loads something: {outside}");
    }
}

#[tokio::test]
async fn the_data_of_the_page() {
    let chain = TestChain::new();
    for _ in 0..5 {
        chain.add_canister(Principal::anonymous());
    }
    let json = |path| {
        let router = chain.router();
        async move {
            let answer = get(&router, path).await;
            assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            serde_json::from_slice::<serde_json::Value>(&answer.body).expect("JSON")
        }
    };
    let all = json("/_/status.json").await;
    assert_eq!(all["certified_height"], 7);
    assert_eq!(all["health"], "healthy");
    assert_eq!(all["state_root"].as_str().map(str::len), Some(64));
    assert_eq!(all["members"][0]["api"], "http://127.0.0.1:8000");
    assert_eq!(all["canisters"]["total"], 5);
    assert_eq!(all["canisters"]["items"].as_array().map(Vec::len), Some(5));
    assert_eq!(all["canisters"]["items"][0]["cycles"], "1000000000000");
    let second = json("/_/status.json?page=2&per_page=2").await;
    assert_eq!(second["canisters"]["page_count"], 3);
    let first_id = &second["canisters"]["items"][0]["id"];
    assert_eq!(*first_id, CanisterId::from_index(2).to_string());
    let beyond = json("/_/status.json?page=18446744073709551615&per_page=2").await;
    assert_eq!(beyond["canisters"]["page"], 3);
    let none = json("/_/status.json?per_page=0").await;
    assert_eq!(none["canisters"]["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(get(&chain.router(), "/_/status.json?page=x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_topology_names_a_canister_id_to_create_by() {
    let chain = TestChain::new();
    let answer = get(&chain.router(), "/_/topology").await;
    let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let first = "AAAAAAAAAAABAQ==";
    assert_eq!(json["default_effective_canister_id"]["canister_id"], first);
    let subnet = &json["subnet_configs"][chain.chain.subnet_id.to_string()];
    assert_eq!(subnet["canister_ranges"][0]["start"]["canister_id"], first);
}

/// A node that has published no certified state, and does not know the hash of its program yet.
fn unready(chain: &Arc<TestChain>) -> Api {
    Api {
        certified: Arc::new(CertifiedStates::new(10)),
        program_hash: Arc::default(),
        ..chain.api(limits())
    }
}

#[tokio::test]
async fn a_node_that_is_not_ready_says_so() {
    let chain = TestChain::new();
    let router = router(unready(&chain), &mut Registry::default());
    let status = get(&router, "/api/v2/status").await.cbor();
    assert_eq!(status.get("replica_health_status").text(), "starting");
    assert!(!status.keys().contains(&"impl_hash"));
    assert_eq!(get(&router, "/_/").await.status, StatusCode::OK);
    let soon = Time(START.0 + 1_000_000_000);
    let (key, id) = (Key::ed25519(1), CanisterId::from_index(0));
    let sender = key.principal();
    let call = key.envelope(&message("call", &sender, &id, "m", b"", soon));
    let query = key.envelope(&message("query", &sender, &id, "m", b"", soon));
    let read = key.envelope(&read_state(&sender, &[], soon));
    for (path, body) in [
        (format!("/api/v2/canister/{id}/call"), call.clone()),
        (format!("/api/v4/canister/{id}/call"), call),
        (format!("/api/v3/canister/{id}/query"), query),
        (format!("/api/v3/canister/{id}/read_state"), read),
        (format!("/api/v3/subnet/{}/read_state", chain.chain.subnet_id), Vec::new()),
    ] {
        let answer = post(&router, &path, body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", answer.text());
    }
    assert_eq!(chain.submitted_count(), 0);
}

#[tokio::test]
async fn health_is_what_the_node_says() {
    let chain = TestChain::new();
    for (health, word) in
        [(Health::CatchingUp, "certified_state_behind"), (Health::Stopping, "stopping")]
    {
        *chain.health.lock().expect("no panic") = health;
        let status = get(&chain.router(), "/api/v2/status").await.cbor();
        assert_eq!(status.get("replica_health_status").text(), word);
    }
}
