//! Whether a release is what it says, by an auditor who has its folder and trusts only the digest of its
//! manifest.
//!
//! ```text
//!  manifest: every file is the one of the manifest; bills and locks agree; payload chunks are good
//!  measure:  root hash, PCRs, launch digests computed again; disks and payloads hold the artifacts
//!  rebuild:  everything built again from the locks, byte against byte
//! ```
//!
//! Each tier does what is above it first. A file that is not the one of the manifest is held against what the
//! rest of the release has of it (its payload, its disk, or what is made of its neighbours), so that the first
//! wrong byte is known and where it lies. Nothing here repairs anything.

mod bills;
mod disk;
mod html;
mod manifest;
mod measure;
mod rebuild;
#[cfg(test)]
mod tests;
mod truth;

pub use html::html;

use crate::compare::Cause;
use crate::output::OutputError;
use crate::place::Place;
use crate::release::{self, MakeError};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use thiserror::Error;
use types::release::{HexBytes, RELEASE_FILE, Release, ReleaseError};

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Digests and consistency.
    Manifest,
    /// What machines will measure, and what is inside of what.
    Measure,
    /// Everything built again.
    Rebuild,
}

/// What is audited, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The release: a folder with `release.json`.
    pub folder: PathBuf,
    /// How much is checked.
    pub tier: Tier,
    /// The digest that the manifest must have, from wherever releases are approved.
    pub digest: Option<HexBytes<32>>,
    /// A folder for temporary files: as large as the largest artifact, and for a rebuild as the release.
    pub scratch: PathBuf,
    /// Threads for hashing and unpacking.
    pub thread_count: usize,
}

/// An audit that could not be made; what an audit finds is no error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// There is no release, or it cannot be read.
    #[error("{} is no release: {problem}; name the folder of a release, which has {RELEASE_FILE}", folder.display())]
    NoRelease {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] OutputError),
    /// The scratch folder, or a file in it.
    #[error("cannot work in {}; name another folder with --scratch", folder.display())]
    Scratch {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The rebuild did not come to its end.
    #[error("the release cannot be built again: {0}")]
    Rebuild(String),
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The tier it belongs to.
    pub tier: Tier,
    /// What was looked at: a file, or an image.
    pub subject: String,
    /// What must hold, in a sentence.
    pub claim: String,
    /// What does not; empty if it holds.
    pub findings: Vec<Finding>,
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub problem: String,
    /// The first byte of the file that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// Where that lies inside of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What may have made it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

impl Finding {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), byte: None, place: None, cause: None }
    }
}

/// How long a tier took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duration {
    /// Which.
    pub tier: Tier,
    /// Milliseconds.
    pub milliseconds: u64,
}

/// What came of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version that the manifest names; none if there is no manifest to be read.
    pub version: Option<String>,
    /// The digest of the manifest as it is.
    pub digest: String,
    /// The digest that it must have; none if the auditor gave none.
    pub expected_digest: Option<String>,
    /// How much was checked.
    pub tier: Tier,
    /// Whether all matched.
    pub matched: bool,
    /// In their order.
    pub checks: Vec<Check>,
    /// How long each tier took.
    pub durations: Vec<Duration>,
}

/// Builds all images of a release again into an empty folder, or says why it cannot.
pub type Rebuild<'a> = dyn FnMut(&Release, &Path) -> Result<(), String> + 'a;

/// Audits a release. `rebuild` is called in the last tier alone.
pub fn run(
    options: &Options,
    rebuild: &mut Rebuild<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, AuditError> {
    let path = options.folder.join(RELEASE_FILE);
    let bytes = std::fs::read(&path).map_err(|error| AuditError::NoRelease {
        folder: options.folder.clone(),
        problem: error.to_string(),
    })?;
    let digest = types::release::FileDigest::of(&bytes).sha256;
    let mut report = Report {
        version: None,
        digest: digest.to_string(),
        expected_digest: options.digest.map(|digest| digest.to_string()),
        tier: options.tier,
        matched: false,
        checks: Vec::new(),
        durations: Vec::new(),
    };
    let parsed = Release::parse(&bytes);
    report.checks.push(manifest::own(&parsed, digest, options));
    if let Ok(release) = parsed {
        report.version = Some(release.version.to_string());
        let mut audit = Audit { options, release: &release, wrong: Default::default(), progress };
        for tier in [Tier::Manifest, Tier::Measure, Tier::Rebuild] {
            if tier > options.tier {
                break;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "an audit says how long it took; it builds nothing"
            )]
            let start = Instant::now();
            let checks = match tier {
                Tier::Manifest => manifest::checks(&mut audit)?,
                Tier::Measure => measure::checks(&mut audit)?,
                Tier::Rebuild => rebuild::checks(&mut audit, rebuild)?,
            };
            report.checks.extend(checks);
            let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            report.durations.push(Duration { tier, milliseconds });
        }
    }
    report.matched = report.checks.iter().all(|check| check.findings.is_empty());
    Ok(report)
}

/// What all checks share.
struct Audit<'a> {
    options: &'a Options,
    release: &'a Release,
    /// Files that are missing or not those of the manifest.
    wrong: std::collections::BTreeSet<String>,
    progress: &'a mut dyn FnMut(&str),
}

impl Audit<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.options.folder.join(name)
    }

    /// Whether a file is there and the one of the manifest, so that it can be relied on.
    fn is_good(&self, name: &str) -> bool {
        !self.wrong.contains(name) && self.release.all_files().any(|(other, _)| other == name)
    }

    fn scratch_file(&self) -> Result<tempfile::NamedTempFile, AuditError> {
        tempfile::Builder::new()
            .prefix("plinth-audit-")
            .tempfile_in(&self.options.scratch)
            .map_err(|source| AuditError::Scratch { folder: self.options.scratch.clone(), source })
    }
}

/// A check that holds unless something was found.
fn check(
    tier: Tier,
    subject: impl Into<String>,
    claim: impl Into<String>,
    findings: Vec<Finding>,
) -> Check {
    Check { tier, subject: subject.into(), claim: claim.into(), findings }
}

/// The problem of a manifest that cannot be taken, with its causes.
fn problem(error: &ReleaseError) -> String {
    release::chain(error)
}

impl From<MakeError> for Finding {
    fn from(error: MakeError) -> Self {
        Self::new(release::chain(&error))
    }
}
