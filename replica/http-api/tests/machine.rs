//! The agent library against the interface over the real machine: a canister is made, installed,
//! updated, queried and upgraded through HTTP, each call a block of its own.

mod fixture;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use candid::{CandidType, Decode, Encode, Principal};
use fixture::subnet_of_one;
use ic_agent::identity::BasicIdentity;
use ic_agent::{Agent, AgentError, Identity as _};
use prometheus_client::registry::Registry;
use replica_crypto::Domain;
use replica_crypto::chain_key::ChainKey;
use replica_crypto::chain_key::dealt::{Dealt, deal};
use replica_crypto::signatures::NodeSigningKey;
use replica_execution::{Executor, IngressCall, QueryRequest};
use replica_http_api::{
    Api, CertifiedStates, Chain, Clock as _, Execution, Health, Limits, NodeView, Progress, Submit,
    SubmitError, SystemClock, router, serve,
};
use replica_ingress::{Admitted, CallContent, QueryContent};
use replica_messaging::StateMachine;
use replica_state::{IngressStatus, ReplicatedState, Store};
use serde::Deserialize;
use types::{Batch, CanisterId, Height, MessageId, Randomness, UserError};

/// Rounds after which a call must be over.
const ROUNDS_MAX: usize = 20;

/// Counts in stable memory, so that an upgrade keeps the count; certifies it.
const COUNTER: &str = r#"(module
    (import "ic0" "msg_reply" (func $reply))
    (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
    (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
    (import "ic0" "stable64_read" (func $read (param i64 i64 i64)))
    (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
    (import "ic0" "trap" (func $trap (param i32 i32)))
    (memory 1)
    (data (i32.const 100) "on purpose")
    (func $load (call $read (i64.const 0) (i64.const 0) (i64.const 4)))
    (func $answer (call $append (i32.const 0) (i32.const 4)) (call $reply))
    (func (export "canister_init") (drop (call $grow (i64.const 1))))
    (func (export "canister_update inc")
        (call $load)
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
        (call $write (i64.const 0) (i64.const 0) (i64.const 4))
        (call $answer))
    (func (export "canister_query get") (call $load) (call $answer))
    (func (export "canister_update fail") (call $trap (i32.const 100) (i32.const 10))))"#;

/// A subnet of one node whose every submitted call becomes a block at once.
struct Subnet {
    node_key: Arc<NodeSigningKey>,
    dealt: Dealt,
    key: ChainKey,
    chain: Arc<Chain>,
    certified: Arc<CertifiedStates>,
    executor: Arc<Executor>,
    machine: Mutex<StateMachine>,
}

impl Subnet {
    fn new(dir: &std::path::Path) -> Arc<Self> {
        let node_key = NodeSigningKey::from_seed(&[9; 32]);
        let config = Arc::new(subnet_of_one(&node_key, types::Limits::default()));
        let dealt = deal(6, &[node_key.node_id()], 1);
        let key = ChainKey::new(&dealt.transcript).expect("a dealt key is good");
        let executor = Arc::new(Executor::new(&config.limits).expect("a wasm machine"));
        let store = Arc::new(Store::open(dir).expect("an empty directory").store);
        let public_key = key.public_key().to_bytes();
        let machine =
            StateMachine::genesis(store, Arc::clone(&executor), config, &public_key, Height(1));
        let machine = machine.expect("an empty store");
        let subnet_id = machine.state().subnet_id;
        let root_key_der = Bytes::from(key.public_key().to_der());
        let subnet = Arc::new(Self {
            node_key: Arc::new(node_key),
            dealt,
            key,
            chain: Arc::new(Chain { subnet_id, root_key_der }),
            certified: Arc::new(CertifiedStates::new(100)),
            executor,
            machine: Mutex::new(machine),
        });
        subnet.block(&[]);
        subnet
    }

    /// One block with these messages: executed, certified, published.
    fn block(&self, ingress: &[Bytes]) -> Vec<MessageId> {
        let mut machine = self.machine.lock().expect("no panic");
        let state = machine.state();
        let batch = Batch {
            height: state.height.next(),
            time: SystemClock.now().max(state.time.plus_ns(1)),
            randomness: Randomness([state.height.0 as u8; 32]),
            ingress: ingress.to_vec(),
        };
        let processed = machine.process(&batch).expect("the next batch");
        let node = self.node_key.node_id();
        let root = processed.root.0;
        let share = self.dealt.shares[&node].sign(Domain::STATE_ROOT, &root);
        let shares = BTreeMap::from([(node, share)]);
        let signature = self.key.combine(Domain::STATE_ROOT, &root, &shares);
        let signature = Bytes::copy_from_slice(&signature.expect("one share of one").signature.0);
        let snapshot = machine.certify(processed.height, signature).expect("it was just made");
        self.certified
            .publish(snapshot, &processed.completed, SystemClock.now())
            .expect("it is certified");
        processed.completed
    }

    fn is_over(&self, id: &MessageId) -> bool {
        let machine = self.machine.lock().expect("no panic");
        let entry = machine.state().ingress_history.get(id);
        entry.is_some_and(|entry| IngressStatus::is_final(&entry.status))
    }

    async fn serve(self: &Arc<Self>) -> String {
        let config = Arc::clone(&self.machine.lock().expect("no panic").state().config);
        let api = Api {
            version: config.replica_version.clone(),
            subnet: config,
            limits: Limits::default(),
            certified: Arc::clone(&self.certified),
            submit: Arc::new(Handle(Arc::downgrade(self))),
            execution: Arc::new(Handle(Arc::downgrade(self))),
            node_key: Arc::clone(&self.node_key),
            node: Arc::new(Handle(Arc::downgrade(self))),
            clock: Arc::new(SystemClock),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(serve(listener, router(api, &mut Registry::default())));
        format!("http://{address}")
    }
}

/// What the router holds: it must not keep the store open beyond the test.
struct Handle(Weak<Subnet>);

impl Handle {
    fn subnet(&self) -> Arc<Subnet> {
        self.0.upgrade().expect("the test holds the subnet")
    }
}

impl Submit for Handle {
    fn submit(&self, call: Admitted<CallContent>) -> Result<(), SubmitError> {
        let subnet = self.subnet();
        subnet.block(std::slice::from_ref(call.raw()));
        for _ in 0..ROUNDS_MAX {
            if subnet.is_over(&call.message_id()) {
                return Ok(());
            }
            subnet.block(&[]);
        }
        panic!("the call is not over after {ROUNDS_MAX} rounds");
    }
}

impl Execution for Handle {
    fn query(
        &self,
        state: &ReplicatedState,
        query: &Admitted<QueryContent>,
        certificate: Option<Bytes>,
    ) -> Result<Bytes, UserError> {
        let content = query.content();
        let request = QueryRequest {
            sender: query.sender(),
            sender_info: None,
            canister: content.canister_id,
            method: content.method_name.clone(),
            arg: content.arg.clone(),
            certificate,
        };
        self.subnet().executor.query(state, request)
    }

    fn inspect(
        &self,
        state: &ReplicatedState,
        call: &Admitted<CallContent>,
    ) -> Result<(), UserError> {
        let content = call.content();
        let inspected = IngressCall {
            sender: call.sender(),
            sender_info: None,
            receiver: content.canister_id,
            method: content.method_name.clone(),
            argument: content.arg.clone(),
            envelope_bytes: call.raw().len() as u64,
        };
        self.subnet().executor.validate_ingress(state, &inspected)
    }
}

impl NodeView for Handle {
    fn chain(&self) -> Option<Arc<Chain>> {
        Some(Arc::clone(&self.subnet().chain))
    }

    fn progress(&self) -> Progress {
        let height = self.subnet().certified.latest_height().unwrap_or_default();
        Progress { finalized: height, executed: height, health: Health::Healthy }
    }
}

#[derive(CandidType, Deserialize)]
struct CanisterRecord {
    canister_id: Principal,
}

#[derive(CandidType, Deserialize)]
struct CreateCanister {
    amount: Option<candid::Nat>,
    settings: Option<()>,
}

#[derive(CandidType)]
enum InstallMode {
    #[serde(rename = "install")]
    Install,
    #[serde(rename = "upgrade")]
    Upgrade(Option<()>),
}

#[derive(CandidType)]
struct InstallCode {
    mode: InstallMode,
    canister_id: Principal,
    wasm_module: Bytes,
    arg: Bytes,
}

/// A developer with an agent.
struct Developer {
    agent: Agent,
    principal: Principal,
}

impl Developer {
    async fn new(url: &str) -> Self {
        let identity = BasicIdentity::from_raw_key(&[3; 32]);
        let principal = identity.sender().expect("a principal");
        let agent = Agent::builder().with_url(url).with_identity(identity).build();
        let agent = agent.expect("an agent");
        agent.fetch_root_key().await.expect("the status has it");
        Self { agent, principal }
    }

    async fn manage(
        &self,
        method: &str,
        about: Principal,
        arg: Vec<u8>,
    ) -> Result<Vec<u8>, AgentError> {
        let management = Principal::management_canister();
        let call = self.agent.update(&management, method);
        call.with_effective_canister_id(about).with_arg(arg).call_and_wait().await
    }

    async fn create(&self) -> Principal {
        let arg = CreateCanister { amount: Some(10_000_000_000_000u64.into()), settings: None };
        let arg = Encode!(&arg).expect("plain data");
        let any = CanisterId::from_index(0).0;
        let reply = self.manage("provisional_create_canister_with_cycles", any, arg).await;
        let reply = reply.expect("a development subnet creates");
        Decode!(&reply, CanisterRecord).expect("a record").canister_id
    }

    async fn install(&self, canister: Principal, mode: InstallMode) {
        let wasm_module = Bytes::from(wat::parse_str(COUNTER).expect("good text"));
        let arg = InstallCode { mode, canister_id: canister, wasm_module, arg: Bytes::new() };
        let arg = Encode!(&arg).expect("plain data");
        let reply = self.manage("install_code", canister, arg).await;
        reply.expect("a controller installs");
    }

    async fn count(&self, canister: Principal) -> u32 {
        let reply = self.agent.query(&canister, "get").call().await.expect("a signed reply");
        u32::from_le_bytes(reply.try_into().expect("four bytes"))
    }
}

#[tokio::test]
async fn a_canister_through_its_life() {
    let dir = tempfile::tempdir().expect("a directory");
    let subnet = Subnet::new(dir.path());
    let developer = Developer::new(&subnet.serve().await).await;
    let agent = &developer.agent;
    let canister = developer.create().await;
    let module = agent.read_state_canister_module_hash(canister).await;
    assert!(matches!(module, Err(AgentError::LookupPathAbsent(_))), "{module:?}");
    developer.install(canister, InstallMode::Install).await;
    for expected in 1..=3u32 {
        let reply = agent.update(&canister, "inc").call_and_wait().await.expect("certified");
        assert_eq!(reply, expected.to_le_bytes());
    }
    assert_eq!(developer.count(canister).await, 3);
    developer.install(canister, InstallMode::Upgrade(None)).await;
    assert_eq!(developer.count(canister).await, 3, "stable memory stays");
    let controllers = agent.read_state_canister_controllers(canister).await.expect("certified");
    assert_eq!(controllers, [developer.principal]);
    let record = Encode!(&CanisterRecord { canister_id: canister }).expect("plain data");
    developer.manage("canister_status", canister, record.clone()).await.expect("a controller");
    developer.manage("stop_canister", canister, record).await.expect("a controller");
    let stopped = agent.update(&canister, "inc").call_and_wait().await;
    match stopped {
        Err(AgentError::UncertifiedReject { reject, .. }) => {
            assert_eq!(reject.error_code.as_deref(), Some("IC0508"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_goes_wrong_in_a_canister_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let subnet = Subnet::new(dir.path());
    let developer = Developer::new(&subnet.serve().await).await;
    let canister = developer.create().await;
    developer.install(canister, InstallMode::Install).await;
    match developer.agent.update(&canister, "fail").call_and_wait().await {
        Err(AgentError::CertifiedReject { reject, .. }) => {
            assert_eq!(reject.error_code.as_deref(), Some("IC0503"));
            assert!(reject.reject_message.contains("on purpose"), "{}", reject.reject_message);
        }
        other => panic!("{other:?}"),
    }
    match developer.agent.query(&canister, "nothing").call().await {
        Err(AgentError::UncertifiedReject { reject, .. }) => {
            assert_eq!(reject.error_code.as_deref(), Some("IC0536"));
        }
        other => panic!("{other:?}"),
    }
    let record = Encode!(&CanisterRecord { canister_id: canister }).expect("plain data");
    let stranger = BasicIdentity::from_raw_key(&[4; 32]);
    let mut agent = developer.agent.clone();
    agent.set_identity(stranger);
    let stranger = Developer { agent, principal: Principal::anonymous() };
    match stranger.manage("stop_canister", canister, record).await {
        Err(AgentError::UncertifiedReject { reject, .. }) => {
            assert_eq!(reject.error_code.as_deref(), Some("IC0512"));
        }
        other => panic!("{other:?}"),
    }
}
