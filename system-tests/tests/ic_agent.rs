//! ic-agent against a network of four nodes: the whole life of two canisters, with every certificate and
//! every node's signature verified.

use candid::{CandidType, Deserialize, Encode, Nat, Principal};
use ic_agent::agent::RejectCode;
use ic_agent::identity::{
    AnonymousIdentity, BasicIdentity, DelegatedIdentity, Delegation, Prime256v1Identity,
    Secp256k1Identity, SignedDelegation,
};
use ic_agent::{Agent, AgentError, Identity};
use ic_management_canister_types::{CanisterIdRecord, CanisterInstallMode, CanisterStatusType};
use system_tests::waiting::PATIENCE;
use system_tests::{LocalNetwork, certificate, development as dev, provided};

/// Keys made for this test alone.
const SECP256K1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHQCAQEEICC0g576SqKw3+uGRJDNfQ5A3/9jeF5s4PRZw0b7r3OsoAcGBSuBBAAK
oUQDQgAEPP8+NYuR9Zj0Ygm8rOS3sr8IyGz/LSS6OkwqVRF/QeAOHZLgR2fpVp5/
AAQDUZNcWMjiUr74a1u04h50e3tpFg==
-----END EC PRIVATE KEY-----
";
const P256: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIMHZN5YeNkicg2h4sQwAGEU1zEeNTAJ9vBlzNPYsRWTzoAoGCCqGSM49
AwEHoUQDQgAEAI8FsEd4UgsKbT5NctTMlhQkyvwBGxSFvVbzMPwvLiAuen+qSemE
Rd60XsKFNeb0tIyJQZgIBrKcjMVLz3Zicg==
-----END EC PRIVATE KEY-----
";

#[derive(CandidType, Deserialize)]
struct Certified {
    value: u64,
    certificate: Vec<u8>,
    witness: Vec<u8>,
}

#[derive(CandidType, Deserialize, Debug, PartialEq)]
enum Answer {
    Ok(Nat),
    Err(String),
}

/// The network, a developer's agent, and the two canisters that the developer controls.
struct Story {
    network: LocalNetwork,
    agent: Agent,
    counter: Principal,
    ledger: Principal,
}

type Outcome = Result<(), AgentError>;

#[test]
fn the_life_of_two_canisters() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let network = LocalNetwork::start();
        let story = begin(network).await?;
        step("the endpoint's root key is the network's", root_key(&story)).await?;
        step("canisters count and record", calls(&story)).await?;
        step("every scheme of signatures is accepted", identities(&story)).await?;
        step("a reply comes with a certificate", certified_reply(&story)).await?;
        step("a query proves the certified value", certified_data(&story)).await?;
        step("queries of every node verify", every_node(&story)).await?;
        step("the state tree answers", state_tree(&story)).await?;
        step("randomness differs", randomness(&story)).await?;
        step("canisters call each other", between_canisters(&story)).await?;
        step("errors have their codes and leave no trace", errors(&story)).await?;
        step("timers tick", timers(&story)).await?;
        step("upgrades keep the state", upgrades(&story)).await?;
        step("a canister stops, starts and ends", life_and_death(&story)).await?;
        Ok::<(), AgentError>(())
    });
    outcome.unwrap();
}

async fn step(name: &str, part: impl Future<Output = Outcome>) -> Outcome {
    println!("{name}");
    part.await.inspect_err(|error| println!("  failed: {error}"))
}

async fn begin(network: LocalNetwork) -> Result<Story, AgentError> {
    let agent = dev::agent(&network, network.endpoint(), developer());
    let counter = dev::create(&agent, &network).await?;
    let label = Encode!(&Some("first")).unwrap();
    let module = provided::module("rust-counter");
    dev::install(&agent, counter, CanisterInstallMode::Install, &module, label).await?;

    let ledger = dev::create(&agent, &network).await?;
    let module = provided::module("motoko-ledger");
    let argument = Encode!().unwrap();
    dev::install_chunked(&agent, ledger, CanisterInstallMode::Install, &module, argument).await?;
    Ok(Story { network, agent, counter, ledger })
}

fn developer() -> BasicIdentity {
    BasicIdentity::from_raw_key(&[7; 32])
}

async fn root_key(story: &Story) -> Outcome {
    let agent = Agent::builder().with_url(story.network.endpoint()).build()?;
    agent.fetch_root_key().await?;
    assert_eq!(agent.read_root_key(), story.network.root_key());
    let own_id = Principal::self_authenticating(story.network.root_key());
    assert_eq!(own_id, story.network.subnet_id(), "the root subnet's id is made of its key");
    Ok(())
}

async fn calls(story: &Story) -> Outcome {
    let Story { agent, counter, ledger, .. } = story;
    let (value,): (u64,) = dev::update(agent, *counter, "add", (5_u64,)).await?;
    assert_eq!(value, 5);
    let (value,): (u64,) = dev::query(agent, *counter, "get", ()).await?;
    assert_eq!(value, 5);
    let (label,): (String,) = dev::query(agent, *counter, "label", ()).await?;
    assert_eq!(label, "first");

    dev::update::<()>(agent, *counter, "put_note", ("colour", "green")).await?;
    let (note,): (Option<String>,) = dev::query(agent, *counter, "get_note", ("colour",)).await?;
    assert_eq!(note.as_deref(), Some("green"));

    let (total,): (Nat,) = dev::update(agent, *ledger, "record", ("tea", Nat::from(3_u8))).await?;
    assert_eq!(total, Nat::from(3_u8));
    let (total,): (Nat,) = dev::query(agent, *ledger, "total", ()).await?;
    assert_eq!(total, Nat::from(3_u8));
    Ok(())
}

async fn identities(story: &Story) -> Outcome {
    let identities: Vec<Box<dyn Identity>> = vec![
        Box::new(AnonymousIdentity),
        Box::new(developer()),
        Box::new(Secp256k1Identity::from_pem(SECP256K1).unwrap()),
        Box::new(Prime256v1Identity::from_pem(P256).unwrap()),
        Box::new(delegated()),
    ];
    for identity in identities {
        let principal = identity.sender().unwrap();
        let agent = dev::agent(&story.network, story.network.endpoint(), identity);
        let (seen,): (Principal,) = dev::update(&agent, story.counter, "who_am_i", ()).await?;
        assert_eq!(seen, principal);
        let (seen,): (Principal,) = dev::query(&agent, story.counter, "who_am_i", ()).await?;
        assert_eq!(seen, principal);
    }
    Ok(())
}

/// The developer's principal by a session key that the developer's key delegates to.
fn delegated() -> DelegatedIdentity {
    const YEAR_2100_NS: u64 = 4_102_444_800_000_000_000;
    let session = Secp256k1Identity::from_pem(SECP256K1).unwrap();
    let delegation = Delegation {
        pubkey: session.public_key().unwrap(),
        expiration: YEAR_2100_NS,
        targets: None,
        permissions: None,
    };
    let signature = developer().sign_delegation(&delegation).unwrap().signature.unwrap();
    let chain = vec![SignedDelegation { delegation, signature }];
    DelegatedIdentity::new(developer().public_key().unwrap(), Box::new(session), chain).unwrap()
}

async fn certified_reply(story: &Story) -> Outcome {
    let argument = Encode!(&0_u64).unwrap();
    let call = story.agent.update(&story.counter, "add").with_arg(argument).call();
    let (reply, proof) = call.and_wait().await?;
    assert!(certificate::is_signed_by(&proof, story.network.root_key()));

    // The certificate contains this very reply, under some request id.
    let paths = proof.tree.list_paths();
    let id = paths.iter().find_map(|path| match &path[..] {
        [root, id, _] if root.as_bytes() == b"request_status" => Some(id.as_bytes()),
        _ => None,
    });
    let id = id.expect("the certificate tells of the request");
    assert_eq!(certificate::value_at(&proof.tree, &[b"request_status", id, b"status"]), b"replied");
    assert_eq!(certificate::value_at(&proof.tree, &[b"request_status", id, b"reply"]), reply);

    // What would let this test pass without a proof: another key, or a changed signature.
    let mut other_key = story.network.root_key().to_vec();
    *other_key.last_mut().unwrap() ^= 1;
    assert!(!certificate::is_signed_by(&proof, &other_key));
    Ok(())
}

async fn certified_data(story: &Story) -> Outcome {
    let (certified,): (Certified,) =
        dev::query(&story.agent, story.counter, "get_certified", ()).await?;
    let proof = certificate::decode(&certified.certificate);
    assert!(certificate::is_signed_by(&proof, story.network.root_key()));
    story.agent.verify(&proof, story.counter)?;

    let witness = certificate::decode_tree(&certified.witness);
    let path: [&[u8]; 3] = [b"canister", story.counter.as_slice(), b"certified_data"];
    assert_eq!(certificate::value_at(&proof.tree, &path), witness.digest());
    assert_eq!(certificate::value_at(&witness, &[b"counter"]), certified.value.to_be_bytes());
    assert_eq!(certified.value, 5);
    Ok(())
}

async fn every_node(story: &Story) -> Outcome {
    let subnet = story.agent.get_subnet_by_id(&story.network.subnet_id()).await?;
    assert_eq!(subnet.iter_nodes().count(), 4);
    for url in story.network.node_urls() {
        let agent = dev::agent(&story.network, &url, developer());
        // An update through this node, so that its own state is at least that new.
        let (before,): (u64,) = dev::update(&agent, story.counter, "add", (0_u64,)).await?;
        let (value,): (u64,) = dev::query(&agent, story.counter, "get", ()).await?;
        assert_eq!((before, value), (5, 5), "at {url}");
    }

    let mut wrong_key = story.network.root_key().to_vec();
    *wrong_key.last_mut().unwrap() ^= 1;
    let agent = dev::agent(&story.network, story.network.endpoint(), developer());
    agent.set_root_key(wrong_key);
    let refused = dev::query::<(u64,)>(&agent, story.counter, "get", ()).await;
    assert!(refused.is_err(), "the agent accepted answers under a wrong root key");
    Ok(())
}

async fn state_tree(story: &Story) -> Outcome {
    let Story { agent, counter, ledger, network } = story;
    let own = agent.get_principal().unwrap();
    assert_eq!(agent.read_state_canister_controllers(*counter).await?, [own]);
    let hash = agent.read_state_canister_module_hash(*counter).await?;
    assert_eq!(hash, certificate::sha256(&provided::module("rust-counter")));
    let interface = agent.read_state_canister_metadata(*counter, "candid:service").await?;
    assert!(String::from_utf8(interface).unwrap().contains("add_and_trap : (nat64, text) -> ()"));
    let stable_types = agent.read_state_canister_metadata(*ledger, "motoko:stable-types").await?;
    assert!(!stable_types.is_empty(), "a controller reads private metadata");

    let stranger = dev::agent(network, network.endpoint(), AnonymousIdentity);
    let refused = stranger.read_state_canister_metadata(*ledger, "motoko:stable-types").await;
    assert!(refused.is_err(), "a stranger read private metadata");

    let metrics = agent.read_state_subnet_metrics(network.subnet_id()).await?;
    assert!(metrics.num_canisters >= 2);
    let ranges = agent.read_state_subnet_canister_ranges(network.subnet_id()).await?;
    for id in [counter, ledger] {
        assert!(
            ranges.iter().any(|(first, last)| first <= id && id <= last),
            "{id} is in no range"
        );
    }
    Ok(())
}

async fn randomness(story: &Story) -> Outcome {
    let (first,): (Vec<u8>,) = dev::update(&story.agent, story.counter, "random_bytes", ()).await?;
    let (second,): (Vec<u8>,) =
        dev::update(&story.agent, story.counter, "random_bytes", ()).await?;
    assert_eq!((first.len(), second.len()), (32, 32));
    assert_ne!(first, second);
    Ok(())
}

async fn between_canisters(story: &Story) -> Outcome {
    let Story { agent, counter, ledger, .. } = story;
    let (answer,): (Answer,) = dev::update(agent, *counter, "record_in_ledger", (*ledger,)).await?;
    assert_eq!(answer, Answer::Ok(Nat::from(8_u8)), "3 of tea and the counter's 5");
    let (value,): (u64,) = dev::update(agent, *ledger, "addToCounter", (*counter, 2_u64)).await?;
    assert_eq!(value, 7);
    let (total,): (Nat,) = dev::query(agent, *ledger, "total", ()).await?;
    assert_eq!(total, Nat::from(10_u8));
    // A callee without code: the call is rejected, and the caller lives on to say so.
    let (answer,): (Answer,) =
        dev::update(agent, *counter, "record_in_ledger", (Principal::management_canister(),))
            .await?;
    assert!(matches!(answer, Answer::Err(_)), "{answer:?}");
    Ok(())
}

async fn errors(story: &Story) -> Outcome {
    let Story { agent, counter, ledger, .. } = story;
    let trapped = dev::update::<()>(agent, *counter, "add_and_trap", (100_u64, "on purpose")).await;
    expect_reject(trapped, RejectCode::CanisterError, "IC0503", "on purpose");
    let (value,): (u64,) = dev::query(agent, *counter, "get", ()).await?;
    assert_eq!(value, 7, "a trap leaves no trace");

    let trapped = dev::update::<()>(agent, *ledger, "recordAndTrap", (Nat::from(100_u8),)).await;
    expect_reject(
        trapped,
        RejectCode::CanisterError,
        "IC0503",
        "recordAndTrap traps after adding 100",
    );
    let (total,): (Nat,) = dev::query(agent, *ledger, "total", ()).await?;
    assert_eq!(total, Nat::from(10_u8), "a trap leaves no trace");

    let rejected = dev::update::<()>(agent, *counter, "reject_with", ("no thanks",)).await;
    expect_reject(rejected, RejectCode::CanisterReject, "IC0406", "no thanks");
    let absent = dev::update::<()>(agent, *counter, "no_such_method", ()).await;
    expect_reject(absent, RejectCode::CanisterError, "IC0536", "no_such_method");
    let absent = dev::query::<()>(agent, *counter, "no_such_method", ()).await;
    expect_reject(absent, RejectCode::CanisterError, "IC0536", "no_such_method");
    Ok(())
}

/// Checks what a canister's failure is reported as.
fn expect_reject<T: std::fmt::Debug>(
    outcome: Result<T, AgentError>,
    reject_code: RejectCode,
    error_code: &str,
    text: &str,
) {
    let reject = match outcome {
        Err(
            AgentError::CertifiedReject { reject, .. }
            | AgentError::UncertifiedReject { reject, .. },
        ) => reject,
        other => panic!("this was no reject: {other:?}"),
    };
    assert_eq!(reject.reject_code, reject_code, "{reject:?}");
    assert_eq!(reject.error_code.as_deref(), Some(error_code), "{reject:?}");
    assert!(reject.reject_message.contains(text), "{reject:?}");
}

async fn timers(story: &Story) -> Outcome {
    let Story { agent, counter, ledger, .. } = story;
    dev::update::<()>(agent, *counter, "start_ticking", (100_u64,)).await?;
    grows(agent, *counter, "ticks").await?;
    grows(agent, *ledger, "heartbeats").await
}

/// Waits until a counting query (nat64 or nat) answers more than it does now.
async fn grows(agent: &Agent, canister: Principal, method: &str) -> Outcome {
    let count = async || -> Result<candid::IDLValue, AgentError> {
        let reply = agent.query(&canister, method).with_arg(Encode!().unwrap()).call().await?;
        Ok(candid::IDLArgs::from_bytes(&reply).unwrap().args.remove(0))
    };
    let before = count().await?;
    let begin = std::time::Instant::now();
    while count().await? == before {
        assert!(begin.elapsed() < PATIENCE, "{method} stays at {before:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn upgrades(story: &Story) -> Outcome {
    let Story { agent, counter, ledger, .. } = story;
    let module = provided::module("rust-counter");
    let keep_label = Encode!(&None::<String>).unwrap();
    dev::install(agent, *counter, CanisterInstallMode::Upgrade(None), &module, keep_label).await?;
    let (value,): (u64,) = dev::query(agent, *counter, "get", ()).await?;
    assert_eq!(value, 7);
    let (label,): (String,) = dev::query(agent, *counter, "label", ()).await?;
    assert_eq!(label, "first");
    let (note,): (Option<String>,) = dev::query(agent, *counter, "get_note", ("colour",)).await?;
    assert_eq!(note.as_deref(), Some("green"));
    grows(agent, *counter, "ticks").await?;

    let module = provided::module("motoko-ledger");
    let argument = Encode!().unwrap();
    dev::install(agent, *ledger, dev::upgrade_keeping_memory(), &module, argument).await?;
    let (total,): (Nat,) = dev::query(agent, *ledger, "total", ()).await?;
    assert_eq!(total, Nat::from(10_u8));
    grows(agent, *ledger, "heartbeats").await
}

async fn life_and_death(story: &Story) -> Outcome {
    let Story { agent, counter, network, .. } = story;
    let about = CanisterIdRecord { canister_id: *counter };
    let status = dev::status(agent, *counter).await?;
    assert_eq!(status.status, CanisterStatusType::Running);
    assert!(status.memory_size > 0_u8);
    assert!(status.cycles > 0_u8);

    // The canister is its controllers' alone.
    let stranger = dev::agent(network, network.endpoint(), AnonymousIdentity);
    let module = provided::module("motoko-ledger");
    let nothing = Encode!().unwrap();
    let mode = CanisterInstallMode::Reinstall;
    let refused = dev::install(&stranger, *counter, mode, &module, nothing).await;
    expect_reject(refused, RejectCode::CanisterError, "IC0512", "Only controllers of");

    dev::update::<()>(agent, *counter, "stop_ticking", ()).await?;
    dev::manage::<_, ()>(agent, *counter, "stop_canister", &about).await?;
    assert_eq!(dev::status(agent, *counter).await?.status, CanisterStatusType::Stopped);
    let stopped = dev::update::<(u64,)>(agent, *counter, "add", (1_u64,)).await;
    expect_reject(stopped, RejectCode::CanisterError, "IC0508", "is stopped");

    dev::manage::<_, ()>(agent, *counter, "start_canister", &about).await?;
    let (value,): (u64,) = dev::update(agent, *counter, "add", (1_u64,)).await?;
    assert_eq!(value, 8);

    let module = provided::module("rust-counter");
    let fresh = Encode!(&None::<String>).unwrap();
    dev::install(agent, *counter, CanisterInstallMode::Reinstall, &module, fresh).await?;
    let (value,): (u64,) = dev::query(agent, *counter, "get", ()).await?;
    assert_eq!(value, 0, "a reinstallation begins anew");

    dev::manage::<_, ()>(agent, *counter, "stop_canister", &about).await?;
    dev::manage::<_, ()>(agent, *counter, "delete_canister", &about).await?;
    let gone = dev::update::<(u64,)>(agent, *counter, "add", (1_u64,)).await;
    expect_reject(gone, RejectCode::DestinationInvalid, "IC0301", "not found");
    Ok(())
}
