//! Long Rust files. What is listed in `ratchet.txt` may be longer, but only ever shorter than before.

use super::source::Source;
use std::collections::BTreeMap;

/// A file longer than this is more than one idea.
const LINES_MAX: usize = 600;
/// A file of tests is a list of cases, which may be longer.
const TEST_LINES_MAX: usize = 900;

/// Lines of `<path> <lines>`.
pub const RATCHET: &str = include_str!("ratchet.txt");

pub fn findings(sources: &[Source], ratchet: &str) -> Vec<String> {
    let mut allowed: BTreeMap<&str, usize> = ratchet
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(path, lines)| Some((path, lines.parse().ok()?)))
        .collect();
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let lines = source.text.lines().count();
        let usual = if source.is_test() { TEST_LINES_MAX } else { LINES_MAX };
        let ratcheted = allowed.remove(source.path.as_str());
        let path = &source.path;
        match ratcheted {
            None if lines > usual => {
                findings.push(format!("{path}: {lines} lines, more than {usual}: split it by idea"));
            }
            Some(limit) if lines > limit => findings
                .push(format!("{path}: {lines} lines, more than the {limit} it had: split it by idea")),
            Some(limit) if lines < limit => findings.push(format!(
                "{path}: now {lines} lines: lower its {limit} in xtask/src/tidy/ratchet.txt, or drop it below {usual}"
            )),
            _ => {}
        }
    }
    findings.extend(
        allowed
            .keys()
            .map(|path| format!("{path}: is no file: drop it from xtask/src/tidy/ratchet.txt")),
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, lines: usize, ratchet: &str, expected: usize) {
        let source = Source { path: path.into(), text: "x\n".repeat(lines) };
        let found = findings(&[source], ratchet);
        assert_eq!(found.len(), expected, "{found:?}");
    }

    #[test]
    fn only_goes_down() {
        check("a.rs", LINES_MAX, "", 0);
        check("a.rs", LINES_MAX + 1, "", 1);
        check("a.rs", 600, "a.rs 600\n", 0);
        check("a.rs", 601, "a.rs 600\n", 1);
        check("a.rs", 599, "a.rs 600\n", 1);
        check("b.rs", 1, "a.rs 600\n", 1);
        check("x/tests.rs", LINES_MAX + 1, "", 0);
    }
}
