//! A report as text.

use image_build::audit::{Finding, Report};

/// What did not match, and the verdict.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let word = if check.findings.is_empty() { "ok  " } else { "FAIL" };
        text += &format!("{word}  {:<24}  {}\n", check.subject, check.claim);
        for finding in &check.findings {
            text += &finding_text(finding);
        }
    }
    for duration in &report.durations {
        let name = format!("{:?}", duration.tier).to_lowercase();
        text += &format!("tier {name}: {:.1} s\n", duration.milliseconds as f64 / 1000.0);
    }
    text += &format!("digest of the manifest {}\n", report.digest);
    if report.expected_digest.is_none() {
        text += "compare it with the one that was approved, or give that with --digest\n";
    }
    let failed = report.checks.iter().filter(|check| !check.findings.is_empty()).count();
    let all = report.checks.len();
    text + &match report.matched {
        true => format!("all {all} checks matched\n"),
        false => format!("{failed} of {all} checks did not match: do not run this release\n"),
    }
}

fn finding_text(finding: &Finding) -> String {
    let mut text = format!("      {}\n", finding.problem);
    if let Some(place) = &finding.place {
        text += &format!("      where: {place}\n");
    }
    if let Some(byte) = finding.byte {
        text += &format!("      first wrong byte of the file: {byte}\n");
    }
    if let Some(cause) = finding.cause {
        text += &format!("      probable cause: {cause}\n");
    }
    text
}
