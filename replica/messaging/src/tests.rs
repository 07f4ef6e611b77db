//! Tests of the machine with real rounds.

use super::*;
use bytes::Bytes;
use candid::{CandidType, Decode, Encode, Principal};
use replica_execution::Executor;
use replica_ingress::envelope::Common;
use replica_ingress::{CallContent, Envelope};
use replica_state::{IngressStatus, Store};
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use types::{
    Batch, CanisterId, Fees, Height, Limits, MANAGEMENT_CANISTER, Member, MessageId, NodeId,
    Randomness, ReplicaVersion, StateRoot, SubnetConfig, SubnetType, Time,
};

const GENESIS_HEIGHT: Height = Height(7);
const MINUTE_MS: u64 = 60_000;

/// Counts the calls of `inc`, and replies with the count as it was before.
const COUNTER: &str = r#"(module
    (import "ic0" "msg_reply" (func $reply))
    (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
    (memory 1)
    (func (export "canister_update inc")
        (call $append (i32.const 0) (i32.const 4))
        (call $reply)
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))))"#;

fn config() -> SubnetConfig {
    let public_key = [1; 32];
    let member = Member {
        node_id: NodeId::from_public_key(&public_key),
        public_key,
        p2p: ([127, 0, 0, 1], 7000).into(),
        api: ([127, 0, 0, 1], 8000).into(),
    };
    SubnetConfig {
        name: "test".into(),
        subnet_type: SubnetType::CloudEngine,
        development: true,
        genesis_time: Time::from_secs(1_800_000_000),
        replica_version: ReplicaVersion("0.1.0".into()),
        members: vec![member],
        canister_index_range: (0, 1 << 20),
        idle_block_interval_ms: 250,
        checkpoint_interval: 5,
        limits: Limits { ingress_history_count_max: 12, ..Limits::default() },
        fees: Fees::default(),
    }
}

/// A public key: the generator of G2.
const CHAIN_KEY: &str = "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8";

struct Node {
    dir: TempDir,
    machine: StateMachine,
}

fn executor() -> Arc<Executor> {
    Arc::new(Executor::new(&Limits::default()).unwrap())
}

fn open(dir: &Path) -> StateMachine {
    let opened = Store::open(dir).unwrap();
    let store = Arc::new(opened.store);
    match opened.latest {
        Some(latest) => StateMachine::open(store, executor(), latest),
        None => {
            let (config, key) = (Arc::new(config()), hex::decode(CHAIN_KEY).unwrap());
            StateMachine::genesis(store, executor(), config, &key, GENESIS_HEIGHT).unwrap()
        }
    }
}

impl Node {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = open(dir.path());
        Self { dir, machine }
    }

    /// As after kill -9: only what is on disk counts.
    fn restart(self) -> Self {
        let Self { dir, machine } = self;
        drop(machine);
        let machine = open(dir.path());
        Self { dir, machine }
    }

    /// The next batch, a minute later, with these messages.
    fn batch(&self, ingress: &[Bytes]) -> Batch {
        let state = self.machine.state();
        Batch {
            height: state.height.next(),
            time: state.time.plus_ms(MINUTE_MS),
            randomness: Randomness([state.height.0 as u8; 32]),
            ingress: ingress.to_vec(),
        }
    }

    fn run(&mut self, ingress: &[Bytes]) -> Processed {
        let batch = self.batch(ingress);
        self.machine.process(&batch).unwrap()
    }

    fn status(&self, id: &MessageId) -> Option<IngressStatus> {
        self.machine.state().ingress_history.get(id).map(|entry| entry.status.clone())
    }

    fn reply(&self, id: &MessageId) -> Bytes {
        match self.status(id) {
            Some(IngressStatus::Replied(reply)) => reply,
            other => panic!("no reply: {other:?}"),
        }
    }
}

/// An anonymous call that expires so many minutes after the genesis time.
fn call(to: CanisterId, method: &str, arg: Vec<u8>, minutes: u64, nonce: u8) -> (Bytes, MessageId) {
    let content = CallContent {
        common: Common {
            sender: Principal::anonymous(),
            ingress_expiry: config().genesis_time.plus_ms(minutes * MINUTE_MS),
            nonce: Some(Bytes::from(vec![nonce])),
        },
        canister_id: to,
        method_name: method.into(),
        arg: arg.into(),
        sender_info: None,
    };
    let bytes = Envelope::anonymous(content).to_cbor();
    let id = replica_ingress::decode_included(&bytes).unwrap().id;
    (bytes, id)
}

#[derive(CandidType, Deserialize)]
struct CanisterRecord {
    canister_id: Principal,
}

#[derive(CandidType)]
struct CreateArgument {
    amount: Option<candid::Nat>,
}

#[derive(CandidType, Deserialize)]
enum InstallMode {
    #[serde(rename = "install")]
    Install,
}

#[derive(CandidType)]
struct InstallArgument {
    mode: InstallMode,
    canister_id: Principal,
    wasm_module: Vec<u8>,
    arg: Vec<u8>,
}

fn creation(minutes: u64) -> (Bytes, MessageId) {
    let argument = Encode!(&CreateArgument { amount: None }).unwrap();
    let method = "provisional_create_canister_with_cycles";
    call(MANAGEMENT_CANISTER, method, argument, minutes, 0)
}

fn installation(canister_id: Principal, minutes: u64) -> (Bytes, MessageId) {
    let wasm_module = wat::parse_str(COUNTER).unwrap();
    let argument =
        InstallArgument { mode: InstallMode::Install, canister_id, wasm_module, arg: vec![] };
    let argument = Encode!(&argument).unwrap();
    call(MANAGEMENT_CANISTER, "install_code", argument, minutes, 0)
}

/// A node with the counter, and the counter's id.
fn with_counter() -> (Node, CanisterId) {
    let mut node = Node::new();
    let (create, id) = creation(3);
    assert_eq!(node.run(&[create]).completed, [id]);
    let canister = Decode!(&node.reply(&id), CanisterRecord).unwrap().canister_id;
    let (install, id) = installation(canister, 4);
    assert_eq!(node.run(&[install]).completed, [id]);
    node.reply(&id);
    (node, CanisterId(canister))
}

fn count(reply: &Bytes) -> u32 {
    u32::from_le_bytes(reply[..].try_into().unwrap())
}

#[test]
fn messages_are_executed_and_answered() {
    let (mut node, counter) = with_counter();
    let calls: Vec<_> = (0..3).map(|nonce| call(counter, "inc", vec![], 5, nonce)).collect();
    let envelopes: Vec<_> = calls.iter().map(|(bytes, _)| bytes.clone()).collect();
    let processed = node.run(&envelopes);
    assert_eq!(processed.completed.len(), 3);
    let counts: Vec<_> = calls.iter().map(|(_, id)| count(&node.reply(id))).collect();
    assert_eq!(counts, [0, 1, 2]);
}

#[test]
fn a_message_is_executed_once() {
    let (mut node, counter) = with_counter();
    let (envelope, id) = call(counter, "inc", vec![], 7, 0);
    let processed = node.run(&[envelope.clone(), envelope.clone()]);
    assert_eq!((processed.inducted.entered, processed.inducted.known), (1, 1));
    for _ in 0..3 {
        let processed = node.run(std::slice::from_ref(&envelope));
        assert_eq!((processed.inducted.known, processed.completed.len()), (1, 0));
    }
    assert_eq!(count(&node.reply(&id)), 0);
    // After its expiry and five minutes it is forgotten, and then it is too late for it.
    for _ in 0..6 {
        node.run(&[]);
    }
    assert_eq!(node.status(&id), None);
    assert_eq!(node.run(&[envelope]).inducted.expired, 1);
    let (next, id) = call(counter, "inc", vec![], 20, 1);
    node.run(&[next]);
    assert_eq!(count(&node.reply(&id)), 1);
}

#[test]
fn what_cannot_enter_is_skipped_and_counted() {
    let mut node = Node::new();
    let nobody = CanisterId::from_index(9);
    let late = call(nobody, "m", vec![], 0, 0);
    let (refused, id) = call(nobody, "m", vec![], 3, 0);
    let junk = Bytes::from_static(b"\xd9\xd9\xf7\xa1junk");
    let processed = node.run(&[junk, late.0, refused]);
    let expected = Inducted { entered: 1, expired: 1, malformed: 1, ..Inducted::default() };
    assert_eq!(processed.inducted, expected);
    assert_eq!(processed.completed, [id]);
    assert!(matches!(node.status(&id), Some(IngressStatus::Rejected(_))));
    assert_eq!(node.machine.state().totals.skipped_ingress, 2);
}

#[test]
fn a_full_history_turns_messages_away() {
    let (mut node, canister) = with_counter();
    let known = node.machine.state().ingress_history.len() as u64;
    let calls: Vec<_> = (0..15).map(|nonce| call(canister, "inc", vec![], 5, nonce).0).collect();
    let processed = node.run(&calls);
    let (room, turned_away) = (12 - known, 3 + known);
    assert_eq!((processed.inducted.entered, processed.inducted.no_room), (room, turned_away));
    let processed = node.run(&calls);
    assert_eq!((processed.inducted.known, processed.inducted.no_room), (room, turned_away));
}

/// Calls that nobody pays for cannot take the places of those that somebody does.
#[test]
fn calls_that_cost_nothing_fill_half_of_the_history() {
    let (mut node, canister) = with_counter();
    let known = node.machine.state().ingress_history.len() as u64;
    let nobody = CanisterId::from_index(9);
    let mut calls: Vec<_> = (0..15).map(|nonce| call(nobody, "m", vec![], 5, nonce).0).collect();
    let before = node.machine.state().totals.clone();
    let processed = node.run(&calls);
    assert_eq!((processed.inducted.entered, processed.inducted.no_room), (6 - known, 9 + known));
    let skipped = node.machine.state().totals.skipped_ingress - before.skipped_ingress;
    assert_eq!(skipped, 9 + known);

    // Nor do calls that the management canister would refuse, and one that it takes enters.
    let settings = |nonce| call(MANAGEMENT_CANISTER, "stop_canister", vec![], 6, nonce).0;
    calls = (0..3).map(settings).collect();
    calls.push(call(canister, "inc", vec![], 6, 0).0);
    calls.push(creation(6).0);
    let processed = node.run(&calls);
    assert_eq!((processed.inducted.entered, processed.inducted.no_room), (2, 3));
}

#[test]
fn gaps_and_repetitions_stop_the_machine() {
    let mut node = Node::new();
    let batch = node.batch(&[]);
    let mut check = |change: fn(&mut Batch)| {
        let mut batch = batch.clone();
        change(&mut batch);
        let root = node.machine.root();
        let error = node.machine.process(&batch).unwrap_err();
        assert_eq!((node.machine.height(), node.machine.root()), (GENESIS_HEIGHT, root));
        error
    };
    let height = |error: MachineError| matches!(error, MachineError::Height { .. });
    assert!(height(check(|batch| batch.height = GENESIS_HEIGHT)));
    assert!(height(check(|batch| batch.height = Height(9))));
    assert!(matches!(check(|batch| batch.time = Time(1)), MachineError::Time { .. }));
    assert!(node.machine.process(&batch).is_ok());
}

/// The same batches give the same roots, also to a node that was killed and began again from its
/// last checkpoint.
#[test]
fn a_restarted_machine_has_the_same_roots() {
    let (mut steady, counter) = with_counter();
    let (mut other, _) = with_counter();
    assert_eq!(steady.machine.root(), other.machine.root());
    let mut batches = Vec::new();
    for round in 0..12u8 {
        let calls: Vec<_> = (0..round % 4)
            .map(|n| call(counter, "inc", vec![n], 4 + u64::from(round), round * 4 + n).0)
            .collect();
        let batch = steady.batch(&calls);
        let processed = steady.machine.process(&batch).unwrap();
        batches.push((batch, processed.root));
    }
    let begin = other.machine.height();
    let mut restarts = 0;
    while other.machine.height() < steady.machine.height() {
        let at = (other.machine.height().0 - begin.0) as usize;
        let (batch, root) = &batches[at];
        let processed = other.machine.process(batch).unwrap();
        assert_eq!(processed.root, *root, "height {}", batch.height);
        assert_eq!(processed.checkpoint_due, batch.height.0.is_multiple_of(5));
        if processed.checkpoint_due {
            assert!(other.machine.checkpoint().unwrap().is_some());
            assert_eq!(other.machine.root(), *root);
            assert!(other.machine.checkpoint().unwrap().is_none());
        }
        // Once right after a checkpoint, once between two.
        if [10, 17].contains(&batch.height.0) && restarts < 2 {
            let expected = other.machine.checkpointed_height();
            other = other.restart();
            assert_eq!(other.machine.height(), expected);
            restarts += 1;
        }
    }
    assert_eq!(restarts, 2);
    assert_eq!(other.machine.state().totals, steady.machine.state().totals);
}

/// Batches that increment the counter once each, with the roots that they lead to.
fn counted_batches(node: &mut Node, counter: CanisterId, rounds: u8) -> Vec<(Batch, StateRoot)> {
    let next = |nonce| {
        let batch = node.batch(&[call(counter, "inc", vec![], 4 + u64::from(nonce), nonce).0]);
        let root = node.machine.process(&batch).unwrap().root;
        (batch, root)
    };
    (0..rounds).map(next).collect()
}

/// Executes what is left of the batches and checks each root.
fn follow(node: &mut Node, batches: &[(Batch, StateRoot)], until: Height) {
    let next = |batch: &Batch| batch.height == node.machine.height().next();
    let at = batches.iter().position(|(batch, _)| next(batch)).expect("no batch is missing");
    for (batch, root) in batches[at..].iter().take_while(|(batch, _)| batch.height <= until) {
        assert_eq!(node.machine.process(batch).unwrap().root, *root, "height {}", batch.height);
    }
}

/// Batches go on while a checkpoint is written on another thread; what they change is not in it,
/// and it changes nothing of what they come to.
#[test]
fn batches_go_on_while_a_checkpoint_is_written() {
    let (mut steady, counter) = with_counter();
    let (mut other, _) = with_counter();
    let batches = counted_batches(&mut steady, counter, 12);
    follow(&mut other, &batches, Height(12));
    let before = other.machine.checkpointed_height();
    let pending = other.machine.begin_checkpoint().unwrap();
    let written = std::thread::scope(|scope| {
        let writing = scope.spawn(|| pending.write().unwrap());
        follow(&mut other, &batches, Height(15));
        writing.join().unwrap()
    });
    assert_eq!(other.machine.checkpointed_height(), before);
    let root = other.machine.root();
    other.machine.finish_checkpoint(written);
    // It holds the store, which a restart opens again.
    drop(pending);
    assert_eq!((other.machine.checkpointed_height(), other.machine.root()), (Height(12), root));
    follow(&mut other, &batches, Height(17));
    // The next one writes what changed since, the batches during the writing included.
    assert!(other.machine.checkpoint().unwrap().is_some());
    other = other.restart();
    assert_eq!(other.machine.height(), Height(17));
    follow(&mut other, &batches, Height(100));
    assert_eq!(other.machine.root(), steady.machine.root());
}

/// Killed before the writing, or between the writing and the note of it.
#[test]
fn a_kill_during_a_checkpoint_loses_nothing() {
    for is_written in [false, true] {
        let (mut steady, counter) = with_counter();
        let (mut other, _) = with_counter();
        let batches = counted_batches(&mut steady, counter, 9);
        other.machine.checkpoint().unwrap();
        follow(&mut other, &batches, Height(12));
        let before = other.machine.checkpointed_height();
        let pending = other.machine.begin_checkpoint().unwrap();
        follow(&mut other, &batches, Height(14));
        if is_written {
            pending.write().unwrap();
        }
        drop(pending);
        other = other.restart();
        let expected = if is_written { Height(12) } else { before };
        assert_eq!(other.machine.height(), expected);
        follow(&mut other, &batches, Height(100));
        assert_eq!(other.machine.height(), steady.machine.height());
        assert_eq!(other.machine.root(), steady.machine.root());
    }
}

#[test]
fn a_certified_snapshot_is_taken_out_with_all_below() {
    let mut node = Node::new();
    for _ in 0..3 {
        node.run(&[]);
    }
    let signature = Bytes::from_static(&[1; 48]);
    assert!(node.machine.certify(Height(11), signature.clone()).is_none());
    let root = node.machine.snapshot(Height(9)).unwrap().root;
    let snapshot = node.machine.certify(Height(9), signature.clone()).unwrap();
    assert_eq!((snapshot.height, snapshot.root), (Height(9), root));
    assert_eq!(snapshot.signature, Some(signature.clone()));
    assert!(node.machine.snapshot(Height(8)).is_none());
    assert!(node.machine.certify(Height(9), signature).is_none());
    assert!(node.machine.snapshot(Height(10)).is_some());
}
