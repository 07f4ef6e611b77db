//! Queries and `read_state` through the router: what is answered, what is signed, who may read.

mod fixture;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use fixture::client::{Key, message, read_state, request_id};
use fixture::{Answer, START, TestChain, limits, post};
use prometheus_client::registry::Registry;
use replica_crypto::Domain;
use replica_crypto::certificate::Certificate;
use replica_crypto::hash_tree::{Lookup, SubtreeLookup};
use replica_crypto::request_id::{Value as Field, hash_of_map};
use replica_http_api::{Limits, router};
use types::{CanisterId, MANAGEMENT_CANISTER, Principal, Time};

const SOON: Time = Time(START.0 + 60_000_000_000);

struct Test {
    chain: Arc<TestChain>,
    router: Router,
    owner: Key,
    canister: CanisterId,
}

impl Test {
    fn new() -> Self {
        let chain = TestChain::new();
        let owner = Key::ed25519(1);
        let canister = chain.add_canister(owner.principal());
        let router = chain.router();
        Self { chain, router, owner, canister }
    }

    async fn query(&self, version: u8, key: &Key, canister: CanisterId, expiry: Time) -> Answer {
        let sender = key.principal();
        let content = message("query", &sender, &canister, "echo", b"ping", expiry);
        let path = format!("/api/v{version}/canister/{canister}/query");
        post(&self.router, &path, key.envelope(&content)).await
    }

    async fn read(&self, url: &str, key: &Key, paths: &[Vec<&[u8]>]) -> Answer {
        let sender = key.principal();
        let body = key.envelope(&read_state(&sender, paths, SOON));
        post(&self.router, url, body).await
    }

    fn canister_url(&self, version: u8) -> String {
        format!("/api/v{version}/canister/{}/read_state", self.canister)
    }

    fn subnet_url(&self, version: u8) -> String {
        format!("/api/v{version}/subnet/{}/read_state", self.chain.chain.subnet_id)
    }

    fn certificate(&self, answer: &Answer) -> Certificate {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let value = answer.cbor();
        assert_eq!(value.keys(), ["certificate"]);
        let bytes = value.get("certificate").bytes();
        let certificate = Certificate::from_cbor(bytes).expect("encoded");
        assert!(certificate.verify(self.chain.root_key()).expect("signed").is_none());
        let time = certificate.tree.lookup(&["time"]);
        assert!(matches!(time, Lookup::Found(_)), "the time is always there");
        certificate
    }

    /// Whether this one path may be read, by the status of the answer.
    async fn check(&self, url: &str, key: &Key, path: &[&[u8]], expected: u16) {
        let answer = self.read(url, key, &[path.to_vec()]).await;
        let label = |label: &&[u8]| String::from_utf8_lossy(label).into_owned();
        let path: Vec<_> = path.iter().map(label).collect();
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status.as_u16(), expected, "{url} {path:?}: {text}");
    }
}

/// Checks the node's signature as the specification's `verify_node_signatures` does.
fn verify_signature(test: &Test, answer: &Answer, fields: Vec<(&str, Field<'_>)>, id: [u8; 32]) {
    let value = answer.cbor();
    let [signature] = value.get("signatures").array() else { panic!("one signature") };
    assert_eq!(signature.get("identity").bytes(), test.chain.node_key.node_id().as_slice());
    let timestamp = signature.get("timestamp").nat();
    assert_eq!(timestamp, START.0);
    let mut fields = fields;
    fields.push(("timestamp", Field::Nat(timestamp)));
    fields.push(("request_id", Field::Bytes(&id)));
    let payload = Domain::QUERY_RESPONSE.payload(&hash_of_map(&fields));
    let bytes: [u8; 64] = signature.get("signature").bytes().try_into().expect("64 bytes");
    let key = ed25519_consensus::VerificationKey::try_from(test.chain.node_key.public_key());
    let verified = key.expect("a key").verify(&bytes.into(), &payload);
    verified.expect("the node's signature holds");
}

#[tokio::test]
async fn replies_to_queries_are_signed() {
    let test = Test::new();
    for key in [Key::Anonymous, Key::ed25519(1), Key::secp256k1(2), Key::p256(3)] {
        for version in [2, 3] {
            let answer = test.query(version, &key, test.canister, SOON).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            let value = answer.cbor();
            assert_eq!(value.keys(), ["reply", "signatures", "status"]);
            assert_eq!(value.get("reply").get("arg").bytes(), b"ping");
            let sender = key.principal();
            let content = message("query", &sender, &test.canister, "echo", b"ping", SOON);
            let reply = Field::Map(vec![("arg", Field::Bytes(b"ping"))]);
            let fields = vec![("status", Field::Text("replied")), ("reply", reply)];
            verify_signature(&test, &answer, fields, request_id(&content).0);
        }
    }
}

#[tokio::test]
async fn rejections_of_queries_are_signed_too() {
    let test = Test::new();
    let missing = CanisterId::from_index(99);
    let answer = test.query(3, &Key::Anonymous, missing, SOON).await;
    assert_eq!(answer.status, StatusCode::OK);
    let value = answer.cbor();
    let keys = ["error_code", "reject_code", "reject_message", "signatures", "status"];
    assert_eq!(value.keys(), keys);
    let text = format!("Canister {missing} not found");
    assert_eq!(value.get("reject_message").text(), text);
    let sender = Principal::anonymous();
    let content = message("query", &sender, &missing, "echo", b"ping", SOON);
    let fields = vec![
        ("status", Field::Text("rejected")),
        ("reject_code", Field::Nat(3)),
        ("reject_message", Field::Text(&text)),
        ("error_code", Field::Text("IC0301")),
    ];
    verify_signature(&test, &answer, fields, request_id(&content).0);
}

#[tokio::test]
async fn canisters_get_a_certificate_of_their_data() {
    let test = Test::new();
    let sender = Principal::anonymous();
    let content = message("query", &sender, &test.canister, "certificate", b"", SOON);
    let path = format!("/api/v3/canister/{}/query", test.canister);
    for data in [b"one".as_slice(), b"two"] {
        test.chain.round(|state| {
            let canister = state.canister_mut(&test.canister).expect("it is there");
            canister.system.certified_data = data.into();
            Vec::new()
        });
        // The second query of a state is answered with the certificate that the first one made.
        for _ in 0..2 {
            let answer = post(&test.router, &path, Key::Anonymous.envelope(&content)).await;
            let value = answer.cbor();
            let certificate = value.get("reply").get("arg").bytes();
            let certificate = Certificate::from_cbor(certificate).expect("encoded");
            certificate.verify(test.chain.root_key()).expect("signed");
            let path = [&b"canister"[..], test.canister.as_slice(), b"certified_data"];
            assert_eq!(certificate.tree.lookup(&path), Lookup::Found(data));
        }
    }
}

#[tokio::test]
async fn queries_that_are_not_admitted() {
    let test = Test::new();
    let key = Key::ed25519(4);
    let past = Time(START.0 - 1);
    let anonymous = test.query(3, &Key::Anonymous, test.canister, past).await;
    assert_eq!(anonymous.status, StatusCode::OK, "anonymous queries do not expire");
    let expired = test.query(3, &key, test.canister, past).await;
    assert_eq!(expired.status, StatusCode::BAD_REQUEST);
    let outside = test.query(3, &key, CanisterId::from_index(1 << 40), SOON).await;
    assert_eq!(outside.status, StatusCode::BAD_REQUEST);
    let sender = key.principal();
    let content = message("query", &sender, &test.canister, "echo", b"", SOON);
    let elsewhere = format!("/api/v3/canister/{}/query", CanisterId::from_index(7));
    let answer = post(&test.router, &elsewhere, key.envelope(&content)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    let here = format!("/api/v3/canister/{}/query", test.canister);
    let forged = key.envelope_with(&content, key.sign(b"something else"));
    assert_eq!(post(&test.router, &here, forged).await.status, StatusCode::FORBIDDEN);
    let call = message("call", &sender, &test.canister, "echo", b"", SOON);
    let answer = post(&test.router, &here, key.envelope(&call)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    let subnet = format!("/api/v3/subnet/{}/query", test.chain.chain.subnet_id);
    let answer = post(&test.router, &subnet, key.envelope(&content)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    let list = message("query", &sender, &MANAGEMENT_CANISTER, "list_canisters", b"", SOON);
    let answer = post(&test.router, &subnet, key.envelope(&list)).await;
    assert_eq!(answer.status, StatusCode::OK, "it reaches execution: {}", answer.text());
}

#[tokio::test]
async fn a_query_that_stops_its_thread_stops_nothing_else() {
    let test = Test::new();
    let sender = Principal::anonymous();
    let content = message("query", &sender, &test.canister, "panic", b"", SOON);
    let path = format!("/api/v3/canister/{}/query", test.canister);
    let answer = post(&test.router, &path, Key::Anonymous.envelope(&content)).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let after = test.query(3, &Key::Anonymous, test.canister, SOON).await;
    assert_eq!(after.status, StatusCode::OK);
}

#[tokio::test]
async fn too_many_queries_and_reads() {
    let chain = TestChain::new();
    let none = Limits { queries_max: 0, read_states_max: 0, ..limits() };
    let router = router(chain.api(none), &mut Registry::default());
    for kind in ["query", "read_state"] {
        let id = CanisterId::from_index(0);
        let answer = post(&router, &format!("/api/v3/canister/{id}/{kind}"), "").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    }
}

#[tokio::test]
async fn what_everybody_may_read() {
    let test = Test::new();
    let subnet = test.chain.chain.subnet_id;
    let (subnet, node) = (subnet.as_slice(), test.chain.node_key.node_id());
    let node = node.as_slice();
    let other: &[u8] = &[9; 29];
    for url in [test.canister_url(2), test.canister_url(3), test.subnet_url(2), test.subnet_url(3)]
    {
        for path in [
            vec![&b"time"[..]],
            vec![b"api_boundary_nodes"],
            vec![b"api_boundary_nodes", node],
            vec![b"api_boundary_nodes", node, b"domain"],
            vec![b"api_boundary_nodes", node, b"ipv6_address"],
            vec![b"subnet"],
            vec![b"subnet", subnet],
            vec![b"subnet", b"\x01"],
            vec![b"subnet", subnet, b"public_key"],
            vec![b"subnet", subnet, b"type"],
            vec![b"subnet", subnet, b"node"],
            vec![b"subnet", subnet, b"node", node],
            vec![b"subnet", subnet, b"node", node, b"public_key"],
            vec![b"subnet", subnet, b"canister_ranges"],
        ] {
            test.check(&url, &Key::Anonymous, &path, 200).await;
        }
        for path in [
            vec![],
            vec![&b""[..]],
            vec![b"nothing"],
            vec![b"time", b"x"],
            vec![b"canister"],
            vec![b"request_status"],
            vec![b"canister_ranges"],
            vec![b"subnet", subnet, b"secret"],
            vec![b"subnet", subnet, b"node", node, b"public_key", b"x"],
            vec![b"api_boundary_nodes", node, b"password"],
        ] {
            test.check(&url, &Key::Anonymous, &path, 404).await;
        }
        test.check(&url, &Key::Anonymous, &[b"subnet", &[1; 30]], 400).await;
    }
    // The list of ranges of a subnet that is not the root: only the old endpoints give it.
    for (version, expected) in [(2, 200), (3, 404)] {
        let path = [b"subnet", other, b"canister_ranges"];
        test.check(&test.canister_url(version), &Key::Anonymous, &path, expected).await;
        test.check(&test.subnet_url(version), &Key::Anonymous, &path, expected).await;
    }
    // Metrics and sharded ranges: only through the subnet's own URL.
    for version in [2, 3] {
        for path in [vec![&b"subnet"[..], subnet, b"metrics"], vec![b"canister_ranges", subnet]] {
            test.check(&test.subnet_url(version), &Key::Anonymous, &path, 200).await;
            test.check(&test.canister_url(version), &Key::Anonymous, &path, 404).await;
        }
        let metrics = [&b"subnet"[..], other, b"metrics"];
        test.check(&test.subnet_url(version), &Key::Anonymous, &metrics, 404).await;
    }
    let two = [vec![&b"canister_ranges"[..], subnet], vec![b"canister_ranges", other]];
    let answer = test.read(&test.subnet_url(3), &Key::Anonymous, &two).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_subnet_as_agents_read_it() {
    let test = Test::new();
    let subnet = test.chain.chain.subnet_id;
    let node = test.chain.node_key.node_id();
    let answer = test.read(&test.canister_url(3), &Key::Anonymous, &[vec![b"subnet"]]).await;
    let tree = test.certificate(&answer).tree;
    let found = |path: &[&[u8]]| match tree.lookup(path) {
        Lookup::Found(value) => value.to_vec(),
        other => panic!("{other:?}"),
    };
    let subnet = subnet.as_slice();
    assert_eq!(found(&[b"subnet", subnet, b"public_key"]), test.chain.chain.root_key_der);
    assert_eq!(found(&[b"subnet", subnet, b"type"]), b"application");
    let key = found(&[b"subnet", subnet, b"node", node.as_slice(), b"public_key"]);
    assert_eq!(key, test.chain.config.members[0].public_key_der());
    assert!(!found(&[b"subnet", subnet, b"canister_ranges"]).is_empty());
    // Nothing of other parts of the tree.
    let canister = tree.lookup_subtree(&[&b"canister"[..], test.canister.as_slice()]);
    assert!(!matches!(canister, SubtreeLookup::Found(_)), "{canister:?}");
}

#[tokio::test]
async fn canister_information() {
    let test = Test::new();
    let id = test.canister.as_slice();
    let other = CanisterId::from_index(77);
    for version in [2, 3] {
        let url = test.canister_url(version);
        for field in [
            &b"module_hash"[..],
            b"controllers",
            b"canister_creation_timestamp",
            b"last_install_timestamp",
        ] {
            test.check(&url, &Key::Anonymous, &[b"canister", id, field], 200).await;
            test.check(&url, &Key::Anonymous, &[b"canister", other.as_slice(), field], 400).await;
            let by_subnet = test.subnet_url(version);
            test.check(&by_subnet, &Key::Anonymous, &[b"canister", id, field], 404).await;
        }
        test.check(&url, &test.owner, &[b"canister", id, b"certified_data"], 404).await;
        test.check(&url, &test.owner, &[b"canister", id], 404).await;
    }
    let missing = format!("/api/v3/canister/{other}/read_state");
    let path = [&b"canister"[..], other.as_slice(), b"module_hash"];
    let answer = test.read(&missing, &Key::Anonymous, &[path.to_vec()]).await;
    assert_eq!(test.certificate(&answer).tree.lookup(&path), Lookup::Absent);
    let outside = format!("/api/v3/canister/{}/read_state", CanisterId::from_index(1 << 40));
    test.check(&outside, &Key::Anonymous, &[b"time"], 400).await;
}

#[tokio::test]
async fn metadata_is_public_or_for_controllers() {
    let test = Test::new();
    let id = test.canister.as_slice();
    let (url, stranger) = (test.canister_url(3), Key::ed25519(9));
    for (name, key, expected) in [
        (&b"open"[..], &stranger, 200),
        (b"open", &Key::Anonymous, 200),
        (b"closed", &test.owner, 200),
        (b"closed", &stranger, 403),
        (b"closed", &Key::Anonymous, 403),
        (b"absent", &stranger, 200),
        (b"\xff\xfe", &stranger, 400),
    ] {
        test.check(&url, key, &[b"canister", id, b"metadata", name], expected).await;
    }
    let path = vec![&b"canister"[..], id, b"metadata", b"closed"];
    let answer = test.read(&url, &test.owner, std::slice::from_ref(&path)).await;
    let tree = test.certificate(&answer).tree;
    assert_eq!(tree.lookup(&path), Lookup::Found(b"for controllers"));
    let open = [&b"canister"[..], id, b"metadata", b"open"];
    assert_eq!(tree.lookup(&open), Lookup::Unknown, "only what was asked for is shown");
}

#[tokio::test]
async fn the_status_of_a_request_is_for_its_sender() {
    let test = Test::new();
    *test.chain.instant.lock().expect("no panic") = true;
    let sender = test.owner.principal();
    let content = message("call", &sender, &test.canister, "echo", b"mine", SOON);
    let id = request_id(&content).0;
    let call = format!("/api/v4/canister/{}/call", test.canister);
    post(&test.router, &call, test.owner.envelope(&content)).await;
    for version in [2, 3] {
        let url = test.canister_url(version);
        let fields = ["status", "reply", "reject_code", "reject_message", "error_code"];
        for field in fields.map(str::as_bytes) {
            let path = [&b"request_status"[..], &id, field];
            test.check(&url, &test.owner, &path, 200).await;
            test.check(&url, &Key::ed25519(9), &path, 403).await;
            test.check(&url, &Key::Anonymous, &path, 403).await;
            test.check(&test.subnet_url(version), &test.owner, &path, 403).await;
        }
        let elsewhere =
            format!("/api/v{version}/canister/{}/read_state", CanisterId::from_index(3));
        test.check(&elsewhere, &test.owner, &[b"request_status", &id], 403).await;
        test.check(&url, &test.owner, &[b"request_status", &id, b"sender"], 404).await;
        test.check(&url, &test.owner, &[b"request_status", &id[..31]], 400).await;
        test.check(&url, &Key::Anonymous, &[b"request_status", &[7; 32]], 200).await;
    }
    let url = test.canister_url(3);
    let answer = test.read(&url, &test.owner, &[vec![b"request_status", &id]]).await;
    let tree = test.certificate(&answer).tree;
    let path = [&b"request_status"[..], &id, b"reply"];
    assert_eq!(tree.lookup(&path), Lookup::Found(b"mine"));
    let two = [vec![&b"request_status"[..], &id], vec![b"request_status", &[7; 32]]];
    assert_eq!(test.read(&url, &test.owner, &two).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_unknown_request_is_proven_absent() {
    let test = Test::new();
    let path = vec![&b"request_status"[..], &[7; 32]];
    for url in [test.canister_url(3), format!("/api/v3/canister/{MANAGEMENT_CANISTER}/read_state")]
    {
        let answer = test.read(&url, &Key::Anonymous, std::slice::from_ref(&path)).await;
        assert_eq!(test.certificate(&answer).tree.lookup(&path), Lookup::Absent);
    }
}

#[tokio::test]
async fn many_and_long_paths() {
    let test = Test::new();
    let url = test.canister_url(3);
    let paths = vec![vec![&b"time"[..]]; 1001];
    assert_eq!(test.read(&url, &Key::Anonymous, &paths[..1000]).await.status, StatusCode::OK);
    let answer = test.read(&url, &Key::Anonymous, &paths).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    let long = vec![&b"x"[..]; 128];
    test.check(&url, &Key::Anonymous, &long, 400).await;
    test.check(&url, &Key::Anonymous, &long[..127], 404).await;
    let none = test.read(&url, &Key::Anonymous, &[]).await;
    test.certificate(&none);
}
