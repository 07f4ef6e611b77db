//! `cargo xtask tidy`: rules of the house that a program can check. Also a test, so that the usual
//! test command runs it.

mod house;
mod lines;
mod ratchet;
pub mod source;

use crate::Command;
use crate::error::Error;
use crate::folders::Folders;
use crate::options::Options;
use crate::output::note;
use std::path::Path;

pub const COMMAND: Command = Command {
    name: "tidy",
    summary: "check the rules of the house that a program can check",
    help: "\
Usage: cargo xtask tidy

Checks every file that git knows or would add: unfinished code, panics on bad input, ignored tests,
lint exceptions without reason, long files (with a ratchet, xtask/src/tidy/ratchet.txt), long lines,
white space, paths of one machine, host names of package registries, the doors of crates, decision
pages, and the two commands in the README.",
    run: |folders, options: Options| {
        options.finish()?;
        check(folders)
    },
};

/// Prints each finding on its own line.
pub fn check(folders: &Folders) -> Result<(), Error> {
    let findings = findings(&folders.root)?;
    for finding in &findings {
        note!("tidy: {finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Error::Findings { checker: COMMAND.name, count }),
    }
}

/// Every broken rule as one line, `path:line: what, and what to do`.
fn findings(root: &Path) -> Result<Vec<String>, Error> {
    let sources = source::all_sources(root)?;
    let mut findings: Vec<String> = sources.iter().flat_map(lines::findings).collect();
    findings.extend(ratchet::findings(&sources, ratchet::RATCHET));
    findings.extend(house::findings(&sources));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clone_is_tidy() {
        let root = crate::folders::root_of_clone().unwrap();
        let findings = findings(&root).unwrap();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
