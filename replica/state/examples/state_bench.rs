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
    CanisterId, Cycles, Fees, Height, Limits, PrincipalId, ReplicaVersion, StateRoot, SubnetConfig,
    SubnetId, SubnetType, Time,
};

const CHANGED: u64 = 1_000;
const REPETITIONS: usize = 9;

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

    let certify = rehash(&mut state, &mut tree, canisters, |canister, round| {
        canister.system.certified_data = Bytes::from(vec![round as u8; 32]);
    });
    let spend = rehash(&mut state, &mut tree, canisters, |canister, _| {
        canister.system.balance.0 -= 1;
    });

    let compare = {
        change(&mut state, canisters, 50, |canister, _| canister.system.balance.0 -= 1);
        let begin = cpu_ms();
        let count = state.changed_canisters(tree.state()).count() as u64;
        assert_eq!(count, CHANGED.min(canisters));
        cpu_ms() - begin
    };

    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(dir.path()).expect("a new store").store;
    let write = |state: &mut ReplicatedState| {
        state.height = state.height.next();
        let begin = Instant::now();
        let checkpoint = store.checkpoint(state, StateRoot([0; 32])).expect("a checkpoint");
        let size = checkpoint.size;
        checkpoint.move_pages(state);
        (ms(begin), size.overlay_bytes + size.database_bytes)
    };
    let (first_ms, first_bytes) = write(&mut state);
    change(&mut state, canisters, 3, |canister, _| dirty(canister, 1));
    let (next_ms, next_bytes) = write(&mut state);
    // One canister fills 64 MiB: what large writes cost.
    change(&mut state, 1, 0, |canister, _| dirty(canister, 16_384));
    let (large_ms, large_bytes) = write(&mut state);

    println!(
        "{{\"canisters\":{canisters},\"build_tree_ms\":{build:.1},\
         \"rehash_1000_certified_data_ms\":{certify:.2},\"rehash_1000_balance_ms\":{spend:.2},\"compare_1000_ms\":{compare:.2},\
         \"bytes_per_idle_canister\":{},\"of_that_in_the_tree\":{},\
         \"first_checkpoint_ms\":{first_ms:.0},\"first_checkpoint_bytes\":{first_bytes},\
         \"checkpoint_1000_pages_ms\":{next_ms:.0},\"checkpoint_1000_pages_bytes\":{next_bytes},\
         \"checkpoint_64_mib_ms\":{large_ms:.0},\"checkpoint_64_mib_bytes\":{large_bytes}}}",
        (memory_tree - memory_before) / canisters,
        (memory_tree - memory_states) / canisters,
    );
}

/// The median time from changing a thousand canisters to the new root.
fn rehash(
    state: &mut ReplicatedState,
    tree: &mut StateTree,
    canisters: u64,
    edit: fn(&mut CanisterState, u64),
) -> f64 {
    let mut times: Vec<f64> = (0..REPETITIONS as u64)
        .map(|round| {
            change(state, canisters, round, edit);
            let begin = cpu_ms();
            let next = tree.next(Arc::new(state.clone()));
            next.root();
            let end = cpu_ms();
            // Freeing the state before is not part of the way to the root.
            *tree = next;
            end - begin
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[REPETITIONS / 2]
}

/// Edits a thousand canisters that are spread over all.
fn change(
    state: &mut ReplicatedState,
    canisters: u64,
    round: u64,
    edit: fn(&mut CanisterState, u64),
) {
    let step = (canisters / CHANGED).max(1);
    for n in 0..CHANGED.min(canisters) {
        let id = CanisterId::from_index((n * step + round) % canisters);
        edit(state.canister_mut(&id).expect("it was made"), round);
    }
}

fn dirty(canister: &mut CanisterState, pages: u64) {
    let execution = canister.execution.as_mut().expect("it has code");
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

/// CPU time of this thread.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let ns: f64 = text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    ns / 1e6
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}
