//! The load: counters are made, added to through several nodes, and read at the end.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use types::{CanisterId, MessageId, Time};

use crate::calls::{Call, Caller, Count, Purpose, created};
use crate::scenario::Scenario;
use crate::world::{Outcome, World};

/// How many counters.
const COUNTERS: usize = 2;

/// How long a call of the load may wait to be ordered: some expire in a partition, as in life.
const LOAD_EXPIRY_MS: u64 = 5_000;

/// How long a call that the run depends on may wait.
const STEADY_EXPIRY_MS: u64 = 120_000;

/// How often the calls that make the counters are sent again to another node.
const REPEAT_MS: u64 = 1_000;

/// One counter of the workload.
#[derive(Default)]
struct Counter {
    creation: Option<Call>,
    canister: Option<CanisterId>,
    installation: Option<Call>,
    is_installed: bool,
}

pub(crate) struct Workload {
    dice: ChaCha8Rng,
    caller: Caller,
    nodes: usize,
    honest: Vec<usize>,
    calls_per_hundred_steps: u32,
    counters: Vec<Counter>,
    purposes: BTreeMap<MessageId, Purpose>,
    repeated_at: Time,
    /// When the last addition expires: until then it may still be ordered.
    load_expiry: Time,
    reads: Vec<Call>,
    pub(crate) sent: u64,
}

impl Workload {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let dishonest = scenario.adversary.map(|(node, _)| node);
        Self {
            // Other choices than those of the scenario, from the same seed.
            dice: ChaCha8Rng::seed_from_u64(scenario.seed ^ 0x9e37_79b9_7f4a_7c15),
            caller: Caller::new(),
            nodes: scenario.nodes,
            honest: (0..scenario.nodes).filter(|node| Some(*node) != dishonest).collect(),
            calls_per_hundred_steps: scenario.calls_per_hundred_steps,
            counters: (0..COUNTERS).map(|_| Counter::default()).collect(),
            purposes: BTreeMap::new(),
            repeated_at: Time(0),
            load_expiry: Time(0),
            reads: Vec::new(),
            sent: 0,
        }
    }

    /// One step in the storm.
    pub(crate) fn storm(&mut self, world: &World) {
        self.prepare(world);
        if !self.is_prepared() {
            return;
        }
        let mut calls = self.calls_per_hundred_steps / 100;
        calls += u32::from(self.dice.random_range(0..100) < self.calls_per_hundred_steps % 100);
        for _ in 0..calls {
            self.add(world);
        }
    }

    /// One step after the storm: whether everything has been answered everywhere.
    pub(crate) fn calm(&mut self, world: &World) -> bool {
        self.prepare(world);
        if !self.is_prepared() {
            return false;
        }
        // Block times do not run behind the one clock that all nodes have here.
        let is_settled = world.now > self.load_expiry || self.unanswered(world) == 0;
        if self.reads.is_empty() && is_settled {
            self.read(world);
        }
        if self.reads.is_empty() {
            return false;
        }
        self.reads.iter().all(|call| world.outcomes.contains_key(&call.id))
    }

    /// Makes the counters. Each call is sent again to another node until it is answered: the node
    /// that had it may have crashed.
    fn prepare(&mut self, world: &World) {
        self.learn(world);
        if self.is_prepared() || world.now.ms_since(self.repeated_at) < REPEAT_MS {
            return;
        }
        self.repeated_at = world.now;
        let expiry = world.now.plus_ms(STEADY_EXPIRY_MS);
        for index in 0..self.counters.len() {
            let counter = &mut self.counters[index];
            let (call, purpose) = match (counter.canister, counter.is_installed) {
                (_, true) => continue,
                (None, false) => {
                    let create = || self.caller.create(expiry);
                    (counter.creation.get_or_insert_with(create), Purpose::Create(index))
                }
                (Some(canister), false) => {
                    let install = || self.caller.install(canister, expiry);
                    (counter.installation.get_or_insert_with(install), Purpose::Install(index))
                }
            };
            self.purposes.insert(call.id, purpose);
            let call = call.clone();
            self.send_to_somebody(world, &call);
        }
    }

    fn learn(&mut self, world: &World) {
        for counter in &mut self.counters {
            let outcome =
                |call: &Option<Call>| call.as_ref().and_then(|call| world.outcomes.get(&call.id));
            if let (None, Some(Outcome::Replied(reply))) =
                (counter.canister, outcome(&counter.creation))
            {
                counter.canister = created(reply);
            }
            if let Some(Outcome::Replied(_)) = outcome(&counter.installation) {
                counter.is_installed = true;
            }
        }
    }

    fn is_prepared(&self) -> bool {
        self.counters.iter().all(|counter| counter.is_installed)
    }

    fn add(&mut self, world: &World) {
        let index = self.dice.random_range(0..self.counters.len());
        let Some(canister) = self.counters[index].canister else { return };
        let amount = self.dice.random_range(0..u64::from(u32::MAX));
        let expiry = world.now.plus_ms(LOAD_EXPIRY_MS);
        self.load_expiry = expiry;
        let call = self.caller.add(canister, amount, expiry);
        self.purposes.insert(call.id, Purpose::Add(index));
        self.send_to_somebody(world, &call);
        // Some clients are impatient and ask another node too.
        if self.dice.random_range(0..4) == 0 {
            self.send_to_somebody(world, &call);
        }
    }

    fn send_to_somebody(&mut self, world: &World, call: &Call) {
        let node = self.dice.random_range(0..self.nodes);
        self.sent += u64::from(world.submit(node, call));
    }

    /// Reads each counter through each honest node.
    fn read(&mut self, world: &World) {
        let expiry = world.now.plus_ms(STEADY_EXPIRY_MS);
        for index in 0..self.counters.len() {
            let canister = self.counters[index].canister.expect("prepared before it is read");
            for node in self.honest.clone() {
                let call = self.caller.read(canister, expiry);
                self.purposes.insert(call.id, Purpose::Read(index));
                self.sent += u64::from(world.submit(node, &call));
                self.reads.push(call);
            }
        }
    }

    /// How many calls have not been answered.
    pub(crate) fn unanswered(&self, world: &World) -> usize {
        self.purposes.keys().filter(|id| !world.outcomes.contains_key(*id)).count()
    }

    /// What is wrong with the answers, if anything is: of N additions that were answered, each has
    /// one of the counts 1 to N, and the counter stands at N. Calls that were never answered were
    /// never executed.
    pub(crate) fn judge(&self, world: &World) -> Result<(), String> {
        let mut counts: Vec<Vec<u64>> = vec![Vec::new(); self.counters.len()];
        let mut reads: Vec<Vec<Count>> = vec![Vec::new(); self.counters.len()];
        for (id, outcome) in &world.outcomes {
            let Some(purpose) = self.purposes.get(id) else {
                return Err(format!("call {id} was answered and never sent"));
            };
            let Outcome::Replied(reply) = outcome else {
                return Err(format!("{purpose:?} {id} was rejected: {outcome:?}"));
            };
            let (list, index) = match purpose {
                Purpose::Create(_) | Purpose::Install(_) => continue,
                Purpose::Add(index) => (None, *index),
                Purpose::Read(index) => (Some(()), *index),
            };
            let count = Count::read(reply).ok_or(format!("{purpose:?} {id} has a short reply"))?;
            match list {
                None => counts[index].push(count.count),
                Some(()) => reads[index].push(count),
            }
        }
        for (index, (counts, reads)) in counts.iter_mut().zip(&reads).enumerate() {
            counts.sort_unstable();
            let expected: Vec<u64> = (1..=counts.len() as u64).collect();
            if *counts != expected {
                return Err(format!(
                    "counter {index} answered {counts:?}: a call ran twice or not"
                ));
            }
            let last = counts.len() as u64;
            if reads.iter().any(|read| read.count != last || read.hash != reads[0].hash) {
                return Err(format!("counter {index} reads {reads:?} after {last} additions"));
            }
        }
        Ok(())
    }
}
