//! `cargo xtask check`: all that can be said about the sources without running them.

use crate::Command;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::output::note;
use crate::{layers, setup, tidy};

pub const COMMAND: Command = Command {
    name: "check",
    summary: "format, clippy, tidy, layers and documentation, all without warnings",
    help: "\
Usage: cargo xtask check

Runs `cargo fmt --check`, tidy, layers, clippy with warnings as errors, and `cargo doc` likewise.
All of them run, so that one round shows everything; the first failure decides the exit code.",
    run,
};

type Step = (&'static str, fn(&Folders) -> Result<(), Error>);

const STEPS: &[Step] = &[
    ("format", |folders| Run::cargo(folders).args(["fmt", "--all", "--check"]).run()),
    ("tidy", tidy::check),
    ("layers", layers::check),
    // What is compiled with coverage counters has a lock of its own, which no test reads.
    ("lock of the fuzz targets", |folders| {
        let metadata = Run::cargo(folders).args(["metadata", "--format-version", "1", "--locked"]);
        metadata.args(["--manifest-path", "fuzz/coverage/Cargo.toml"]).read().map(drop)
    }),
    // The release profile here too: build scripts and procedural macros are then shared with the tests.
    ("clippy", |folders| {
        let clippy =
            Run::cargo(folders).args(["clippy", "--release", "--workspace", "--all-targets"]);
        clippy.args(["--", "-D", "warnings"]).run()
    }),
    ("documentation", |folders| {
        let doc = Run::cargo(folders).args(["doc", "--release", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-D warnings").run()
    }),
];

fn run(folders: &Folders, options: Options) -> Result<(), Error> {
    options.finish()?;
    // Clippy compiles the tests too, with what they are linked to.
    setup::set_up(folders, setup::Purpose::Test)?;
    let mut first_failure = Ok(());
    for (name, step) in STEPS {
        match step(folders) {
            Ok(()) => note!("check: {name} is fine"),
            Err(error) => {
                note!("check: {name} failed: {error}");
                first_failure = first_failure.and(Err(error));
            }
        }
    }
    first_failure
}
