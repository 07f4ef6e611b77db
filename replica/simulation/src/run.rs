//! One run: a scenario on real nodes, from the first block to the verdict.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use replica_engine::simulated::{Birth, Life, Progress, Simulation, Step};
use replica_engine::{NodeSecret, erase};
use replica_node::ending::EndingCell;
use replica_node::execution::InlineExecutor;
use replica_node::opening::{Opening, Site, open};
use serde::Serialize;
use types::{Fees, Height, Limits, Member, ReplicaVersion, SubnetConfig, SubnetType, Time};

use crate::checker::Checker;
use crate::executor::SimulatedExecutor;
use crate::liar::Liar;
use crate::scenario::{Adversary, Scenario};
use crate::workload::Workload;
use crate::world::SharedWorld;

/// Milliseconds between blocks while nothing waits.
const IDLE_BLOCK_INTERVAL_MS: u64 = 400;

/// Heights between checkpoints: few, so that nodes recover from several in a run.
const CHECKPOINT_INTERVAL: u64 = 20;

/// Where the stores are, if it is there: a disk in memory, since nothing here loses power.
const MEMORY_DISK: &str = "/dev/shm";

/// A run in which everything held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// The dishonest node, in words.
    pub adversary: String,
    /// Faults besides.
    pub faults: usize,
    /// The height of the chain at the end.
    pub height: u64,
    /// Calls that nodes took.
    pub calls: u64,
    /// Of those, calls with an outcome; the rest were lost with a node or expired.
    pub answered: usize,
    /// Virtual milliseconds.
    pub elapsed_ms: u64,
    /// The hash over every block, state, certification and message of the run.
    pub trace: String,
}

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// What was wrong first.
    pub what: String,
    /// When: virtual milliseconds since the start.
    pub elapsed_ms: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, nodes, what, elapsed_ms } = self;
        writeln!(f, "seed {seed}, after {elapsed_ms} ms: {what}")?;
        write!(f, "replay it by: cargo xtask sim --seed {seed}")?;
        match nodes {
            4 => Ok(()),
            nodes => write!(f, " -- --nodes {nodes}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Runs a scenario.
pub fn run(scenario: &Scenario) -> Result<Report, Failure> {
    let mut last_ms = 0;
    let run = AssertUnwindSafe(|| Run::new(scenario).and_then(|run| run.drive(&mut last_ms)));
    let (seed, nodes) = (scenario.seed, scenario.nodes);
    let failure = |what, elapsed_ms| Failure { seed, nodes, what, elapsed_ms };
    match catch_unwind(run) {
        Ok(result) => result.map_err(|what| failure(what, last_ms)),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(failure(format!("a panic: {}", text.unwrap_or_default()), last_ms))
        }
    }
}

struct Run<'s> {
    scenario: &'s Scenario,
    simulation: Simulation,
    subnet: Arc<SubnetConfig>,
    secrets: Vec<NodeSecret>,
    dir: tempfile::TempDir,
    world: SharedWorld,
}

impl<'s> Run<'s> {
    fn new(scenario: &'s Scenario) -> Result<Self, String> {
        let mut simulation = Simulation::new(scenario.seed, scenario.nodes);
        simulation.idle_interval_ms = IDLE_BLOCK_INTERVAL_MS;
        simulation.link = scenario.link;
        simulation.faults = scenario.faults.clone();
        let subnet = Arc::new(subnet(scenario.nodes, simulation.start));
        simulation.namespace = subnet.digest().0.to_vec();
        let dir = match Path::new(MEMORY_DISK).is_dir() {
            true => tempfile::tempdir_in(MEMORY_DISK),
            false => tempfile::tempdir(),
        };
        Ok(Self {
            scenario,
            simulation,
            secrets: Simulation::secrets(scenario.nodes),
            dir: dir.map_err(|error| format!("no directory for the stores: {error}"))?,
            world: SharedWorld::new(scenario.nodes, Arc::clone(&subnet)),
            subnet,
        })
    }

    fn drive(self, last_ms: &mut u64) -> Result<Report, String> {
        let mut workload = Workload::new(self.scenario);
        let mut target = None;
        let mut outcome = None;
        self.world.lock().now = self.simulation.start;
        let trace = self.simulation.run(
            |birth| self.life(birth),
            |progress| {
                *last_ms = progress.elapsed_ms;
                outcome = self.step(progress, &mut workload, &mut target);
                if outcome.is_some() { Step::Done } else { Step::Continue }
            },
        );
        let trace = trace.map_err(|error| error.to_string())?;
        outcome.unwrap_or_else(|| Err("the simulation ended by itself".into()))?;
        let world = self.world.lock();
        let whole = [&world.trace()[..], trace.runtime.as_bytes(), &trace.deliveries].concat();
        Ok(Report {
            seed: self.scenario.seed,
            nodes: self.scenario.nodes,
            adversary: self.adversary(),
            faults: self.scenario.faults.len(),
            height: world.height().0,
            calls: workload.sent,
            answered: world.outcomes.len(),
            elapsed_ms: trace.elapsed_ms,
            trace: hex::encode(<sha2::Sha256 as sha2::Digest>::digest(whole)),
        })
    }

    fn adversary(&self) -> String {
        match self.scenario.adversary {
            None => "none".into(),
            Some((node, kind)) => format!("node {node} {kind:?}").to_lowercase(),
        }
    }

    /// Whether the run is over, and how.
    fn step(
        &self,
        progress: &Progress,
        workload: &mut Workload,
        target: &mut Option<Height>,
    ) -> Option<Result<(), String>> {
        let mut world = self.world.lock();
        world.now = progress.now;
        for (node, ended) in progress.ended.iter().enumerate() {
            if let Some(reason) = ended.as_ref().filter(|_| self.is_honest(node)) {
                world.violated(format!("node {node} has stopped: {reason}"));
            }
        }
        if let Some(violation) = world.violation() {
            return Some(Err(violation.to_owned()));
        }
        if progress.elapsed_ms < self.scenario.storm_ms {
            workload.storm(&world);
            return None;
        }
        if target.is_none() && workload.calm(&world) {
            *target = Some(world.height());
        }
        let is_there = |target: Height| {
            (0..self.scenario.nodes)
                .filter(|node| self.is_honest(*node))
                .all(|node| world.certified_heights[node] >= target)
        };
        if target.is_some_and(is_there) && self.diverging_has_stopped(progress) {
            return Some(workload.judge(&world));
        }
        (progress.elapsed_ms >= self.scenario.end_ms).then(|| {
            Err(format!(
                "not live after the faults: chain at {}, certified {:?}, ended {:?}, {} calls \
                 unanswered, key {}",
                world.height(),
                world.certified_heights.iter().map(|height| height.0).collect::<Vec<_>>(),
                progress.ended,
                workload.unanswered(&world),
                if world.has_key() { "there" } else { "missing" },
            ))
        })
    }

    fn is_honest(&self, node: usize) -> bool {
        self.scenario.adversary.is_none_or(|(dishonest, _)| dishonest != node)
    }

    /// Whether a node whose states differ has said so, on its own and on disk. True if there is
    /// none.
    fn diverging_has_stopped(&self, progress: &Progress) -> bool {
        let Some((node, Adversary::Diverging)) = self.scenario.adversary else { return true };
        let evidence = self.node_dir(node, false).join("evidence");
        progress.ended[node].is_some() && evidence.read_dir().is_ok_and(|mut dir| dir.any(is_halt))
    }

    fn node_dir(&self, node: usize, twin: bool) -> PathBuf {
        self.dir.path().join(format!("node-{node}{}", if twin { "-twin" } else { "" }))
    }

    /// One life of one node, from what its disk holds.
    fn life(&self, birth: &Birth) -> Life {
        let site = Site {
            subnet: Arc::clone(&self.subnet),
            me: self.subnet.members[birth.node].node_id,
            secret: self.secrets[birth.node].clone(),
            node_dir: self.node_dir(birth.node, birth.twin),
        };
        let Opening { node, execution, .. } =
            open(site).unwrap_or_else(|error| panic!("node {} cannot open: {error:?}", birth.node));
        let resume_after = node.resume_after();
        assert!(resume_after >= birth.durable, "node {} has lost durable heights", birth.node);
        let checker = Checker {
            world: self.world.clone(),
            node: birth.node,
            is_honest: self.is_honest(birth.node),
        };
        let now = self.world.lock().now;
        let vice = self.scenario.adversary.filter(|(dishonest, _)| *dishonest == birth.node);
        let vice = vice.map(|(_, kind)| kind);
        let executor = InlineExecutor::new(execution);
        let executor = match vice {
            Some(Adversary::Diverging) => SimulatedExecutor::Diverging(executor),
            _ => SimulatedExecutor::Honest(executor),
        };
        let node = node.join(executor, checker, EndingCell::default(), now);
        let (application, injector) = match vice {
            Some(Adversary::Lying) => {
                erase(Liar::new(node, self.scenario.seed, Arc::clone(&self.subnet)))
            }
            _ => erase(node),
        };
        self.world.lock().injectors[birth.node] = Some(injector);
        Life { application, resume_after }
    }
}

/// Whether a file is the evidence of a halted node.
fn is_halt(file: std::io::Result<std::fs::DirEntry>) -> bool {
    let is_json = |name: &std::ffi::OsStr| Path::new(name).extension() == Some("json".as_ref());
    file.is_ok_and(|file| is_json(&file.file_name()))
}

fn subnet(nodes: usize, start: Time) -> SubnetConfig {
    let member = |member: replica_engine::Member| Member {
        node_id: member.node_id,
        public_key: member.public_key,
        p2p: member.address,
        api: member.address,
    };
    SubnetConfig {
        name: "simulation".into(),
        subnet_type: SubnetType::CloudEngine,
        development: true,
        genesis_time: start,
        replica_version: ReplicaVersion("simulation".into()),
        members: Simulation::members(nodes).into_iter().map(member).collect(),
        canister_index_range: (0, 1 << 20),
        idle_block_interval_ms: IDLE_BLOCK_INTERVAL_MS,
        checkpoint_interval: CHECKPOINT_INTERVAL,
        limits: Limits::default(),
        fees: Fees { free: true, ..Fees::default() },
    }
}
