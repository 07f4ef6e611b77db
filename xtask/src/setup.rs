//! The set-up that `up` and `test` share: Debian packages, npm packages, the wasm toolchain.
//!
//! Each need says why it is one. When nothing is missing this takes well under a second and prints
//! one line; otherwise it prints the whole list and adds what is missing.

mod debian;
mod npm;
mod pypi;
mod rust;

use crate::Command;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::output::note;
use std::path::PathBuf;

pub use rust::LINKER;

pub const COMMAND: Command = Command {
    name: "setup",
    summary: "say what this machine needs and why, and install what is missing",
    help: "\
Usage: cargo xtask setup [--for up|test]

Lists the Debian packages, npm and PyPI packages and toolchains that `cargo xtask up` (or `test`, the default
here) needs, with the reason for each, and installs what is missing: Debian packages with apt-get when
run as root, otherwise it prints the one command to run with sudo and stops. npm packages go to
$HOME/.cache/plinth/npm, never into the clone.",
    run,
};

/// What the set-up is for. `Test` needs all that `Up` needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Up,
    Test,
}

/// What the set-up provides to the commands that asked for it.
pub struct Ready {
    /// The installed npm packages.
    pub node_modules: PathBuf,
    /// Programs of the installed PyPI packages; none where only tests would need them.
    pub python_programs: Option<PathBuf>,
    /// The linker for wasm modules.
    pub wasm_linker: PathBuf,
}

impl Ready {
    /// The `icp` command line client.
    pub fn icp(&self) -> PathBuf {
        self.node_modules.join("@icp-sdk/icp-cli-linux-x64/bin/icp")
    }
}

fn run(folders: &Folders, mut options: Options) -> Result<(), Error> {
    let purpose = match options.value("--for")?.as_deref() {
        None | Some("test") => Purpose::Test,
        Some("up") => Purpose::Up,
        Some(other) => {
            return Err(Error::Usage(format!("--for wants `up` or `test`, not `{other}`")));
        }
    };
    options.finish()?;
    if debian::missing(folders, purpose)?.is_empty() {
        print_needs(purpose); // Otherwise the set-up prints it.
    }
    set_up(folders, purpose)?;
    Ok(())
}

/// Makes the machine ready, or says what a person must do.
pub fn set_up(folders: &Folders, purpose: Purpose) -> Result<Ready, Error> {
    let packages = debian::missing(folders, purpose)?;
    if packages.is_empty() {
        note!("set-up: no Debian package is missing");
    } else {
        print_needs(purpose);
        debian::install(folders, &packages)?;
    }
    let wasm_linker = rust::find_wasm_linker(folders)?;
    let node_modules = npm::install(folders)?;
    note!("set-up: npm packages are in {}", node_modules.display());
    let python_programs = match purpose {
        Purpose::Up => None,
        Purpose::Test => Some(pypi::install(folders)?),
    };
    Ok(Ready { node_modules, python_programs, wasm_linker })
}

/// Says on stderr what is needed and why.
fn print_needs(purpose: Purpose) {
    note!("Debian packages:");
    for need in debian::NEEDS.iter().filter(|need| need.purpose <= purpose) {
        note!("  {:<18} {}", need.package, need.reason);
    }
    note!("npm packages (kept in the cache, not installed system-wide):");
    for (package, reason) in npm::REASONS {
        note!("  {package:<30} {reason}");
    }
    if purpose == Purpose::Test {
        note!("PyPI packages (in an environment of their own in the cache):");
        for (package, reason) in pypi::REASONS {
            note!("  {package:<30} {reason}");
        }
    }
    note!("wasm toolchain:\n  {}", rust::REASON);
}

/// The version that a program prints, for instance `v20.20.2`; `None` when there is no such program.
fn version_of(folders: &Folders, program: &str) -> Option<String> {
    let answer = Run::new(folders, program).arg("--version").probe()?;
    Some(answer.trim().to_owned())
}
