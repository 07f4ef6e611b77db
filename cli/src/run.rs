//! Dispatches a command line and turns errors into exit codes.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command, Drill, NodeCommand, One, Place, Show, Up};
use crate::attest;
use crate::create::{self, Executables};
use crate::drill;
use crate::error::{Error, quoted};
use crate::interrupt::Interrupts;
use crate::layout::Layout;
use crate::nodes::{self, Lifetime};
use crate::status::{self, NetworkStatus};
use crate::up::{self, Wanted, progress};
use crate::{audit, image, launcher, measure, output, ports, release, spec};

/// Parses a command line; for tests and documentation.
pub fn parse(arguments: &[OsString]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(arguments)
}

/// Runs the command of `arguments` and returns the exit code of the process.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    // Does not return where this executable stands for a tool of a toolchain.
    image_build::toolchain::launch::launch(&arguments);
    let result = if launcher::is_asked(&arguments) {
        launcher::run(&arguments)
    } else {
        match parse(&arguments) {
            Ok(arguments) => run(arguments.command),
            Err(error) => error.exit(),
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(error.chain());
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Up(arguments) => run_up(&arguments),
        Command::Status(arguments) => show(&arguments),
        Command::Down(place) => down(&place),
        Command::Drill(arguments) => run_drill(&arguments),
        Command::Attest { command } => attest::run(&command),
        Command::Image { command } => image::run(&command),
        Command::Measure { command } => measure::run(&command),
        Command::Spec { command } => spec::run(&command),
        Command::Release { command } => release::run(&command),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Node { command } => match command {
            NodeCommand::Start(one) => start_node(&one),
            NodeCommand::Stop(one) => stop_node(&one),
            NodeCommand::Kill(one) => kill_node(&one),
        },
    }
}

fn run_up(arguments: &Up) -> Result<(), Error> {
    let interrupts = Interrupts::take()?;
    let layout = Layout::at(&arguments.place.dir)?;
    let mut started = up::start(&layout, &Wanted::from(arguments), &interrupts)?;
    match arguments.json {
        true => print_json(&started.status)?,
        false => output::print(started.status.table() + &what_next(&started.status) + "\n")?,
    }
    if arguments.detach || started.children.is_empty() {
        return Ok(());
    }
    progress("press Ctrl-C to stop the network");
    interrupts.wait()?;
    progress("stopping");
    let all: Vec<_> = (0..started.network.nodes).collect();
    nodes::stop(&started.layout, &all)?;
    up::reap(&mut started.children);
    Ok(())
}

/// Three commands to try.
fn what_next(status: &NetworkStatus) -> String {
    let NetworkStatus { endpoint, dir, .. } = status;
    let dir = quoted(Path::new(dir));
    format!(
        "\ntry:\n  \
         curl -s {endpoint}/_/status.json\n  \
         plinth status --dir {dir}\n  \
         plinth node kill 3 --dir {dir}    # the others go on; `plinth node start 3` brings it back\n\
         \nstatus page: {endpoint}/_/\n"
    )
}

fn show(arguments: &Show) -> Result<(), Error> {
    let layout = Layout::at(&arguments.place.dir)?;
    let status = status::collect(&layout, &layout.existing()?)?;
    match arguments.json {
        true => print_json(&status)?,
        false => output::print(status.table())?,
    }
    match status.nodes.iter().all(|node| node.state == "stopped") {
        true => Err(Error::Stopped(layout.dir)),
        false => Ok(()),
    }
}

fn down(place: &Place) -> Result<(), Error> {
    let layout = Layout::at(&place.dir)?;
    let network = layout.existing()?;
    let _lock = layout.lock()?;
    let running = nodes::running(&layout, &network)?;
    progress(&format!("stopping {} nodes", running.len()));
    nodes::stop(&layout, &running)
}

fn start_node(one: &One) -> Result<(), Error> {
    let (layout, network) = node_of(one)?;
    let _lock = layout.lock()?;
    if nodes::status(&layout, one.node)?.is_some() {
        progress(&format!("node {} runs already", one.node));
        return Ok(());
    }
    ports::check_node(&network, one.node)?;
    let executables = Executables::find()?;
    create::write_node_files(&layout, &network, &executables)?;
    nodes::start(&layout, one.node, &executables, Lifetime::Detached)?;
    nodes::wait_until_started(&layout, one.node)
}

fn stop_node(one: &One) -> Result<(), Error> {
    let (layout, _) = node_of(one)?;
    let _lock = layout.lock()?;
    note_if_stopped(&layout, one)?;
    nodes::stop(&layout, &[one.node])
}

fn kill_node(one: &One) -> Result<(), Error> {
    let (layout, _) = node_of(one)?;
    let _lock = layout.lock()?;
    note_if_stopped(&layout, one)?;
    nodes::kill_now(&layout, one.node)
}

/// Stopping what does not run is no error, but whoever mistook the number should hear it.
fn note_if_stopped(layout: &Layout, one: &One) -> Result<(), Error> {
    if nodes::status(layout, one.node)?.is_none() {
        progress(&format!("node {} does not run", one.node));
    }
    Ok(())
}

fn run_drill(arguments: &Drill) -> Result<(), Error> {
    let interrupts = Interrupts::take()?;
    let scenarios = match arguments.scenarios.as_slice() {
        [] => drill::Kind::ALL.to_vec(),
        some => some.to_vec(),
    };
    let pause = std::time::Duration::from_secs(arguments.pause_seconds);
    let plan = drill::Plan {
        dir: arguments.dir.clone(),
        port: arguments.port,
        seed: arguments.seed,
        scenarios,
        pace: drill::Pace { pause, kills: arguments.kills, ..drill::Pace::full() },
    };
    let report = drill::run(&plan, &interrupts)?;
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&report).expect("plain data") + "\n",
        false => report.text(),
    };
    output::print(&text)?;
    if let Some(path) = &arguments.report {
        crate::layout::write_whole(path, text.as_bytes())?;
    }
    match report.passed() {
        true => Ok(()),
        false => Err(Error::DrillFailed),
    }
}

fn node_of(one: &One) -> Result<(Layout, crate::layout::Network), Error> {
    let layout = Layout::at(&one.place.dir)?;
    let network = layout.existing()?;
    if one.node >= network.nodes {
        return Err(Error::NoNode { node: one.node, last: network.nodes - 1 });
    }
    Ok((layout, network))
}

fn print_json(status: &NetworkStatus) -> Result<(), Error> {
    output::print(serde_json::to_string_pretty(status).expect("plain data") + "\n")
}
