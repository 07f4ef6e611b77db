//! `cargo xtask test`: set-up, canisters, programs, then every test of the workspace.

use crate::Command;
use crate::canisters;
use crate::command::Run;
use crate::environment::{self, Provided};
use crate::error::Error;
use crate::folders::Folders;
use crate::images;
use crate::options::Options;
use crate::setup::{self, Purpose};

pub const COMMAND: Command = Command {
    name: "test",
    summary: "set up, build the canisters and run all tests",
    help: "\
Usage: cargo xtask test [-- ARGUMENTS]

Installs what is missing (see `cargo xtask setup`), builds the canisters and the programs, and
runs all tests in the release profile: the examples in the documentation, then the others with
cargo-nextest where it is installed, else with cargo test. ARGUMENTS replace `--workspace` in the
latter, for instance `cargo xtask test -- -p replica-state page_map`; documentation is then left out.",
    run,
};

fn run(folders: &Folders, options: Options) -> Result<(), Error> {
    let selected = options.finish()?;
    let ready = setup::set_up(folders, Purpose::Test)?;
    let provided = environment::provide(folders, &ready)?;
    // The system tests start these as a user would; cargo does not build them for another package's tests.
    // Together with the tests: alone they would be built with fewer features, and nearly all twice.
    cargo(folders, &provided)
        .args(["build", "--release", "--workspace", "--bins", "--tests"])
        .run()?;
    if selected.is_empty() {
        canisters::test_system(folders)?;
        // First the examples in the documentation, so that the summary of the tests stands at the end.
        cargo(folders, &provided)
            .args(["test", "--release", "--workspace", "--doc", "--quiet"])
            .run()?;
    }
    let mut provided = provided;
    if selected.is_empty() {
        provided.extend(images::build(folders)?);
    }
    let (runner, selected) =
        (runner(folders), if selected.is_empty() { vec!["--workspace".into()] } else { selected });
    cargo(folders, &provided).args(runner).args(selected).run()
}

fn cargo(folders: &Folders, provided: &Provided) -> Run {
    provided.iter().fold(Run::cargo(folders), |run, (name, value)| run.quiet_env(name, value))
}

/// How tests are run; without nextest one after another by package, documentation left to the run above.
fn runner(folders: &Folders) -> &'static [&'static str] {
    match Run::cargo(folders).args(["nextest", "--version"]).probe() {
        Some(_) => &["nextest", "run", "--release"],
        None => &["test", "--release", "--no-fail-fast", "--lib", "--bins", "--tests"],
    }
}
