//! Canisters that do anything: programs made at random, which call each other, trap, run out of
//! instructions and are upgraded, give the same state on nodes that differ in all that must not
//! matter: how much memory stays resident, how many queries run meanwhile on how many threads, what
//! was executed or compiled before, and whether the node was started anew from its checkpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use candid::Encode;
use ic_management_canister_types as ic;
use replica_execution::{Executor, QueryRequest, RoundCounters};
use replica_state::{ReplicatedState, StateTree, Store};
use tempfile::TempDir;
use types::{CanisterId, Limits, MANAGEMENT_CANISTER, StateRoot};

use crate::harness::{Subnet, admin, nat, record, upgrade};
use crate::programs::{WIDTHS, program};

const CANISTERS: u64 = 4;
const METHODS: u64 = 3;
const ROUNDS: u64 = 24;
const SEEDS: u64 = 10;

/// A generator of numbers (splitmix64): the same seed gives the same test for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }

    /// An address, mostly within the memory and rarely beyond it.
    fn address(&mut self) -> u64 {
        match self.below(40) {
            0 => 1 << 20,
            1 => 131_070,
            _ => 256 + self.below(120_000),
        }
    }
}

/// A step of a message: anything that is allowed in updates and their callbacks.
fn step(random: &mut Random) -> String {
    let (a, b) = (random.address(), random.address());
    let (n, small) = (random.next(), random.below(50));
    match random.below(22) {
        0 => format!("(i64.store (ptr.const {a}) (i64.const {n}))"),
        1 => format!("(global.set $g (i64.xor (global.get $g) (i64.load (ptr.const {a}))))"),
        2 => "(drop (memory.grow (ptr.const 1)))".into(),
        3 => format!("(memory.fill (ptr.const {a}) (i32.const {}) (ptr.const {small}))", n % 256),
        4 => format!("(drop (call $stable64_grow (i64.const {})))", n % 3),
        5 => format!(
            "(if (i64.gt_u (call $stable64_size) (i64.const 1))
               (then (call $stable64_write (i64.const {b}) (i64.const {a}) (i64.const {small}))))"
        ),
        6 => format!(
            "(if (i64.gt_u (call $stable64_size) (i64.const 1))
               (then (call $stable64_read (i64.const {a}) (i64.const {b}) (i64.const {small}))))"
        ),
        7 => format!("(call $certified_data_set (ptr.const {a}) (ptr.const {}))", n % 33),
        8 => format!(
            "(drop (call $global_timer_set (i64.add (call $time) (i64.const {}))))",
            n % 5_000_000_000
        ),
        9 => format!("(call $debug_print (ptr.const {a}) (ptr.const {small}))"),
        10 => "(call $mix (call $performance_counter (i32.const 1)))".into(),
        11 => "(call $mix (call $canister_version))".into(),
        12 => format!(
            "(call $canister_cycle_balance128 (ptr.const {a})) (call $mix (i64.load (ptr.const {a})))"
        ),
        13 => format!("(call $cycles_burn128 (i64.const 0) (i64.const {small}) (ptr.const {a}))"),
        14 => "(if (i64.eqz (i64.and (global.get $g) (i64.const 7))) (then unreachable))".into(),
        15 => format!("(call $spin (i32.const {}))", 1 + n % 2_000),
        16 => "(if (i64.eqz (i64.and (global.get $g) (i64.const 31))) (then (loop $l (br $l))))"
            .into(),
        17 => management_call(random),
        _ => call(random),
    }
}

/// A call of another canister or of oneself, as long as there is fuel for it.
fn call(random: &mut Random) -> String {
    let peer = random.below(CANISTERS + 1) * 16;
    let name = 200 + 2 * random.below(METHODS + 1);
    let [reply, reject, cleanup] = [(); 3].map(|()| random.below(5));
    let attributes = [
        format!("(call $call_on_cleanup (ptr.const {cleanup}) (ptr.const 1))"),
        format!("(call $call_cycles_add128 (i64.const 0) (i64.const {}))", random.below(1_000)),
        format!("(call $call_with_best_effort_response (i32.const {}))", random.below(4)),
        format!("(call $call_data_append (ptr.const 300) (ptr.const {}))", random.below(3_000)),
    ];
    let chosen: String = attributes.into_iter().filter(|_| random.below(3) == 0).collect();
    // Sometimes so many at once that the queue is full.
    let times = if random.below(4) == 0 { 5 } else { 1 };
    let once = format!(
        "(if (global.get $fuel)
           (then
             (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
             (call $call_new (ptr.const {peer}) (ptr.const 10) (ptr.const {name}) (ptr.const 2)
               (ptr.const {reply}) (ptr.const 1) (ptr.const {reject}) (ptr.const 1))
             {chosen}
             (call $mix (i64.extend_i32_u (call $call_perform)))))"
    );
    once.repeat(times)
}

fn management_call(random: &mut Random) -> String {
    let reply = random.below(5);
    format!(
        "(if (global.get $fuel)
           (then
             (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
             (call $call_new (ptr.const 0) (ptr.const 0) (ptr.const 220) (ptr.const 8)
               (ptr.const {reply}) (ptr.const 1) (ptr.const {reply}) (ptr.const 1))
             (call $call_data_append (ptr.const 230) (ptr.const 6))
             (call $mix (i64.extend_i32_u (call $call_perform)))))"
    )
}

fn steps(random: &mut Random) -> String {
    (0..random.below(7)).map(|_| step(random)).collect()
}

/// How a method or a callback ends. A callback that answers a call which was answered traps.
fn end(random: &mut Random) -> &'static str {
    random.one_of(&[
        "(call $out64 (global.get $g)) (call $msg_reply)",
        "(call $out64 (global.get $g)) (call $msg_reply)",
        "(call $out (ptr.const 300) (ptr.const 2000)) (call $msg_reply)",
        "(call $msg_cycles_accept128 (i64.const 0) (i64.const 500) (ptr.const 300)) (call $msg_reply)",
        "(call $msg_reject (ptr.const 200) (ptr.const 2))",
        "(call $trap (ptr.const 300) (ptr.const 10))",
        "",
        "",
    ])
}

/// A module: `m0` to `m2` are updates, `m3` is a query.
fn random_module(random: &mut Random) -> Vec<u8> {
    let width = WIDTHS[random.below(2) as usize];
    let mut text = String::from(
        r#"(global $g (mut i64) (i64.const 1))
        (global $fuel (mut i32) (i32.const 12))
        (func $mix (param i64)
          (global.set $g (i64.add (i64.mul (global.get $g) (i64.const 31)) (local.get 0))))
        (func $spin (param $n i32)
          (loop $l
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $l (local.get $n))))
        (data (ptr.const 200) "m0m1m2m3")
        (data (ptr.const 220) "raw_rand")
        (data (ptr.const 230) "DIDL\00\00")
        (table funcref (elem $c0 $c1 $c2 $clean $clean_and_trap))"#,
    );
    for index in 0..CANISTERS {
        let id = CanisterId::from_index(index);
        let bytes: String = id.as_slice().iter().map(|byte| format!("\\{byte:02x}")).collect();
        text += &format!("(data (ptr.const {}) \"{bytes}\")", index * 16);
    }
    for method in 0..METHODS {
        let (steps, end) = (steps(random), end(random));
        // Only users bring fuel, so that canisters do not call each other for ever.
        text += &format!(
            "(func (export \"canister_update m{method}\")
               (if (ptr.eq (call $msg_caller_size) (ptr.const 29))
                 (then (global.set $fuel (i32.const 6))))
               {steps} {end})"
        );
        let (steps, end) = (self::steps(random), self::end(random));
        text += &format!("(func $c{method} (param ptr) {steps} {end})");
    }
    // What a cleanup may do is less, and a query less still.
    let n = random.next();
    text += &format!(
        "(func $clean (param ptr) (call $mix (i64.const {n}))
           (i64.store (ptr.const {}) (global.get $g)))
         (func $clean_and_trap (param ptr) (call $mix (i64.const {n})) unreachable)",
        256 + n % 100_000
    );
    let (at, end) = (random.address(), random.one_of(&["(call $msg_reply)", "unreachable", ""]));
    text += &format!(
        "(func (export \"canister_query m3\")
           (i64.store (ptr.const {at}) (global.get $g)) (call $mix (call $time))
           (call $out64 (global.get $g)) {end})"
    );
    for (name, chance) in [("heartbeat", 3), ("global_timer", 2), ("post_upgrade", 3), ("init", 2)]
    {
        if random.below(chance) == 0 {
            // These answer nobody, and code that is installed calls nobody.
            let steps = match name {
                "heartbeat" | "global_timer" => self::steps(random),
                _ => "(drop (call $stable64_grow (i64.const 1)))".into(),
            };
            text += &format!("(func (export \"canister_{name}\") {steps})");
        }
    }
    program(width, &text)
}

/// What users do in one round.
#[derive(Clone)]
enum Action {
    Call { canister: CanisterId, method: String, arg: Vec<u8> },
    Manage { canister: CanisterId, method: &'static str, arg: Vec<u8> },
}

fn random_action(random: &mut Random, modules: &[Vec<u8>]) -> Action {
    let canister = CanisterId::from_index(random.below(CANISTERS));
    let manage = |method, arg: Vec<u8>| Action::Manage { canister, method, arg };
    match random.below(16) {
        0 => {
            let mode = match random.below(3) {
                0 => ic::CanisterInstallMode::Reinstall,
                _ => upgrade(None, None),
            };
            let wasm_module = modules[random.below(modules.len() as u64) as usize].clone();
            let args = ic::InstallCodeArgs {
                mode,
                canister_id: canister.0,
                wasm_module,
                arg: vec![],
                sender_canister_version: None,
            };
            manage("install_code", Encode!(&args).expect("it has an encoding"))
        }
        1 => manage("stop_canister", Encode!(&record(canister)).expect("it has an encoding")),
        2 | 3 => manage("start_canister", Encode!(&record(canister)).expect("it has an encoding")),
        4 => {
            let settings = ic::CanisterSettings {
                memory_allocation: nat(u128::from(random.below(1 << 24))),
                ..Default::default()
            };
            let args = ic::UpdateSettingsArgs {
                canister_id: canister.0,
                settings,
                sender_canister_version: None,
            };
            manage("update_settings", Encode!(&args).expect("it has an encoding"))
        }
        _ => {
            let method = format!("m{}", random.below(METHODS + 2));
            let arg = random.next().to_le_bytes().to_vec();
            Action::Call { canister, method, arg }
        }
    }
}

fn act(subnet: &mut Subnet, action: &Action) {
    match action {
        Action::Call { canister, method, arg } => {
            subnet.submit(admin(), *canister, Some(*canister), method, arg);
        }
        Action::Manage { canister, method, arg } => {
            subnet.submit(admin(), MANAGEMENT_CANISTER, Some(*canister), method, arg);
        }
    }
}

fn root(subnet: &Subnet) -> StateRoot {
    StateTree::build(Arc::new(subnet.state.clone())).root()
}

/// All that must be the same, also what the root does not cover.
fn is_same(one: &ReplicatedState, other: &ReplicatedState) -> bool {
    one.canisters().eq(other.canisters())
        && one.ingress_history.iter().eq(other.ingress_history.iter())
        && one.subnet_queues == other.subnet_queues
        && one.raw_rand_requests == other.raw_rand_requests
        && one.totals == other.totals
        && one.next_scheduled == other.next_scheduled
}

/// Asks all canisters all that they can be asked, until it is told to end.
fn ask(executor: &Executor, state: &ReplicatedState, ended: &AtomicBool) {
    let mut random = Random(1);
    while !ended.load(Ordering::Relaxed) {
        let request = QueryRequest {
            sender: admin(),
            sender_info: None,
            canister: CanisterId::from_index(random.below(CANISTERS)),
            method: "m3".into(),
            arg: Bytes::new(),
            certificate: None,
        };
        // Whatever it is: it must change nothing.
        drop(executor.query(state, request));
    }
}

/// One round while so many threads ask queries of the state before.
fn round_with_queries(subnet: &mut Subnet, threads: usize, ms: u64) {
    let (executor, before) = (Arc::clone(&subnet.executor), subnet.state.clone());
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| ask(&executor, &before, &ended));
        }
        subnet.round_after(ms);
        ended.store(true, Ordering::Relaxed);
    });
}

fn limits() -> Limits {
    Limits {
        instructions_per_message_max: 2_000_000,
        // Small enough to be reached.
        queue_messages_max: 3,
        callbacks_per_canister_max: 8,
        ..Limits::default()
    }
}

fn node(resident_bytes: u64) -> Executor {
    Executor::with_resident_bytes(&limits(), resident_bytes).expect("the machine works here")
}

/// The state as a node finds it that was killed and started again, with the directory where its
/// pages are.
fn reopened(subnet: &Subnet, resident_bytes: u64) -> (Subnet, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path()).expect("it is new").store;
    store.checkpoint(&subnet.state, root(subnet)).expect("there is room on the disk");
    drop(store);
    let latest = Store::open(dir.path()).expect("it was closed").latest.expect("it has one");
    let mut other = subnet.executed_by(node(resident_bytes));
    other.state = ReplicatedState::clone(latest.state());
    (other, dir)
}

/// Plays one seed; what it came to, as the nodes agree on it.
fn play(seed: u64) -> RoundCounters {
    let mut random = Random(seed);
    let modules: Vec<_> = (0..CANISTERS + 2).map(|_| random_module(&mut random)).collect();
    let mut plain = Subnet::with(|config| {
        config.limits = limits();
        config.checkpoint_interval = ROUNDS / 2;
    });
    for module in &modules[..CANISTERS as usize] {
        let id = plain.create();
        // A program whose initialisation fails stays away; calls to it fail.
        drop(plain.install(id, ic::CanisterInstallMode::Install, module, b""));
    }
    let mut busy = plain.executed_by(node(0));
    let mut sum = RoundCounters::default();
    let mut restarted: Option<(Subnet, TempDir)> = None;
    for round in 0..ROUNDS {
        let actions: Vec<_> =
            (0..random.below(8)).map(|_| random_action(&mut random, &modules)).collect();
        let ms = random.below(3_000);
        for subnet in
            [&mut plain, &mut busy].into_iter().chain(restarted.as_mut().map(|(subnet, _)| subnet))
        {
            actions.iter().for_each(|action| act(subnet, action));
        }
        let counters = plain.round_after(ms).counters;
        sum.messages += counters.messages;
        sum.traps += counters.traps;
        round_with_queries(&mut busy, 1 + (round % 2) as usize, ms);
        if let Some((subnet, _)) = &mut restarted {
            subnet.round_after(ms);
        }
        for (name, other) in
            [("busy", Some(&busy)), ("restarted", restarted.as_ref().map(|(subnet, _)| subnet))]
        {
            let Some(other) = other else { continue };
            let same = is_same(&plain.state, &other.state);
            assert!(same, "seed {seed}: the {name} node differs in round {round}");
            assert_eq!(root(&plain), root(other), "seed {seed}, {name}, round {round}");
        }
        if round % 6 == 5 {
            restarted = Some(reopened(&plain, [0, 1 << 20, 1 << 30][(round / 6) as usize % 3]));
        }
    }
    sum
}

#[test]
fn all_nodes_come_to_the_same_state() {
    let all: Vec<_> = (0..SEEDS).map(play).collect();
    let messages: u64 = all.iter().map(|sum| sum.messages).sum();
    let traps: u64 = all.iter().map(|sum| sum.traps).sum();
    // A test of programs that do nothing, or nothing wrong, would say nothing.
    assert!(messages > SEEDS * 100 && traps > SEEDS * 10, "{messages} messages, {traps} traps");
}
