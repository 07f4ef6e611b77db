//! The checks on what sources name: libraries outside of their folder, clocks and unordered maps in
//! deterministic code. A line that must name one all the same says why: `// layers: <reason>`, on the
//! line or right above it. Tests and comments are free to name what they like.

use super::table::{DETERMINISTIC, NOT_DETERMINISTIC, ONE_ROOM};
use crate::error::Error;
use crate::tidy::source::{self, Source};
use std::path::Path;

const EXCEPTION: &str = "// layers: ";

/// Every broken rule as one line.
pub fn findings(root: &Path) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    for source in source::rust_sources(root)? {
        findings.extend(findings_in(&source));
    }
    Ok(findings)
}

fn findings_in(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let deterministic = DETERMINISTIC.iter().any(|folder| source.is_below(folder));
    let mut excepted = false;
    for line in source.code_lines() {
        let exception_here = line.text.contains(EXCEPTION);
        if !excepted && !exception_here {
            let place = format!("{}:{}", source.path, line.number);
            findings.extend(wrong_folder(source, line.code).map(|what| format!("{place}: {what}")));
            if deterministic {
                findings
                    .extend(not_deterministic(line.code).map(|what| format!("{place}: {what}")));
            }
        }
        excepted = exception_here && line.code.trim().is_empty();
    }
    findings
}

fn wrong_folder(source: &Source, code: &str) -> Option<String> {
    let room = ONE_ROOM.iter().find(|room| {
        let path = format!("{}::", room.library.trim_end_matches('*').replace('-', "_"));
        code.contains(&path) && !room.library.ends_with('*') && !source.is_below(room.folder)
    })?;
    Some(format!("names {}, which only {} may: {}", room.library, room.folder, room.why))
}

fn not_deterministic(code: &str) -> Option<String> {
    let (word, instead) =
        NOT_DETERMINISTIC.iter().find(|(word, _)| source::has_word(code, word))?;
    Some(format!(
        "names {word} in deterministic code: {instead}, or say why it is safe (`{EXCEPTION}<reason>`)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: usize) {
        let source = Source { path: path.into(), text: text.into() };
        let found = findings_in(&source);
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }

    #[test]
    fn finds_clocks_in_deterministic_code_only() {
        check("replica/consensus/src/core.rs", "let t = Instant::now();", 1);
        check("replica/node/src/wiring.rs", "let t = Instant::now();", 0);
        check("replica/consensus/src/core.rs", "let instantly = Instantly;", 0);
    }

    #[test]
    fn a_reason_excuses_one_line() {
        check("replica/state/src/a.rs", "HashMap::new(); // layers: never iterated", 0);
        check("replica/state/src/a.rs", "// layers: never iterated\nHashMap::new();", 0);
        check(
            "replica/state/src/a.rs",
            "// layers: never iterated\nHashMap::new();\nHashMap::new();",
            1,
        );
    }

    #[test]
    fn tests_and_comments_are_free() {
        check("replica/state/src/a.rs", "// no HashMap here", 0);
        check(
            "replica/state/src/a.rs",
            "#[cfg(test)]\nmod tests {\n    use std::collections::HashMap;\n}\n",
            0,
        );
        check("replica/state/src/a/tests.rs", "HashMap::new();", 0);
    }

    #[test]
    fn finds_a_library_outside_of_its_folder() {
        check("replica/state/src/store/open.rs", "rocksdb::DB::open(path)", 0);
        check("replica/state/src/checkpoint.rs", "rocksdb::DB::open(path)", 1);
        check("replica/execution/src/round.rs", "use wasmtime::Engine;", 1);
    }
}
