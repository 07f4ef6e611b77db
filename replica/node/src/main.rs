//! The `replica` process: one node of a subnet. See the library for its exit codes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use replica_node::config::Config;
use replica_node::disk::chain;
use replica_node::node_key::NodeKey;
use replica_node::{logging, node};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Something failed; a restart may help.
const FAILED: u8 = 1;
/// The configuration or the command line is wrong.
const WRONG_CONFIGURATION: u8 = 2;
/// Starting again cannot help: the node has halted, with the evidence on disk, or its directory is
/// not what it was.
const HALTED: u8 = 3;

/// One node of a subnet.
#[derive(Parser)]
#[command(name = "replica", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The node's configuration (YAML).
    #[arg(long, required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make the node's key, or keep the one that is there, and print its public part as JSON.
    Keygen {
        /// The key file.
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match (arguments.command, arguments.config) {
        (Some(Command::Keygen { out }), _) => keygen(&out),
        (None, Some(config)) => run(&config),
        // The command line parser asks for one of the two.
        (None, None) => failure(WRONG_CONFIGURATION, "name the configuration with --config"),
    }
}

fn keygen(out: &Path) -> ExitCode {
    match NodeKey::generate_or_keep(out) {
        Ok(key) => {
            let public_key = hex::encode(key.public_key());
            let json = serde_json::json!({ "node_id": key.node_id(), "public_key": public_key });
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(error) => failure(WRONG_CONFIGURATION, &chain(&error)),
    }
}

fn run(path: &Path) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return failure(WRONG_CONFIGURATION, &chain(&error)),
    };
    if let Err(error) = logging::start(config.file.log_level.into()) {
        return failure(FAILED, &error.to_string());
    }
    match node::run(config, asked_to_stop()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{}", chain(&error));
            failure(if error.is_final() { HALTED } else { FAILED }, &chain(&error))
        }
    }
}

/// Resolves at the first SIGTERM or SIGINT.
async fn asked_to_stop() {
    let listen = |kind| signal(kind).inspect_err(|error| log::error!("no signals: {error}")).ok();
    let (terminate, interrupt) = (listen(SignalKind::terminate()), listen(SignalKind::interrupt()));
    tokio::select! {
        () = received(terminate) => {}
        () = received(interrupt) => {}
    }
}

async fn received(signal: Option<Signal>) {
    match signal {
        Some(mut signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// The last words go to stderr even where the log goes to the journal.
fn failure(code: u8, text: &str) -> ExitCode {
    eprintln!("replica: {text}");
    ExitCode::from(code)
}
