//! Rules on single lines. The forbidden words are put together from parts, so that this file keeps
//! its own rules.

use super::source::{Line, Source, has_word};

/// What rustfmt cannot break (long texts in strings) may stand out a little.
const LINE_CHARS_MAX: usize = 140;

/// A longer word is data, such as a test vector.
const WORD_CHARS_MAX: usize = 60;

/// Words that stand for unfinished work, in any Rust code: word, instead.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("to", "do!"), "write it, or return an error that names what is not supported"),
    (
        concat!("unimpl", "emented!"),
        "write it, or return an error that names what is not supported",
    ),
    (concat!("db", "g!"), "log it, or drop it"),
    (concat!("#[ig", "nore"), "a test runs or does not exist"),
    (concat!("FIX", "ME"), "do it, or file an issue"),
    (concat!("TO", "DO"), "do it, or file an issue"),
];

/// Where the people who build this live on their machines: no file may depend on it.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/tmp/pl", "inth"),
];

/// Hosts of package registries: clients are configured for them, files of ours do not name them.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("npmjs", "."),
    concat!("pypi", "."),
    concat!("deb.deb", "ian"),
    concat!("static.rust", "-lang"),
];

/// Files made by tools that put such names in.
const MADE_BY_TOOLS: [&str; 2] = ["Cargo.lock", "package-lock.json"];

/// Inputs of tests, byte for byte as they must be.
const DATA: [&str; 2] = ["fuzz/seeds", "attestation/vectors"];

/// Every broken rule in one file.
pub fn findings(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let name = source.path.rsplit('/').next().unwrap_or_default();
    if MADE_BY_TOOLS.contains(&name) || DATA.iter().any(|folder| source.is_below(folder)) {
        return findings;
    }
    for (index, line) in source.text.lines().enumerate() {
        let mut found =
            |what: String| findings.push(format!("{}:{}: {what}", source.path, index + 1));
        any_text(source, line).for_each(&mut found);
        if source.path.ends_with(".rs") {
            rust_text(line).for_each(&mut found);
        }
    }
    if source.path.ends_with(".rs") {
        findings.extend(product_code(source));
    }
    if !source.text.is_empty() && !source.text.ends_with('\n') {
        findings.push(format!("{}: ends without a line end", source.path));
    }
    findings
}

fn any_text<'a>(source: &Source, line: &'a str) -> impl Iterator<Item = String> + 'a {
    // Prose and data may have long lines; so may a line with a word that cannot be broken.
    let wraps = [".rs", ".mo", ".mjs"].iter().any(|ending| source.path.ends_with(ending));
    let has_long_word = line.split_whitespace().any(|word| word.chars().count() > WORD_CHARS_MAX);
    let long = wraps && !has_long_word && line.chars().count() > LINE_CHARS_MAX;
    let mut found = Vec::new();
    if long {
        found.push(format!("more than {LINE_CHARS_MAX} characters: break the line"));
    }
    if line.ends_with([' ', '\t', '\r']) {
        found.push("white space at the end of the line: drop it".to_owned());
    }
    for path in MACHINE_PATHS.iter().filter(|path| line.contains(**path)) {
        found.push(format!(
            "names {path}, a path of one machine: start from $HOME or a relative path"
        ));
    }
    for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
        found.push(format!("names {host}, a package registry: name the package only"));
    }
    found.into_iter()
}

fn rust_text(line: &str) -> impl Iterator<Item = String> + '_ {
    UNFINISHED
        .iter()
        .filter(|(word, _)| {
            if word.ends_with(char::is_alphanumeric) {
                has_word(line, word)
            } else {
                line.contains(word)
            }
        })
        .map(|(word, instead)| format!("`{word}`: {instead}"))
}

/// Rules on product code only.
fn product_code(source: &Source) -> Vec<String> {
    let lines: Vec<_> = source.code_lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let mut found =
            |what: &str| findings.push(format!("{}:{}: {what}", source.path, line.number));
        if line.code.contains(concat!(".unw", "rap()")) {
            found(
                "unwrap outside of tests: return an error, or say in `expect` why it cannot fail",
            );
        }
        if is_lint_exception(line.code) && !attribute_text(&lines[index..]).contains("reason") {
            found("a lint exception without `reason = \"…\"`: add it");
        }
    }
    findings
}

fn is_lint_exception(code: &str) -> bool {
    ["allow(", "expect("].iter().any(|lint| {
        let code = code.trim_start();
        code.strip_prefix("#[")
            .or(code.strip_prefix("#!["))
            .is_some_and(|rest| rest.starts_with(lint))
    })
}

/// The text of the attribute that begins on the first line.
fn attribute_text(lines: &[Line]) -> String {
    let end = lines.iter().position(|line| line.code.contains(")]")).unwrap_or(0);
    lines[..=end].iter().map(|line| line.code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &str) {
        let source = Source { path: path.into(), text: format!("{text}\n") };
        let found = findings(&source).join("\n");
        if expected.is_empty() {
            assert_eq!(found, "", "{text}");
        } else {
            assert!(found.contains(expected), "{text}: {found:?}");
        }
    }

    #[test]
    fn finds_each_kind_of_line() {
        check("a.rs", "let plain = 1;", "");
        check("a.rs", concat!("    to", "do!()"), "write it");
        check("a.rs", concat!("#[ig", "nore]"), "a test runs");
        check("a.rs", concat!("// TO", "DO: later"), "file an issue");
        check("a.rs", concat!("METO", "DO"), "");
        check("a.rs", "let x = 1; ", "white space");
        check("a.rs", &format!("// {}", "long ".repeat(30)), "break the line");
        check("a.md", "long ".repeat(30).trim_end(), "");
        check("a.md", concat!("see /ro", "ot/x"), "path of one machine");
        check("a.toml", concat!("index = \"crates", ".io\""), "package registry");
        check("sub/Cargo.lock", concat!("index = \"crates", ".io\""), "");
    }

    #[test]
    fn finds_panics_outside_of_tests() {
        let unwrap = concat!("x.unw", "rap();");
        check("a.rs", unwrap, "unwrap outside of tests");
        check("a.rs", &format!("/// {unwrap}"), "");
        check("a/tests.rs", unwrap, "");
        check("a.rs", &format!("#[cfg(test)]\nmod tests {{\n    {unwrap}\n}}"), "");
    }

    #[test]
    fn wants_a_reason_for_lint_exceptions() {
        check("a.rs", "#[allow(dead_code)]", "without `reason");
        check("a.rs", "#[expect(\n    dead_code,\n    reason = \"read by the kernel\"\n)]", "");
    }

    #[test]
    fn wants_a_line_end() {
        let source = Source { path: "a.md".into(), text: "x".into() };
        assert_eq!(findings(&source), ["a.md: ends without a line end"]);
    }
}
