//! `cargo xtask up`: from a clone to a running local network.

use crate::Command;
use crate::canisters;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::output::note;
use crate::setup::{self, Purpose};

pub const COMMAND: Command = Command {
    name: "up",
    summary: "set up, build in release and start a local network of four nodes",
    help: "\
Usage: cargo xtask up [OPTIONS OF plinth up]

Installs what is missing (see `cargo xtask setup`), builds `plinth`, `orchestrator` and `replica` in
release and the system canisters that `plinth` puts on a new network, and runs `plinth up` with the
given options, for instance --nodes 4, --dir .plinth, --port 4943, --detach, --json.
`plinth up --help` lists them.",
    run,
};

fn run(folders: &Folders, options: Options) -> Result<(), Error> {
    let passed_on = options.finish_passing_on();
    let ready = setup::set_up(folders, Purpose::Up)?;
    canisters::install_system(folders, &ready)?;
    Run::cargo(folders)
        .args([
            "build",
            "--release",
            "-p",
            "cli",
            "-p",
            "orchestrator",
            "-p",
            "replica-node",
            "--bins",
        ])
        .run()?;
    let plinth = folders.program("plinth");
    note!("plinth is {}", plinth.display());
    note!("icp is {}", ready.icp().display());
    let here = std::env::current_dir().map_err(Error::file("find", "."))?;
    Err(Run::new(folders, plinth).arg("up").args(passed_on).within(&here).replace())
}
