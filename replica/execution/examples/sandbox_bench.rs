//! Measures the sandbox: metered code against the same machine without metering, and small
//! messages with dirty tracking and rollback. Prints JSON.
//!
//! `cargo run --release -p replica-execution --example sandbox_bench [repetitions [kernel]]`
//!
//! Both sides run in turns in one process, with NaN canonicalisation on in both. A ratio is the
//! median over the pairs, because other work on the machine disturbs both runs of a pair alike.

use std::time::{Duration, Instant};

use replica_execution::canister_error::CanisterError;
use replica_execution::meter::Ic0;
use replica_execution::sandbox::baseline::Baseline;
use replica_execution::sandbox::{
    ApiError, CompiledModule, Engine, Entry, Execution, Growth, Guest, Keep, ResidentMemories,
    SystemApi, spawn,
};
use replica_state::{GlobalValue, Memory};
use types::{CanisterId, Limits};

const KERNELS: [(&str, &str); 6] = [
    ("sha256", include_str!("../kernels/sha256.wat")),
    ("sort", include_str!("../kernels/sort.wat")),
    ("map", include_str!("../kernels/map.wat")),
    ("matrix", include_str!("../kernels/matrix.wat")),
    ("sieve", include_str!("../kernels/sieve.wat")),
    ("fib", include_str!("../kernels/fib.wat")),
];

/// A small update: four system calls, two pages written.
const MESSAGE: &str = r#"(module
    (import "ic0" "msg_arg_data_size" (func $size (result i32)))
    (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
    (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
    (import "ic0" "msg_reply" (func $reply))
    (memory 300)
    (global $stack (mut i32) (i32.const 1048576))
    (func $work (local $frame i32)
        (global.set $stack (local.tee $frame (i32.sub (global.get $stack) (i32.const 128))))
        (call $copy (local.get $frame) (i32.const 0) (call $size))
        (i64.store (i32.const 2000000)
            (i64.add (i64.load (i32.const 2000000)) (i64.load (local.get $frame))))
        (call $append (i32.const 2000000) (i32.const 8))
        (call $reply)
        (global.set $stack (i32.add (local.get $frame) (i32.const 128))))
    (func (export "canister_update run") (call $work))
    (func (export "canister_update trap") (call $work) (unreachable))
    (func (export "canister_update scatter") (local $i i32)
        (loop $l
            (i32.store (i32.mul (local.get $i) (i32.const 8192)) (local.get $i))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))))"#;

/// The interface of the small message.
#[derive(Default)]
struct Message {
    reply: Vec<u8>,
}

impl SystemApi for Message {
    fn call(
        &mut self,
        function: Ic0,
        arguments: &[u64],
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        guest.charge(500)?;
        match function {
            Ic0::MsgArgDataSize => Ok(64),
            Ic0::MsgArgDataCopy => guest.write(arguments[0], &[1; 64]).map(|()| 0),
            Ic0::MsgReplyDataAppend => {
                self.reply.extend(guest.read_vec(arguments[0], arguments[1])?);
                Ok(0)
            }
            Ic0::MsgReply => Ok(0),
            other => Err(CanisterError::ContractViolation(other.name().into()).into()),
        }
    }

    fn grow_heap(&mut self, _: u64, _: u64) -> Result<Growth, ApiError> {
        Ok(Growth::Allow)
    }
}

/// A canister with its state.
struct Canister {
    module: CompiledModule,
    heap: Memory,
    globals: Vec<GlobalValue>,
}

impl Canister {
    fn new(engine: &Engine, wasm: &[u8]) -> Self {
        let module = engine.compile(wasm).expect("the modules here are valid");
        let heap = module.initial_heap().clone();
        let globals = module.initial_globals().to_vec();
        Canister { module, heap, globals }
    }

    fn run(&mut self, engine: &Engine, pool: &ResidentMemories, method: &str, keep: Keep) -> u64 {
        let execution = Execution {
            module: &self.module,
            heap: &self.heap,
            globals: &self.globals,
            entry: Entry::Export(method),
            instruction_limit: 300_000_000_000,
        };
        let id = CanisterId::from_index(0);
        let executed = engine.execute(&execution, id, pool, keep, Message::default());
        let (outcome, _) = executed.expect("this computer can run it");
        if let Ok(changes) = outcome.result {
            self.heap = changes.heap;
            self.globals = changes.globals;
        }
        outcome.instructions_used
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// One line of JSON for a kernel, and metered speed / raw speed.
fn kernel(engine: &Engine, name: &str, text: &str, repetitions: usize) -> (String, f64) {
    let wasm = wat::parse_str(text).expect("the kernels are valid");
    let pool = ResidentMemories::new(1 << 30);
    let mut metered = Canister::new(engine, &wasm);
    let mut raw = Baseline::new(&wasm).expect("the machine is available");
    let method = "canister_update run";
    let instructions = metered.run(engine, &pool, method, Keep::Changes);
    raw.call(method).expect("the kernels do not trap");
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        times.0.push(timed(|| raw.call(method).expect("the kernels do not trap")));
        times.1.push(timed(|| {
            metered.run(engine, &pool, method, Keep::Changes);
        }));
    }
    let pairs = times.0.iter().zip(&times.1);
    let mut ratios: Vec<f64> =
        pairs.map(|(raw, metered)| raw.as_secs_f64() / metered.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let line = format!(
        "{{\"kernel\":\"{name}\",\"raw_ms\":{:.3},\"metered_ms\":{:.3},\"ratio\":{ratio:.3},\
         \"instructions\":{instructions}}}",
        median(times.0).as_secs_f64() * 1e3,
        median(times.1).as_secs_f64() * 1e3,
    );
    (line, ratio)
}

/// Microseconds of one message: median and best of the batches, as JSON.
fn message(engine: &Engine, method: &str, keep: Keep, batch: u32) -> String {
    let wasm = wat::parse_str(MESSAGE).expect("the module is valid");
    let pool = ResidentMemories::new(1 << 30);
    let mut canister = Canister::new(engine, &wasm);
    let times = (0..41).map(|_| {
        timed(|| {
            for _ in 0..batch {
                canister.run(engine, &pool, method, keep);
            }
        })
    });
    let times: Vec<Duration> = times.collect();
    let best = times.iter().min().copied().unwrap_or_default();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(batch);
    format!("{{\"median\":{:.2},\"best\":{:.2}}}", each(median(times)), each(best))
}

fn measure(repetitions: usize) {
    let engine = Engine::new(&Limits::default()).expect("the machine is available");
    let wanted = std::env::args().nth(2);
    let kernels: Vec<_> = KERNELS
        .iter()
        .filter(|(name, _)| wanted.as_deref().is_none_or(|wanted| wanted == *name))
        .map(|(name, text)| kernel(&engine, name, text, repetitions))
        .collect();
    let logarithms: f64 = kernels.iter().map(|(_, ratio)| ratio.ln()).sum();
    let geomean = (logarithms / kernels.len() as f64).exp();
    let worst = kernels.iter().map(|(_, ratio)| *ratio).fold(f64::MAX, f64::min);
    let lines: Vec<_> = kernels.into_iter().map(|(line, _)| line).collect();
    println!("{{\"nan_canonicalization\":true,\"metered_over_raw_geomean\":{geomean:.3},");
    println!("\"metered_over_raw_worst\":{worst:.3},\"kernels\":[\n{}],", lines.join(",\n"));
    let update = message(&engine, "canister_update run", Keep::Changes, 200);
    let query = message(&engine, "canister_update run", Keep::Nothing, 200);
    let trap = message(&engine, "canister_update trap", Keep::Changes, 200);
    let scatter = message(&engine, "canister_update scatter", Keep::Changes, 2);
    println!("\"update_us\":{update},\"query_us\":{query},\"trap_us\":{trap},");
    println!("\"thousand_scattered_pages_us\":{scatter}}}");
}

fn main() {
    let repetitions = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(41);
    let thread = spawn("bench", move || measure(repetitions)).expect("a thread can be started");
    thread.join().expect("the measurement does not panic");
}
