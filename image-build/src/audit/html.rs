//! A report as one page that needs nothing else: no script, no font, no picture from elsewhere. It follows the
//! reader's choice of light or dark.

use super::{Check, Finding, Report, Tier};
use std::fmt::Write as _;

const STYLE: &str = include_str!("report.css");

/// The page.
pub fn html(report: &Report) -> String {
    let verdict = verdict(report);
    let version = report.version.as_deref().unwrap_or("that cannot be read");
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         'unsafe-inline'\">\n\
         <title>Audit of release {0}: {1}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Audit of release {0}</h1>\n",
        escaped(version),
        verdict.word,
    );
    let _ = writeln!(
        page,
        "<p id=\"verdict\" class=\"{}\"><strong>{}</strong> {}</p>",
        verdict.class, verdict.word, verdict.text
    );
    page += &facts(report);
    page += &failures(report);
    for tier in [Tier::Manifest, Tier::Measure, Tier::Rebuild] {
        page += &tier_table(report, tier);
    }
    page + "</main>\n</body>\n</html>\n"
}

struct Verdict {
    word: &'static str,
    class: &'static str,
    text: String,
}

fn verdict(report: &Report) -> Verdict {
    let failed = report.checks.iter().filter(|check| !check.findings.is_empty()).count();
    let all = report.checks.len();
    match report.matched {
        true => Verdict {
            word: "All matched",
            class: "good",
            text: format!("{all} checks, no deviation."),
        },
        false => Verdict {
            word: "Not matched",
            class: "bad",
            text: format!("{failed} of {all} checks found deviations; do not run this release."),
        },
    }
}

fn facts(report: &Report) -> String {
    let expected = match &report.expected_digest {
        Some(digest) => format!("<code>{}</code>", escaped(digest)),
        None => "none was given: compare the digest above with the one that was approved".into(),
    };
    let depth = match report.tier {
        Tier::Manifest => "digests and consistency; not what machines measure, and no rebuild",
        Tier::Measure => "digests, consistency, and what machines measure; no rebuild",
        Tier::Rebuild => "everything, with a rebuild from the locks",
    };
    let mut rows = vec![
        (
            "Digest of the manifest",
            format!("<code id=\"digest\">{}</code>", escaped(&report.digest)),
        ),
        ("Digest that it must have", expected),
        ("What was checked", depth.to_owned()),
    ];
    for duration in &report.durations {
        let seconds = duration.milliseconds as f64 / 1000.0;
        rows.push((tier_name(duration.tier), format!("{seconds:.1} s")));
    }
    let rows = rows.into_iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>\n"));
    format!("<dl>\n{}</dl>\n", rows.collect::<String>())
}

/// What did not match comes first.
fn failures(report: &Report) -> String {
    let failed: Vec<&Check> =
        report.checks.iter().filter(|check| !check.findings.is_empty()).collect();
    if failed.is_empty() {
        return String::new();
    }
    let mut text =
        String::from("<section id=\"deviations\">\n<h2>What did not match, and where</h2>\n<ul>\n");
    for check in failed {
        for finding in &check.findings {
            let _ = writeln!(
                text,
                "<li><code>{}</code>: {}</li>",
                escaped(&check.subject),
                finding_html(finding)
            );
        }
    }
    text + "</ul>\n</section>\n"
}

fn finding_html(finding: &Finding) -> String {
    let mut text = escaped(&finding.problem);
    if let Some(place) = &finding.place {
        text += &format!("<br>where: <code>{}</code>", escaped(&place.to_string()));
    }
    if let Some(byte) = finding.byte {
        text += &format!("<br>first wrong byte of the file: <code>{byte}</code>");
    }
    if let Some(cause) = finding.cause {
        text += &format!("<br>probable cause: {cause}");
    }
    text
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Manifest => "Manifest, digests, bills of materials",
        Tier::Measure => "Measurements and contents",
        Tier::Rebuild => "Rebuild",
    }
}

fn tier_table(report: &Report, tier: Tier) -> String {
    let checks: Vec<&Check> = report.checks.iter().filter(|check| check.tier == tier).collect();
    if checks.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "<section>\n<h2>{}</h2>\n<table>\n<thead><tr><th>Of</th><th>What must hold</th><th>Result</th></tr></thead>\n\
         <tbody>\n",
        tier_name(tier)
    );
    for check in checks {
        let (class, word) = match check.findings.len() {
            0 => ("good", "matched".to_owned()),
            1 => ("bad", "1 deviation".to_owned()),
            count => ("bad", format!("{count} deviations")),
        };
        let _ = writeln!(
            text,
            "<tr data-result=\"{class}\"><td><code>{}</code></td><td>{}</td><td class=\"{class}\">{word}</td></tr>",
            escaped(&check.subject),
            escaped(&check.claim)
        );
    }
    text + "</tbody>\n</table>\n</section>\n"
}

/// Text in which nothing is markup: names come from files that others made.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            letter => escaped.push(letter),
        }
    }
    escaped
}
