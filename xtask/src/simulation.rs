//! `cargo xtask sim`: whole subnets in one process, from seeds.

use crate::Command;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;

pub const COMMAND: Command = Command {
    name: "sim",
    summary: "simulate whole subnets with faults, from seeds",
    help: "\
Usage: cargo xtask sim [--seeds N] [--seed S] [-- OPTIONS OF replica-simulation]

  --seeds N   how many seeds to run (default 20)
  --seed S    run this seed only, or with --seeds the first of them

A failing seed prints the command that replays it.",
    run,
};

const SEEDS_DEFAULT: u64 = 20;

fn run(folders: &Folders, mut options: Options) -> Result<(), Error> {
    let seed = options.number("--seed")?;
    let seeds = options.number("--seeds")?;
    let passed_on = options.finish()?;
    let count = seeds.unwrap_or(if seed.is_some() { 1 } else { SEEDS_DEFAULT });
    let mut run = Run::cargo(folders)
        .args(["run", "--release", "-p", "replica-simulation", "--", "--seeds"])
        .arg(count.to_string());
    if let Some(seed) = seed {
        run = run.arg("--seed").arg(seed.to_string());
    }
    run.args(passed_on).run()
}
