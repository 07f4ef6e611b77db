//! Measures the state: hashing, memory and checkpoints of many canisters. Prints one line of JSON.
//!
//! `cargo run --release -p replica-state --example state_bench [canisters]`
//!
//! Times of hashing are medians of several repetitions in milliseconds of CPU time, so that other
//! work on the computer matters less; those of checkpoints are wall-clock. Memory is what the
//! process holds in addition, from `/proc/self/statm`.

use bytes::Bytes;
use replica_state::{
    CanisterSettings, CanisterState, ExecutionState, Memory, Module, ModuleInfo, PAGE_BYTES,
    ReplicatedState, StateTree, Store, SystemState,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use types::{
    CanisterId, Cycles, Fees, Height, Limits, MessageId, PrincipalId, ReplicaVersion, SubnetConfig,
    SubnetId, SubnetType, Time,
};

const CHANGED: u64 = 1_000;
const REPETITIONS: usize = 25;
const CHECKPOINTS: u64 = 5;

fn main() {
    let canisters = std::env::args().nth(1).map_or(100_000, |n| n.parse().expect("a number"));
    let memory_before = resident_bytes();
    let mut state = state(canisters);
    let memory_states = resident_bytes();
    let begin = cpu_ms();
    let mut tree = StateTree::build(Arc::new(state.clone()));
    tree.root();
    let build = cpu_ms() - begin;
    let memory_tree = resident_bytes();

    let spend = rehash(&mut state, &mut tree, canisters, spend);
    let certify = rehash(&mut state, &mut tree, canisters, certify);
    // Of a copy, as the checkpoints that follow are those of canisters without pages.
    let busy = rehash(&mut state.clone(), &mut tree.clone(), canisters, busy);

    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(dir.path()).expect("a new store").store;
    let first = write(&store, &mut state, &mut tree);
    let next = (0..CHECKPOINTS).map(|round| {
        change(&mut state, canisters, round, |state, id, _| dirty(state, id, 1));
        write(&store, &mut state, &mut tree)
    });
    let next = next.collect::<Vec<_>>().into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let next = next.expect("there are several");
    // One canister fills 64 MiB: what large writes cost.
    change(&mut state, 1, 0, |state, id, _| dirty(state, id, 16_384));
    let large = write(&store, &mut state, &mut tree);
    drop(store);
    let begin = Instant::now();
    let opened = Store::open(dir.path()).expect("what was written");
    let open_ms = ms(begin);
    assert!(opened.latest.is_some_and(|tree| tree.state().height == state.height));

    println!(
        "{{\"canisters\":{canisters},\"build_tree_ms\":{build:.1},\
         \"rehash_1000_spent\":{spend},\"rehash_1000_certified_data\":{certify},\
         \"rehash_1000_busy\":{busy},\
         \"bytes_per_idle_canister\":{},\"of_that_in_the_tree\":{},\
         \"first_checkpoint_ms\":{:.0},\"first_checkpoint_bytes\":{},\
         \"checkpoint_1000_pages_ms\":{:.0},\"checkpoint_1000_pages_bytes\":{},\
         \"checkpoint_64_mib_ms\":{:.0},\"checkpoint_64_mib_bytes\":{},\"open_ms\":{open_ms:.0}}}",
        (memory_tree - memory_before) / canisters,
        (memory_tree - memory_states) / canisters,
        first.0,
        first.1,
        next.0,
        next.1,
        large.0,
        large.1,
    );
}

/// The milliseconds and the bytes of a checkpoint.
fn write(store: &Store, state: &mut ReplicatedState, tree: &mut StateTree) -> (f64, u64) {
    state.height = state.height.next();
    *tree = tree.next(Arc::new(state.clone()));
    let root = tree.root();
    let begin = Instant::now();
    let checkpoint = store.checkpoint(state, root).expect("a checkpoint");
    let time = ms(begin);
    let size = checkpoint.size;
    checkpoint.move_pages(state);
    (time, size.overlay_bytes + size.database_bytes)
}

/// What is done to each of the changed canisters in a round of this number.
type Edit = fn(&mut ReplicatedState, CanisterId, u64);

fn canister<'s>(state: &'s mut ReplicatedState, id: &CanisterId) -> &'s mut CanisterState {
    state.canister_mut(id).expect("it was made")
}

/// Nothing that is in the tree.
fn spend(state: &mut ReplicatedState, id: CanisterId, _: u64) {
    canister(state, &id).system.balance.0 -= 1;
}

fn certify(state: &mut ReplicatedState, id: CanisterId, round: u64) {
    let mut data = vec![round as u8; 32];
    data[..8].copy_from_slice(&state.totals.update_transactions.to_le_bytes());
    canister(state, &id).system.certified_data = Bytes::from(data);
}

/// What an update call that sets certified data leaves: a page, cycles, data, and its reply.
fn busy(state: &mut ReplicatedState, id: CanisterId, round: u64) {
    state.totals.update_transactions += 1;
    certify(state, id, round);
    spend(state, id, round);
    let now = state.time;
    let execution = canister(state, &id).execution.as_mut().expect("it has code");
    execution.heap.pages.write(0, &round.to_le_bytes());
    let mut call = MessageId([round as u8; 32]);
    call.0[..8].copy_from_slice(&id.as_slice()[..8]);
    // Like a hash: the ids of calls are spread.
    call.0 = Module::new(call.0.to_vec()).hash;
    let history = &mut state.ingress_history;
    let received = history.receive(call, PrincipalId::anonymous(), Some(id), now.plus_ms(60_000));
    received.expect("a new call");
    history.reply(&call, Bytes::from(vec![1; 64]), now).expect("an open call");
}

/// Medians over many rounds in milliseconds.
struct Rehash {
    /// Finding what changed; a part of `all`.
    compare: f64,
    /// The digests; a part of `all`.
    digest: f64,
    /// From the changed state to its root.
    all: f64,
    /// The fastest round.
    all_min: f64,
}

impl std::fmt::Display for Rehash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { compare, digest, all, all_min } = self;
        write!(
            f,
            "{{\"ms\":{all:.2},\"min_ms\":{all_min:.2},\"compare_ms\":{compare:.2},\
             \"digest_ms\":{digest:.2}}}"
        )
    }
}

/// Times the way from changing a thousand canisters to the new root.
fn rehash(state: &mut ReplicatedState, tree: &mut StateTree, canisters: u64, edit: Edit) -> Rehash {
    let (mut compare, mut digest, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..2 * REPETITIONS as u64 {
        change(state, canisters, round, edit);
        // Finding the changes warms the caches for what follows, so it is timed in rounds of its
        // own.
        let begin = cpu_ms();
        if round % 2 == 0 {
            let count = state.changed_canisters(tree.state()).count() as u64;
            compare.push(cpu_ms() - begin);
            assert_eq!(count, CHANGED.min(canisters));
        }
        let begin = cpu_ms();
        let next = tree.next(Arc::new(state.clone()));
        let hashing = cpu_ms();
        next.root();
        if round % 2 == 1 {
            let end = cpu_ms();
            digest.push(end - hashing);
            all.push(end - begin);
        }
        // Freeing the state before is not part of the way to the root.
        *tree = next;
    }
    let all_min = all.iter().copied().fold(f64::INFINITY, f64::min);
    let [compare, digest, all] = [compare, digest, all].map(median);
    Rehash { compare, digest, all, all_min }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Edits a thousand canisters that are spread over all.
fn change(state: &mut ReplicatedState, canisters: u64, round: u64, edit: Edit) {
    let step = (canisters / CHANGED).max(1);
    for n in 0..CHANGED.min(canisters) {
        edit(state, CanisterId::from_index((n * step + round) % canisters), round);
    }
}

fn dirty(state: &mut ReplicatedState, id: CanisterId, pages: u64) {
    let execution = canister(state, &id).execution.as_mut().expect("it has code");
    for page in 0..pages {
        execution.heap.pages.write(page * PAGE_BYTES as u64, &[9; 100]);
    }
}

/// Canisters with one module and an empty heap.
fn state(canisters: u64) -> ReplicatedState {
    let config = SubnetConfig {
        name: "bench".into(),
        subnet_type: SubnetType::Application,
        development: true,
        genesis_time: Time::from_secs(1_800_000_000),
        replica_version: ReplicaVersion("0".into()),
        members: vec![],
        canister_index_range: (0, 1 << 20),
        idle_block_interval_ms: 250,
        checkpoint_interval: 100,
        limits: Limits::default(),
        fees: Fees::default(),
    };
    let key = Bytes::from(vec![7; 133]);
    let subnet = SubnetId(PrincipalId::self_authenticating(&key));
    let mut state = ReplicatedState::genesis(Arc::new(config), subnet, key, Height(0));
    let module = Module::new(vec![1; 1000]);
    let info = Arc::new(ModuleInfo::default());
    for index in 0..canisters {
        let settings =
            CanisterSettings::of_new_canister(BTreeSet::from([PrincipalId::anonymous()]));
        let id = CanisterId::from_index(index);
        let system = SystemState::new(id, settings, Cycles(1_000_000), state.time);
        let execution = ExecutionState {
            module: module.clone(),
            info: Arc::clone(&info),
            heap: Memory::default(),
            stable: Memory::default(),
            globals: vec![],
        };
        state.put_canister(CanisterState { system, execution: Some(execution) });
    }
    state
}

fn ms(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}

/// CPU time of this thread. The kernel brings the figure up to date when it looks for another
/// thread to run, so that is asked for first; else it would be as old as the last tick.
fn cpu_ms() -> f64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let ns: f64 = text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    ns / 1e6
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}
