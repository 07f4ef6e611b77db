//! What a small update message costs through the whole executor: queue, call context, sandbox with
//! dirty tracking and rollback, cycles, ingress history.
//!
//! ```text
//! cargo run --release -p replica-execution --example message_cost
//! ```
//! The figure to hold is 20 microseconds of CPU time a message (median of the rounds). The machine
//! that it was set for has two cores under load, so look at CPU time and at the minimum.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use candid::{Decode, Encode, Principal};
use ic_management_canister_types as ic;
use replica_execution::{Executor, RoundInput, sandbox};
use replica_state::{Ingress, IngressStatus, ReplicatedState};
use types::{
    CanisterId, Fees, Height, Limits, MANAGEMENT_CANISTER, Member, MessageId, NodeId, Randomness,
    ReplicaVersion, SubnetConfig, SubnetId, SubnetType, Time,
};

/// Reads its argument, changes one page, replies with eight bytes.
const COUNTER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (memory 300)
  (func (export "canister_update count")
    (call $arg_copy (i32.const 1000) (i32.const 0) (call $arg_size))
    (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
    (call $append (i32.const 0) (i32.const 8))
    (call $reply)))
"#;

const MESSAGES: u64 = 1_000;
const ROUNDS: usize = 20;

struct Subnet {
    executor: Executor,
    state: ReplicatedState,
    messages: u64,
}

impl Subnet {
    fn new(fees: Fees) -> Self {
        let public_key = [7; 32];
        let config = SubnetConfig {
            name: "bench".into(),
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
            fees,
        };
        let executor = Executor::new(&config.limits).expect("the machine works here");
        let key = Bytes::from(vec![7; 133]);
        let id = SubnetId(Principal::self_authenticating(&key));
        let state = ReplicatedState::genesis(Arc::new(config), id, key, Height(0));
        Self { executor, state, messages: 0 }
    }

    fn submit(&mut self, receiver: CanisterId, method: &str, arg: &[u8]) -> MessageId {
        self.messages += 1;
        let mut id = [0; 32];
        // Spread over the keys of the history, as hashes are.
        id[..8].copy_from_slice(&self.messages.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        id[8..16].copy_from_slice(&self.messages.to_be_bytes());
        let ingress = Ingress {
            message_id: MessageId(id),
            sender: Principal::self_authenticating([1]),
            sender_info: None,
            receiver,
            effective_canister: Some(receiver),
            method: method.into(),
            payload: Bytes::copy_from_slice(arg),
            expiry: self.state.time.plus_ms(300_000),
        };
        self.executor.induct(&mut self.state, ingress).expect("a new message");
        MessageId(id)
    }

    fn round(&mut self) {
        let height = self.state.height.next();
        let input = RoundInput {
            height,
            time: self.state.time.plus_ms(100),
            randomness: Randomness([1; 32]),
        };
        let outcome = self.executor.execute_round(&mut self.state, input);
        outcome.expect("this computer can execute it");
    }

    fn reply(&self, id: MessageId) -> Vec<u8> {
        match &self.state.ingress_history.get(&id).expect("it was submitted").status {
            IngressStatus::Replied(reply) => reply.to_vec(),
            other => panic!("no reply: {other:?}"),
        }
    }

    fn install(&mut self) -> CanisterId {
        let args = Encode!(&ic::ProvisionalCreateCanisterWithCyclesArgs::default());
        let created = self.submit(
            MANAGEMENT_CANISTER,
            "provisional_create_canister_with_cycles",
            &args.expect("it has an encoding"),
        );
        self.round();
        let record = Decode!(&self.reply(created), ic::CanisterIdRecord).expect("a record");
        let args = ic::InstallCodeArgs {
            mode: ic::CanisterInstallMode::Install,
            canister_id: record.canister_id,
            wasm_module: wat::parse_str(COUNTER).expect("well formed"),
            arg: Vec::new(),
            sender_canister_version: None,
        };
        let args = Encode!(&args).expect("it has an encoding");
        let installed = self.submit(MANAGEMENT_CANISTER, "install_code", &args);
        self.round();
        self.reply(installed);
        CanisterId(record.canister_id)
    }
}

/// CPU time of this thread in microseconds.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let ns = stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
    ns.expect("the first number is the time on a processor") / 1_000
}

fn measure(name: &str, fees: Fees, canisters: usize) {
    let mut subnet = Subnet::new(fees);
    let ids: Vec<_> = (0..canisters).map(|_| subnet.install()).collect();
    let mut cpu = Vec::new();
    let mut wall = Vec::new();
    let mut snapshot = subnet.state.clone();
    for _ in 0..ROUNDS {
        for n in 0..MESSAGES {
            let id = ids[n as usize % ids.len()];
            subnet.submit(id, "count", &[7; 64]);
        }
        let (start_cpu, start) = (cpu_us(), Instant::now());
        subnet.round();
        cpu.push((cpu_us() - start_cpu) as f64 / MESSAGES as f64);
        wall.push(start.elapsed().as_micros() as f64 / MESSAGES as f64);
        // As a node does: the state of each height is kept for a while.
        snapshot = subnet.state.clone();
    }
    drop(snapshot);
    cpu.sort_by(f64::total_cmp);
    wall.sort_by(f64::total_cmp);
    println!(
        "{name:32} us/message: CPU median {:6.2} min {:6.2}   wall median {:6.2} min {:6.2}",
        cpu[ROUNDS / 2],
        cpu[0],
        wall[ROUNDS / 2],
        wall[0]
    );
}

fn main() {
    let free = Fees { free: true, ..Fees::default() };
    // Executions move to a large stack once, not for each message.
    let thread = sandbox::spawn("bench", move || {
        measure("one canister, free", free.clone(), 1);
        measure("one canister, with fees", Fees::default(), 1);
        measure("100 canisters, free", free, 100);
    });
    thread.expect("a thread can be started").join().expect("it ends well");
}
