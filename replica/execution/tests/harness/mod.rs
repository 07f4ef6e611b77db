//! A subnet in memory: users' calls go in, rounds execute, answers come out.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use candid::{CandidType, Decode, Encode, Nat, Principal};
use ic_management_canister_types as ic;
use replica_execution::{Executor, IngressCall, QueryRequest, RoundInput, RoundOutcome};
use replica_state::{Ingress, IngressStatus, ReplicatedState};
use types::{
    CanisterId, Fees, Height, Limits, MANAGEMENT_CANISTER, Member, MessageId, NodeId, PrincipalId,
    Randomness, ReplicaVersion, SubnetConfig, SubnetId, SubnetType, Time, UserError,
};

/// The controller of everything, unless a test says otherwise.
pub fn admin() -> PrincipalId {
    Principal::self_authenticating([1])
}

/// Somebody else.
pub fn stranger() -> PrincipalId {
    Principal::self_authenticating([2])
}

fn config(change: impl FnOnce(&mut SubnetConfig)) -> SubnetConfig {
    let public_key = [7; 32];
    let mut config = SubnetConfig {
        name: "test".into(),
        subnet_type: SubnetType::CloudEngine,
        development: true,
        genesis_time: Time::from_secs(1_800_000_000),
        replica_version: ReplicaVersion("0.1.0".into()),
        members: vec![Member {
            node_id: NodeId::from_public_key(&public_key),
            public_key,
            p2p: ([127, 0, 0, 1], 7000).into(),
            api: ([127, 0, 0, 1], 8000).into(),
        }],
        canister_index_range: (0, 1 << 20),
        idle_block_interval_ms: 250,
        checkpoint_interval: 10,
        limits: Limits::default(),
        fees: Fees { free: true, ..Fees::default() },
    };
    change(&mut config);
    config
}

pub struct Subnet {
    pub executor: Arc<Executor>,
    pub state: ReplicatedState,
    next_message: u64,
}

/// One executor for all tests with the same limits: its caches must not matter.
fn shared_executor() -> Arc<Executor> {
    static SHARED: OnceLock<Arc<Executor>> = OnceLock::new();
    let make = || Arc::new(Executor::new(&Limits::default()).expect("the machine works here"));
    Arc::clone(SHARED.get_or_init(make))
}

impl Subnet {
    /// A free development subnet.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, changed.
    pub fn with(change: impl FnOnce(&mut SubnetConfig)) -> Self {
        let config = config(change);
        let executor = match config.limits == Limits::default() {
            true => shared_executor(),
            false => Arc::new(Executor::new(&config.limits).expect("the machine works here")),
        };
        let key = Bytes::from(vec![7; 133]);
        let subnet_id = SubnetId(Principal::self_authenticating(&key));
        let state = ReplicatedState::genesis(Arc::new(config), subnet_id, key, Height(0));
        Self { executor, state, next_message: 0 }
    }

    /// The same subnet as another node has it, whose executor this is.
    pub fn executed_by(&self, executor: Executor) -> Self {
        let (state, next_message) = (self.state.clone(), self.next_message);
        Self { executor: Arc::new(executor), state, next_message }
    }

    /// Puts a user's call into the next round.
    pub fn submit(
        &mut self,
        sender: PrincipalId,
        receiver: CanisterId,
        effective: Option<CanisterId>,
        method: &str,
        arg: &[u8],
    ) -> MessageId {
        self.next_message += 1;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&self.next_message.to_be_bytes());
        let ingress = Ingress {
            message_id: MessageId(id),
            sender,
            sender_info: None,
            receiver,
            effective_canister: effective,
            method: method.into(),
            payload: Bytes::copy_from_slice(arg),
            expiry: self.state.time.plus_ms(300_000),
        };
        self.executor.induct(&mut self.state, ingress).expect("a new message");
        MessageId(id)
    }

    /// One round, a second after the last.
    pub fn round(&mut self) -> RoundOutcome {
        self.round_after(1_000)
    }

    /// One round, so many milliseconds after the last.
    pub fn round_after(&mut self, ms: u64) -> RoundOutcome {
        let height = self.state.height.next();
        let input = RoundInput {
            height,
            time: self.state.time.plus_ms(ms),
            randomness: Randomness([height.0 as u8; 32]),
        };
        let outcome = self.executor.execute_round(&mut self.state, input);
        outcome.expect("this computer can execute the tests")
    }

    /// The outcome of a call, if it has one.
    pub fn outcome(&self, id: MessageId) -> Option<Result<Vec<u8>, UserError>> {
        match &self.state.ingress_history.get(&id)?.status {
            IngressStatus::Replied(reply) => Some(Ok(reply.to_vec())),
            IngressStatus::Rejected(error) => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// Rounds until the call has an outcome.
    pub fn finish(&mut self, id: MessageId) -> Result<Vec<u8>, UserError> {
        for _ in 0..20 {
            self.round();
            if let Some(outcome) = self.outcome(id) {
                return outcome;
            }
        }
        panic!("no answer after 20 rounds: {:?}", self.state.ingress_history.get(&id));
    }

    /// A call of the admin, to its end.
    pub fn update(
        &mut self,
        canister: CanisterId,
        method: &str,
        arg: &[u8],
    ) -> Result<Vec<u8>, UserError> {
        let id = self.submit(admin(), canister, Some(canister), method, arg);
        self.finish(id)
    }

    /// A management call of the admin about a canister.
    pub fn manage<T: CandidType>(
        &mut self,
        about: CanisterId,
        method: &str,
        arg: &T,
    ) -> Result<Vec<u8>, UserError> {
        self.manage_as(admin(), about, method, arg)
    }

    /// A management call of anybody.
    pub fn manage_as<T: CandidType>(
        &mut self,
        sender: PrincipalId,
        about: CanisterId,
        method: &str,
        arg: &T,
    ) -> Result<Vec<u8>, UserError> {
        let arg = Encode!(arg).expect("it has an encoding");
        let id = self.submit(sender, MANAGEMENT_CANISTER, Some(about), method, &arg);
        self.finish(id)
    }

    /// A query of the admin.
    pub fn query(
        &self,
        canister: CanisterId,
        method: &str,
        arg: &[u8],
    ) -> Result<Vec<u8>, UserError> {
        self.query_with(canister, method, arg, None)
    }

    /// The same with a certificate.
    pub fn query_with(
        &self,
        canister: CanisterId,
        method: &str,
        arg: &[u8],
        certificate: Option<&'static [u8]>,
    ) -> Result<Vec<u8>, UserError> {
        let request = QueryRequest {
            sender: admin(),
            sender_info: None,
            canister,
            method: method.into(),
            arg: Bytes::copy_from_slice(arg),
            certificate: certificate.map(Bytes::from_static),
        };
        self.executor.query(&self.state, request).map(|reply| reply.to_vec())
    }

    /// Whether this node would take the call.
    pub fn validate(
        &self,
        sender: PrincipalId,
        receiver: CanisterId,
        method: &str,
        argument: &[u8],
    ) -> Result<(), UserError> {
        let call = IngressCall {
            sender,
            sender_info: None,
            receiver,
            method: method.into(),
            argument: Bytes::copy_from_slice(argument),
            envelope_bytes: 300,
        };
        self.executor.validate_ingress(&self.state, &call)
    }

    /// A new canister of the admin with 100 T cycles.
    pub fn create(&mut self) -> CanisterId {
        self.create_with(None)
    }

    /// The same with settings.
    pub fn create_with(&mut self, settings: Option<ic::CanisterSettings>) -> CanisterId {
        let args = ic::ProvisionalCreateCanisterWithCyclesArgs { settings, ..Default::default() };
        let reply = self
            .manage(MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", &args)
            .expect("a canister can be made");
        let record = Decode!(&reply, ic::CanisterIdRecord).expect("the reply is a record");
        CanisterId(record.canister_id)
    }

    /// A canister with the code of a text module.
    pub fn install_new(&mut self, wat: &str) -> CanisterId {
        let id = self.create();
        self.install(id, ic::CanisterInstallMode::Install, &module(wat), b"").expect("it installs");
        id
    }

    /// Puts code on a canister.
    pub fn install(
        &mut self,
        id: CanisterId,
        mode: ic::CanisterInstallMode,
        wasm: &[u8],
        arg: &[u8],
    ) -> Result<(), UserError> {
        let args = ic::InstallCodeArgs {
            mode,
            canister_id: id.0,
            wasm_module: wasm.to_vec(),
            arg: arg.to_vec(),
            sender_canister_version: None,
        };
        self.manage(id, "install_code", &args).map(|_| ())
    }

    /// What `canister_status` says.
    pub fn status(&mut self, id: CanisterId) -> ic::CanisterStatusResult {
        let reply = self.manage(id, "canister_status", &record(id)).expect("the admin may see it");
        Decode!(&reply, ic::CanisterStatusResult).expect("the reply is a status")
    }

    /// Everything that must be the same on all nodes, as text.
    pub fn fingerprint(&self) -> String {
        let canisters: Vec<_> = self.state.canisters().collect();
        let history: Vec<_> = self.state.ingress_history.iter().collect();
        format!("{canisters:?} {history:?} {:?}", self.state.totals)
    }
}

/// The argument of methods about one canister.
pub fn record(id: CanisterId) -> ic::CanisterIdRecord {
    ic::CanisterIdRecord { canister_id: id.0 }
}

/// A module from text.
pub fn module(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).expect("the test's module is well formed")
}

/// Upgrade with these options.
pub fn upgrade(
    skip_pre_upgrade: Option<bool>,
    wasm_memory_persistence: Option<ic::WasmMemoryPersistence>,
) -> ic::CanisterInstallMode {
    ic::CanisterInstallMode::Upgrade(Some(ic::UpgradeFlags {
        skip_pre_upgrade,
        wasm_memory_persistence,
    }))
}

/// Settings with these controllers.
pub fn controllers(list: &[PrincipalId]) -> ic::CanisterSettings {
    let list = list.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    ic::CanisterSettings { controllers: Some(list), ..Default::default() }
}

/// A number as Candid has it.
pub fn nat(value: u128) -> Option<Nat> {
    Some(Nat::from(value))
}

/// A little-endian number.
pub fn number(bytes: &[u8]) -> u64 {
    let mut padded = [0; 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(padded)
}
