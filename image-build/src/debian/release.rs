//! `InRelease`: the signed list of a suite's indexes with their hashes.

use super::deb822::{self, Deb822Error};
use super::index::{Index, IndexError};
use super::signature::{Keyring, SignatureError};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use thiserror::Error;

/// Files that a release lists.
const FILE_COUNT_MAX: usize = 100_000;

/// A release that is not as it must be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Its signature.
    #[error("the release {0}")]
    Signature(String, #[source] SignatureError),
    /// Its text.
    #[error("the release is no control file")]
    Format(#[from] Deb822Error),
    /// A field is missing or cannot be understood.
    #[error("the release has no field {0} that can be understood")]
    Field(&'static str),
    /// It is another suite's.
    #[error("the release is of suite {found}, not of {wanted}; check the mirror's address")]
    OtherSuite {
        /// What it says.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// It is too old.
    #[error(
        "the release was valid until {0}; use a mirror that is up to date, or accept an old one of this suite"
    )]
    Expired(String),
    /// It lists no index of ours.
    #[error("the release lists no {0}")]
    NotListed(String),
    /// An index whose bytes are not those that were signed.
    #[error(
        "{path} has SHA-256 {found}, the release says {wanted}; the mirror is being updated or \
         damaged: try again later, or use another"
    )]
    WrongHash {
        /// Which index.
        path: String,
        /// What its bytes hash to.
        found: String,
        /// What was signed.
        wanted: String,
    },
    /// An index that cannot be understood.
    #[error("the index {path} is damaged")]
    Index {
        /// Which index.
        path: String,
        /// The cause.
        #[source]
        source: IndexError,
    },
}

/// The hash of a file that a release lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// Against which time a release is checked.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Seconds since 1970.
    pub seconds: u64,
    /// Take a release beyond its `Valid-Until`: whoever serves an old one can hold back news, but
    /// cannot change what was signed.
    pub accept_expired: bool,
}

/// A release with a good signature.
#[derive(Clone, Debug)]
pub struct SignedRelease {
    suite: String,
    date_s: u64,
    sha256: String,
    signers: Vec<String>,
    files: BTreeMap<String, Listed>,
}

impl SignedRelease {
    /// Checks the signature, the suite and the time of an `InRelease` file.
    pub fn verify(
        bytes: &[u8],
        suite: &str,
        keyring: &Keyring,
        now: Now,
    ) -> Result<Self, ReleaseError> {
        let signed = keyring
            .verify(bytes, now.seconds)
            .map_err(|error| ReleaseError::Signature(suite.to_owned(), error))?;
        let fields = deb822::single(&signed.text)?;
        let codename = fields.get("Codename").ok_or(ReleaseError::Field("Codename"))?;
        if codename != suite {
            let (found, wanted) = (codename.to_owned(), suite.to_owned());
            return Err(ReleaseError::OtherSuite { found, wanted });
        }
        let date = fields.get("Date").and_then(parse_date).ok_or(ReleaseError::Field("Date"))?;
        if let Some(until) = fields.get("Valid-Until") {
            let end = parse_date(until).ok_or(ReleaseError::Field("Valid-Until"))?;
            if end < now.seconds && !now.accept_expired {
                return Err(ReleaseError::Expired(until.to_owned()));
            }
        }
        let files =
            fields.get("SHA256").and_then(parse_files).ok_or(ReleaseError::Field("SHA256"))?;
        Ok(Self {
            suite: suite.to_owned(),
            date_s: date,
            sha256: hex::encode(Sha256::digest(bytes)),
            signers: signed.signers,
            files,
        })
    }

    /// Its code name, such as `trixie`.
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// When it was made, in seconds since 1970.
    pub fn date_s(&self) -> u64 {
        self.date_s
    }

    /// SHA-256 of the whole file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Fingerprints of the keys that signed it, sorted.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }

    /// The hash of a file below the suite, such as `main/binary-amd64/Packages.xz`.
    pub fn file(&self, path: &str) -> Option<&Listed> {
        self.files.get(path)
    }

    /// Checks an uncompressed index against its hash and reads it.
    pub fn index(&self, path: &str, bytes: Vec<u8>) -> Result<Index, ReleaseError> {
        let listed = self.file(path).ok_or_else(|| ReleaseError::NotListed(path.to_owned()))?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != listed.sha256 || bytes.len() as u64 != listed.size {
            let (path, wanted) = (path.to_owned(), listed.sha256.clone());
            return Err(ReleaseError::WrongHash { path, found, wanted });
        }
        Index::read(bytes, found)
            .map_err(|source| ReleaseError::Index { path: path.to_owned(), source })
    }
}

/// Lines of hash, size and path.
fn parse_files(field: &str) -> Option<BTreeMap<String, Listed>> {
    let mut files = BTreeMap::new();
    for line in field.lines().filter(|line| !line.trim_ascii().is_empty()) {
        let mut words = line.split_ascii_whitespace();
        let sha256 = words.next().filter(|hash| is_sha256(hash))?.to_owned();
        let size = words.next()?.parse().ok()?;
        let path = words.next()?.to_owned();
        if words.next().is_some() || files.len() == FILE_COUNT_MAX {
            return None;
        }
        files.insert(path, Listed { sha256, size });
    }
    Some(files)
}

/// Lower case hexadecimal of 32 bytes.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Seconds since 1970 of `Sat, 21 Nov 2026 09:15:44 UTC`.
fn parse_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, zone] = words.as_slice() else { return None };
    if !["UTC", "GMT", "+0000"].contains(zone) {
        return None;
    }
    let day: u64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = MONTHS.iter().position(|name| name == month)?;
    let year: u64 = year.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let time: Vec<u64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = time.as_slice() else { return None };
    if *hour > 23 || *minute > 59 || *second > 60 {
        return None;
    }
    let days = days_to_year(year) + days_to_month(year, month) + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_to_year(year: u64) -> u64 {
    (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum()
}

fn days_to_month(year: u64, month: usize) -> u64 {
    const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    DAYS[..month].iter().sum::<u64>() + u64::from(month > 1 && is_leap(year))
}

#[cfg(test)]
mod tests;
