//! How a verdict is shown, and the exit code that follows from it.

use attestation::checks::Checks;
use serde::Serialize;

use super::files::Unusable;
use crate::error::Error;

/// A verdict, whatever was verified.
pub struct Shown {
    /// Whether all checks passed, and there was something to accept.
    pub is_accepted: bool,
    /// Every check that could be made.
    pub checks: Checks,
}

/// The verdict in JSON.
#[derive(Serialize)]
struct Json<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The ids of the checks that failed.
    failed: Vec<&'a str>,
    checks: Option<&'a Checks>,
}

/// Prints the outcome: exit code 0 for accepted, 1 for refused, 2 for unusable input.
pub fn conclude(json: bool, outcome: Result<Shown, Unusable>) -> Result<(), Error> {
    let text = match json {
        true => serde_json::to_string_pretty(&as_json(&outcome)).expect("plain data") + "\n",
        false => outcome.as_ref().map(as_text).unwrap_or_default(),
    };
    crate::output::print(text)?;
    match outcome {
        Ok(Shown { is_accepted: true, .. }) => Ok(()),
        Ok(Shown { checks, .. }) => Err(Error::Refused(checks.failed_ids().join(", "))),
        Err(unusable) => Err(Error::Unusable(unusable.to_string())),
    }
}

/// What follows from input that cannot be used, for commands that show something else than a verdict: the same
/// JSON as of a verdict, and exit code 2.
pub fn unusable(json: bool, unusable: Unusable) -> Result<(), Error> {
    conclude(json, Err(unusable))
}

fn as_json(outcome: &Result<Shown, Unusable>) -> Json<'_> {
    match outcome {
        Ok(shown) => Json {
            verdict: if shown.is_accepted { "accepted" } else { "refused" },
            error: None,
            failed: shown.checks.failed_ids(),
            checks: Some(&shown.checks),
        },
        Err(unusable) => Json {
            verdict: "unusable",
            error: Some(unusable.to_string()),
            failed: Vec::new(),
            checks: None,
        },
    }
}

/// One line for each check, then the verdict.
fn as_text(shown: &Shown) -> String {
    let mut text = String::new();
    for check in &shown.checks {
        let mark = if check.passed { "pass" } else { "FAIL" };
        text += &format!("{mark}  {} ({}): {}", check.id, check.on, check.rule);
        if !check.detail.is_empty() {
            text += &format!(" [{}]", check.detail);
        }
        text.push('\n');
    }
    let failed = shown.checks.failed().count();
    let made = shown.checks.iter().count();
    text += &match shown.is_accepted {
        true => format!("accepted: all {made} checks passed\n"),
        false => format!("refused: {failed} of {made} checks failed\n"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_input_is_told_in_json_as_well() {
        let none = || Unusable::Option("give a file".into());
        let json = serde_json::to_value(as_json(&Err(none()))).unwrap();
        let expected = serde_json::json!({
            "verdict": "unusable", "error": "give a file", "failed": [], "checks": null,
        });
        assert_eq!(json, expected);
        for json in [true, false] {
            assert!(matches!(unusable(json, none()), Err(Error::Unusable(_))));
        }
    }
}
