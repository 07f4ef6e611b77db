//! Memory under random programs: what an execution leaves behind is what a plain array of bytes
//! says, whatever was resident, trapped, grew or was changed from outside in between.

use proptest::prelude::*;

use super::*;

const WASM_PAGE: usize = 65_536;
const PAGES_MAX: u64 = 24;

#[derive(Clone, Debug)]
enum Step {
    Store { at: u64, byte: u8 },
    Fill { at: u64, byte: u8, length: u64 },
    Copy { to: u64, from: u64, length: u64 },
    HostWrite { at: u64, length: u64 },
    HostRead { at: u64, length: u64 },
    Grow(u64),
    Trap,
}

/// Feeds a program of steps to the canister.
struct Script {
    numbers: std::vec::IntoIter<u64>,
    read: Vec<Vec<u8>>,
}

impl Script {
    fn new(steps: &[Step]) -> Self {
        let numbers = steps.iter().flat_map(|step| match *step {
            Step::Store { at, byte } => vec![1, at, byte.into()],
            Step::Fill { at, byte, length } => vec![2, at, byte.into(), length],
            Step::Copy { to, from, length } => vec![3, to, from, length],
            Step::HostWrite { at, length } => vec![4, at, length],
            Step::HostRead { at, length } => vec![5, at, length],
            Step::Grow(pages) => vec![6, pages],
            Step::Trap => vec![7],
        });
        Script { numbers: numbers.collect::<Vec<_>>().into_iter(), read: Vec::new() }
    }
}

impl SystemApi for Script {
    fn call(
        &mut self,
        function: Ic0,
        arguments: &[u64],
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        match function {
            Ic0::Time => Ok(self.numbers.next().unwrap_or(0)),
            Ic0::MsgArgDataCopy => {
                let bytes: Vec<u8> = (0..arguments[2]).map(pattern).collect();
                guest.write(arguments[0], &bytes).map(|()| 0)
            }
            _ => {
                self.read.push(guest.read_vec(arguments[0], arguments[1])?);
                Ok(0)
            }
        }
    }

    fn grow_heap(&mut self, _: u64, wanted: u64) -> Result<Growth, ApiError> {
        Ok(if wanted <= PAGES_MAX { Growth::Allow } else { Growth::Refuse })
    }
}

fn pattern(position: u64) -> u8 {
    (position * 7 + 1) as u8
}

/// The interpreter of scripts, for memories of both widths.
fn interpreter(width: &str) -> String {
    let next = match width {
        "i32" => "(i32.wrap_i64 (call $next))",
        _ => "(call $next)",
    };
    let memory = if width == "i64" { "i64" } else { "" };
    format!(
        r#"(module
        (import "ic0" "time" (func $next (result i64)))
        (import "ic0" "msg_arg_data_copy" (func $write (param {width} {width} {width})))
        (import "ic0" "debug_print" (func $read (param {width} {width})))
        (memory {memory} 2)
        (data ({width}.const 4090) "crosses pages")
        (func (export "canister_update run") (local $op i64) (local $at {width})
            (loop $again
                (local.set $op (call $next))
                (if (i64.eq (local.get $op) (i64.const 1)) (then
                    (local.set $at {next})
                    (i64.store8 (local.get $at) (call $next)) (br $again)))
                (if (i64.eq (local.get $op) (i64.const 2)) (then
                    (memory.fill {next} (i32.wrap_i64 (call $next)) {next}) (br $again)))
                (if (i64.eq (local.get $op) (i64.const 3)) (then
                    (memory.copy {next} {next} {next}) (br $again)))
                (if (i64.eq (local.get $op) (i64.const 4)) (then
                    (call $write {next} ({width}.const 0) {next}) (br $again)))
                (if (i64.eq (local.get $op) (i64.const 5)) (then
                    (call $read {next} {next}) (br $again)))
                (if (i64.eq (local.get $op) (i64.const 6)) (then
                    (drop (memory.grow {next})) (br $again)))
                (if (i64.eq (local.get $op) (i64.const 7)) (then (unreachable))))))"#
    )
}

/// What the steps do to plain bytes; `None` if they trap.
fn model(start: &[u8], steps: &[Step]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut memory = start.to_vec();
    let mut read = Vec::new();
    for step in steps {
        match *step {
            Step::Store { at, byte } => *memory.get_mut(at as usize)? = byte,
            Step::Fill { at, byte, length } => range(&mut memory, at, length)?.fill(byte),
            Step::Copy { to, from, length } => {
                let bytes = range(&mut memory, from, length)?.to_vec();
                range(&mut memory, to, length)?.copy_from_slice(&bytes);
            }
            Step::HostWrite { at, length } => {
                let bytes: Vec<u8> = (0..length).map(pattern).collect();
                range(&mut memory, at, length)?.copy_from_slice(&bytes);
            }
            Step::HostRead { at, length } => read.push(range(&mut memory, at, length)?.to_vec()),
            Step::Grow(pages) => {
                let wanted = memory.len() + pages as usize * WASM_PAGE;
                if wanted <= PAGES_MAX as usize * WASM_PAGE {
                    memory.resize(wanted, 0);
                }
            }
            Step::Trap => return None,
        }
    }
    Some((memory, read))
}

fn range(memory: &mut [u8], at: u64, length: u64) -> Option<&mut [u8]> {
    memory.get_mut(at as usize..(at + length) as usize)
}

fn address() -> impl Strategy<Value = u64> {
    let end = PAGES_MAX * WASM_PAGE as u64;
    prop_oneof![4 => 0..3 * WASM_PAGE as u64, 2 => 0..end, 1 => (0..end / 4096).prop_map(|p| p * 4096 + 4095)]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..10u64, 2 => 0..10_000u64, 1 => 0..300_000u64]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (address(), 0..3u8).prop_map(|(at, byte)| Step::Store { at, byte }),
        3 => (address(), 0..3u8, length()).prop_map(|(at, byte, length)| Step::Fill { at, byte, length }),
        3 => (address(), address(), length()).prop_map(|(to, from, length)| Step::Copy { to, from, length }),
        4 => (address(), length()).prop_map(|(at, length)| Step::HostWrite { at, length }),
        4 => (address(), length()).prop_map(|(at, length)| Step::HostRead { at, length }),
        4 => (0..5u64).prop_map(Step::Grow),
        1 => Just(Step::Trap),
    ]
}

#[derive(Clone, Debug)]
struct Message {
    canister: usize,
    steps: Vec<Step>,
    keep: bool,
    /// Changes that reach the heap on another way, such as another node's state.
    from_outside: Vec<(u64, u8)>,
}

fn message() -> impl Strategy<Value = Message> {
    let outside = prop_oneof![
        3 => Just(vec![]),
        1 => proptest::collection::vec((0..2 * WASM_PAGE as u64, any::<u8>()), 1..4),
        1 => any::<u8>().prop_map(|byte| (0..32).map(|page| (page * 4096, byte)).collect()),
    ];
    (0..3usize, proptest::collection::vec(step(), 1..30), proptest::bool::weighted(0.8), outside)
        .prop_map(|(canister, steps, keep, from_outside)| Message {
            canister,
            steps,
            keep,
            from_outside,
        })
}

fn run_all(width: &str, pool_bytes: u64, messages: &[Message]) {
    let pool = ResidentMemories::new(pool_bytes);
    let module = engine().compile(&wat::parse_str(interpreter(width)).unwrap()).unwrap();
    let mut canisters: Vec<(Memory, Vec<u8>)> = Vec::new();
    for _ in 0..3 {
        canisters.push((module.initial_heap().clone(), bytes_of(module.initial_heap())));
    }
    for message in messages {
        let (heap, bytes) = &mut canisters[message.canister];
        for &(at, byte) in &message.from_outside {
            heap.pages.write(at, &[byte]);
            bytes[at as usize] = byte;
        }
        let execution = Execution {
            module: &module,
            heap,
            globals: &[],
            entry: Entry::Export("canister_update run"),
            instruction_limit: LIMIT,
        };
        let keep = if message.keep { Keep::Changes } else { Keep::Nothing };
        let id = CanisterId::from_index(message.canister as u64);
        let script = Script::new(&message.steps);
        let executed = engine().execute(&execution, id, &pool, keep, script);
        let (outcome, script) = executed.unwrap();
        match (model(bytes, &message.steps), outcome.result) {
            (Some((after, read)), Ok(changes)) => {
                assert_eq!(script.read, read);
                assert_eq!(
                    changes.pages_changed,
                    heap.pages.diff(&changes.heap.pages).len() as u64
                );
                if message.keep {
                    *bytes = after;
                    *heap = changes.heap;
                } else {
                    assert_eq!(&changes.heap, &*heap);
                }
            }
            (None, Err(trap)) => assert!(matches!(trap, Trap::Unreachable | Trap::HeapOutOfBounds)),
            (model, result) => panic!("model traps: {}, canister: {result:?}", model.is_none()),
        }
        assert!(bytes_of(heap) == *bytes, "the heap differs from the model");
    }
}

fn bytes_of(heap: &Memory) -> Vec<u8> {
    let mut bytes = vec![0; heap.size as usize * WASM_PAGE];
    heap.pages.read(0, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn resident_memory_behaves_like_bytes(messages in proptest::collection::vec(message(), 1..12)) {
        run_all("i32", 1 << 30, &messages);
    }

    #[test]
    fn evicted_memory_behaves_like_bytes(messages in proptest::collection::vec(message(), 1..12)) {
        run_all("i64", 300_000, &messages);
    }
}

/// Adds one to single bytes far apart in a memory of some GiB.
fn scattered(width: &str, pages: u64) -> Canister {
    let memory = if width == "i64" { "i64" } else { "" };
    let end = pages * 65_536;
    Canister::new(&format!(
        r#"(module (memory {memory} {pages})
        (func (export "canister_update scatter") (local $at {width})
            (loop $l
                (i32.store8 (local.get $at) (i32.add (i32.load8_u (local.get $at)) (i32.const 1)))
                (local.set $at ({width}.add (local.get $at) ({width}.const 5000000)))
                (br_if $l ({width}.lt_u (local.get $at) ({width}.const {end}))))))"#
    ))
}

#[test]
fn a_large_memory_costs_what_is_touched() {
    for (width, pages) in [("i32", 65_000), ("i64", 98_304)] {
        let mut canister = scattered(width, pages);
        let touched = (pages * 65_536).div_ceil(5_000_000);
        for turn in 1..4 {
            let entry = Entry::Export("canister_update scatter");
            let (result, _) = canister.execute(entry, Keep::Changes, Recorder::default());
            assert_eq!(result, Ok(touched));
            assert_eq!(canister.heap.pages.stored_pages(), touched);
            let mut byte = [0];
            canister.heap.pages.read(5_000_000 * (touched - 1), &mut byte);
            assert_eq!(byte, [turn]);
        }
        assert!(canister.pool.bytes() < 1 << 30);
    }
}

#[test]
fn many_canisters_share_a_small_pool() {
    let module = engine().compile(&wat::parse_str(interpreter("i32")).unwrap()).unwrap();
    let pool = ResidentMemories::new(1_000_000);
    let mut heaps = vec![module.initial_heap().clone(); 100];
    for turn in 0..5u64 {
        for (index, heap) in heaps.iter_mut().enumerate() {
            let execution = Execution {
                module: &module,
                heap,
                globals: &[],
                entry: Entry::Export("canister_update run"),
                instruction_limit: LIMIT,
            };
            let steps = [Step::Store { at: turn * 9000, byte: index as u8 + 1 }];
            let id = CanisterId::from_index(index as u64);
            let (outcome, _) = engine()
                .execute(&execution, id, &pool, Keep::Changes, Script::new(&steps))
                .unwrap();
            *heap = outcome.result.unwrap().heap;
            assert!(pool.bytes() <= 1_000_000);
        }
    }
    for (index, heap) in heaps.iter().enumerate() {
        for turn in 0..5 {
            let mut byte = [0];
            heap.pages.read(turn * 9000, &mut byte);
            assert_eq!(byte, [index as u8 + 1]);
        }
    }
}

#[test]
fn threads_can_run_one_canister_at_the_same_time() {
    let canister = Canister::new(&interpreter("i32"));
    let run = |byte: u8| {
        let mut heap = canister.heap.clone();
        for at in 0..200 {
            let execution = Execution {
                module: &canister.module,
                heap: &heap,
                globals: &[],
                entry: Entry::Export("canister_update run"),
                instruction_limit: LIMIT,
            };
            let script = Script::new(&[Step::Store { at, byte }]);
            let (outcome, _) = engine()
                .execute(&execution, canister.id, &canister.pool, Keep::Changes, script)
                .unwrap();
            heap = outcome.result.unwrap().heap;
        }
        assert_eq!(bytes_of(&heap)[..200], [byte; 200]);
    };
    std::thread::scope(|scope| {
        for byte in 1..4 {
            scope.spawn({
                let run = &run;
                move || run(byte)
            });
        }
    });
}
