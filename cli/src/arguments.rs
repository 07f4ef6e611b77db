//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::attest::AttestCommand;
use crate::audit::Audit;
use crate::drill::Kind;
use crate::image::ImageCommand;
use crate::measure::MeasureCommand;
use crate::release::ReleaseCommand;
use crate::spec::SpecCommand;

/// Run and watch a Plinth network on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "plinth",
    version,
    after_help = "Exit codes: 0 done; 1 failed; 2 wrong usage; 4 no network is running there."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a local network: one subnet, each node its own processes.
    Up(Up),
    /// Show the nodes, their heights and their roots.
    Status(Show),
    /// Start, stop or kill one node.
    Node {
        /// What to do with the node.
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// Stop all nodes; their state stays for the next `plinth up`.
    Down(Place),
    /// Check what machines hand over to prove what they run.
    Attest {
        /// What to check.
        #[command(subcommand)]
        command: AttestCommand,
    },
    /// Node images: their lock, and how they are built from it.
    Image {
        /// What to do.
        #[command(subcommand)]
        command: ImageCommand,
    },
    /// What machines will measure of an image, and why one measured something else.
    Measure {
        /// What to measure.
        #[command(subcommand)]
        command: MeasureCommand,
    },
    /// What a standardized machine must have, and whether this one has it.
    Spec {
        /// What to do.
        #[command(subcommand)]
        command: SpecCommand,
    },
    /// The manifest of a release: one file that names every image, and what machines will measure.
    Release {
        /// What to do.
        #[command(subcommand)]
        command: ReleaseCommand,
    },
    /// Check that a release is what it says, and say where it is not.
    Audit(Box<Audit>),
    /// Break a network of its own on purpose and check that nothing is lost.
    Drill(Drill),
}

/// `plinth drill`.
#[derive(Clone, Debug, Args)]
pub struct Drill {
    /// The directory of the drill's own network; it must not exist.
    #[arg(long, default_value = ".plinth-drill")]
    pub dir: PathBuf,
    /// The port of its endpoints [default: a free one].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1024..=65_533))]
    pub port: Option<u16>,
    /// Chooses the victims.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The scenarios to run, in order; all if none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub scenarios: Vec<Kind>,
    /// How long a node is paused, in seconds.
    #[arg(long, default_value_t = 30)]
    pub pause_seconds: u64,
    /// How often something is killed at a random instant.
    #[arg(long, default_value_t = 20)]
    pub kills: usize,
    /// Print the report as JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// Write the report to this file too.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// Where the network is.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The network's directory.
    #[arg(long, default_value = ".plinth")]
    pub dir: PathBuf,
}

/// `plinth up`.
#[derive(Clone, Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub place: Place,
    /// How many nodes; 4 is the least that tolerates a faulty one [default: 4].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=40))]
    pub nodes: Option<u8>,
    /// The port of the HTTP endpoints; the two ports above it are used too [default: 4943].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1024..=65_533))]
    pub port: Option<u16>,
    /// Make a new network without the ledgers that `icp` pays with.
    #[arg(long)]
    pub bare: bool,
    /// Return when the network answers, and leave it running.
    #[arg(long)]
    pub detach: bool,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `plinth status`.
#[derive(Clone, Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub place: Place,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `plinth node ...`.
#[derive(Clone, Debug, Subcommand)]
pub enum NodeCommand {
    /// Start a node that is not running.
    Start(One),
    /// Stop a node: it writes a checkpoint and ends.
    Stop(One),
    /// Kill a node's processes at once, as a power cut would.
    Kill(One),
}

/// One node of a network.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// Which node, counted from 0.
    pub node: usize,
    #[command(flatten)]
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Arguments::command().debug_assert();
    }
}
