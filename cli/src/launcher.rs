//! `plinth` as the program that `icp network start` runs for a managed network.
//!
//! The interface (version 1 of the launcher contract of icp-cli): options on the command line, one
//! JSON line in `STATUS_DIR/status.json` when the network answers, SIGINT to stop.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Serialize;

use crate::error::Error;
use crate::interrupt::Interrupts;
use crate::layout::{Layout, write_whole};
use crate::nodes::{self, Lifetime};
use crate::up::{self, Wanted, progress};
use crate::{create, ports};

const OPTION: &str = "--interface-version";

/// Run a network for `icp network start`.
#[derive(Debug, Parser)]
#[command(name = "plinth", disable_version_flag = true)]
struct Launch {
    /// The version of this interface; 1.x is understood.
    #[arg(long)]
    interface_version: String,
    /// Where the network keeps its state.
    #[arg(long)]
    state_dir: PathBuf,
    /// The address of the endpoint.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// The port of the endpoint; 0 or none chooses a free one.
    #[arg(long)]
    gateway_port: Option<u16>,
    /// Where to write `status.json`.
    #[arg(long)]
    status_dir: PathBuf,
    /// More progress on standard error.
    #[arg(long)]
    verbose: bool,
    /// Ask for the NNS canisters.
    #[arg(long)]
    nns: bool,
    /// Ask for Internet Identity.
    #[arg(long)]
    ii: bool,
    /// Ask for certain kinds of subnets.
    #[arg(long)]
    subnet: Vec<String>,
    /// Ask for a delay of every block, in milliseconds.
    #[arg(long)]
    artificial_delay_ms: Option<u64>,
    /// Ask for a connection to a Bitcoin node.
    #[arg(long)]
    bitcoind_addr: Vec<String>,
    /// Ask for a connection to a Dogecoin node.
    #[arg(long)]
    dogecoind_addr: Vec<String>,
    /// Names under which the endpoint is reached.
    #[arg(long)]
    domain: Vec<String>,
}

/// The status file's only line.
#[derive(Serialize)]
struct LauncherStatus {
    v: &'static str,
    gateway_port: u16,
    root_key: String,
    instance_id: Option<u64>,
    config_port: Option<u16>,
    default_effective_canister_id: String,
    supported_features: Vec<String>,
}

/// Whether the command line is a launcher's.
pub fn is_asked(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).any(|argument| {
        argument.to_str().is_some_and(|text| {
            text == OPTION || text.strip_prefix(OPTION).is_some_and(|rest| rest.starts_with('='))
        })
    })
}

/// Starts the network, writes the status file, and stops at SIGINT or SIGTERM.
pub fn run(arguments: &[OsString]) -> Result<(), Error> {
    let launch = match Launch::try_parse_from(arguments) {
        Ok(launch) => launch,
        Err(error) => error.exit(),
    };
    refuse_unsupported(&launch)?;
    let interrupts = Interrupts::take()?;
    let layout = Layout::at(&launch.state_dir.join("plinth"))?;
    let mut started = up::start(&layout, &wanted(&launch, &layout)?, &interrupts)?;
    let config = create::read_subnet(&layout)?;
    let first = types::CanisterId::from_index(config.first_allotted_index());
    let status = LauncherStatus {
        v: "1",
        gateway_port: started.network.port,
        root_key: started.status.root_key.clone(),
        instance_id: None,
        config_port: None,
        default_effective_canister_id: first.to_string(),
        supported_features: Vec::new(),
    };
    write_status(&launch.status_dir, &status)?;
    interrupts.wait()?;
    progress("stopping");
    let all: Vec<_> = (0..started.network.nodes).collect();
    nodes::stop(&layout, &all)?;
    up::reap(&mut started.children);
    Ok(())
}

/// What we cannot give is refused, not left out: a project that asks for a ledger would fail later
/// and further from the cause.
fn refuse_unsupported(launch: &Launch) -> Result<(), Error> {
    let refuse = |text: &str| Err(Error::Launcher(text.into()));
    if !launch.interface_version.starts_with("1.") && launch.interface_version != "1" {
        return refuse(&format!(
            "launcher interface {} is not known; this Plinth speaks 1.x",
            launch.interface_version
        ));
    }
    if launch.nns || launch.ii {
        return refuse(
            "the NNS and Internet Identity canisters are not available yet; remove `nns` and `ii` from the network in icp.yaml",
        );
    }
    if !launch.bitcoind_addr.is_empty() || !launch.dogecoind_addr.is_empty() {
        return refuse(
            "Bitcoin and Dogecoin are not available; remove their addresses from the network in icp.yaml",
        );
    }
    if launch.artificial_delay_ms.is_some_and(|ms| ms > 0) {
        return refuse(
            "an artificial delay is not available; remove `artificial-delay-ms` from the network in icp.yaml",
        );
    }
    if launch.verbose {
        for kind in &launch.subnet {
            progress(&format!("one subnet serves all canisters; `--subnet={kind}` adds none"));
        }
        for domain in &launch.domain {
            progress(&format!("the endpoint answers under every name, {domain} included"));
        }
    }
    Ok(())
}

fn wanted(launch: &Launch, layout: &Layout) -> Result<Wanted, Error> {
    let existing = layout.network()?;
    let asked = launch.gateway_port.filter(|port| *port != 0);
    let port = match (&existing, asked) {
        (Some(_), _) | (None, Some(_)) => asked,
        (None, None) => Some(ports::choose(launch.bind, 4)?),
    };
    Ok(Wanted { nodes: None, port, bind: launch.bind, lifetime: Lifetime::Attached, bare: false })
}

fn write_status(dir: &Path, status: &LauncherStatus) -> Result<(), Error> {
    let mut line = serde_json::to_vec(status).expect("plain data");
    line.push(b'\n');
    std::fs::create_dir_all(dir).map_err(Error::file("make", dir))?;
    write_whole(&dir.join("status.json"), &line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_launcher_is_recognised_by_its_first_option() {
        assert!(is_asked(&arguments("plinth --interface-version 1.1.0 --bind 127.0.0.1")));
        assert!(is_asked(&arguments("plinth --bind 127.0.0.1 --interface-version=1.1.0")));
        assert!(!is_asked(&arguments("plinth up --json")));
    }

    #[test]
    fn what_is_missing_is_refused_by_name() {
        let base = "plinth --interface-version 1.1.0 --state-dir a --status-dir b";
        let check = |more: &str, expected: Option<&str>| {
            let launch = Launch::try_parse_from(arguments(&format!("{base}{more}")))
                .expect("a launcher's command line");
            let result = refuse_unsupported(&launch).map_err(|error| error.to_string());
            match expected {
                None => result.expect("supported"),
                Some(text) => assert!(result.expect_err("refused").contains(text)),
            }
        };
        check("", None);
        check(" --subnet=application --domain=local.test --verbose", None);
        check(" --nns", Some("NNS"));
        check(" --ii", Some("Internet Identity"));
        check(" --artificial-delay-ms=5", Some("delay"));
        check(" --bitcoind-addr=127.0.0.1:1", Some("Bitcoin"));
    }

    #[test]
    fn another_interface_is_refused() {
        let text = "plinth --interface-version 2.0.0 --state-dir a --status-dir b";
        let launch = Launch::try_parse_from(arguments(text)).expect("well formed");
        assert!(refuse_unsupported(&launch).is_err());
    }
}
