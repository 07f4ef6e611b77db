//! `plinth drill`: breaks a network of its own on purpose and checks that nothing is lost.
//!
//! ```text
//!   load (records every certified reply)  ──┐
//!   scenario (kill, pause, fill a disk)   ──┼──> checks: every reply is in the state once,
//!   status of all nodes (heights, roots)  ──┘            all roots agree, progress is as it should be
//! ```

mod check;
mod client;
mod disk;
mod ledger;
mod load;
mod random_kills;
mod report;
mod scenario;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::interrupt::Interrupts;
use crate::layout::Layout;
use crate::nodes::{self, Lifetime};
use crate::up::{self, Wanted, progress};

pub use report::Report;
pub use scenario::{Kind, Pace};

/// What to drill.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The directory of the drill's own network; it must not exist.
    pub dir: PathBuf,
    /// Its port; `None` chooses a free one.
    pub port: Option<u16>,
    /// Chooses victims and request ids.
    pub seed: u64,
    /// The scenarios, in order.
    pub scenarios: Vec<Kind>,
    /// How long each phase takes.
    pub pace: Pace,
}

/// Runs `plan` on a network of four nodes. The network is removed afterwards, unless something
/// did not hold: then its directory stays as evidence.
pub fn run(plan: &Plan, interrupts: &Interrupts) -> Result<Report, Error> {
    if plan.dir.exists() {
        return Err(Error::Drill(format!(
            "{} exists; a drill makes a network of its own, choose a new directory with --dir",
            plan.dir.display()
        )));
    }
    let layout = Layout::at(&plan.dir)?;
    let disk = disk::LimitedDisk::mount_if_needed(&layout, &plan.scenarios)?;
    let bind = Ipv4Addr::LOCALHOST.into();
    let port = match plan.port {
        Some(port) => port,
        None => crate::ports::choose(bind, scenario::NODES)?,
    };
    let lifetime = Lifetime::Attached;
    // A drill brings the one canister that it needs.
    let wanted =
        Wanted { nodes: Some(scenario::NODES), port: Some(port), bind, lifetime, bare: true };
    let mut started = up::start(&layout, &wanted, interrupts)?;
    let drilled = drill(plan, &started, disk.as_ref());
    let stopped = nodes::stop(&layout, &(0..scenario::NODES).collect::<Vec<_>>());
    up::reap(&mut started.children);
    let report = drilled?;
    stopped?;
    drop(disk);
    match report.passed() {
        true => std::fs::remove_dir_all(&plan.dir).map_err(Error::file("remove", &plan.dir))?,
        false => progress(&format!("the network stays in {} as evidence", plan.dir.display())),
    }
    Ok(report)
}

fn drill(
    plan: &Plan,
    started: &up::Started,
    disk: Option<&disk::LimitedDisk>,
) -> Result<Report, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Error::Drill(format!("cannot start the load's runtime: {error}")))?;
    runtime.block_on(async {
        let clients = client::Clients::connect(started).await?;
        let ledger = ledger::install(&clients).await?;
        let mut drill = scenario::Drill::new(plan, started, disk, clients, ledger);
        let mut report = Report::new(plan.seed);
        for kind in &plan.scenarios {
            progress(&format!("drill: {}", kind.title()));
            let outcome = drill.run(*kind).await?;
            progress(&format!("drill: {} — {}", kind.title(), outcome.verdict()));
            report.outcomes.push(outcome);
        }
        Ok(report)
    })
}

/// The pace of `plinth drill` and of the tests.
impl Pace {
    /// Pauses a node for the 30 s that the acceptance asks for.
    pub fn full() -> Self {
        Self {
            steady: Duration::from_secs(3),
            fault: Duration::from_secs(6),
            pause: Duration::from_secs(30),
            kills: 20,
        }
    }
}
