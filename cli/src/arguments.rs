//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
