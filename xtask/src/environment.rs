//! `cargo xtask env`: the variables through which tests find what the set-up made.

use crate::Command;
use crate::canisters;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::output;
use crate::setup::{self, Purpose, Ready};
use std::ffi::OsString;

pub const COMMAND: Command = Command {
    name: "env",
    summary: "print the variables that single tests need, for `eval`",
    help: "\
Usage: eval \"$(cargo xtask env)\"

Sets up and builds the canisters as `cargo xtask test` does, then prints shell lines that set
  CARGO_TARGET_DIR      the target folder that all commands share
  PLINTH_CANISTERS      folder with <name>.wasm and <name>.did of each example canister
  PLINTH_TEST_CANISTERS the same of canisters that only tests use
  PLINTH_NODE_MODULES   folder with the npm packages (`icp`, `@icp-sdk/core`, `playwright-core`)
  PLINTH_PYTHON_PROGRAMS  folder with the programs of PyPI packages (`sev-snp-measure`)
so that afterwards `cargo nextest run --release -p system-tests` works by itself.",
    run,
};

/// Variables with their values.
pub type Provided = Vec<(&'static str, OsString)>;

/// Builds the canisters, and says what tests get from the set-up.
pub fn provide(folders: &Folders, ready: &Ready) -> Result<Provided, Error> {
    canisters::install_system(folders, ready)?;
    let mut provided: Provided = vec![
        ("CARGO_TARGET_DIR", folders.target.clone().into()),
        ("PLINTH_CANISTERS", canisters::build_examples(folders, ready)?.into()),
        ("PLINTH_TEST_CANISTERS", canisters::build_test_canisters(folders, ready)?.into()),
        ("PLINTH_NODE_MODULES", ready.node_modules.clone().into()),
    ];
    if let Some(programs) = &ready.python_programs {
        provided.push(("PLINTH_PYTHON_PROGRAMS", programs.into()));
    }
    Ok(provided)
}

fn run(folders: &Folders, options: Options) -> Result<(), Error> {
    options.finish()?;
    let ready = setup::set_up(folders, Purpose::Test)?;
    for (name, value) in provide(folders, &ready)? {
        output::print(format_args!("export {name}={}", quoted(&value.to_string_lossy())))?;
    }
    Ok(())
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_for_the_shell() {
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }
}
