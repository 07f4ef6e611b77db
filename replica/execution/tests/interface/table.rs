//! The system functions as the specification lists them, read from `functions.txt`.

#![allow(dead_code, reason = "each user reads its part")]

use std::collections::BTreeSet;

const TEXT: &str = include_str!("functions.txt");

/// All contexts but `s`: what `*` stands for.
pub const ALL: [&str; 15] =
    ["I", "G", "U", "RQ", "NRQ", "TQ", "CQ", "Ry", "Rt", "CRy", "CRt", "C", "CC", "F", "T"];

/// One function.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: &'static str,
    /// Whether modules with 64-bit addresses do without it.
    pub only_32: bool,
    /// `i32`, `i64` or `ptr`.
    pub parameters: Vec<&'static str>,
    pub result: Option<&'static str>,
    /// The letters of the contexts that may call it.
    pub contexts: BTreeSet<&'static str>,
}

/// All of them, in the order of the file.
pub fn lines() -> Vec<Line> {
    let lines = TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(parse).collect()
}

fn parse(line: &'static str) -> Line {
    let (only_32, line) = match line.strip_prefix("32: ") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let parts: Vec<_> = line.split(':').collect();
    let [name, types, contexts] = parts[..] else { panic!("not a line of the table: {line}") };
    let (parameters, result) = types.split_once("->").unwrap_or((types, ""));
    let letters = contexts.split_whitespace();
    Line {
        name,
        only_32,
        parameters: parameters.split_whitespace().collect(),
        result: result.split_whitespace().next(),
        contexts: letters.flat_map(expand).collect(),
    }
}

fn expand(letter: &'static str) -> Vec<&'static str> {
    match letter {
        "*" => ALL.to_vec(),
        "s" => vec!["s"],
        letter => vec![*ALL.iter().find(|known| **known == letter).expect("a known context")],
    }
}
