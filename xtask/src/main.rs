//! `cargo xtask`: the developer entry points of Plinth, one file for each command.
//!
//! Every command does its own set-up, says on stderr what it runs, keeps what it builds outside of
//! the clone (`folders`), and ends with 0 (done), 1 (failed, the reason is the last line on stderr)
//! or 2 (wrong usage). It knows the workspace only as files and processes: it links no other crate of it.

// Both panic when nobody reads; see `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod canisters;
mod check;
mod command;
mod environment;
mod error;
mod folders;
mod fuzz;
mod images;
mod layers;
mod options;
mod output;
mod setup;
mod simulation;
mod test_run;
mod tidy;
mod up;

use error::Error;
use folders::Folders;
use options::Options;
use output::note;
use std::process::ExitCode;

/// One subcommand: its name, a line for the list, its help text and what it does.
struct Command {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(&Folders, Options) -> Result<(), Error>,
}

const COMMANDS: &[Command] = &[
    up::COMMAND,
    test_run::COMMAND,
    check::COMMAND,
    setup::COMMAND,
    canisters::COMMAND,
    environment::COMMAND,
    layers::COMMAND,
    tidy::COMMAND,
    simulation::COMMAND,
    fuzz::COMMAND,
    bench::COMMAND,
];

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("xtask: {error}");
            match error {
                Error::Usage(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(arguments: Vec<String>) -> Result<(), Error> {
    let Some((name, rest)) = arguments.split_first() else {
        return output::print(overview());
    };
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        return output::print(overview());
    }
    let command = COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| {
        Error::Usage(format!("no command `{name}`; `cargo xtask --help` lists them"))
    })?;
    // What follows `--` belongs to the program that the command starts.
    let own = rest.split(|argument| argument == "--").next().unwrap_or_default();
    if own.iter().any(|argument| argument == "--help" || argument == "-h") {
        return output::print(command.help);
    }
    (command.run)(&Folders::find()?, Options::new(command.name, rest.to_vec()))
}

fn overview() -> String {
    let mut text = String::from("Usage: cargo xtask <COMMAND> [OPTIONS]\n\nCommands:\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<10} {}\n", command.name, command.summary));
    }
    text.push_str("\n`cargo xtask <COMMAND> --help` tells more.");
    text
}
