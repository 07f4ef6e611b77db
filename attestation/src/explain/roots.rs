//! Which findings are causes, and which only follow: an image with another command line is another
//! image, and whoever looks for the cause wants to read the command line alone.

use super::added::Added;
use super::cause::{Cause, Finding};
use super::seen::Seen;
use crate::event_log::EventKind;
use crate::predict::boot::What;

/// A cause, everywhere that it was found, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The cause.
    pub cause: Cause,
    /// Where it was found; the first has the cause.
    pub found: Vec<Finding>,
    /// What follows.
    pub consequences: Vec<Finding>,
}

/// Puts findings in order: causes as they were found, each with its consequences.
pub fn roots(findings: &[Finding]) -> Vec<Root> {
    let mut roots: Vec<Root> = Vec::new();
    let mut consequences = Vec::new();
    for finding in findings {
        let is_consequence =
            findings.iter().any(|other| other != finding && follows(finding, other));
        let same = roots.iter_mut().find(|root| root.cause == finding.cause);
        match (is_consequence, same) {
            (true, _) => consequences.push(finding.clone()),
            (false, Some(root)) if is_one(&finding.cause) => root.found.push(finding.clone()),
            (false, _) => roots.push(Root {
                cause: finding.cause.clone(),
                found: vec![finding.clone()],
                consequences: Vec::new(),
            }),
        }
    }
    for finding in consequences {
        let owner =
            roots.iter_mut().find(|root| root.found.iter().any(|root| follows(&finding, root)));
        match owner {
            Some(root) if root.cause == finding.cause => root.found.push(finding),
            Some(root) => root.consequences.push(finding),
            // What it follows from is itself a consequence of the first that it could be.
            None => match roots.first_mut() {
                Some(root) => root.consequences.push(finding),
                None => roots.push(Root {
                    cause: finding.cause.clone(),
                    found: vec![finding],
                    consequences: Vec::new(),
                }),
            },
        }
    }
    roots
}

/// Whether a cause that is found in several places is still one.
fn is_one(cause: &Cause) -> bool {
    !matches!(cause, Cause::Program { .. } | Cause::Extra { .. })
}

/// Whether a finding is what must follow from another one.
fn follows(finding: &Finding, from: &Finding) -> bool {
    match &finding.cause {
        Cause::Replaced { what: What::Image, .. } => changes_the_image(from),
        Cause::Replaced { what: What::Kernel, .. } => {
            matches!(from.cause, Cause::Replaced { what: What::Section(".linux"), .. })
        }
        Cause::Replaced { what: What::Initrd, .. } => changes_the_initrd(&from.cause),
        Cause::Replaced { what: What::LoadOptions, .. } | Cause::CommandLine { .. }
            if finding.pcr == Some(9) =>
        {
            let is_line_of_image = from.pcr == Some(11)
                && matches!(
                    from.cause,
                    Cause::CommandLine { .. }
                        | Cause::Replaced { what: What::Section(".cmdline"), .. }
                );
            is_line_of_image || matches!(from.cause, Cause::Added { added: Added::CommandLine(_) })
        }
        Cause::Missing { what: What::Authority }
        | Cause::Program { is_before: false, release: None } => {
            matches!(from.cause, Cause::SecureBoot { is_on: false })
        }
        Cause::Missing { what: What::Kernel }
        | Cause::Extra {
            seen: Seen::Claims { kind: EventKind::EFI_VARIABLE_AUTHORITY, .. } | Seen::Variable(_),
        } => matches!(from.cause, Cause::SecureBoot { is_on: true }),
        Cause::LogAlone => {
            matches!(from.cause, Cause::CutOff { .. } | Cause::Missing { .. })
                && from.pcr.is_none_or(|pcr| Some(pcr) == finding.pcr)
        }
        _ => false,
    }
}

/// Whether an image with this difference has another digest.
fn changes_the_image(from: &Finding) -> bool {
    let is_section = |what: &What| matches!(what, What::Section(_) | What::SectionName(_));
    match &from.cause {
        Cause::Replaced { what, .. } | Cause::Missing { what } => is_section(what),
        Cause::CommandLine { .. } => from.pcr == Some(11),
        Cause::ExtraSection { .. } => true,
        _ => false,
    }
}

/// Whether the stub hands over another initrd then.
fn changes_the_initrd(cause: &Cause) -> bool {
    /// Sections that are part of it, or become files in it.
    const PARTS: [&str; 4] = [".initrd", ".ucode", ".osrel", ".pcrpkey"];
    match cause {
        Cause::Replaced { what: What::Section(name), .. }
        | Cause::Missing { what: What::Section(name) }
        | Cause::ExtraSection { name } => PARTS.contains(name),
        Cause::Added { added: Added::Described { is_in_initrd, .. } } => *is_in_initrd,
        _ => false,
    }
}
