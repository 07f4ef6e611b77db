//! The canisters of this clone as wasm modules, built once per content of their sources.
//!
//! ```text
//! examples/*   --sha256-->  $HOME/.cache/plinth/canisters/<key>/{rust-counter,motoko-ledger}.{wasm,did}
//! canisters/*  --sha256-->  $HOME/.cache/plinth/canisters/<key>/local-*.{wasm,did}
//! system-tests/canisters/*, attestation  --sha256-->  .../<key>/attestation-judge.{wasm,did}
//!                           `-- copied beside `plinth`, which puts them on every new network
//! ```

mod key;
mod motoko;
mod rust;

use crate::Command;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::output::{self, note};
use crate::setup::{self, Purpose, Ready};
use std::fs;
use std::path::{Path, PathBuf};

pub const COMMAND: Command = Command {
    name: "canisters",
    summary: "build the canisters and print where their modules are",
    help: "\
Usage: cargo xtask canisters [--copy NAME FILE]

Builds the canisters of examples/ and canisters/ (Rust with Debian's rustc-web, Motoko with the npm
package) into $HOME/.cache/plinth/canisters/<hash of the sources>, copies those of canisters/ to where
`plinth` looks for them, and prints one line `NAME PATH` for each module of examples/. A second run
with the same sources only prints.

  --copy NAME FILE   copy that module to FILE instead (build step of examples/icp.yaml)",
    run,
};

/// Canisters that are built together.
pub struct Set {
    /// The folder of their sources.
    home: &'static str,
    rust: &'static [&'static str],
    motoko: &'static [&'static str],
    /// What else of the clone is compiled into them.
    also: &'static [&'static str],
}

/// The canisters that the tests and the examples' project use.
const EXAMPLES: Set = Set {
    home: "examples",
    rust: &["rust-counter", "rust-site"],
    motoko: &["motoko-ledger"],
    also: &[],
};

/// Canisters that only tests use.
const TESTS: Set = Set {
    home: "system-tests/canisters",
    rust: &["attestation-judge"],
    motoko: &[],
    also: &["attestation/Cargo.toml", "attestation/roots", "attestation/src", "Cargo.toml"],
};

/// The canisters that `plinth` puts on a new network.
const SYSTEM: Set = Set {
    home: "canisters",
    rust: &["local-icp-ledger", "local-cycles-minting", "local-cycles-ledger"],
    motoko: &[],
    also: &[],
};

/// Where `plinth` looks for them: a folder beside the program.
const SYSTEM_FOLDER: &str = "system-canisters";

impl Set {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.rust.iter().chain(self.motoko).copied()
    }
}

fn run(folders: &Folders, options: Options) -> Result<(), Error> {
    let arguments = options.finish_passing_on();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let copy = match arguments[..] {
        [] => None,
        ["--copy", name, file] if EXAMPLES.names().any(|known| known == name) => Some((name, file)),
        _ => {
            let names: Vec<_> = EXAMPLES.names().collect();
            return Err(Error::Usage(format!(
                "wants nothing, or --copy NAME FILE with a name of {names:?}"
            )));
        }
    };
    let ready = setup::set_up(folders, Purpose::Up)?;
    let modules = build_examples(folders, &ready)?;
    match copy {
        None => {
            install_system(folders, &ready)?;
            let modules = &modules;
            for name in EXAMPLES.names() {
                output::print(format_args!("{name} {}", module(modules, name).display()))?;
            }
        }
        Some((name, file)) => {
            fs::copy(module(&modules, name), file).map_err(Error::file("write", file))?;
        }
    }
    Ok(())
}

/// Builds the canisters of `examples/` unless these sources are built already. Returns the folder with a
/// `.wasm` and a `.did` for each name.
pub fn build_examples(folders: &Folders, ready: &Ready) -> Result<PathBuf, Error> {
    build(folders, ready, &EXAMPLES)
}

/// Builds the canisters that only tests use likewise.
pub fn build_test_canisters(folders: &Folders, ready: &Ready) -> Result<PathBuf, Error> {
    build(folders, ready, &TESTS)
}

/// Builds the canisters of `canisters/` likewise, and puts their modules where `plinth` looks for them.
pub fn install_system(folders: &Folders, ready: &Ready) -> Result<(), Error> {
    let built = build(folders, ready, &SYSTEM)?;
    let place = folders.program(SYSTEM_FOLDER);
    fs::create_dir_all(&place).map_err(Error::file("create", &place))?;
    SYSTEM.names().try_for_each(|name| copy(&module(&built, name), &place))
}

/// Runs the tests of what the canisters of `canisters/` share, on this machine's processor.
pub fn test_system(folders: &Folders) -> Result<(), Error> {
    Run::cargo(folders)
        .args(["test", "--locked", "--quiet", "-p", "ledger", "--lib"])
        .within(&folders.root.join(SYSTEM.home))
        .quiet_env("CARGO_TARGET_DIR", folders.cache.join("canisters/target"))
        .run()
}

fn build(folders: &Folders, ready: &Ready, set: &Set) -> Result<PathBuf, Error> {
    let key = key::of_sources(folders, ready, set)?;
    let home = folders.cache.join("canisters");
    let built = home.join(&key);
    if built.is_dir() {
        note!("canisters: {} built already, in {}", set.home, built.display());
        return Ok(built);
    }
    // Made beside its place and renamed, so that an interrupted run leaves nothing that looks done.
    let partial = home.join(format!("{key}.partial-{}", std::process::id()));
    fs::create_dir_all(&partial).map_err(Error::file("create", &partial))?;
    for name in set.rust {
        rust::build(folders, ready, set.home, name, &partial)?;
    }
    for name in set.motoko {
        motoko::build(folders, ready, set.home, name, &partial)?;
    }
    match fs::rename(&partial, &built) {
        Err(_) if built.is_dir() => {
            fs::remove_dir_all(&partial).map_err(Error::file("remove", &partial))?;
        }
        outcome => outcome.map_err(Error::file("rename", &partial))?,
    }
    note!("canisters: {} built in {}", set.home, built.display());
    Ok(built)
}

fn module(modules: &Path, name: &str) -> PathBuf {
    modules.join(format!("{name}.wasm"))
}

/// Runs one of our scripts.
fn node(folders: &Folders, script: &str, arguments: &[&Path]) -> Result<(), Error> {
    Run::new(folders, "node").arg(script).args(arguments).output_to_stderr().run()
}

/// Copies a file into a folder; whoever reads there meanwhile finds the old file or the new one, whole.
fn copy(file: &Path, into: &Path) -> Result<(), Error> {
    let name = file.file_name().expect("the path of a file has a name").to_string_lossy();
    let partial = into.join(format!("{name}.partial-{}", std::process::id()));
    fs::copy(file, &partial).map_err(Error::file("copy", file))?;
    fs::rename(&partial, into.join(&*name)).map_err(Error::file("rename", &partial))
}
