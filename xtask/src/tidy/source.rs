//! Source files as the rules see them: lines without comments, and whether a line is test code.

use crate::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A text file of the clone; the path is relative to its root, with `/`.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// One line of product code: neither a test nor a whole-line comment's content.
pub struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// The line as it stands.
    pub text: &'a str,
    /// The line without its comment.
    pub code: &'a str,
}

/// All text files that git knows or would add, in order.
pub fn all_sources(root: &Path) -> Result<Vec<Source>, Error> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
        .current_dir(root)
        .output()
        .map_err(|source| Error::Start { program: "git".into(), source })?;
    if !output.status.success() {
        return Err(Error::Failed { command: "git ls-files".into(), status: output.status });
    }
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut sources = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        let full = root.join(path);
        if !full.is_file() {
            continue; // Deleted in the work tree, not yet in the index.
        }
        let bytes = fs::read(&full).map_err(Error::file("read", &full))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

/// The Rust files of `all_sources`.
pub fn rust_sources(root: &Path) -> Result<Vec<Source>, Error> {
    let mut sources = all_sources(root)?;
    sources.retain(|source| source.path.ends_with(".rs"));
    Ok(sources)
}

impl Source {
    /// Whether the file lies in a folder (or is it).
    pub fn is_below(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether the whole file is test code.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let folders = self.path.split('/').rev().skip(1);
        matches!(name, "tests.rs" | "conformance.rs" | "damage.rs")
            || name.ends_with("_tests.rs")
            || folders
                .into_iter()
                .any(|folder| matches!(folder, "tests" | "testing" | "benches" | "fuzz"))
            || self.is_below("system-tests")
    }

    /// The lines that are not test code: not in a file of tests, and not in an item under `#[cfg(test)]`.
    pub fn code_lines(&self) -> impl Iterator<Item = Line<'_>> {
        let mut in_test = InTestItem::No;
        let lines = if self.is_test() { "" } else { &self.text };
        lines.lines().enumerate().filter_map(move |(index, text)| {
            let is_test = in_test.step(text);
            (!is_test).then(|| Line { number: index + 1, text, code: without_comment(text) })
        })
    }
}

/// Where a reader of lines is, with regard to items under `#[cfg(test)]`.
enum InTestItem {
    No,
    /// After the attribute, whose indentation is kept.
    Head(usize),
    /// Inside of the item's braces.
    Body(usize),
}

impl InTestItem {
    /// Whether the next line belongs to such an item. Formatted code is assumed: an item ends with the
    /// first line that is as far in as its beginning and ends with `}` or `;`.
    fn step(&mut self, line: &str) -> bool {
        let depth = line.len() - line.trim_start().len();
        let text = line.trim();
        let is_end = |from: usize| depth == from && (text.ends_with('}') || text.ends_with(';'));
        match *self {
            Self::No if text == "#[cfg(test)]" => *self = Self::Head(depth),
            Self::No => return false,
            Self::Head(_) if text.starts_with("#[") || text.starts_with("//") => {}
            Self::Head(from) if is_end(from) => *self = Self::No,
            Self::Head(from) => *self = Self::Body(from),
            Self::Body(from) if is_end(from) => *self = Self::No,
            Self::Body(_) => {}
        }
        true
    }
}

/// Cuts off a `//` comment. A `//` inside of a string is taken for one unless it follows a colon: good
/// enough for finding words in code.
fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(found) = line[from..].find("//") {
        let at = from + found;
        if !line[..at].ends_with(':') {
            return &line[..at];
        }
        from = at + 2;
    }
    line
}

/// Whether a word stands in the code with no letter, digit or underscore beside it.
pub fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_comments_but_not_addresses() {
        assert_eq!(without_comment("a(); // b"), "a(); ");
        assert_eq!(without_comment(r#"get("http://x"); // b"#), r#"get("http://x"); "#);
    }

    #[test]
    fn leaves_out_test_items() {
        let text = "a\n#[cfg(test)]\nmod tests;\nb\n    #[cfg(test)]\n    fn f() {\n        x\n    }\nc\n\
                    #[cfg(test)]\nmod more {\n    y\n}\n";
        let source = Source { path: "x/src/lib.rs".into(), text: text.into() };
        let lines: Vec<&str> = source.code_lines().map(|line| line.text).collect();
        assert_eq!(lines, ["a", "b", "c"]);
    }

    #[test]
    fn finds_whole_words() {
        assert!(has_word("x = Instant::now()", "Instant"));
        assert!(!has_word("InstantEngine", "Instant"));
    }
}
