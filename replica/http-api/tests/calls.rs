//! Update calls through the router: who is let in, what is answered, what has an effect.

mod fixture;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode, header};
use fixture::client::{Fields, Key, message, request_id};
use fixture::value::Value;
use fixture::{Answer, START, TestChain, get, limits, post, send};
use prometheus_client::registry::Registry;
use replica_crypto::certificate::Certificate;
use replica_crypto::hash_tree::{HashTree, Lookup};
use replica_crypto::request_id::Value as Field;
use replica_http_api::{Limits, SubmitError, router};
use types::{CanisterId, MANAGEMENT_CANISTER, MessageId, Principal, Time};

const CANISTER: CanisterId = CanisterId(Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 5, 1, 1]));
const SOON: Time = Time(START.0 + 60_000_000_000);

fn url(version: u8, canister: CanisterId) -> String {
    format!("/api/v{version}/canister/{canister}/call")
}

fn certificate(chain: &TestChain, answer: &Answer) -> Certificate {
    let value = answer.cbor();
    let certificate = Certificate::from_cbor(value.get("certificate").bytes()).expect("encoded");
    assert!(certificate.verify(chain.root_key()).expect("signed by the chain key").is_none());
    certificate
}

fn status_of(certificate: &Certificate, id: &MessageId, field: &str) -> Option<Vec<u8>> {
    let path = [&b"request_status"[..], &id.0, field.as_bytes()];
    match certificate.tree.lookup(&path) {
        Lookup::Found(value) => Some(value.to_vec()),
        _ => None,
    }
}

/// A call of `method` by `key`, as an envelope with its id.
fn call(key: &Key, method: &str, arg: &[u8], expiry: Time) -> (Vec<u8>, MessageId) {
    let sender = key.principal();
    let content = message("call", &sender, &CANISTER, method, arg, expiry);
    (key.envelope(&content), request_id(&content))
}

fn instant() -> (Arc<TestChain>, Router) {
    let chain = TestChain::new();
    *chain.instant.lock().expect("no panic") = true;
    let router = chain.router();
    (chain, router)
}

#[tokio::test]
async fn keys_of_all_schemes_get_a_certified_reply() {
    let keys = [Key::Anonymous, Key::ed25519(1), Key::secp256k1(2), Key::p256(3)];
    for key in keys {
        for version in [3, 4] {
            let (chain, router) = instant();
            let (body, id) = call(&key, "echo", b"hello", SOON);
            let answer = post(&router, &url(version, CANISTER), body).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            assert_eq!(answer.cbor().keys(), ["certificate", "status"]);
            assert_eq!(answer.cbor().get("status").text(), "replied");
            let certificate = certificate(&chain, &answer);
            assert_eq!(status_of(&certificate, &id, "status").as_deref(), Some(&b"replied"[..]));
            assert_eq!(status_of(&certificate, &id, "reply").as_deref(), Some(&b"hello"[..]));
            assert!(matches!(certificate.tree.lookup(&["time"]), Lookup::Found(_)));
        }
    }
}

#[tokio::test]
async fn the_certificate_shows_the_call_and_the_time_only() {
    let (chain, router) = instant();
    let (other, _) = call(&Key::ed25519(1), "echo", b"secret of another call", SOON);
    post(&router, &url(4, CANISTER), other).await;
    let (body, _) = call(&Key::ed25519(2), "echo", b"mine", SOON);
    let answer = post(&router, &url(4, CANISTER), body).await;
    let certificate = certificate(&chain, &answer);
    let mut values = Vec::new();
    collect_values(&certificate.tree, &mut values);
    assert_eq!(values.len(), 3, "status, reply, time: {values:?}");
    assert!(values.contains(&b"mine".to_vec()));
}

fn collect_values(tree: &HashTree, values: &mut Vec<Vec<u8>>) {
    match tree {
        HashTree::Leaf(value) => values.push(value.to_vec()),
        HashTree::Labeled(_, below) => collect_values(below, values),
        HashTree::Fork(sides) => {
            collect_values(&sides.0, values);
            collect_values(&sides.1, values);
        }
        HashTree::Empty | HashTree::Pruned(_) => {}
    }
}

#[tokio::test]
async fn a_certified_reject_is_a_completed_call() {
    let (chain, router) = instant();
    let (body, id) = call(&Key::ed25519(1), "reject", b"", SOON);
    let answer = post(&router, &url(4, CANISTER), body).await;
    assert_eq!(answer.cbor().get("status").text(), "replied");
    let certificate = certificate(&chain, &answer);
    let field = |name| status_of(&certificate, &id, name);
    assert_eq!(field("status").as_deref(), Some(&b"rejected"[..]));
    assert_eq!(field("reject_code").as_deref(), Some(&[4u8][..]));
    assert_eq!(field("reject_message").as_deref(), Some(&b"no, thank you"[..]));
    assert_eq!(field("error_code").as_deref(), Some(&b"IC0406"[..]));
}

#[tokio::test]
async fn a_call_that_inspection_refuses_has_no_effect() {
    let (chain, router) = instant();
    let (body, _) = call(&Key::ed25519(1), "refuse", b"", SOON);
    for (version, keys) in [
        (2, vec!["error_code", "reject_code", "reject_message"]),
        (3, vec!["error_code", "reject_code", "reject_message", "status"]),
        (4, vec!["error_code", "reject_code", "reject_message", "status"]),
    ] {
        let answer = post(&router, &url(version, CANISTER), body.clone()).await;
        assert_eq!(answer.status, StatusCode::OK);
        let value = answer.cbor();
        assert_eq!(value.keys(), keys);
        assert_eq!(value.get("reject_code").nat(), 4);
        assert_eq!(value.get("error_code").text(), "IC0406");
        assert_eq!(value.get("reject_message").text(), "Canister rejected the message");
        if version > 2 {
            assert_eq!(value.get("status").text(), "non_replicated_rejection");
        }
    }
    assert_eq!(chain.submitted_count(), 0);
}

#[tokio::test]
async fn an_asynchronous_call_is_accepted_without_a_body() {
    let (chain, router) = instant();
    let (body, _) = call(&Key::ed25519(1), "echo", b"", SOON);
    for _ in 0..2 {
        let answer = post(&router, &url(2, CANISTER), body.clone()).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0));
    }
    assert_eq!(chain.submitted_count(), 1, "the second one is known to be over");
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_accepted() {
    let chain = TestChain::new();
    let (body, _) = call(&Key::ed25519(1), "echo", b"", SOON);
    let answer = post(&chain.router(), &url(4, CANISTER), body).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0));
    assert_eq!(chain.submitted_count(), 1);
    assert_eq!(chain.certified.waiting_count(), 0);
}

#[tokio::test]
async fn waiting_calls_are_answered_when_their_height_is_certified() {
    let chain = TestChain::new();
    let patient = Limits { sync_timeout: Duration::from_secs(600), ..limits() };
    let router = router(chain.api(patient), &mut Registry::default());
    let (body, id) = call(&Key::ed25519(1), "echo", b"late", SOON);
    let waiting = |body: Vec<u8>| {
        let router = router.clone();
        tokio::spawn(async move { post(&router, &url(4, CANISTER), body).await })
    };
    let first = waiting(body.clone());
    until(|| chain.submitted_count() == 1).await;
    let submitted = chain.submitted.lock().expect("no panic")[0].clone();
    chain.receive(&submitted);
    // Sent again while it is being executed: waits as well, and is not submitted again.
    let second = waiting(body);
    until(|| chain.certified.waiting_count() == 2).await;
    chain.complete(&submitted);
    for answer in [first, second] {
        let certificate = certificate(&chain, &answer.await.expect("no panic"));
        assert_eq!(status_of(&certificate, &id, "reply").as_deref(), Some(&b"late"[..]));
    }
    assert_eq!(chain.submitted_count(), 1);
    assert_eq!(chain.certified.waiting_count(), 0);
}

/// Lets other tasks run until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_repeated_call_is_answered_from_the_history() {
    let (chain, router) = instant();
    let (body, id) = call(&Key::ed25519(1), "echo", b"once", SOON);
    let first = post(&router, &url(4, CANISTER), body.clone()).await;
    let second = post(&router, &url(3, CANISTER), body.clone()).await;
    for answer in [first, second] {
        let certificate = certificate(&chain, &answer);
        assert_eq!(status_of(&certificate, &id, "reply").as_deref(), Some(&b"once"[..]));
    }
    assert_eq!(chain.submitted_count(), 1);
    chain.set_now(Time(SOON.0 + 1));
    let replayed = post(&router, &url(4, CANISTER), body).await;
    assert_eq!(replayed.status, StatusCode::BAD_REQUEST, "{}", replayed.text());
    assert_eq!(chain.submitted_count(), 1);
}

#[tokio::test]
async fn overload_is_answered_at_once() {
    let chain = TestChain::new();
    let (body, _) = call(&Key::ed25519(1), "echo", b"", SOON);
    let none = router(chain.api(Limits { calls_max: 0, ..limits() }), &mut Registry::default());
    let answer = post(&none, &url(4, CANISTER), body.clone()).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    for (error, word) in [(SubmitError::PoolFull, "too many"), (SubmitError::Stopping, "stopping")]
    {
        *chain.refuses.lock().expect("no panic") = Some(error);
        let answer = post(&chain.router(), &url(4, CANISTER), body.clone()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.text().contains(word), "{}", answer.text());
    }
    assert_eq!(chain.submitted_count(), 0);
}

#[tokio::test]
async fn without_a_place_to_wait_a_call_is_taken_all_the_same() {
    let chain = TestChain::with_limits(types::Limits::default(), 0);
    let (body, _) = call(&Key::ed25519(1), "echo", b"", SOON);
    let answer = post(&chain.router(), &url(4, CANISTER), body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(chain.submitted_count(), 1);
}

/// Sends what must be refused, to every version, and checks that nothing happened.
async fn check_refused(path: CanisterId, body: &[u8], status: StatusCode, word: &str) {
    let (chain, router) = instant();
    for version in [2, 3, 4] {
        let answer = post(&router, &url(version, path), body.to_vec()).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{text}");
        assert!(text.contains(word), "{text:?} does not say {word:?}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    }
    assert_eq!(chain.submitted_count(), 0);
}

#[tokio::test]
async fn expiry() {
    let (bad, key) = (StatusCode::BAD_REQUEST, Key::ed25519(1));
    let at = |time| call(&key, "echo", b"", time).0;
    check_refused(CANISTER, &at(Time(START.0 - 1)), bad, "expir").await;
    check_refused(CANISTER, &at(Time(0)), bad, "expir").await;
    check_refused(CANISTER, &at(Time(u64::MAX)), bad, "expir").await;
    let farthest = START.plus_ms(330_000);
    check_refused(CANISTER, &at(farthest.plus_ns(1)), bad, "expir").await;
    let (chain, router) = instant();
    let answer = post(&router, &url(4, CANISTER), at(farthest)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(chain.submitted_count(), 1);
}

#[tokio::test]
async fn signatures_that_do_not_hold() {
    let forbidden = StatusCode::FORBIDDEN;
    for key in [Key::ed25519(1), Key::secp256k1(2), Key::p256(3)] {
        let sender = key.principal();
        let content = message("call", &sender, &CANISTER, "echo", b"", SOON);
        let wrong = key.sign(b"something else");
        check_refused(CANISTER, &key.envelope_with(&content, wrong), forbidden, "signature").await;
        let short = Some(vec![0; 63]);
        check_refused(CANISTER, &key.envelope_with(&content, short), forbidden, "signature").await;
        check_refused(CANISTER, &key.envelope_with(&content, None), forbidden, "sig").await;
        let other = Key::ed25519(77).principal();
        let content = message("call", &other, &CANISTER, "echo", b"", SOON);
        check_refused(CANISTER, &key.envelope(&content), forbidden, "sender").await;
    }
    let sender = Principal::anonymous();
    let content = message("call", &sender, &CANISTER, "echo", b"", SOON);
    let signed = Key::ed25519(1).envelope(&content);
    check_refused(CANISTER, &signed, forbidden, "anonymous").await;
}

#[tokio::test]
async fn ids_in_the_url() {
    let bad = StatusCode::BAD_REQUEST;
    let body = call(&Key::ed25519(1), "echo", b"", SOON).0;
    check_refused(CanisterId::from_index(6), &body, bad, "effective canister id").await;
    for outside in [CanisterId::from_index(1 << 40), CanisterId(Principal::anonymous())] {
        let sender = Principal::anonymous();
        let content = message("call", &sender, &outside, "echo", b"", SOON);
        check_refused(outside, &Key::Anonymous.envelope(&content), bad, "does not belong to any")
            .await;
    }
    let (chain, router) = instant();
    for id in ["x", "aaaaa-ab", "%F0%9F%98%80"] {
        let answer = post(&router, &format!("/api/v4/canister/{id}/call"), body.clone()).await;
        assert_eq!(answer.status, bad);
    }
    let subnet = chain.chain.subnet_id;
    let answer = post(&router, &format!("/api/v4/subnet/{subnet}/call"), body.clone()).await;
    assert_eq!(answer.status, bad, "only creation goes to a subnet");
    let answer = post(&router, &format!("/api/v4/subnet/{CANISTER}/call"), body).await;
    assert!(answer.text().contains("not this one"), "{}", answer.text());
    assert_eq!(chain.submitted_count(), 0);
}

#[tokio::test]
async fn creation_is_routed_by_any_id_or_by_the_subnet() {
    let (chain, router) = instant();
    let key = Key::ed25519(1);
    let sender = key.principal();
    let mut seconds = 0;
    let mut create = |method| {
        seconds += 1;
        let expiry = START.plus_ms(seconds * 1000);
        key.envelope(&message("call", &sender, &MANAGEMENT_CANISTER, method, b"DIDL\0\0", expiry))
    };
    let subnet = format!("/api/v4/subnet/{}/call", chain.chain.subnet_id);
    let anywhere = [url(4, CANISTER), url(4, MANAGEMENT_CANISTER), subnet];
    for path in &anywhere {
        for method in ["create_canister", "provisional_create_canister_with_cycles"] {
            let answer = post(&router, path, create(method)).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        }
        let answer = post(&router, path, create("stop_canister")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    }
    assert_eq!(chain.submitted_count(), 6);
    let [canister, management, subnet] = &anywhere;
    assert_eq!(post(&router, canister, create("raw_rand")).await.status, StatusCode::OK);
    for path in [management, subnet] {
        let answer = post(&router, path, create("raw_rand")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    }
}

#[tokio::test]
async fn bodies_that_are_no_envelope() {
    let bad = StatusCode::BAD_REQUEST;
    let key = Key::ed25519(1);
    let sender = key.principal();
    let good = message("call", &sender, &CANISTER, "echo", b"x", SOON);
    let changed = |change: &dyn Fn(&mut Fields<'_>)| {
        let mut fields = good.clone();
        change(&mut fields);
        key.envelope(&fields)
    };
    for (body, word) in [
        (b"".to_vec(), ""),
        (b"\xff\xff".to_vec(), ""),
        (b"not cbor at all".to_vec(), ""),
        (vec![0x9b; 9], ""),
        (vec![0x81; 100_000], ""),
        (key.envelope(&message("query", &sender, &CANISTER, "echo", b"", SOON)), "request_type"),
        (changed(&|fields| drop(fields.remove(3))), "canister_id"),
        (changed(&|fields| fields.push(("surprise", Field::Nat(1)))), "surprise"),
        (changed(&|fields| fields.push(("arg", Field::Bytes(b"y")))), "twice"),
        (changed(&|fields| fields[2].1 = Field::Text("soon")), ""),
        (changed(&|fields| fields.push(("nonce", Field::Bytes(&[0; 33])))), "nonce"),
        (changed(&|fields| fields[1].1 = Field::Bytes(&[7; 30])), "principal"),
        ([key.envelope(&good), vec![0]].concat(), ""),
    ] {
        check_refused(CANISTER, &body, bad, word).await;
    }
}

#[tokio::test]
async fn every_truncation_and_many_flipped_bytes_are_answered_without_effect() {
    let (chain, router) = instant();
    let (good, _) = call(&Key::secp256k1(1), "echo", b"argument", SOON);
    let path = url(4, CANISTER);
    for length in 0..good.len() {
        let answer = post(&router, &path, good[..length].to_vec()).await;
        assert!(answer.status.is_client_error(), "{length}: {}", answer.status);
    }
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        let answer = post(&router, &path, bytes).await;
        // Only the tag in front may be something else without a change of meaning.
        assert!(answer.status.is_client_error(), "{at}: {}", answer.status);
    }
    assert_eq!(chain.submitted_count(), 0);
    assert_eq!(post(&router, &path, good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sizes() {
    let (chain, router) = instant();
    let key = Key::ed25519(1);
    let arg = vec![0; 2 << 20];
    let (too_large, _) = call(&key, "echo", &arg, SOON);
    let answer = post(&router, &url(4, CANISTER), too_large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.text().contains("2097152"), "{}", answer.text());
    let answer = post(&router, &url(4, CANISTER), vec![0; (5 << 20) + 1]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(chain.submitted_count(), 0);
    let (largest, _) = call(&key, "echo", &arg[..(2 << 20) - 400], SOON);
    assert_eq!(post(&router, &url(4, CANISTER), largest).await.status, StatusCode::OK);
}

#[tokio::test]
async fn methods_and_paths() {
    let (_, router) = instant();
    let path = url(4, CANISTER);
    assert_eq!(get(&router, &path).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let status = send(&router, Method::POST, "/api/v2/status", "").await.status;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    for path in ["/api/v5/canister/aaaaa-aa/call", "/api/v4/canister/aaaaa-aa", "/x"] {
        assert_eq!(post(&router, path, "").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn pages_of_any_origin_may_call() {
    let (_, router) = instant();
    let preflight = send(&router, Method::OPTIONS, &url(4, CANISTER), "").await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let methods = preflight.headers[header::ACCESS_CONTROL_ALLOW_METHODS].to_str();
    assert!(methods.expect("ascii").contains("POST"));
    let headers = preflight.headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str();
    assert!(headers.expect("ascii").contains("content-type"));
    for answer in [
        get(&router, "/api/v2/status").await,
        post(&router, &url(4, CANISTER), "broken").await,
        post(&router, "/nowhere", "").await,
    ] {
        assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}

#[tokio::test]
async fn counters() {
    let chain = TestChain::new();
    *chain.instant.lock().expect("no panic") = true;
    let mut registry = Registry::default();
    let router = router(chain.api(limits()), &mut registry);
    let (body, _) = call(&Key::ed25519(1), "echo", b"", SOON);
    post(&router, &url(4, CANISTER), body.clone()).await;
    post(&router, &url(4, CANISTER), body).await;
    post(&router, &url(4, CANISTER), "broken").await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("a string");
    for line in [
        "plinth_http_requests_total{endpoint=\"call_v4\",status=\"200\"} 2",
        "plinth_http_requests_total{endpoint=\"call_v4\",status=\"400\"} 1",
        "plinth_http_request_seconds_count{endpoint=\"call_v4\"} 3",
        "plinth_http_in_flight{endpoint=\"call_v4\"} 0",
        "plinth_http_sync_calls_total{outcome=\"known\"} 1",
        "plinth_http_sync_calls_total{outcome=\"refused\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn status() {
    let (chain, router) = instant();
    let value = get(&router, "/api/v2/status").await.cbor();
    let keys = value.keys();
    for key in ["certified_height", "ic_api_version", "impl_version", "root_key"] {
        assert!(keys.contains(&key), "{keys:?}");
    }
    assert_eq!(value.get("root_key").bytes(), &chain.chain.root_key_der[..]);
    assert_eq!(value.get("replica_health_status").text(), "healthy");
    assert_eq!(value.get("impl_hash").text(), "0123abcd");
    assert_eq!(value.get("certified_height"), &Value::Nat(2));
}
