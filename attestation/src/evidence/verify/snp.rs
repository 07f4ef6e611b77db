//! The security processor's part: what was launched on which chip, and under which TPM.

use super::{AttestedGuest, Judge, Rule, SNP_RULES};
use crate::checks::Checks;
use crate::evidence::{SnpPart, host_data};
use crate::snp::{self, Expect, Report, SigningKey};
use std::collections::BTreeSet;

const RELEASE: Rule =
    ("evidence.snp.release", "The launch digest is that of one accepted release.");
const CHIP: Rule =
    ("evidence.machine.chip-named", "The chip of a machine is named, by a key of its own.");
const MACHINE_CHIP: Rule = ("evidence.machine.chip", "The chip is the one that was registered.");

const ON: &str = "report";

impl Judge<'_> {
    pub(super) fn check_snp(&self, checks: &mut Checks, part: &SnpPart) -> Option<AttestedGuest> {
        let rules = self.policy.snp.as_ref();
        checks.record(SNP_RULES, ON, rules.is_some(), "");
        let rules = rules?;
        let mut policy = rules.report.clone();
        let statement = self.evidence.statement();
        let has_tpm = statement.role.has_tpm();
        let tpm = self.names.tpm();
        policy.report_data = match (has_tpm, tpm) {
            (false, _) => Expect::exactly(statement.report_data(None)),
            (true, Some(_)) => Expect::exactly(statement.report_data(tpm)),
            // Keys that cannot be read have no names: nothing is right.
            (true, None) => Expect::OneOf(BTreeSet::new()),
        };
        if has_tpm {
            policy.host_data = match tpm {
                Some((ek, ak)) => Expect::exactly(host_data(ek, ak)),
                None => Expect::OneOf(BTreeSet::new()),
            };
        }
        let verdict = snp::verify(&part.as_evidence(), &self.roots.snp, &policy, self.at);
        checks.append(verdict.checks().clone());
        let part_report = Report::from_bytes(&part.report).ok();
        let chip_id = part_report.as_ref().map(Report::chip_id);
        if has_tpm {
            // That the certificate says the same are checks of the report.
            let is_named = part_report.as_ref().is_some_and(|report| {
                report.signing_key() == SigningKey::Vcek && report.chip_id() != [0; 64]
            });
            checks.record(CHIP, ON, is_named, "");
        }
        if let Some(registered) = self.known.machine.and_then(|machine| machine.chip_id) {
            let found = chip_id.map(hex::encode).unwrap_or_default();
            checks.record(MACHINE_CHIP, ON, chip_id == Some(registered), found);
        }
        let report = verdict.verified()?;
        let measurement = report.report().measurement();
        let release = rules.release(&measurement).map(str::to_owned);
        let found = release.clone().unwrap_or_default();
        checks.record(RELEASE, ON, release.is_some(), found);
        Some(AttestedGuest {
            chip_id: report.chip_id(),
            report_id: report.report().report_id(),
            product: report.product(),
            release: release?,
            measurement,
            tcb: report.reported_tcb(),
        })
    }
}
