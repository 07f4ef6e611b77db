//! Whole subnets in virtual time.

mod recorder;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use recorder::{Event, Recorder, Shared};
use replica_engine::simulated::{
    Birth, Byzantine, Fault, Life, LinkQuality, Simulation, Step, Trace,
};
use replica_engine::{FinalizedBlock, Injector, erase};
use types::Height;

const IDLE_MS: u64 = 250;
const LOSSY: LinkQuality = LinkQuality { delay_ms: 60, jitter_ms: 40, loss_per_mille: 100 };

/// The lives of all nodes with what they have seen.
#[derive(Default)]
struct Witness {
    lives: RefCell<Vec<(Birth, Shared, Injector<Event>)>>,
}

impl Witness {
    fn birth(&self, birth: &Birth) -> Life {
        let record = Shared::default();
        // A node starts again from half of what it had, as if its checkpoints were rare.
        let resume_after = Height(birth.durable.0 / 2);
        let mut recorder = Recorder::new(record.clone(), resume_after, IDLE_MS);
        recorder.durable = true;
        if birth.life > 0 {
            recorder.blocks_per_tick = 1;
        }
        recorder.mark = u8::from(birth.twin);
        let (application, injector) = erase(recorder);
        self.lives.borrow_mut().push((birth.clone(), record, injector));
        Life { application, resume_after }
    }

    /// All blocks that honest lives have seen, which must be one chain.
    fn check_chain(&self) -> BTreeMap<Height, FinalizedBlock> {
        let mut chain = BTreeMap::new();
        for (birth, record, _) in self.lives.borrow().iter().filter(|(birth, ..)| !birth.twin) {
            record.read(|record| {
                for block in &record.blocks {
                    let known = chain.entry(block.height).or_insert_with(|| block.clone());
                    assert_eq!(known, block, "{birth:?}");
                }
            });
        }
        chain
    }
}

/// Runs until all of `nodes` have reached `height`, at most for `limit_ms` of virtual time.
fn run(simulation: &Simulation, nodes: &[usize], height: u64, limit_ms: u64) -> (Witness, Trace) {
    let witness = Witness::default();
    let trace = simulation
        .run(
            |birth| witness.birth(birth),
            |progress| {
                assert!(progress.elapsed_ms <= limit_ms, "too slow: {progress:?}");
                let reached = |node: &usize| progress.delivered[*node].0 >= height;
                if nodes.iter().all(reached) { Step::Done } else { Step::Continue }
            },
        )
        .unwrap();
    let chain = witness.check_chain();
    assert!(chain.len() as u64 >= height);
    assert!(trace.ended.iter().all(Option::is_none), "{:?}", trace.ended);
    (witness, trace)
}

fn with(seed: u64, nodes: usize, faults: Vec<Fault>) -> Simulation {
    Simulation { faults, ..Simulation::new(seed, nodes) }
}

#[test]
fn good_links_keep_the_idle_pace() {
    let (witness, trace) = run(&with(1, 4, Vec::new()), &[0, 1, 2, 3], 20, 8_000);
    // The recorder counts from the last final block, so two blocks can come in one interval.
    assert!(trace.elapsed_ms >= 10 * IDLE_MS);
    for (_, record, _) in witness.lives.borrow().iter() {
        record.read(|record| assert_eq!(record.view.0, record.view.1.0, "a view was skipped"));
    }
}

#[test]
fn same_seed_same_trace_and_another_seed_another() {
    let faults = || {
        vec![
            Fault::Links { from_ms: 0, until_ms: 60_000, quality: LOSSY },
            Fault::Crash { node: 2, at_ms: 1_500, restart_ms: Some(4_000) },
        ]
    };
    let trace = |seed| run(&with(seed, 4, faults()), &[0, 1, 2, 3], 15, 60_000).1;
    let first = trace(7);
    assert_eq!(first, trace(7));
    let other = trace(8);
    assert_ne!(first.runtime, other.runtime);
    assert_ne!(first.deliveries, other.deliveries);
}

#[test]
fn loss_and_delay() {
    let quality = LinkQuality { delay_ms: 150, jitter_ms: 100, loss_per_mille: 200 };
    let faults = vec![Fault::Links { from_ms: 0, until_ms: 1_000_000, quality }];
    run(&with(3, 4, faults), &[0, 1, 2, 3], 20, 200_000);
}

#[test]
fn a_partition_without_quorum_stops_and_heals() {
    let groups = vec![BTreeSet::from([0, 1]), BTreeSet::from([2, 3])];
    let faults = vec![Fault::Partition { from_ms: 2_000, until_ms: 20_000, groups }];
    let at_heal = RefCell::new(Vec::new());
    let witness = Witness::default();
    with(4, 4, faults)
        .run(
            |birth| witness.birth(birth),
            |progress| {
                assert!(progress.elapsed_ms <= 60_000, "{progress:?}");
                match progress.elapsed_ms {
                    3_000 => at_heal.replace(progress.delivered.clone()),
                    20_000 => {
                        assert_eq!(*at_heal.borrow(), progress.delivered);
                        Vec::new()
                    }
                    _ => Vec::new(),
                };
                let done = progress.delivered.iter().all(|height| height.0 >= 25);
                if done { Step::Done } else { Step::Continue }
            },
        )
        .unwrap();
    assert!(!at_heal.borrow().is_empty());
    witness.check_chain();
}

#[test]
fn a_minority_is_cut_off_and_catches_up() {
    let groups = vec![BTreeSet::from([0, 1, 2])];
    let faults = vec![Fault::Partition { from_ms: 1_000, until_ms: 30_000, groups }];
    run(&with(5, 4, faults), &[0, 1, 2, 3], 90, 60_000);
}

#[test]
fn crashed_nodes_come_back_and_redeliver() {
    let crash = |node, at_ms, restart_ms| Fault::Crash { node, at_ms, restart_ms };
    let faults = vec![
        crash(0, 1_000, Some(9_000)),
        crash(1, 12_000, Some(12_100)),
        crash(2, 15_000, Some(16_000)),
        crash(3, 15_000, Some(17_000)),
        crash(1, 22_000, None),
    ];
    let (witness, _) = run(&with(6, 4, faults), &[0, 2, 3], 90, 100_000);
    let lives = witness.lives.borrow();
    assert_eq!(lives.len(), 8);
    for (birth, record, _) in lives.iter().filter(|(birth, ..)| birth.life > 0) {
        let first = record.read(|record| record.blocks[0].height);
        assert_eq!(first, Height(birth.durable.0 / 2 + 1));
    }
}

#[test]
fn a_dead_leader_costs_about_a_second_once() {
    let faults = vec![Fault::Byzantine { node: 1, kind: Byzantine::Silent }];
    let (_, trace) = run(&with(9, 4, faults), &[0, 2, 3], 60, 100_000);
    // 60 blocks at the idle pace and a few views that end by the leader's timeout.
    assert!(trace.elapsed_ms < 60 * IDLE_MS + 6_000, "{}", trace.elapsed_ms);
}

#[test]
fn an_equivocator_cannot_split_the_others() {
    let byzantine = |kind| vec![Fault::Byzantine { node: 3, kind }];
    let (witness, _) = run(&with(10, 4, byzantine(Byzantine::Equivocate)), &[0, 1, 2], 40, 200_000);
    // Node 1 is in the twin's half and was asked to vote for the twin's blocks, the others never.
    for (birth, record, _) in witness.lives.borrow().iter().filter(|(birth, ..)| birth.node < 3) {
        let asked = record.read(|record| record.marks.contains(&1));
        assert_eq!(asked, birth.node == 1, "{birth:?}");
    }
    run(&with(11, 7, byzantine(Byzantine::Equivocate)), &[0, 1, 2, 4, 5, 6], 30, 200_000);
}

#[test]
fn events_reach_all_under_loss() {
    let witness = Witness::default();
    let faults = vec![Fault::Links { from_ms: 0, until_ms: 60_000, quality: LOSSY }];
    let injected = RefCell::new(0u8);
    with(12, 4, faults)
        .run(
            |birth| witness.birth(birth),
            |progress| {
                assert!(progress.elapsed_ms <= 100_000, "{progress:?}");
                let lives = witness.lives.borrow();
                if *injected.borrow() < 10 {
                    let payload = Bytes::from(vec![*injected.borrow(); 20_000]);
                    lives[1].2.inject(Event::Order(payload)).unwrap();
                    *injected.borrow_mut() += 1;
                }
                let all = (0..10).map(|at| Bytes::from(vec![at; 20_000]));
                let done = lives.iter().all(|(_, record, _)| {
                    record.read(|record| all.clone().all(|one| record.payloads().contains(&one)))
                });
                if done { Step::Done } else { Step::Continue }
            },
        )
        .unwrap();
    witness.check_chain();
}
