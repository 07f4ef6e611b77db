//! `replica-simulation`: runs seeds, shows progress, and says how to replay what failed.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use replica_simulation::{Failure, Report, Scenario, run};

/// Simulates whole subnets with faults, from seeds.
#[derive(Parser)]
#[command(name = "replica-simulation")]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many nodes each subnet has.
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// How many seeds run at once; each takes one thread.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Print one JSON object for each seed.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let failures = run_all(&arguments);
    if !arguments.json {
        let seconds = begun.elapsed().as_secs_f64();
        line(format_args!("{} seeds, {failures} failed, {seconds:.1} s", arguments.seeds));
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all(arguments: &Arguments) -> u64 {
    let (next, failures) = (AtomicU64::new(0), AtomicU64::new(0));
    // One line at a time.
    let output = Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= arguments.seeds {
                        return;
                    }
                    let begun = Instant::now();
                    let scenario = Scenario::of_seed(arguments.seed + index, arguments.nodes);
                    let result = run(&scenario);
                    failures.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
                    let _one_at_a_time = output.lock();
                    show(arguments, &result, begun.elapsed().as_secs_f64());
                }
            });
        }
    });
    failures.into_inner()
}

fn show(arguments: &Arguments, result: &Result<Report, Failure>, seconds: f64) {
    match (result, arguments.json) {
        (Ok(report), true) => line(json(report)),
        (Err(failure), true) => {
            line(json(failure));
            eprintln!("{failure}");
        }
        (Ok(report), false) => line(format_args!(
            "seed {:>6}  {:>4} blocks  {:>4} of {:>4} calls  {:>6} ms  faults {}  adversary {:<20} {}  {seconds:.1} s",
            report.seed,
            report.height,
            report.answered,
            report.calls,
            report.elapsed_ms,
            report.faults,
            report.adversary,
            &report.trace[..16],
        )),
        (Err(failure), false) => line(format_args!("FAILED {failure}")),
    }
}

/// Prints a line. A reader that went away (`cargo xtask sim | head -1`) is no reason to panic.
fn line(text: impl std::fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("reports are plain data")
}
