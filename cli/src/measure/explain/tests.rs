//! Seeded deviations: one thing is changed in a real boot, and what the command prints names it. Each
//! goes the whole way: bytes of a log and a file of measurements in, text out.

mod boots;
mod files;
mod images;
mod keys;
mod logs;

use super::*;
use attestation::tpm::PcrValues;
use boots::{Boot, expected};
use clap::Parser;
use image_build::measure::Measurements;
use std::collections::BTreeMap;
use std::path::Path;

/// The options alone, as a command line.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    explain: Explain,
}

/// What is given besides the log and the measurements.
#[derive(Default)]
struct Given<'a> {
    quoted: Option<PcrValues>,
    known: Vec<(&'a str, Measurements)>,
    more: Vec<&'a str>,
}

/// Runs the command on files.
fn told(log: &[u8], expected: &Measurements, given: &Given) -> Result<Explained, Error> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let json = |measured: &Measurements| serde_json::to_vec_pretty(measured).unwrap();
    let mut words = vec!["explain".to_owned()];
    words.extend(["--log".to_owned(), write("log", log)]);
    words.extend(["--expect".to_owned(), write("expected.json", &json(expected))]);
    if let Some(quoted) = &given.quoted {
        let mut values: BTreeMap<String, BTreeMap<u8, String>> = BTreeMap::new();
        for (pcr, value) in quoted.iter() {
            values.entry(value.hash().to_string()).or_default().insert(pcr, value.to_string());
        }
        let text = serde_json::to_vec(&values).unwrap();
        words.extend(["--pcrs".to_owned(), write("pcrs.json", &text)]);
    }
    for (name, known) in &given.known {
        words.extend(["--known".to_owned(), write(name, &json(known))]);
    }
    words.extend(given.more.iter().map(|word| (*word).to_owned()));
    explained(&Line::try_parse_from(words).unwrap().explain)
}

/// The numbered causes in a text.
fn causes(text: &str) -> Vec<&str> {
    let numbered = |line: &&str| line.starts_with(|letter: char| letter.is_ascii_digit());
    let lines = text.lines().filter(numbered);
    lines.map(|line| line.split_once(". ").expect("a number").1).collect()
}

/// The causes that a boot is explained by, by measurements of the real boot of this name.
#[track_caller]
fn check(real: &str, given: &Given, change: impl FnOnce(&mut Boot), wanted: &[&str]) {
    let mut boot = Boot::real(real);
    let expected = expected(&boot, real == "systemd-boot");
    change(&mut boot);
    let text = told(&boot.whole_log(), &expected, given).unwrap().as_text();
    assert_eq!(causes(&text), wanted, "{text}");
    let begin = if wanted.is_empty() { "as expected" } else { "deviates" };
    assert!(text.starts_with(begin), "{text}");
}

/// One change to the plain boot, and its causes.
#[track_caller]
fn plain(change: impl FnOnce(&mut Boot), wanted: &[&str]) {
    check("plain", &Given::default(), change, wanted);
}
