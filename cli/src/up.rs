//! `plinth up`: from nothing, or from a stopped network, to a certified block.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::arguments::Up;
use crate::create::{self, Executables};
use crate::error::Error;
use crate::interrupt::Interrupts;
use crate::layout::{FORMAT, Layout, Network};
use crate::nodes::{self, Lifetime};
use crate::status::{self, NetworkStatus};
use crate::system_canisters::{self, Modules};
use crate::{machine, output, ports};

const DEFAULT_NODES: usize = 4;
const DEFAULT_PORT: u16 = 4943;

/// How long the first certified block may take; a loaded machine takes some seconds.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// How often the endpoint's replica may end while the network starts; with the orchestrator's
/// growing waits that is some 7 s.
const RESTARTS_MAX: u64 = 3;

const POLL: Duration = Duration::from_millis(100);

/// What a network should be like; `None` takes what is there, or the default.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub nodes: Option<usize>,
    pub port: Option<u16>,
    pub bind: IpAddr,
    pub lifetime: Lifetime,
    /// Without system canisters; of a network that is there, this was decided when it was made.
    pub bare: bool,
}

impl From<&Up> for Wanted {
    fn from(up: &Up) -> Self {
        Self {
            nodes: up.nodes.map(usize::from),
            port: up.port,
            bind: Ipv4Addr::LOCALHOST.into(),
            lifetime: if up.detach { Lifetime::Detached } else { Lifetime::Attached },
            bare: up.bare,
        }
    }
}

/// A network that was started.
pub struct Started {
    pub layout: Layout,
    pub network: Network,
    pub status: NetworkStatus,
    /// The orchestrators that this process started; none if the network ran already.
    pub children: Vec<Child>,
}

/// Starts the network at `layout` and waits for its first certified block. On any error whatever
/// was started is stopped again, and a directory that did not exist is gone again.
pub fn start(layout: &Layout, wanted: &Wanted, interrupts: &Interrupts) -> Result<Started, Error> {
    // Before anything is made or started: what is missing would be missed too late.
    let executables = Executables::find()?;
    let is_bare = layout.network()?.map_or(wanted.bare, |network| network.bare);
    let modules = if is_bare { None } else { Some(Modules::read()?) };
    let created_dir = !layout.dir.exists();
    let _lock = layout.lock()?;
    // Another command may have made it before this one had the lock.
    let existing = layout.network()?;
    let is_new = existing.is_none();
    let network = match existing {
        Some(network) => same(layout, network, wanted)?,
        None => Network {
            format: FORMAT,
            port: wanted.port.unwrap_or(DEFAULT_PORT),
            bind: wanted.bind,
            nodes: wanted.nodes.unwrap_or(DEFAULT_NODES),
            bare: wanted.bare,
        },
    };
    let made = prepare(layout, &network, is_new, &executables);
    let result = match made {
        Ok(true) => {
            let plan = Plan { executables: &executables, lifetime: wanted.lifetime, modules };
            launch(layout, &network, &plan, interrupts)
        }
        Ok(false) => status::collect(layout, &network).map(|status| (status, Vec::new())),
        Err(error) => Err(error),
    };
    match result {
        Ok((status, children)) => Ok(Started { layout: layout.clone(), network, status, children }),
        Err(error) => {
            if is_new {
                remove(layout, created_dir);
            }
            Err(error)
        }
    }
}

/// The existing network, if it is the wanted one.
fn same(layout: &Layout, network: Network, wanted: &Wanted) -> Result<Network, Error> {
    let differs = |what, has: u64, wanted: u64| Error::Different {
        dir: layout.dir.clone(),
        what,
        has,
        wanted,
    };
    let count = |nodes: usize| u64::try_from(nodes).unwrap_or(u64::MAX);
    if let Some(nodes) = wanted.nodes.filter(|nodes| *nodes != network.nodes) {
        return Err(differs("nodes", count(network.nodes), count(nodes)));
    }
    if let Some(port) = wanted.port.filter(|port| *port != network.port) {
        return Err(differs("port", network.port.into(), port.into()));
    }
    Ok(network)
}

/// Checks the machine and writes the files. False: the whole network runs already.
fn prepare(
    layout: &Layout,
    network: &Network,
    is_new: bool,
    executables: &Executables,
) -> Result<bool, Error> {
    if is_new {
        machine::check(network.nodes, &layout.dir)?;
        ports::check(network)?;
        progress(&format!("making keys and configuration of {} nodes", network.nodes));
        create::create(layout, network, executables)?;
        return Ok(true);
    }
    let running = nodes::running(layout, network)?;
    if running.len() == network.nodes {
        progress("the network runs already");
        return Ok(false);
    }
    if running.is_empty() {
        ports::check(network)?;
        create::write_node_files(layout, network, executables)?;
    }
    Ok(true)
}

/// How a network is started.
struct Plan<'a> {
    executables: &'a Executables,
    lifetime: Lifetime,
    /// What to put on it.
    modules: Option<Modules>,
}

fn launch(
    layout: &Layout,
    network: &Network,
    plan: &Plan<'_>,
    interrupts: &Interrupts,
) -> Result<(NetworkStatus, Vec<Child>), Error> {
    let running = nodes::running(layout, network)?;
    let missing: Vec<_> = (0..network.nodes).filter(|index| !running.contains(index)).collect();
    progress(&format!("starting {} nodes", missing.len()));
    let mut children = Vec::new();
    let started = start_all(layout, &missing, plan, &mut children)
        .and_then(|()| wait_for_certified(layout, network, &mut children, interrupts))
        .and_then(|status| match &plan.modules {
            None => Ok(status),
            Some(modules) => {
                let key_file = system_canisters::key_file(&layout.dir);
                system_canisters::install(modules, &status, &key_file, interrupts)?;
                status::collect(layout, network)
            }
        });
    match started {
        Ok(status) => Ok((status, children)),
        Err(error) => {
            progress("stopping what was started");
            if let Err(stop) = nodes::stop(layout, &missing) {
                progress(&stop.chain());
            }
            reap(&mut children);
            Err(error)
        }
    }
}

fn start_all(
    layout: &Layout,
    missing: &[usize],
    plan: &Plan<'_>,
    children: &mut Vec<Child>,
) -> Result<(), Error> {
    for &index in missing {
        children.push(nodes::start(layout, index, plan.executables, plan.lifetime)?);
    }
    Ok(())
}

fn wait_for_certified(
    layout: &Layout,
    network: &Network,
    children: &mut [Child],
    interrupts: &Interrupts,
) -> Result<NetworkStatus, Error> {
    let begin = Instant::now();
    let mut phase = "";
    loop {
        let status = status::collect(layout, network)?;
        let now = phase_of(&status);
        if now != phase {
            progress(now);
            phase = now;
        }
        let quorum = network.nodes - (network.nodes - 1) / 3;
        let ready = status.nodes.iter().filter(|node| node.certified_height > 0).count();
        if ready >= quorum && status.nodes[0].certified_height > 0 {
            progress(&format!(
                "first certified block after {:.1} s",
                begin.elapsed().as_secs_f32()
            ));
            return Ok(status);
        }
        fail_if_ended(layout, network, children)?;
        fail_if_ending(layout, &status)?;
        if begin.elapsed() >= START_TIMEOUT {
            let dir = layout.dir.join("nodes");
            return Err(Error::Slow { seconds: START_TIMEOUT.as_secs(), dir });
        }
        if interrupts.sleep(POLL) {
            return Err(Error::Interrupted);
        }
    }
}

fn phase_of(status: &NetworkStatus) -> &'static str {
    let any = |test: fn(&status::NodeStatus) -> bool| status.nodes.iter().any(test);
    if any(|node| node.certified_height > 0) {
        "certifying blocks"
    } else if !status.root_key.is_empty() {
        "the subnet's key is made; waiting for the first certified block"
    } else if any(|node| node.state == "starting") {
        "the nodes talk to each other and make the subnet's key"
    } else {
        "waiting for the nodes to answer"
    }
}

/// An orchestrator that ends while starting means that waiting longer is useless.
fn fail_if_ended(layout: &Layout, network: &Network, children: &mut [Child]) -> Result<(), Error> {
    let ended = children.iter_mut().any(|child| matches!(child.try_wait(), Ok(Some(_))));
    if !ended {
        return Ok(());
    }
    for node in 0..network.nodes {
        if nodes::status(layout, node)?.is_none() {
            let (detail, log) = (nodes::log_tail(layout, node), layout.node_log(node));
            return Err(Error::NodeEnded { node, detail, log });
        }
    }
    Ok(())
}

/// A replica that ends whenever it is started will not certify anything. Only the endpoint's node
/// is waited for; without another one the network can be up.
fn fail_if_ending(layout: &Layout, status: &NetworkStatus) -> Result<(), Error> {
    match status.nodes.first().filter(|node| node.restarts >= RESTARTS_MAX) {
        None => Ok(()),
        Some(node) => {
            let (detail, log) = (nodes::log_tail(layout, node.index), layout.node_log(node.index));
            Err(Error::NodeEnds { node: node.index, restarts: node.restarts, detail, log })
        }
    }
}

/// Takes the exit codes of ended children, so that none stays as a zombie.
pub fn reap(children: &mut [Child]) {
    for child in children {
        if let Err(error) = child.wait() {
            progress(&format!("lost an orchestrator: {error}"));
        }
    }
}

/// Removes a network that never worked: there is nothing in it that anybody could miss.
fn remove(layout: &Layout, whole: bool) {
    let paths = match whole {
        true => vec![layout.dir.clone()],
        false => ["nodes", "operator.key", "subnet.json", "network.json", "lock"]
            .map(|name| layout.dir.join(name))
            .to_vec(),
    };
    for path in paths.iter().filter(|path| path.exists()) {
        let removed = match path.is_dir() {
            true => std::fs::remove_dir_all(path),
            false => std::fs::remove_file(path),
        };
        if let Err(error) = removed {
            progress(&format!("cannot remove {}: {error}", path.display()));
        }
    }
}

/// One line of progress on standard error.
pub fn progress(text: &str) {
    output::note(text);
}
