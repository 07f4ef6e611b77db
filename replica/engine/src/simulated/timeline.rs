//! From faults to the changes that happen at each instant.

use std::collections::{BTreeMap, BTreeSet};

use super::{Byzantine, Fault, LinkQuality, STEP_MS, Simulation, SimulationError};

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Crash(usize),
    Restart(usize),
}

/// The faults of a checked simulation, by time.
pub(super) struct Timeline {
    nodes: usize,
    link: LinkQuality,
    faults: Vec<Fault>,
    changes: BTreeMap<u64, Vec<Change>>,
    /// When the links may change.
    link_changes: BTreeSet<u64>,
}

impl Timeline {
    pub(super) fn new(simulation: &Simulation) -> Result<Self, SimulationError> {
        if !(1..=255).contains(&simulation.nodes) {
            return Err(SimulationError::Nodes(simulation.nodes));
        }
        if simulation.idle_interval_ms == 0 {
            return Err(SimulationError::IdleInterval);
        }
        check_loss(&simulation.link)?;
        let mut timeline = Self {
            nodes: simulation.nodes,
            link: simulation.link,
            faults: simulation.faults.clone(),
            changes: BTreeMap::new(),
            link_changes: BTreeSet::new(),
        };
        for (at, fault) in simulation.faults.iter().enumerate() {
            timeline.add(at, fault)?;
        }
        Ok(timeline)
    }

    fn add(&mut self, at: usize, fault: &Fault) -> Result<(), SimulationError> {
        match fault {
            Fault::Links { from_ms, until_ms, quality } => {
                check_loss(quality)?;
                self.add_links(at, *from_ms, *until_ms)
            }
            Fault::Partition { from_ms, until_ms, groups } => {
                groups.iter().flatten().try_for_each(|node| self.check_node(at, *node))?;
                self.add_links(at, *from_ms, *until_ms)
            }
            Fault::Crash { node, at_ms, restart_ms } => {
                self.check_node(at, *node)?;
                if restart_ms.is_some_and(|restart| restart < at_ms.saturating_add(STEP_MS)) {
                    return Err(SimulationError::Order(at));
                }
                self.changes.entry(*at_ms).or_default().push(Change::Crash(*node));
                if let Some(restart) = restart_ms {
                    self.changes.entry(*restart).or_default().push(Change::Restart(*node));
                }
                Ok(())
            }
            Fault::Byzantine { node, .. } => self.check_node(at, *node),
        }
    }

    fn add_links(&mut self, at: usize, from_ms: u64, until_ms: u64) -> Result<(), SimulationError> {
        if from_ms >= until_ms {
            return Err(SimulationError::Order(at));
        }
        self.link_changes.extend([from_ms, until_ms]);
        Ok(())
    }

    fn check_node(&self, fault: usize, node: usize) -> Result<(), SimulationError> {
        if node < self.nodes {
            return Ok(());
        }
        Err(SimulationError::Node { fault, node, nodes: self.nodes })
    }

    /// The next instant after `after_ms` at which something changes.
    pub(super) fn next_after(&self, after_ms: u64) -> Option<u64> {
        let next = after_ms.saturating_add(1);
        let change = self.changes.range(next..).next().map(|(at, _)| *at);
        let links = self.link_changes.range(next..).next().copied();
        change.into_iter().chain(links).min()
    }

    /// What happens to nodes at this instant.
    pub(super) fn changes_at(&self, at_ms: u64) -> &[Change] {
        self.changes.get(&at_ms).map_or(&[], Vec::as_slice)
    }

    /// How a node is dishonest, if it is.
    pub(super) fn byzantine(&self, node: usize) -> Option<Byzantine> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Byzantine { node: named, kind } if *named == node => Some(*kind),
            _ => None,
        })
    }

    /// The quality of each link from one node to another at this instant; a missing one is cut.
    pub(super) fn links_at(&self, at_ms: u64) -> BTreeMap<(usize, usize), LinkQuality> {
        let quality = self.quality_at(at_ms);
        let pairs = (0..self.nodes).flat_map(|from| (0..self.nodes).map(move |to| (from, to)));
        pairs
            .filter(|(from, to)| from != to && self.connected(*from, *to, at_ms))
            .map(|pair| (pair, quality))
            .collect()
    }

    fn quality_at(&self, at_ms: u64) -> LinkQuality {
        let last = self.faults.iter().rev().find_map(|fault| match fault {
            Fault::Links { from_ms, until_ms, quality }
                if (*from_ms..*until_ms).contains(&at_ms) =>
            {
                Some(*quality)
            }
            _ => None,
        });
        last.unwrap_or(self.link)
    }

    fn connected(&self, from: usize, to: usize, at_ms: u64) -> bool {
        self.faults.iter().all(|fault| match fault {
            Fault::Partition { from_ms, until_ms, groups }
                if (*from_ms..*until_ms).contains(&at_ms) =>
            {
                groups.iter().any(|group| group.contains(&from) && group.contains(&to))
            }
            _ => true,
        })
    }
}

fn check_loss(quality: &LinkQuality) -> Result<(), SimulationError> {
    match quality.loss_per_mille {
        0..=1000 => Ok(()),
        more => Err(SimulationError::Loss(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: LinkQuality = LinkQuality { delay_ms: 200, jitter_ms: 50, loss_per_mille: 100 };

    fn with(faults: Vec<Fault>) -> Result<Timeline, SimulationError> {
        Timeline::new(&Simulation { faults, ..Simulation::new(1, 3) })
    }

    #[test]
    fn links_follow_the_faults_in_time() {
        let groups = vec![BTreeSet::from([0, 1]), BTreeSet::from([2])];
        let timeline = with(vec![
            Fault::Links { from_ms: 10, until_ms: 30, quality: BAD },
            Fault::Partition { from_ms: 20, until_ms: 40, groups },
        ])
        .unwrap();
        let check = |at_ms, links: usize, quality| {
            let found = timeline.links_at(at_ms);
            assert_eq!(found.len(), links, "at {at_ms}");
            assert!(found.values().all(|link| *link == quality), "at {at_ms}");
        };
        check(0, 6, LinkQuality::GOOD);
        check(10, 6, BAD);
        check(20, 2, BAD);
        check(30, 2, LinkQuality::GOOD);
        check(40, 6, LinkQuality::GOOD);
        let instants: Vec<_> =
            std::iter::successors(timeline.next_after(0), |at| timeline.next_after(*at)).collect();
        assert_eq!(instants, [10, 20, 30, 40]);
    }

    #[test]
    fn wrong_faults_are_refused() {
        let check = |fault, expected| assert_eq!(with(vec![fault]).err(), Some(expected));
        check(
            Fault::Crash { node: 3, at_ms: 0, restart_ms: None },
            SimulationError::Node { fault: 0, node: 3, nodes: 3 },
        );
        check(Fault::Crash { node: 0, at_ms: 9, restart_ms: Some(9) }, SimulationError::Order(0));
        check(Fault::Links { from_ms: 5, until_ms: 5, quality: BAD }, SimulationError::Order(0));
        let lossy = LinkQuality { loss_per_mille: 1001, ..BAD };
        check(
            Fault::Links { from_ms: 0, until_ms: 5, quality: lossy },
            SimulationError::Loss(1001),
        );
        let none = Simulation::new(1, 0);
        assert_eq!(Timeline::new(&none).err(), Some(SimulationError::Nodes(0)));
    }
}
