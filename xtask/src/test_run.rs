//! `cargo xtask test`: set-up, canisters, programs, then every test of the workspace.

use crate::Command;
use crate::canisters;
use crate::command::Run;
use crate::environment::{self, Provided};
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::setup::{self, Purpose};

pub const COMMAND: Command = Command {
    name: "test",
    summary: "set up, build the example canisters and run all tests",
    help: "\
Usage: cargo xtask test [-- ARGUMENTS]

Installs what is missing (see `cargo xtask setup`), builds the example canisters and the programs, and
runs all tests in the release profile: with cargo-nextest where it is installed, else with cargo test;
then the examples in the documentation. ARGUMENTS replace `--workspace` in the first of these, for
instance `cargo xtask test -- -p replica-state page_map`; documentation is then left out.",
    run,
};

fn run(folders: &Folders, options: Options) -> Result<(), Error> {
    let selected = options.finish()?;
    let ready = setup::set_up(folders, Purpose::Test)?;
    let canisters = canisters::build(folders, &ready)?;
    let provided = environment::provided(folders, &ready, &canisters);
    // The system tests start these as a user would; cargo does not build them for another package's tests.
    cargo(folders, &provided).args(["build", "--release", "--workspace", "--bins"]).run()?;
    let runner = if has_nextest(folders) {
        &["nextest", "run", "--release"][..]
    } else {
        &["test", "--release"]
    };
    let tests = cargo(folders, &provided).args(runner);
    if !selected.is_empty() {
        return tests.args(selected).run();
    }
    tests.arg("--workspace").run()?;
    if has_nextest(folders) {
        cargo(folders, &provided)
            .args(["test", "--release", "--workspace", "--doc", "--quiet"])
            .run()?;
    }
    Ok(())
}

fn cargo(folders: &Folders, provided: &Provided) -> Run {
    provided.iter().fold(Run::cargo(folders), |run, (name, value)| run.quiet_env(name, value))
}

fn has_nextest(folders: &Folders) -> bool {
    Run::cargo(folders).args(["nextest", "--version"]).probe().is_some()
}
