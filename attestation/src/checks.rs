//! What was checked, one entry for each check, and the verdict that follows from all of them.

use serde::Serialize;

/// One check: what must hold, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name, such as `snp.policy.debug`. Tools may depend on it.
    pub id: &'static str,
    /// Which part of the evidence was looked at, such as `report` or `certificate ASK`.
    pub on: String,
    /// What must hold, as a plain sentence.
    pub rule: &'static str,
    /// Whether it holds.
    pub passed: bool,
    /// What was found: the values compared, or why it failed. Empty if there is nothing to add.
    pub detail: String,
}

/// All checks of one verification, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Checks(Vec<Check>);

impl Checks {
    /// An empty list, which is no reason to accept anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the outcome of a check and returns it.
    pub fn record(
        &mut self,
        (id, rule): (&'static str, &'static str),
        on: &str,
        passed: bool,
        detail: impl Into<String>,
    ) -> bool {
        self.0.push(Check { id, on: on.to_owned(), rule, passed, detail: detail.into() });
        passed
    }

    /// Adds a check whose outcome is that of `result`, and returns the value if there is one.
    pub fn record_result<T, E: std::fmt::Display>(
        &mut self,
        named: (&'static str, &'static str),
        on: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.record(named, on, true, "");
                Some(value)
            }
            Err(error) => {
                self.record(named, on, false, error.to_string());
                None
            }
        }
    }

    /// Appends the checks of a part of the verification.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// All checks, in the order in which they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, Check> {
        self.0.iter()
    }

    /// Whether there is at least one check, and none that failed.
    pub fn all_passed(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|check| check.passed)
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.0.iter().filter(|check| !check.passed)
    }

    /// The ids of the checks that failed, each once, in order of appearance.
    pub fn failed_ids(&self) -> Vec<&'static str> {
        let mut ids = Vec::new();
        for check in self.failed() {
            if !ids.contains(&check.id) {
                ids.push(check.id);
            }
        }
        ids
    }
}

impl<'a> IntoIterator for &'a Checks {
    type Item = &'a Check;
    type IntoIter = std::slice::Iter<'a, Check>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The end of a verification: every check that could be made, and what was verified if all passed.
#[derive(Clone, Debug)]
#[must_use = "a verdict that nobody looks at protects nobody"]
pub struct Verdict<T> {
    checks: Checks,
    verified: Option<T>,
}

impl<T> Verdict<T> {
    /// The only way to a verified value: `value` is dropped unless all checks passed.
    pub(crate) fn conclude(checks: Checks, value: Option<T>) -> Self {
        let verified = value.filter(|_| checks.all_passed());
        Self { checks, verified }
    }

    /// Every check that could be made.
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// What was verified, if nothing failed.
    pub fn verified(&self) -> Option<&T> {
        self.verified.as_ref()
    }

    /// Whether all checks passed.
    pub fn is_accepted(&self) -> bool {
        self.verified.is_some()
    }

    /// The verified value, or the checks that failed.
    pub fn into_result(self) -> Result<T, Refused> {
        let checks = self.checks;
        self.verified.ok_or(Refused { checks })
    }
}

/// A verification that did not accept, with all its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Every check that could be made.
    pub checks: Checks,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "refused by: {}", self.checks.failed_ids().join(", "))
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: (&str, &str) = ("test.rule", "A rule holds.");

    #[test]
    fn only_checks_that_all_passed_give_a_value() {
        let mut checks = Checks::new();
        assert!(!Verdict::conclude(checks.clone(), Some(1)).is_accepted(), "nothing was checked");
        checks.record(RULE, "part", true, "");
        assert_eq!(Verdict::conclude(checks.clone(), Some(1)).into_result(), Ok(1));
        assert!(!Verdict::<u8>::conclude(checks.clone(), None).is_accepted());
        checks.record(("test.other", "Another holds."), "part", false, "it does not");
        let refused = Verdict::conclude(checks, Some(1)).into_result().unwrap_err();
        assert_eq!(refused.to_string(), "refused by: test.other");
    }

    #[test]
    fn checks_are_a_list_in_json() {
        let mut checks = Checks::new();
        checks.record(RULE, "part", false, "why");
        let json = serde_json::to_string(&checks).unwrap();
        assert_eq!(
            json,
            r#"[{"id":"test.rule","on":"part","rule":"A rule holds.","passed":false,"detail":"why"}]"#
        );
    }
}
