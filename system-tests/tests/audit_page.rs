//! Reports of audits in headless Chromium, with pictures left in the target folder: one of a release in which all
//! matches, one with deviations, and one that `plinth audit` itself wrote.

use image_build::audit::{Check, Duration, Finding, Report, Tier, html};
use image_build::compare::Cause;
use image_build::place::Place;
use std::process::Command;
use system_tests::{node_script, provided};

fn report(matched: bool) -> Report {
    let damage = Finding {
        problem: "its hash is another <than> it must be".into(),
        byte: Some(98_304_001),
        place: Some(Place::of("file /usr/lib/plinth/replica", 1).within("partition root-a")),
        cause: Some(Cause::Damage),
    };
    let check = |tier, name: &str, finding: Option<&Finding>| Check {
        tier,
        subject: format!("guestos.{name}"),
        claim: "it is the file of the manifest".into(),
        findings: finding.cloned().into_iter().collect(),
    };
    let damaged = (!matched).then_some(&damage);
    Report {
        version: Some("1.4.0".into()),
        digest: "5a".repeat(32),
        expected_digest: Some("5a".repeat(32)),
        tier: Tier::Rebuild,
        matched,
        checks: vec![
            check(Tier::Manifest, "root.erofs", damaged),
            check(Tier::Manifest, "payload", None),
            check(Tier::Measure, "root.verity", damaged),
            check(
                Tier::Rebuild,
                "a-file-of-a-long-name-that-must-wrap-in-a-narrow-window.erofs",
                None,
            ),
        ],
        durations: vec![Duration { tier: Tier::Manifest, milliseconds: 4_700 }],
    }
}

/// A manifest whose files are missing: an audit of it finds that.
const MANIFEST: &str = include_str!("../../fuzz/seeds/release_manifest/first");

#[test]
fn a_browser_shows_reports() {
    let output = provided::output("audit-page");
    for (name, matched) in [("matched", true), ("deviations", false)] {
        std::fs::write(output.join(format!("{name}.html")), html(&report(matched))).unwrap();
    }
    let release = tempfile::tempdir().unwrap();
    std::fs::write(release.path().join("release.json"), MANIFEST).unwrap();
    let written = output.join("written.html");
    let audit = Command::new(provided::program("plinth"))
        .args(["audit", "--tier", "manifest", "--json", "--report"])
        .arg(&written)
        .arg(release.path())
        .output()
        .unwrap();
    assert_eq!(audit.status.code(), Some(1), "{}", String::from_utf8_lossy(&audit.stderr));
    let said: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    let findings = said["checks"].as_array().unwrap().iter();
    let deviations: usize = findings.map(|check| check["findings"].as_array().unwrap().len()).sum();
    assert!(deviations >= 7, "{said}");
    let page = |name: &str, verdict: &str, deviations: usize| {
        let file = output.join(format!("{name}.html"));
        serde_json::json!({ "file": file, "verdict": verdict, "deviations": deviations })
    };
    let pages = serde_json::json!([
        page("matched", "All matched", 0),
        page("deviations", "Not matched", 2),
        page("written", "Not matched", deviations),
    ]);
    node_script::run_alone("audit_page.mjs", &output, &[("PAGES", pages.to_string())]);
    let picture = std::fs::read(output.join("deviations-dark.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"), "the picture is a PNG");
}
