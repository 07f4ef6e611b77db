//! `cargo xtask layers`: dependencies point down the layer table, and the absences hold.
//!
//! The table (`table.rs`) is the one of ARCHITECTURE.md. What cargo knows (who depends on whom) comes
//! from `cargo metadata`; what it cannot know (which folder of a crate may name a library, which crates
//! must not read a clock) is read off the sources (`words.rs`).

mod edges;
mod table;
mod words;

use crate::Command;
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::output::note;

pub const COMMAND: Command = Command {
    name: "layers",
    summary: "check that dependencies point down the layer table",
    help: "\
Usage: cargo xtask layers

Checks the layer table and the absences of ARCHITECTURE.md (as data in xtask/src/layers/table.rs):
dependencies of workspace crates point to lower layers, giants such as RocksDB are named by one crate
and one folder only, and deterministic crates name no clock and no unordered map.",
    run: |folders, options: Options| {
        options.finish()?;
        check(folders)
    },
};

/// Prints each finding on its own line.
pub fn check(folders: &Folders) -> Result<(), Error> {
    let metadata = Run::cargo(folders)
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .read()?;
    let packages = edges::packages(&metadata)?;
    let mut findings = edges::findings(&packages);
    findings.extend(words::findings(&folders.root)?);
    for finding in &findings {
        note!("layers: {finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Error::Findings { checker: COMMAND.name, count }),
    }
}
