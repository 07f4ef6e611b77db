//! `image.lock`: every package of every image by the hash of its bytes.
//!
//! It is made once, out of signed indexes, and then is the only thing that a build believes. It is
//! sorted and has one form, so that two locks differ only where their packages do.

mod make;
#[cfg(test)]
mod tests;

pub use make::{Archive, LockError, Suite, make};

use crate::debian::resolve::Request;
use crate::debian::{is_pool_path, is_sha256};
use crate::manifest::{Manifest, Variant};
use crate::store::Wanted;
use crate::toolchain::Description;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The form of the file that this version writes and reads.
pub const FORMAT: u32 = 2;
/// What the file begins with.
const PREAMBLE: &str = "# Written by `plinth image lock`; do not edit. What it says is explained in\n\
    # docs/decisions/076-lock-once-build-from-hashes.md.\n";

/// A lock that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockFileError {
    /// The file.
    #[error("cannot read the lock {}; make one with `plinth image lock`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Its form.
    #[error("the lock is damaged; make it again with `plinth image lock`")]
    Format(#[source] serde_yaml::Error),
    /// Its meaning.
    #[error("the lock is damaged ({0}); make it again with `plinth image lock`")]
    Meaning(String),
    /// An image that it does not have, or not as the manifest is now.
    #[error(
        "the lock does not have {image} as its manifest is now ({problem}); run `plinth image lock`"
    )]
    Stale {
        /// Which image.
        image: String,
        /// What differs.
        problem: &'static str,
    },
}

/// All packages of all images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// [`FORMAT`].
    pub format: u32,
    /// The time of everything in an image: the latest of the indexes, in seconds since 1970.
    pub time_s: u64,
    /// Where the packages were found, sorted by suite.
    pub indexes: Vec<LockedIndex>,
    /// By name of an image or of its variant.
    pub images: BTreeMap<String, LockedImage>,
    /// What compiles the programs of the images.
    pub toolchain: LockedToolchain,
    /// Sorted by name.
    pub packages: Vec<LockedPackage>,
}

/// An index of packages, as it was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedIndex {
    /// The suite's code name.
    pub suite: String,
    /// The archive it belongs to.
    pub area: String,
    /// When it was made.
    pub date: String,
    /// SHA-256 of its `InRelease`.
    pub release_sha256: String,
    /// SHA-256 of its uncompressed `Packages`.
    pub packages_sha256: String,
    /// Fingerprints of the keys that signed it, sorted.
    pub signed_by: Vec<String>,
}

/// What was chosen for an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedImage {
    /// SHA-256 over what its manifest asks of the archive.
    pub request_sha256: String,
    /// The package of its kernel.
    pub kernel: String,
    /// Packages that are installed, sorted.
    pub install: Vec<String>,
    /// Packages that the builder uses, sorted.
    pub inputs: Vec<String>,
}

/// What was chosen for the toolchain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedToolchain {
    /// SHA-256 over what its description asks of the archive.
    pub request_sha256: String,
    /// Packages that are unpacked, sorted.
    pub packages: Vec<String>,
}

/// A package by the hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// The suite in whose index it was.
    pub suite: String,
    /// Where it is below the archive.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The source package it was built from.
    pub source: String,
    /// That package's version.
    pub source_version: String,
}

impl Lock {
    /// Reads and checks a lock.
    pub fn read(path: &Path) -> Result<Self, LockFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LockFileError::Read { path: path.into(), source })?;
        Self::parse(&text)
    }

    /// Checks the text of a lock.
    pub fn parse(text: &str) -> Result<Self, LockFileError> {
        let lock: Self = serde_yaml::from_str(text).map_err(LockFileError::Format)?;
        lock.check().map_err(LockFileError::Meaning)?;
        Ok(lock)
    }

    /// The one text of a lock.
    pub fn text(&self) -> String {
        let body = serde_yaml::to_string(self).expect("a lock has only plain values");
        format!("{PREAMBLE}{body}")
    }

    /// SHA-256 of its text in hexadecimal: it names the lock in the release.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.text()))
    }

    /// A package by name.
    pub fn package(&self, name: &str) -> Option<&LockedPackage> {
        let found = self.packages.binary_search_by(|package| package.name.as_str().cmp(name));
        found.ok().map(|index| &self.packages[index])
    }

    /// What was chosen for an image, if that is what its manifest asks for now.
    pub fn image(
        &self,
        manifest: &Manifest,
        variant: Variant,
    ) -> Result<&LockedImage, LockFileError> {
        let image = manifest.name(variant);
        let stale = |problem| LockFileError::Stale { image: image.clone(), problem };
        let locked = self.images.get(&image).ok_or_else(|| stale("it is not there"))?;
        if locked.request_sha256 != request_sha256(&manifest.variant(variant)) {
            return Err(stale("it asks for other packages"));
        }
        Ok(locked)
    }

    /// The packages of the toolchain, if they are what its description asks for now.
    pub fn toolchain(
        &self,
        description: &Description,
    ) -> Result<Vec<&LockedPackage>, LockFileError> {
        if self.toolchain.request_sha256 != toolchain_request_sha256(description) {
            let problem = "it asks for other packages";
            return Err(LockFileError::Stale { image: "the toolchain".into(), problem });
        }
        let package =
            |name: &String| self.package(name).expect("a checked lock has all its packages");
        Ok(self.toolchain.packages.iter().map(package).collect())
    }

    /// What the store is asked for.
    pub fn wanted(&self, package: &LockedPackage) -> Wanted {
        let index = self.indexes.iter().find(|index| index.suite == package.suite);
        let index = index.expect("a checked lock has the suite of every package");
        Wanted {
            package: package.name.clone(),
            sha256: package.sha256.clone(),
            size: package.size,
            area: index.area.clone(),
            path: package.path.clone(),
            date_s: time_of(&index.date).expect("a checked lock has times that can be read"),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("its format is {}, this version reads {FORMAT}", self.format));
        }
        for index in &self.indexes {
            time_of(&index.date).ok_or_else(|| format!("the date of {} is none", index.suite))?;
        }
        let suites: BTreeSet<_> = self.indexes.iter().map(|index| &index.suite).collect();
        if !self.packages.is_sorted_by(|a, b| a.name < b.name) {
            return Err("its packages are not sorted by name, each once".into());
        }
        for package in &self.packages {
            let name = &package.name;
            if !is_sha256(&package.sha256) || !is_pool_path(&package.path) {
                return Err(format!("the hash or the path of {name} is none"));
            }
            if !suites.contains(&package.suite) {
                return Err(format!("the suite of {name} is not among its indexes"));
            }
        }
        for (image, locked) in &self.images {
            let mut names =
                locked.install.iter().chain(&locked.inputs).chain(std::iter::once(&locked.kernel));
            if let Some(name) = names.find(|name| self.package(name).is_none()) {
                return Err(format!("{image} has {name}, which is no package of the lock"));
            }
        }
        match self.toolchain.packages.iter().find(|name| self.package(name).is_none()) {
            Some(name) => Err(format!("the toolchain has {name}, which is no package of the lock")),
            None => Ok(()),
        }
    }
}

/// What a manifest asks of the archive; a lock with another one is stale.
fn request_sha256(manifest: &Manifest) -> String {
    let mut words = Words::default();
    words.put(std::iter::once(&manifest.kernel.package));
    words.request(&manifest.request());
    words.put(manifest.inputs.keys());
    words.put(manifest.inputs.values().map(|input| input.suite.as_ref().unwrap_or(&NO_SUITE)));
    words.sha256()
}

/// The same of the description of the toolchain.
fn toolchain_request_sha256(description: &Description) -> String {
    let mut words = Words::default();
    words.request(&description.request());
    words.sha256()
}

/// Hashes lists of words. Every word is ended, and every list: no two requests give the same bytes.
#[derive(Default)]
struct Words(Sha256);

impl Words {
    fn put<'a>(&mut self, words: impl Iterator<Item = &'a String>) {
        for word in words {
            self.0.update(word.as_bytes());
            self.0.update([0]);
        }
        self.0.update([1]);
    }

    fn request(&mut self, request: &Request) {
        self.put(request.packages.iter());
        self.put(request.omit.iter());
        self.put(request.choose.iter().flat_map(|(name, package)| [name, package]));
    }

    fn sha256(self) -> String {
        hex::encode(self.0.finalize())
    }
}

static NO_SUITE: String = String::new();

/// `2026-11-21T09:15:44Z` of seconds since 1970 (the algorithm of days is that of the civil
/// calendar: eras of 400 years that begin on 1 March).
pub fn time_text(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The seconds since 1970 of what [`time_text`] wrote.
pub fn time_of(text: &str) -> Option<u64> {
    let digits = |from: usize, to: usize| -> Option<u64> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let shifted = if month <= 2 { year.checked_sub(1)? } else { year };
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let days = (365 * shifted + shifted / 4 + day_of_year + shifted / 400)
        .checked_sub(shifted / 100 + 719_468)?;
    let seconds = digits(11, 13)? * 3_600 + digits(14, 16)? * 60 + digits(17, 19)?;
    let seconds = days * 86_400 + seconds;
    // Whatever is not a time of the calendar comes out as another one.
    (time_text(seconds) == text).then_some(seconds)
}
