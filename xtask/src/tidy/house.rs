//! Rules on the clone as a whole: doors of crates, names of folders, decision pages, the README.

use super::source::Source;
use std::collections::BTreeMap;

/// Folder and file names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 3] = ["utils", "common", "helpers"];

/// What a reader of the README must find in a code block.
const README_COMMANDS: [&str; 2] = ["cargo xtask up", "cargo xtask test"];

const DECISIONS: &str = "docs/decisions";

pub fn findings(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    findings.extend(sources.iter().filter_map(closed_door));
    findings.extend(sources.iter().filter_map(empty_name));
    findings.extend(decision_pages(sources));
    findings.extend(readme(sources));
    findings
}

/// A crate begins by saying what it does.
fn closed_door(source: &Source) -> Option<String> {
    let is_door = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
    (is_door && !source.text.starts_with("//!")).then(|| {
        format!(
            "{}: begin with `//!`: what this crate does, and what it must not know",
            source.path
        )
    })
}

fn empty_name(source: &Source) -> Option<String> {
    let name =
        source.path.split('/').find(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")))?;
    Some(format!("{}: `{name}` says nothing: name it by what it does", source.path))
}

/// `docs/decisions/NNN-words.md`, each number once.
fn decision_pages(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut by_number: BTreeMap<&str, &str> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_below(DECISIONS)) {
        let name = source.path.rsplit('/').next().unwrap_or_default();
        if name == "README.md" {
            continue;
        }
        let number = name.split('-').next().unwrap_or_default();
        if number.len() != 3
            || !number.bytes().all(|byte| byte.is_ascii_digit())
            || !name.ends_with(".md")
        {
            findings.push(format!("{}: name it {DECISIONS}/NNN-words.md", source.path));
        } else if let Some(other) = by_number.insert(number, &source.path) {
            findings.push(format!("{}: {other} has this number too", source.path));
        }
    }
    findings
}

fn readme(sources: &[Source]) -> Vec<String> {
    let Some(readme) = sources.iter().find(|source| source.path == "README.md") else {
        return vec!["README.md: is missing".to_owned()];
    };
    let code: Vec<&str> = readme.text.split("```").skip(1).step_by(2).collect();
    README_COMMANDS
        .iter()
        .filter(|command| !code.iter().any(|block| block.contains(**command)))
        .map(|command| format!("README.md: no code block shows `{command}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn the_readme_shows_the_commands_in_code() {
        let good = source(
            "README.md",
            "Run:\n```\ncargo xtask up\n```\nTest:\n```\ncargo xtask test\n```\n",
        );
        assert!(readme(&[good]).is_empty());
        let prose = source("README.md", "cargo xtask up\n```\ncargo xtask test\n```\n");
        assert_eq!(readme(&[prose]).len(), 1);
        assert_eq!(readme(&[]).len(), 1);
    }

    #[test]
    fn decision_pages_have_a_number_of_their_own() {
        let pages =
            |names: [&str; 2]| names.map(|name| source(&format!("docs/decisions/{name}"), ""));
        assert!(decision_pages(&pages(["001-a.md", "002-b.md"])).is_empty());
        assert_eq!(decision_pages(&pages(["001-a.md", "001-b.md"])).len(), 1);
        assert_eq!(decision_pages(&pages(["README.md", "b.md"])).len(), 1);
    }

    #[test]
    fn doors_and_names_speak() {
        assert!(closed_door(&source("a/src/lib.rs", "//! What a does.")).is_none());
        assert!(closed_door(&source("a/src/lib.rs", "use x;")).is_some());
        assert!(empty_name(&source("a/src/utils/x.rs", "")).is_some());
        assert!(empty_name(&source("a/src/commonware.rs", "")).is_none());
    }
}
