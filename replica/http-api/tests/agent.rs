//! The agent library of the ecosystem, unchanged, against the served interface: it checks every
//! certificate and every signature itself.

mod fixture;

use std::sync::Arc;

use fixture::TestChain;
use ic_agent::identity::{AnonymousIdentity, BasicIdentity, Prime256v1Identity, Secp256k1Identity};
use ic_agent::{Agent, AgentError, Identity};
use replica_http_api::{Clock as _, Limits, SystemClock, serve};
use types::{CanisterId, Principal};

/// Keys made for this test alone.
const SECP256K1: &str = "-----BEGIN EC PRIVATE KEY-----
MHQCAQEEIDF5H+o28KEA/I+BGXKXX90R6VUcNCqyUYZbqpn4A6F9oAcGBSuBBAAK
oUQDQgAEIDPKus4M1Y2KdoRZbl3TsXAHSb/O+L9bju3EisKYMjKosoqPhxTXFlrQ
Zhk6fqM8ldIIXcd5/xfjBLMByI1SnA==
-----END EC PRIVATE KEY-----
";
const P256: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIOFgtNnsg4NywGK6B5msfx5Lv/ayW3shDHPr/EOglWGzoAoGCCqGSM49
AwEHoUQDQgAEHMqtEGPi7qliI22K0uDZKhwPivfp0DFHVtjx0v8zQh1hRgx9HgVM
QQ4VC1UO5Xbjg/EHiEqzEcMj6rUF/l6BCw==
-----END EC PRIVATE KEY-----
";

/// A served chain that executes each call at once, on the machine's clock.
async fn served_chain() -> (Arc<TestChain>, String) {
    let chain = TestChain::new();
    *chain.instant.lock().expect("no panic") = true;
    chain.set_now(SystemClock.now());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve(listener, chain.router(), Limits::default()));
    (chain, format!("http://{address}"))
}

async fn agent(url: &str, identity: impl Identity + 'static) -> Agent {
    let agent = Agent::builder().with_url(url).with_identity(identity).build().expect("an agent");
    agent.fetch_root_key().await.expect("the status has it");
    agent
}

fn ed25519() -> BasicIdentity {
    BasicIdentity::from_raw_key(&[42; 32])
}

#[tokio::test]
async fn status_and_subnet() {
    let (chain, url) = served_chain().await;
    let canister = chain.add_canister(Principal::anonymous());
    let agent = agent(&url, ed25519()).await;
    assert_eq!(agent.read_root_key(), chain.chain.root_key_der);
    let status = agent.status().await.expect("a status");
    assert_eq!(status.replica_health_status.as_deref(), Some("healthy"));
    let subnet_id = chain.chain.subnet_id;
    let subnet = agent.fetch_subnet_by_canister(&canister.0).await.expect("certified");
    assert_eq!(subnet.id(), subnet_id.0);
    let same = agent.fetch_subnet_by_id(&subnet_id.0).await.expect("certified");
    assert!(same.contains_canister(&canister.0));
    let ranges = agent.read_state_subnet_canister_ranges(subnet_id.0).await.expect("certified");
    let (first, last) = chain.config.canister_index_range;
    assert_eq!(ranges, [(CanisterId::from_index(first).0, CanisterId::from_index(last).0)]);
    let metrics = agent.read_state_subnet_metrics(subnet_id.0).await.expect("certified");
    assert_eq!(metrics.num_canisters, 1);
}

#[tokio::test]
async fn updates_and_queries_of_all_identities() {
    let (chain, url) = served_chain().await;
    let canister = chain.add_canister(Principal::anonymous()).0;
    check_identity(&url, canister, ed25519()).await;
    check_identity(&url, canister, Secp256k1Identity::from_pem(SECP256K1).expect("a key")).await;
    check_identity(&url, canister, Prime256v1Identity::from_pem(P256).expect("a key")).await;
    check_identity(&url, canister, AnonymousIdentity).await;
}

async fn check_identity(url: &str, canister: Principal, identity: impl Identity + 'static) {
    let agent = agent(url, identity).await;
    let reply = agent.update(&canister, "echo").with_arg(b"to all").call_and_wait().await;
    assert_eq!(reply.expect("a certified reply"), b"to all");
    let reply = agent.query(&canister, "echo").with_arg(b"to one").call().await;
    assert_eq!(reply.expect("a signed reply"), b"to one");
}

#[tokio::test]
async fn rejections() {
    let (chain, url) = served_chain().await;
    let canister = chain.add_canister(Principal::anonymous()).0;
    let agent = agent(&url, ed25519()).await;
    let certified = agent.update(&canister, "reject").call_and_wait().await;
    match certified {
        Err(AgentError::CertifiedReject { reject, .. }) => {
            assert_eq!(reject.reject_message, "no, thank you");
            assert_eq!(reject.error_code.as_deref(), Some("IC0406"));
        }
        other => panic!("{other:?}"),
    }
    let refused = agent.update(&canister, "refuse").call_and_wait().await;
    match refused {
        Err(AgentError::UncertifiedReject { reject, .. }) => {
            assert_eq!(reject.reject_message, "Canister rejected the message");
        }
        other => panic!("{other:?}"),
    }
    let missing = CanisterId::from_index(50).0;
    match agent.query(&missing, "echo").call().await {
        Err(AgentError::UncertifiedReject { reject, .. }) => {
            assert_eq!(reject.error_code.as_deref(), Some("IC0301"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn polling_and_canister_information() {
    let (chain, url) = served_chain().await;
    *chain.instant.lock().expect("no panic") = false;
    let owner = ed25519();
    let controller = owner.sender().expect("a principal");
    let canister = chain.add_canister(controller).0;
    let agent = agent(&url, owner).await;
    // Not completed in time: the agent gets 202 and polls for the status.
    let submitting = agent.update(&canister, "echo").with_arg(b"later").call();
    let chain_of_calls = Arc::clone(&chain);
    let completing = async move {
        while chain_of_calls.submitted_count() == 0 {
            tokio::task::yield_now().await;
        }
        let call = chain_of_calls.submitted.lock().expect("no panic")[0].clone();
        chain_of_calls.receive(&call);
        chain_of_calls.complete(&call);
    };
    let (reply, ()) = tokio::join!(submitting.and_wait(), completing);
    assert_eq!(reply.expect("a certified reply").0, b"later");
    let controllers = agent.read_state_canister_controllers(canister).await.expect("certified");
    assert_eq!(controllers, [controller]);
    let module = agent.read_state_canister_module_hash(canister).await.expect("certified");
    assert_eq!(module.len(), 32);
    let open = agent.read_state_canister_metadata(canister, "open").await.expect("public");
    assert_eq!(open, b"for all");
    let closed = agent.read_state_canister_metadata(canister, "closed").await;
    assert_eq!(closed.expect("a controller reads it"), b"for controllers");
}
