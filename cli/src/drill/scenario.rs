//! The scenarios: what is broken, for how long, and what must hold meanwhile and afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use candid::Principal;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Plan;
use super::check::{self, Check};
use super::client::Clients;
use super::disk::LimitedDisk;
use super::ledger;
use super::load::{Load, Record};
use super::report::Outcome;
use crate::create::Executables;
use crate::error::Error;
use crate::nodes::{self, Lifetime};
use crate::status::{self, NodeStatus};
use crate::up::{Started, progress};

/// A drill's network: the smallest that tolerates one faulty node.
pub const NODES: usize = 4;

/// The node whose disk is small.
pub const FULL_DISK_NODE: usize = 3;

/// How long recovery may take on a loaded machine.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// In-flight blocks may still end after a quorum is gone.
const SETTLE: Duration = Duration::from_secs(3);

/// How close to the highest certified height a node counts as caught up.
const CAUGHT_UP_HEIGHTS: u64 = 20;

/// How long roots are collected; an idle network certifies some heights in it.
const ROOTS_TIME: Duration = Duration::from_secs(3);

const POLL: Duration = Duration::from_millis(100);

/// What can be drilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Kill one node, start it again.
    KillOne,
    /// Kill two nodes, start them again.
    KillTwo,
    /// Kill all nodes, start them again.
    KillAll,
    /// Pause one replica with SIGSTOP, let it go on.
    PauseOne,
    /// Kill nodes at random instants, one at a time and sometimes all, and start them again.
    RandomKills,
    /// Fill one node's disk, then make room.
    FullDisk,
}

impl Kind {
    /// All of them, in the order of a full drill.
    pub const ALL: [Kind; 6] = [
        Kind::KillOne,
        Kind::KillTwo,
        Kind::KillAll,
        Kind::PauseOne,
        Kind::RandomKills,
        Kind::FullDisk,
    ];

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::KillOne => "one node is killed",
            Self::KillTwo => "two nodes are killed",
            Self::KillAll => "all nodes are killed",
            Self::PauseOne => "one node is paused",
            Self::RandomKills => "nodes are killed at random instants",
            Self::FullDisk => "one node's disk is full",
        }
    }

    /// Whether the network must go on during the fault; `None` if nobody is there to do so.
    fn progress_expected(self) -> Option<bool> {
        match self {
            Self::KillOne | Self::PauseOne | Self::FullDisk => Some(true),
            Self::KillTwo => Some(false),
            Self::KillAll | Self::RandomKills => None,
        }
    }
}

/// How long the phases of a scenario take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Load before the fault, and after recovery.
    pub steady: Duration,
    /// How long the fault lasts.
    pub fault: Duration,
    /// How long a node is paused.
    pub pause: Duration,
    /// How often something is killed at a random instant.
    pub kills: usize,
}

/// A network under drill.
pub struct Drill<'a> {
    pub(super) plan: &'a Plan,
    pub(super) started: &'a Started,
    disk: Option<&'a LimitedDisk>,
    clients: Clients,
    ledger: Principal,
    records: Vec<Record>,
    pub(super) choices: Choices,
}

impl<'a> Drill<'a> {
    /// A drill on a network that just started.
    pub fn new(
        plan: &'a Plan,
        started: &'a Started,
        disk: Option<&'a LimitedDisk>,
        clients: Clients,
        ledger: Principal,
    ) -> Self {
        let (records, choices) = (Vec::new(), Choices(plan.seed));
        Self { plan, started, disk, clients, ledger, records, choices }
    }

    /// Runs one scenario under load and checks everything.
    pub async fn run(&mut self, kind: Kind) -> Result<Outcome, Error> {
        if kind == Kind::FullDisk && self.disk.is_none() {
            return Ok(Outcome::left_out(kind, "needs root, to mount a small disk"));
        }
        let begin = Instant::now();
        let mut victims = self.victims(kind);
        let first_id = self.records.iter().map(|record| record.id + 1).max().unwrap_or(1);
        let load = Load::start(&self.clients, self.ledger, first_id);
        tokio::time::sleep(self.plan.pace.steady).await;
        let mut checks = vec![Check::new(
            "requests are answered before the fault",
            load.replies() > 0,
            format!("{} certified replies", load.replies()),
        )];
        let mut height = highest(&self.statuses()?);
        if kind == Kind::RandomKills {
            let storm = self.kill_at_random(&load).await?;
            (victims, height) = (storm.victims, height.max(storm.height));
            checks.push(storm.check);
        } else {
            self.break_it(kind, &victims)?;
            checks.extend(self.watch_fault(kind, &load).await?);
            // What the nodes report right after a start is what they replay.
            height = height.max(highest(&self.statuses()?));
            self.mend(kind, &victims)?;
        }
        let mended = Instant::now();
        checks.push(self.wait_for_recovery(height).await?);
        checks.push(self.wait_for_replies(&load, mended).await);
        let replies = load.replies();
        self.records.extend(load.stop().await?);
        checks.extend(self.compare().await?);
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Outcome { kind, victims, seconds, replies, left_out: None, checks })
    }

    fn victims(&mut self, kind: Kind) -> Vec<usize> {
        match kind {
            Kind::KillOne | Kind::PauseOne => vec![self.choices.below(NODES)],
            Kind::KillTwo => {
                let first = self.choices.below(NODES);
                let second = (first + 1 + self.choices.below(NODES - 1)) % NODES;
                vec![first, second]
            }
            Kind::KillAll => (0..NODES).collect(),
            Kind::FullDisk => vec![FULL_DISK_NODE],
            Kind::RandomKills => vec![],
        }
    }

    fn break_it(&self, kind: Kind, victims: &[usize]) -> Result<(), Error> {
        progress(&format!("drill: nodes {victims:?}"));
        let layout = &self.started.layout;
        match kind {
            Kind::KillOne | Kind::KillTwo | Kind::KillAll => {
                victims.iter().try_for_each(|&node| nodes::kill_now(layout, node))
            }
            Kind::PauseOne => self.signal_replica(victims[0], Signal::SIGSTOP),
            Kind::FullDisk => self.disk.map_or(Ok(()), LimitedDisk::fill),
            Kind::RandomKills => Ok(()),
        }
    }

    fn mend(&self, kind: Kind, victims: &[usize]) -> Result<(), Error> {
        let layout = &self.started.layout;
        match kind {
            Kind::KillOne | Kind::KillTwo | Kind::KillAll => {
                let executables = Executables::find()?;
                victims.iter().try_for_each(|&node| {
                    nodes::start(layout, node, &executables, Lifetime::Attached).map(|_| ())
                })
            }
            Kind::PauseOne => self.signal_replica(victims[0], Signal::SIGCONT),
            Kind::FullDisk => {
                self.disk.map_or(Ok(()), LimitedDisk::make_room)?;
                // The node may be waiting long for its next try, or have given up.
                nodes::kill_now(layout, FULL_DISK_NODE)?;
                let executables = Executables::find()?;
                nodes::start(layout, FULL_DISK_NODE, &executables, Lifetime::Attached).map(|_| ())
            }
            Kind::RandomKills => Ok(()),
        }
    }

    fn signal_replica(&self, node: usize, signal: Signal) -> Result<(), Error> {
        let pid = nodes::status(&self.started.layout, node)?
            .and_then(|status| status.replica_pid)
            .ok_or_else(|| Error::Drill(format!("node {node} has no replica to signal")))?;
        kill(Pid::from_raw(pid), signal)
            .map_err(|errno| Error::Drill(format!("{signal} to node {node}: {errno}")))
    }

    /// Lets the fault last and says whether the network went on as it should.
    async fn watch_fault(&self, kind: Kind, load: &Load) -> Result<Option<Check>, Error> {
        let length = match kind {
            Kind::PauseOne => self.plan.pace.pause,
            _ => self.plan.pace.fault,
        };
        tokio::time::sleep(SETTLE).await;
        let (height, replies) = (highest(&self.statuses()?), load.replies());
        tokio::time::sleep(length.saturating_sub(SETTLE).max(SETTLE)).await;
        let (later, more) = (highest(&self.statuses()?), load.replies());
        let detail =
            format!("certified height {height} to {later}, {} certified replies", more - replies);
        Ok(kind.progress_expected().map(|expected| match expected {
            true => Check::new(
                "the network goes on during the fault",
                later > height && more > replies,
                detail,
            ),
            false => Check::new(
                "without a quorum nothing is certified",
                later == height && more == replies,
                detail,
            ),
        }))
    }

    /// Waits for the first certified reply since the network was mended, then keeps the load up.
    async fn wait_for_replies(&self, load: &Load, mended: Instant) -> Check {
        let before = load.replies();
        let begin = Instant::now();
        while load.replies() == before && begin.elapsed() < RECOVERY_TIMEOUT {
            tokio::time::sleep(POLL).await;
        }
        let first = mended.elapsed().as_secs_f32();
        tokio::time::sleep(self.plan.pace.steady).await;
        let replies = load.replies() - before;
        Check::new(
            "requests are answered after the fault",
            replies > 0,
            format!("{replies} certified replies, a first one at most {first:.1} s after the mend"),
        )
    }

    /// Waits until every node runs and is close to the highest height, and that one is above
    /// `start`, the highest before the network was mended.
    async fn wait_for_recovery(&self, start: u64) -> Result<Check, Error> {
        let begin = Instant::now();
        loop {
            let statuses = self.statuses()?;
            let highest = highest(&statuses);
            let caught_up = statuses.iter().all(|node| {
                node.state == "running" && node.certified_height + CAUGHT_UP_HEIGHTS >= highest
            });
            let done = caught_up && highest > start;
            if done || begin.elapsed() > RECOVERY_TIMEOUT {
                let heights: Vec<_> = statuses.iter().map(|node| node.certified_height).collect();
                let seconds = begin.elapsed().as_secs_f32();
                let detail = format!("{seconds:.1} s; certified heights {heights:?}");
                return Ok(Check::new("every node catches up and goes on", done, detail));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Compares records, entries and roots.
    async fn compare(&self) -> Result<Vec<Check>, Error> {
        let roots = self.roots().await?;
        let mut entries = Vec::new();
        for node in 0..self.clients.count() {
            entries.push(ledger::entries(&self.clients, node, self.ledger).await?);
        }
        let mut checks = check::exactly_once(&self.records, &entries[0]);
        checks.push(check::same_everywhere(&entries));
        checks.push(check::roots_agree(&roots, NODES));
        Ok(checks)
    }

    async fn roots(&self) -> Result<BTreeMap<u64, BTreeMap<usize, String>>, Error> {
        let begin = Instant::now();
        let mut roots: BTreeMap<u64, BTreeMap<usize, String>> = BTreeMap::new();
        while begin.elapsed() < ROOTS_TIME {
            for node in self.statuses()? {
                let by_node = roots.entry(node.certified_height).or_default();
                by_node.insert(node.index, node.state_root);
            }
            tokio::time::sleep(POLL / 4).await;
        }
        Ok(roots)
    }

    pub(super) fn statuses(&self) -> Result<Vec<NodeStatus>, Error> {
        Ok(status::collect(&self.started.layout, &self.started.network)?.nodes)
    }
}

pub(super) fn highest(statuses: &[NodeStatus]) -> u64 {
    statuses.iter().map(|node| node.certified_height).max().unwrap_or(0)
}

/// Choices that a seed fixes (SplitMix64).
pub(super) struct Choices(u64);

impl Choices {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).expect("a small bound");
        usize::try_from((z ^ (z >> 31)) % bound).expect("below a small bound")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_choices() {
        let draw = |seed| {
            let mut choices = Choices(seed);
            [(); 8].map(|()| choices.below(NODES))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(9).iter().all(|choice| *choice < NODES));
    }
}
