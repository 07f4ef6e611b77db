//! The seeds that run in every test run. Longer runs: `cargo xtask sim --seeds N`.

use replica_simulation::{Adversary, Scenario, run};

fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        if let Err(failure) = run(&Scenario::of_seed(seed, 4)) {
            panic!("{failure}");
        }
    }
}

// Four tests, so that they share the processors.

#[test]
fn seeds_0_to_4() {
    check(0..5);
}

#[test]
fn seeds_5_to_9() {
    check(5..10);
}

#[test]
fn seeds_10_to_14() {
    check(10..15);
}

#[test]
fn seeds_15_to_19() {
    check(15..20);
}

/// Replaying a seed is only worth something if it does the same.
#[test]
fn the_same_seed_gives_the_same_trace() {
    let lying = |seed: &u64| {
        let scenario = Scenario::of_seed(*seed, 4);
        matches!(scenario.adversary, Some((_, Adversary::Lying))) && scenario.faults.len() > 1
    };
    let seed = (100..).find(lying).expect("chance brings one");
    let scenario = Scenario::of_seed(seed, 4);
    let first = run(&scenario).unwrap_or_else(|failure| panic!("{failure}"));
    let second = run(&scenario).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(first, second);
    let other = Scenario { seed: seed + 1, ..scenario };
    let other = run(&other).unwrap_or_else(|failure| panic!("{failure}"));
    assert_ne!(first.trace, other.trace);
}
