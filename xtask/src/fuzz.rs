//! `cargo xtask fuzz`: the fuzz targets, each for some seconds.

use crate::Command;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::setup::{self, Purpose};

pub const COMMAND: Command = Command {
    name: "fuzz",
    summary: "run the fuzz targets of all decoders of foreign bytes",
    help: "\
Usage: cargo xtask fuzz [--seconds N] [--target NAME]

  --seconds N     how long each target runs (default 5)
  --target NAME   run this target only; fuzz/README.md lists them

Coverage leads them; the first run compiles them and all they use with counters, which takes minutes.
`cargo xtask test` gives each target its seeds and thousands of changed forms of them, without counters.
What is found goes to fuzz/artifacts/, with the command that replays it.",
    run,
};

/// Enough to try the seeds and some thousand inputs around them.
const SECONDS_DEFAULT: u64 = 5;

fn run(folders: &Folders, mut options: Options) -> Result<(), Error> {
    let seconds = options.number("--seconds")?.unwrap_or(SECONDS_DEFAULT);
    let target = options.value("--target")?;
    options.finish()?;
    setup::set_up(folders, Purpose::Up)?;
    Run::new(folders, folders.root.join("fuzz/run")).arg(seconds.to_string()).args(target).run()
}
