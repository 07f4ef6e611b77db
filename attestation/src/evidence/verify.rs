//! The decision: every check of the parts, and of what holds them together.

mod snp;
mod tpm;

use super::{Evidence, GuestName, Known, Policy, Roots, Statement};
use crate::checks::{Checks, Verdict};
use crate::snp::{Product, Report, TcbVersion};
use crate::tpm::{ClockInfo, Name, Public};
use crate::x509::UnixTime;
use std::error::Error;

type Rule = (&'static str, &'static str);
const FORM: Rule = ("evidence.form", "The bytes are evidence in its one form.");
const ROLE: Rule = ("evidence.role", "The policy accepts evidence of this role.");
const HEIGHT: Rule =
    ("evidence.height", "The height that the evidence names is not after the time of judgment.");
const AGE: Rule = ("evidence.age", "The evidence is not older than the policy accepts.");
const ROOT: Rule =
    ("evidence.root", "The root that the evidence names is the certified one of its height.");
const TPM_RULES: Rule = ("evidence.tpm.rules", "The policy says how a TPM is judged.");
const SNP_RULES: Rule = ("evidence.snp.rules", "The policy says how a report is judged.");
const MACHINE_PARTS: Rule =
    ("evidence.machine.parts", "A machine that was registered with this part shows it.");

/// A TPM as evidence proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedTpm {
    /// The name of the endorsement key: which TPM it is.
    pub ek: Name,
    /// SHA-256 of the endorsement key's certificate.
    pub ek_certificate_sha256: [u8; 32],
    /// The label of the root that vouches for the TPM's maker.
    pub ek_root: String,
    /// The name of the attestation key.
    pub ak: Name,
    /// The release that runs, as the policy names it.
    pub release: String,
    /// The platform under it, if the policy judges platforms.
    pub platform: Option<String>,
    /// Clock and counters, to be kept for the next time.
    pub clock: ClockInfo,
    /// The version of the TPM's firmware.
    pub firmware_version: u64,
}

/// A guest as evidence proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedGuest {
    /// The chip; none if a cloud provider's key hides it.
    pub chip_id: Option<[u8; 64]>,
    /// The launch on it.
    pub report_id: [u8; 32],
    /// The generation of the chip.
    pub product: Product,
    /// The release that was launched, as the policy names it.
    pub release: String,
    /// Its launch digest.
    pub measurement: [u8; 48],
    /// The firmware version that the signing key stands for.
    pub tcb: TcbVersion,
}

/// A node whose evidence a policy accepts. Made by [`verify`] and [`Evidence::verify`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedNode {
    statement: Statement,
    tpm: Option<AttestedTpm>,
    guest: Option<AttestedGuest>,
    height: u64,
    at: UnixTime,
}

impl AttestedNode {
    /// Role, anchor and keys.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Its TPM, which hosts and machines have.
    pub fn tpm(&self) -> Option<&AttestedTpm> {
        self.tpm.as_ref()
    }

    /// Its guest, which guests and machines have.
    pub fn guest(&self) -> Option<&AttestedGuest> {
        self.guest.as_ref()
    }

    /// The height of judgment.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The time of judgment.
    pub fn at(&self) -> UnixTime {
        self.at
    }
}

/// Reads evidence and verifies it: see [`Evidence::verify`].
pub fn verify(
    bytes: &[u8],
    policy: &Policy,
    roots: &Roots,
    known: &Known,
    at: UnixTime,
) -> Verdict<AttestedNode> {
    let mut checks = Checks::new();
    match Evidence::decode(bytes) {
        Ok(evidence) => {
            checks.record(FORM, "evidence", true, format!("{} bytes", bytes.len()));
            evidence.verify_with(checks, policy, roots, known, at)
        }
        Err(error) => {
            checks.record(FORM, "evidence", false, reasons(&error));
            Verdict::conclude(checks, None)
        }
    }
}

impl Evidence {
    /// Makes every check that can be made, for the time `at` and the height of `known`. Whoever has the
    /// same inputs years later gets the same verdict.
    pub fn verify(
        &self,
        policy: &Policy,
        roots: &Roots,
        known: &Known,
        at: UnixTime,
    ) -> Verdict<AttestedNode> {
        self.verify_with(Checks::new(), policy, roots, known, at)
    }

    fn verify_with(
        &self,
        mut checks: Checks,
        policy: &Policy,
        roots: &Roots,
        known: &Known,
        at: UnixTime,
    ) -> Verdict<AttestedNode> {
        let judge = Judge { evidence: self, names: Names::of(self), policy, roots, known, at };
        judge.check_statement(&mut checks);
        judge.check_parts(&mut checks);
        let tpm = self.tpm().map(|part| judge.check_tpm(&mut checks, part));
        let guest = self.snp().map(|part| judge.check_snp(&mut checks, part));
        // A part that is there and gave nothing has failed a check.
        let node = match (tpm, guest) {
            (Some(None), _) | (_, Some(None)) => None,
            (tpm, guest) => Some(AttestedNode {
                statement: self.statement().clone(),
                tpm: tpm.flatten(),
                guest: guest.flatten(),
                height: known.height,
                at,
            }),
        };
        Verdict::conclude(checks, node)
    }
}

/// What both parts name each other by, read and not believed.
struct Names {
    ek: Option<Public>,
    ak: Option<Public>,
    guest: Option<GuestName>,
}

impl Names {
    fn of(evidence: &Evidence) -> Self {
        let tpm = evidence.tpm();
        let public = |bytes: &[u8]| Public::parse(bytes).ok();
        Self {
            ek: tpm.and_then(|tpm| public(&tpm.ek_public)),
            ak: tpm.and_then(|tpm| public(&tpm.ak_public)),
            guest: evidence.snp().and_then(|snp| GuestName::of_report(&snp.report)),
        }
    }

    /// The names of both keys of the TPM.
    fn tpm(&self) -> Option<(Name, Name)> {
        Some((self.ek.as_ref()?.name(), self.ak.as_ref()?.name()))
    }
}

impl GuestName {
    /// As a report says; none if it is no report.
    pub fn of_report(report: &[u8]) -> Option<Self> {
        let report = Report::from_bytes(report).ok()?;
        Some(Self { chip_id: report.chip_id(), report_id: report.report_id() })
    }
}

/// One judgment: what is judged, and by what.
struct Judge<'a> {
    evidence: &'a Evidence,
    names: Names,
    policy: &'a Policy,
    roots: &'a Roots,
    known: &'a Known,
    at: UnixTime,
}

impl Judge<'_> {
    /// Role and freshness.
    fn check_statement(&self, checks: &mut Checks) {
        const ON: &str = "statement";
        let statement = self.evidence.statement();
        let role = statement.role;
        checks.record(ROLE, ON, self.policy.roles.contains(&role), role.name());
        let (made, now) = (statement.anchor.height, self.known.height);
        checks.record(HEIGHT, ON, made <= now, format!("height {made}, judged at {now}"));
        let age = now.saturating_sub(made);
        let age_max = self.policy.age_heights_max;
        checks.record(AGE, ON, age <= age_max, format!("{age} heights, at most {age_max}"));
        let certified = self.known.certified.get(&made);
        let found = match certified {
            Some(root) => {
                format!("{}, certified {}", hex::encode(statement.anchor.root), hex::encode(root))
            }
            None => format!("no certified root of height {made} is known"),
        };
        checks.record(ROOT, ON, certified == Some(&statement.anchor.root), found);
    }

    /// What was registered about a machine may not be left out.
    fn check_parts(&self, checks: &mut Checks) {
        let Some(machine) = self.known.machine else { return };
        let role = self.evidence.statement().role;
        if machine.ek.is_some() || machine.ak.is_some() {
            checks.record(MACHINE_PARTS, "TPM", role.has_tpm(), role.name());
        }
        if machine.chip_id.is_some() {
            checks.record(MACHINE_PARTS, "chip", role.has_snp(), role.name());
        }
    }
}

/// An error with its causes in one line.
fn reasons(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
