//! What it costs to verify evidence: the recorded ones of each role.
//!
//! `cargo run --release -p attestation --example evidence_cost`

use attestation::evidence::{Evidence, Known, Policy, Roots, verify};
use attestation::x509::UnixTime;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// 2025-06-15.
const AT: UnixTime = UnixTime(1_750_000_000);
const ROUNDS: usize = 300;

#[derive(Deserialize)]
struct Rules {
    policy: Policy,
    roots: Roots,
    known: Known,
}

fn main() {
    for role in ["host", "guest", "machine"] {
        let read = |ending: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/evidence");
            std::fs::read(format!("{folder}/{role}.{ending}")).expect("the vectors are there")
        };
        let bytes = read("evidence");
        let Rules { policy, roots, known } =
            serde_json::from_slice(&read("json")).expect("the file is good");
        time(&format!("{role}, {} bytes: read", bytes.len()), || Evidence::decode(&bytes).is_ok());
        time(&format!("{role}: verify"), || {
            verify(&bytes, &policy, &roots, &known, AT).is_accepted()
        });
    }
}

/// Prints median and minimum of the wall time.
fn time(name: &str, mut run: impl FnMut() -> bool) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            assert!(run(), "the evidence is good");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{name}: median {:?}, minimum {:?}", times[ROUNDS / 2], times[0]);
}
