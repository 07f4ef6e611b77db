//! The loop that drives a simulation.

use commonware_cryptography::Signer as _;
use commonware_runtime::{
    Clock as _, Handle, Runner as _, Spawner as _, Supervisor as _,
    deterministic::{self, Context},
};
use futures::FutureExt as _;
use types::Height;

use super::network::{NodeChannels, Parts, Subnet};
use super::timeline::{Change, Timeline};
use super::trace::{Ledger, Trace};
use super::{Birth, Byzantine, Life, Progress, STEP_MS, Simulation, Step};
use crate::driver::{DriverEnd, system_time};
use crate::identity::{Committee, signer};
use crate::tuning::Timeouts;
use crate::wiring::{self, NodeParts};

type Factory<'a> = &'a mut dyn FnMut(&Birth) -> Life;
type OnStep<'a> = &'a mut dyn FnMut(&Progress) -> Step;

pub(super) fn run(
    simulation: &Simulation,
    timeline: Timeline,
    factory: Factory<'_>,
    step: OnStep<'_>,
) -> Trace {
    let config = deterministic::Config::new()
        .with_seed(simulation.seed)
        .with_start_time(system_time(simulation.start));
    deterministic::Runner::new(config).start(|context| async move {
        let mut world = World::new(&context, simulation, timeline).await;
        world.run(factory, step).await
    })
}

/// All nodes, their network, and the time.
struct World<'a> {
    context: &'a Context,
    simulation: &'a Simulation,
    timeline: Timeline,
    subnet: Subnet,
    ledger: Ledger,
    nodes: Vec<Slot>,
    elapsed_ms: u64,
}

/// The place of one node over its lives.
#[derive(Default)]
struct Slot {
    lives: u32,
    running: Vec<Handle<DriverEnd>>,
    ended: Option<String>,
}

impl<'a> World<'a> {
    async fn new(context: &'a Context, simulation: &'a Simulation, timeline: Timeline) -> Self {
        let secrets = Simulation::secrets(simulation.nodes);
        let keys = secrets.iter().map(|secret| signer(secret).public_key()).collect();
        let mut subnet = Subnet::start(context, keys).await;
        subnet.set_links(timeline.links_at(0)).await;
        Self {
            context,
            simulation,
            timeline,
            subnet,
            ledger: Ledger::new(simulation.nodes),
            nodes: (0..simulation.nodes).map(|_| Slot::default()).collect(),
            elapsed_ms: 0,
        }
    }

    async fn run(&mut self, factory: Factory<'_>, step: OnStep<'_>) -> Trace {
        for node in 0..self.simulation.nodes {
            self.begin_life(node, factory).await;
        }
        self.change(factory).await;
        let mut next_step = 0;
        loop {
            if self.elapsed_ms >= next_step {
                next_step = self.elapsed_ms + STEP_MS;
                self.collect_ends();
                if step(&self.progress()) == Step::Done {
                    return self.trace();
                }
            }
            let change = self.timeline.next_after(self.elapsed_ms).unwrap_or(u64::MAX);
            self.wait_until(change.min(next_step)).await;
            self.change(factory).await;
        }
    }

    async fn wait_until(&mut self, elapsed_ms: u64) {
        let at = self.simulation.start.plus_ms(elapsed_ms);
        self.context.sleep_until(system_time(at)).await;
        self.elapsed_ms = elapsed_ms;
    }

    /// Does what is due now.
    async fn change(&mut self, factory: Factory<'_>) {
        self.subnet.set_links(self.timeline.links_at(self.elapsed_ms)).await;
        for change in self.timeline.changes_at(self.elapsed_ms).to_vec() {
            match change {
                Change::Crash(node) => self.crash(node).await,
                Change::Restart(node) => self.begin_life(node, factory).await,
            }
        }
    }

    async fn crash(&mut self, node: usize) {
        let running = std::mem::take(&mut self.nodes[node].running);
        running.iter().for_each(Handle::abort);
        for life in running {
            // Wait until its tasks have let go of its disk.
            let _aborted = life.await;
        }
    }

    async fn begin_life(&mut self, node: usize, factory: Factory<'_>) {
        match self.timeline.byzantine(node) {
            Some(Byzantine::Silent) => {}
            Some(Byzantine::Equivocate) => {
                let (first, second) = self.subnet.split_channels(self.context, node).await;
                self.spawn(node, false, first, factory);
                self.spawn(node, true, second, factory);
            }
            None => {
                let channels = self.subnet.channels(node).await;
                self.spawn(node, false, channels, factory);
            }
        }
        self.nodes[node].lives += 1;
    }

    fn spawn(&mut self, node: usize, twin: bool, channels: NodeChannels, factory: Factory<'_>) {
        let birth =
            Birth { node, life: self.nodes[node].lives, twin, durable: self.ledger.durable(node) };
        let Life { application, resume_after } = factory(&birth);
        let parts = self.parts(&birth, resume_after, channels);
        let context = self
            .context
            .child("node")
            .with_attribute("node", node)
            .with_attribute("life", birth.life)
            .with_attribute("twin", twin);
        let life = context.spawn(move |context| async move {
            match wiring::start(context, parts, application).await {
                Ok(mut node) => node.ended().await,
                Err(end) => end,
            }
        });
        self.nodes[node].running.push(life);
    }

    fn parts(&self, birth: &Birth, resume_after: Height, channels: NodeChannels) -> Parts {
        let (members, secrets) = (
            Simulation::members(self.simulation.nodes),
            Simulation::secrets(self.simulation.nodes),
        );
        let me = members[birth.node].node_id;
        let committee = Committee::new(&me, &secrets[birth.node], &members)
            .expect("the simulation's own members are well formed");
        let twin = if birth.twin { "-twin" } else { "" };
        NodeParts {
            committee,
            namespace: self.simulation.namespace.clone(),
            partition: format!("node-{}{twin}", birth.node),
            resume_after,
            timeouts: Timeouts::new(self.simulation.idle_interval_ms),
            history_blocks: self.simulation.history_blocks,
            peers: self.subnet.manager(),
            blocker: self.subnet.control(birth.node),
            channels,
            // A twin is an adversary: it votes whatever it has forgotten.
            guards_journal: !birth.twin,
            observer: Some(self.ledger.observer(birth.node, birth.twin)),
        }
    }

    fn collect_ends(&mut self) {
        for slot in &mut self.nodes {
            slot.running.retain_mut(|life| {
                let Some(end) = life.now_or_never() else { return true };
                let end = end.unwrap_or(DriverEnd::Disconnected("node"));
                slot.ended = Some(format!("{end:?}"));
                false
            });
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            elapsed_ms: self.elapsed_ms,
            now: self.simulation.start.plus_ms(self.elapsed_ms),
            delivered: self.ledger.delivered(),
            ended: self.nodes.iter().map(|slot| slot.ended.clone()).collect(),
        }
    }

    fn trace(&self) -> Trace {
        let Progress { elapsed_ms, delivered, ended, .. } = self.progress();
        Trace {
            runtime: self.context.auditor().state(),
            deliveries: self.ledger.deliveries(),
            elapsed_ms,
            delivered,
            ended,
        }
    }
}
