//! Kills at random instants: of a node that works, that replays, that was started a moment ago; and
//! now and then of all at once. One node is down at a time, which four nodes tolerate.

use std::time::{Duration, Instant};

use super::check::Check;
use super::load::Load;
use super::scenario::{Drill, NODES, highest};
use crate::create::Executables;
use crate::error::Error;
use crate::nodes::{self, Lifetime};
use crate::up::progress;

/// The longest time between a start and the next kill: about as long as a restart takes to replay
/// and to catch up, so that kills hit all of its steps.
const QUIET_MS_MAX: usize = 2_500;

/// The longest time that a killed node stays down.
const DOWN_MS_MAX: usize = 1_500;

/// One in so many kills is of all nodes.
const ALL_ONE_IN: usize = 6;

/// What the kills did.
pub struct Storm {
    /// The nodes in the order in which they were killed.
    pub victims: Vec<usize>,
    /// The highest certified height that any node reported.
    pub height: u64,
    /// Whether requests were answered meanwhile.
    pub check: Check,
}

impl Drill<'_> {
    /// Kills and starts; afterwards all nodes run.
    pub(super) async fn kill_at_random(&mut self, load: &Load) -> Result<Storm, Error> {
        let (begin, replies) = (Instant::now(), load.replies());
        let executables = Executables::find()?;
        let (mut victims, mut height, mut of_all) = (Vec::new(), 0, 0);
        for number in 1..=self.plan.pace.kills {
            self.pause(QUIET_MS_MAX).await;
            height = height.max(highest(&self.statuses()?));
            let nodes = match self.choices.below(ALL_ONE_IN) {
                0 => (0..NODES).collect(),
                _ => vec![self.choices.below(NODES)],
            };
            of_all += usize::from(nodes.len() == NODES);
            progress(&format!("drill: kill {number} of {}: {nodes:?}", self.plan.pace.kills));
            let layout = &self.started.layout;
            nodes.iter().try_for_each(|&node| nodes::kill_now(layout, node))?;
            self.pause(DOWN_MS_MAX).await;
            let layout = &self.started.layout;
            for &node in &nodes {
                nodes::start(layout, node, &executables, Lifetime::Attached)?;
                // A node without a status file could not be killed by the next step.
                nodes::wait_until_started(layout, node)?;
            }
            victims.extend(nodes);
        }
        let more = load.replies() - replies;
        let seconds = begin.elapsed().as_secs();
        let detail = format!(
            "{} kills, {of_all} of them of all nodes, in {seconds} s; {more} certified replies",
            self.plan.pace.kills
        );
        let check = Check::new("requests are answered between the kills", more > 0, detail);
        Ok(Storm { victims, height, check })
    }

    async fn pause(&mut self, ms_max: usize) {
        let ms = u64::try_from(self.choices.below(ms_max)).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
