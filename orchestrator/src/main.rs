//! `orchestrator --config FILE`: runs the node's replica and keeps it running.
//!
//! Exit codes: 0 stopped when asked; 1 failed; 2 unusable configuration (its own or the
//! replica's); 3 the replica stopped because its state differs from the certified one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use orchestrator::{Config, Exit, RunError, run};

/// Runs a node's replica and keeps it running.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file (YAML).
    #[arg(long)]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging();
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return fail(&error, 2),
    };
    match block_on(&config) {
        Ok(Exit::Asked) => ExitCode::SUCCESS,
        Ok(Exit::Hopeless(code)) => {
            log::error!("the replica ended with code {code}: a restart cannot help");
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => fail(&error, 1),
    }
}

/// One thread: the kernel ends the replica when the thread that started it ends.
fn block_on(config: &Config) -> Result<Exit, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Signals)?;
    runtime.block_on(run(config))
}

fn start_logging() {
    if systemd_journal_logger::connected_to_journal()
        && let Ok(logger) = systemd_journal_logger::JournalLog::new()
        && logger.install().is_ok()
    {
        log::set_max_level(log::LevelFilter::Info);
        return;
    }
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    log::error!("{text}");
    ExitCode::from(code)
}
