//! The third tier: everything is built again, and each byte compared.

use super::{Audit, AuditError, Check, Finding, Rebuild, Tier, check};
use crate::compare::{self, Difference};
use crate::scratch::Scratch;
use crate::tree::Content;

/// Builds the release again and compares every file of every image.
pub fn checks(audit: &mut Audit<'_>, rebuild: &mut Rebuild<'_>) -> Result<Vec<Check>, AuditError> {
    let failed = |source| AuditError::Scratch { folder: audit.options.scratch.clone(), source };
    let again = Scratch::create_in(&audit.options.scratch, "plinth-rebuild-").map_err(failed)?;
    (audit.progress)("building everything again");
    rebuild(audit.release, again.path()).map_err(AuditError::Rebuild)?;
    let mut checks = Vec::new();
    for name in audit.release.images.values().flat_map(|image| image.artifacts.keys()) {
        (audit.progress)(&format!("comparing {name}"));
        let (built, found) = (again.path().join(name), audit.path(name));
        let findings = if !built.is_file() {
            vec![Finding::new("the rebuild does not have it")]
        } else if !found.is_file() {
            vec![Finding::new("it is missing")]
        } else {
            let contents = (Content::file(&built), Content::file(&found));
            let (built, found) = (contents.0.map_err(failed)?, contents.1.map_err(failed)?);
            let difference = compare::compare(name, &built, &found).map_err(failed)?;
            difference.into_iter().map(finding).collect()
        };
        checks.push(check(Tier::Rebuild, name, "a rebuild gives the same bytes", findings));
    }
    Ok(checks)
}

fn finding(difference: Difference) -> Finding {
    Finding {
        problem: format!("a rebuild gives other bytes: {}", difference.detail),
        byte: Some(difference.artifact_byte),
        place: Some(difference.place),
        cause: Some(difference.cause),
    }
}
