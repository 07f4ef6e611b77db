//! Each requirement of a spec against what a machine has, and what to do where it is not met.

mod fix;
mod rules;

use crate::facts::Facts;
use crate::spec::Spec;
use serde::Serialize;

/// How a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is met.
    Met,
    /// It is not.
    Missed,
    /// It cannot be told from here, which counts as not met.
    Unknown,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about, such as `snp.kvm`: stable, for scripts.
    pub id: &'static str,
    /// How it stands.
    pub outcome: Outcome,
    /// What the spec asks for.
    pub wanted: String,
    /// What the machine has.
    pub found: String,
    /// What to do; none if it is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// All requirements of a spec, in the order in which they are mended.
pub fn compare(spec: &Spec, facts: &Facts) -> Vec<Check> {
    let mut checks = rules::processor(&spec.processor, &facts.processor);
    checks.push(rules::memory(&spec.memory, &facts.memory));
    checks.extend(spec.drives.iter().map(|rule| rules::drives(rule, &facts.drives)));
    checks
        .extend(spec.interfaces.iter().flat_map(|rule| rules::interfaces(rule, &facts.interfaces)));
    checks.extend(rules::tpm(&spec.tpm, facts.tpm.as_ref()));
    checks.extend(rules::firmware(&spec.firmware, facts));
    if spec.snp.is_some() {
        checks.extend(rules::snp(spec, facts));
    }
    checks
}

/// The specs that a machine may be of, by its processor.
pub fn specs_for<'a>(specs: &'a [Spec], facts: &Facts) -> Vec<&'a Spec> {
    specs.iter().filter(|spec| spec.is_for(&facts.processor)).collect()
}

#[cfg(test)]
mod tests;
