//! The example canisters as wasm modules, built once per content of their sources.
//!
//! ```text
//! examples/*  --sha256-->  $HOME/.cache/plinth/canisters/<key>/{rust-counter,motoko-ledger}.{wasm,did}
//! ```

mod key;
mod motoko;
mod rust;

use crate::Command;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::setup::{self, Purpose, Ready};
use std::fs;
use std::path::{Path, PathBuf};

pub const COMMAND: Command = Command {
    name: "canisters",
    summary: "build the example canisters and print where their modules are",
    help: "\
Usage: cargo xtask canisters [--copy NAME FILE]

Builds the canisters of examples/ (Rust with Debian's rustc-web, Motoko with the npm package) into
$HOME/.cache/plinth/canisters/<hash of the sources>, and prints one line `NAME PATH` for each module.
A second run with the same sources only prints.

  --copy NAME FILE   copy that module to FILE instead (build step of examples/icp.yaml)",
    run,
};

/// The canisters in `examples/`, by folder name.
pub const NAMES: [&str; 2] = ["rust-counter", "motoko-ledger"];

fn run(folders: &Folders, options: Options) -> Result<(), Error> {
    let arguments = options.finish_passing_on();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let copy = match arguments[..] {
        [] => None,
        ["--copy", name, file] if NAMES.contains(&name) => Some((name, file)),
        _ => {
            return Err(Error::Usage(format!(
                "wants nothing, or --copy NAME FILE with a name of {NAMES:?}"
            )));
        }
    };
    let modules = build(folders, &setup::set_up(folders, Purpose::Up)?)?;
    match copy {
        None => {
            NAMES.iter().for_each(|name| println!("{name} {}", module(&modules, name).display()))
        }
        Some((name, file)) => {
            fs::copy(module(&modules, name), file).map_err(Error::file("write", file))?;
        }
    }
    Ok(())
}

/// Builds all canisters unless these sources are built already. Returns the folder with a `.wasm` and
/// a `.did` for each name.
pub fn build(folders: &Folders, ready: &Ready) -> Result<PathBuf, Error> {
    let key = key::of_sources(folders, ready)?;
    let home = folders.cache.join("canisters");
    let built = home.join(&key);
    if built.is_dir() {
        eprintln!("canisters: built already, in {}", built.display());
        return Ok(built);
    }
    // Made beside its place and renamed, so that an interrupted run leaves nothing that looks done.
    let partial = home.join(format!("{key}.partial-{}", std::process::id()));
    fs::create_dir_all(&partial).map_err(Error::file("create", &partial))?;
    rust::build(folders, ready, "rust-counter", &partial)?;
    motoko::build(folders, ready, "motoko-ledger", &partial)?;
    match fs::rename(&partial, &built) {
        Err(_) if built.is_dir() => {
            fs::remove_dir_all(&partial).map_err(Error::file("remove", &partial))?;
        }
        outcome => outcome.map_err(Error::file("rename", &partial))?,
    }
    eprintln!("canisters: built in {}", built.display());
    Ok(built)
}

fn module(modules: &Path, name: &str) -> PathBuf {
    modules.join(format!("{name}.wasm"))
}

/// Runs one of our scripts.
fn node(folders: &Folders, script: &str, arguments: &[&Path]) -> Result<(), Error> {
    Run::new(folders, "node").arg(script).args(arguments).output_to_stderr().run()
}

/// Copies the canister's interface file beside its module.
fn copy_interface(folders: &Folders, name: &str, into: &Path) -> Result<(), Error> {
    let file = format!("{name}.did");
    let source = folders.root.join("examples").join(name).join(&file);
    fs::copy(&source, into.join(&file)).map_err(Error::file("copy", &source))?;
    Ok(())
}
