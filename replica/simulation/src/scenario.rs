//! What happens in a run: drawn from the seed, plain to read.

use std::collections::BTreeSet;

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use replica_engine::simulated::{Byzantine, Fault, LinkQuality};

/// Virtual milliseconds in which faults begin and calls are sent.
const STORM_MS: u64 = 15_000;

/// Virtual milliseconds from the end of the faults until everything must be answered. A node that
/// was away must come back, fetch what it missed, and lead a view.
const CALM_MS_MAX: u64 = 60_000;

/// When the first fault may begin: the chain key is there by then on good links, mostly.
const FIRST_FAULT_MS: u64 = 1_000;

/// How much longer the key generation takes with a silent member: the storm begins later then.
const SILENT_DELAY_MS: u64 = 16_000;

/// The one node that may be dishonest, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adversary {
    /// Two engines with one key: votes and proposes twice.
    Equivocating,
    /// Never sends anything.
    Silent,
    /// Follows the engine's protocol, but lies in everything that consensus says: wrong shares,
    /// false certifications, garbage, and blocks that repeat calls or do not decode.
    Lying,
    /// Honest, but its states differ from some height on, as with a broken processor: it must stop
    /// and leave evidence.
    Diverging,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Where all chance comes from.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How messages travel otherwise.
    pub link: LinkQuality,
    /// The dishonest node.
    pub adversary: Option<(usize, Adversary)>,
    /// When the last fault has ended and the last call of the load has been sent.
    pub storm_ms: u64,
    /// When everything must be answered.
    pub end_ms: u64,
    /// Calls of the load in a hundred steps.
    pub calls_per_hundred_steps: u32,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of_seed(seed: u64, nodes: usize) -> Self {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        let adversary = dice.adversary(nodes);
        let dishonest = adversary.map(|(node, _)| node);
        let delay_ms = match adversary {
            Some((_, Adversary::Silent)) => SILENT_DELAY_MS,
            _ => 0,
        };
        let mut faults = Vec::new();
        faults.extend(adversary.and_then(|(node, kind)| byzantine(node, kind)));
        for _ in 0..dice.below(5) {
            faults.push(later(dice.fault(nodes, dishonest), delay_ms));
        }
        Self {
            seed,
            nodes,
            link: dice.link(0),
            faults: without_overlapping_crashes(faults),
            adversary,
            storm_ms: delay_ms + STORM_MS,
            end_ms: delay_ms + STORM_MS + CALM_MS_MAX,
            calls_per_hundred_steps: 20 + dice.below(180),
        }
    }
}

fn later(fault: Fault, delay_ms: u64) -> Fault {
    match fault {
        Fault::Links { from_ms, until_ms, quality } => {
            Fault::Links { from_ms: from_ms + delay_ms, until_ms: until_ms + delay_ms, quality }
        }
        Fault::Partition { from_ms, until_ms, groups } => {
            Fault::Partition { from_ms: from_ms + delay_ms, until_ms: until_ms + delay_ms, groups }
        }
        Fault::Crash { node, at_ms, restart_ms } => Fault::Crash {
            node,
            at_ms: at_ms + delay_ms,
            restart_ms: restart_ms.map(|restart_ms| restart_ms + delay_ms),
        },
        Fault::Byzantine { .. } => fault,
    }
}

fn byzantine(node: usize, kind: Adversary) -> Option<Fault> {
    match kind {
        Adversary::Equivocating => Some(Fault::Byzantine { node, kind: Byzantine::Equivocate }),
        Adversary::Silent => Some(Fault::Byzantine { node, kind: Byzantine::Silent }),
        // Their engines are honest; application and executor are wrapped.
        Adversary::Lying | Adversary::Diverging => None,
    }
}

/// A node that is down cannot crash: of two crashes of one node that overlap, the first counts.
fn without_overlapping_crashes(faults: Vec<Fault>) -> Vec<Fault> {
    let mut down: Vec<(usize, u64, u64)> = Vec::new();
    let mut kept = Vec::new();
    for fault in faults {
        if let Fault::Crash { node, at_ms, restart_ms: Some(restart_ms) } = fault {
            let overlaps = |&(other, from, until): &(usize, u64, u64)| {
                other == node && at_ms <= until && from <= restart_ms
            };
            if down.iter().any(overlaps) {
                continue;
            }
            down.push((node, at_ms, restart_ms));
        }
        kept.push(fault);
    }
    kept
}

/// The seed as a source of choices.
struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        match bound {
            0 => 0,
            bound => self.0.random_range(0..bound),
        }
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0.random_range(from..to)
    }

    fn node(&mut self, nodes: usize) -> usize {
        self.0.random_range(0..nodes)
    }

    fn adversary(&mut self, nodes: usize) -> Option<(usize, Adversary)> {
        if nodes < 4 {
            return None;
        }
        let kind = match self.below(6) {
            0 => Adversary::Equivocating,
            1 => Adversary::Silent,
            2 => Adversary::Lying,
            3 => Adversary::Diverging,
            _ => return None,
        };
        Some((self.node(nodes), kind))
    }

    fn link(&mut self, loss_per_mille_max: u32) -> LinkQuality {
        let delay_ms = self.between(2, 40);
        LinkQuality {
            delay_ms,
            jitter_ms: self.between(0, delay_ms),
            loss_per_mille: u16::try_from(self.below(loss_per_mille_max + 1)).unwrap_or(0),
        }
    }

    /// A time in the storm and one after it, both in the storm.
    fn interval(&mut self, length_ms_max: u64) -> (u64, u64) {
        let from = self.between(FIRST_FAULT_MS, STORM_MS - 1_000);
        let until = from + self.between(500, length_ms_max);
        (from, until.min(STORM_MS))
    }

    fn fault(&mut self, nodes: usize, dishonest: Option<usize>) -> Fault {
        match self.below(4) {
            0 => {
                let (from_ms, until_ms) = self.interval(8_000);
                Fault::Links { from_ms, until_ms, quality: self.link(250) }
            }
            1 => {
                let (from_ms, until_ms) = self.interval(6_000);
                Fault::Partition { from_ms, until_ms, groups: self.groups(nodes) }
            }
            _ => {
                let (at_ms, restart_ms) = self.interval(8_000);
                // The dishonest node may crash too, but then it would be a quieter run.
                let honest: Vec<_> = (0..nodes).filter(|node| Some(*node) != dishonest).collect();
                let node = honest[self.node(honest.len())];
                Fault::Crash { node, at_ms, restart_ms: Some(restart_ms) }
            }
        }
    }

    /// Two groups, of which one may be empty of some nodes altogether.
    fn groups(&mut self, nodes: usize) -> Vec<BTreeSet<usize>> {
        let bits = self.0.next_u64();
        let (left, right) = (0..nodes).partition(|node| bits >> (node % 64) & 1 == 0);
        vec![left, right]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_everything() {
        for seed in 0..200 {
            let scenario = Scenario::of_seed(seed, 4);
            assert_eq!(scenario, Scenario::of_seed(seed, 4));
        }
        assert_ne!(Scenario::of_seed(1, 4), Scenario::of_seed(2, 4));
    }

    #[test]
    fn all_kinds_of_trouble_occur() {
        let scenarios: Vec<_> = (0..200).map(|seed| Scenario::of_seed(seed, 4)).collect();
        let some = |wanted: fn(&Scenario) -> bool| assert!(scenarios.iter().any(wanted));
        some(|s| matches!(s.adversary, Some((_, Adversary::Equivocating))));
        some(|s| matches!(s.adversary, Some((_, Adversary::Silent))));
        some(|s| matches!(s.adversary, Some((_, Adversary::Lying))));
        some(|s| matches!(s.adversary, Some((_, Adversary::Diverging))));
        some(|s| s.adversary.is_none() && s.faults.is_empty());
        some(|s| s.faults.iter().any(|f| matches!(f, Fault::Partition { .. })));
        some(|s| s.faults.iter().any(|f| matches!(f, Fault::Links { .. })));
        some(|s| s.faults.iter().filter(|f| matches!(f, Fault::Crash { .. })).count() > 1);
    }
}
