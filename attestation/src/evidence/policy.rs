//! What a verifier accepts of evidence: data, checked once when it is read.
//!
//! A policy has no switches and no defaults. Each field is there, unknown ones are refused, and a policy
//! under which something would pass without being looked at is none: each register that is quoted is
//! judged by the releases, by the platforms, or named as not judged. docs/evidence.md has an example.

mod snp;
mod text;
mod tpm;

pub(super) use text::{Entries, Hex, Index, present};

use super::Role;
use crate::snp::SnpPolicy;
use crate::tpm::ek::EkQuirk;
use crate::tpm::{PcrSelection, PcrSet, PcrValues};
use crate::x509::Quirk;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Why a policy is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A later version, or none.
    #[error("policy version {0} is not known: this program reads version 1")]
    Version(u32),
    /// Nothing could be accepted.
    #[error("`{0}` is empty: nothing could be accepted")]
    Empty(&'static str),
    /// A role is accepted, and a part of its evidence has no rules.
    #[error("role {role} needs the section `{section}`, which is null")]
    Section {
        /// The role.
        role: Role,
        /// What is missing.
        section: &'static str,
    },
    /// A part has rules, and no accepted role has the part.
    #[error("no accepted role has the part that the section `{0}` is about: write null")]
    Unused(&'static str),
    /// A register is quoted, and nothing says what it must hold.
    #[error("PCR {pcr} {bank} is selected: name it in `{list}` `{name}`, or in `unjudged`")]
    Unjudged {
        /// The register.
        pcr: u8,
        /// Its bank.
        bank: String,
        /// Which list.
        list: &'static str,
        /// Which entry of it.
        name: String,
    },
    /// A register has a rule, and is not quoted.
    #[error("PCR {pcr} {bank} in `{list}` is not in the selection")]
    NotSelected {
        /// The register.
        pcr: u8,
        /// Its bank.
        bank: String,
        /// Which list.
        list: &'static str,
    },
    /// A register has two rules.
    #[error("PCR {pcr} {bank} is in more than one of `releases`, `platforms` and `unjudged`")]
    Twice {
        /// The register.
        pcr: u8,
        /// Its bank.
        bank: String,
    },
    /// A name is there twice.
    #[error("`{0}` names two entries")]
    Name(String),
    /// SHA-1 decides something.
    #[error("a policy cannot rest on SHA-1: collisions can be made. Leave the bank out")]
    Sha1,
    /// A register that no PC has.
    #[error("there is no PCR {0}: the last is 23")]
    Pcr(u8),
    /// A privilege level that no guest has.
    #[error(
        "there is no VMPL {0}: a guest has the levels 0 to 3, and the host asks with none of them"
    )]
    Vmpl(u32),
    /// A value of the wrong length.
    #[error("{what} has {bytes} bytes, not {wanted}")]
    Length {
        /// Of what.
        what: String,
        /// How many it has.
        bytes: usize,
        /// How many it must have.
        wanted: usize,
    },
    /// A word without meaning at its place.
    #[error("`{word}` is no {what}")]
    Word {
        /// The word.
        word: String,
        /// What it must be.
        what: &'static str,
    },
}

/// What a verifier accepts. Made from data by serde alone, so that each one was checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "text::PolicyText")]
pub struct Policy {
    pub(super) roles: BTreeSet<Role>,
    pub(super) age_heights_max: u64,
    pub(super) tpm: Option<TpmRules>,
    pub(super) snp: Option<SnpRules>,
}

impl Policy {
    /// The roles that are accepted.
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }
}

/// What is asked of the TPM's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TpmRules {
    /// What is quoted, neither more nor less.
    pub selection: PcrSelection,
    /// What releases measure.
    pub releases: Vec<Accepted>,
    /// What firmware and boards measure.
    pub platforms: Vec<Accepted>,
    /// The registers that the log alone must explain.
    pub explained_by_log: PcrSet,
    /// Versions of TPM firmware; none if they are not limited.
    pub firmware: Option<BTreeSet<u64>>,
    pub x509_quirks: Vec<Quirk>,
    pub ek_quirks: Vec<EkQuirk>,
}

/// Values that registers may have together. One release's values are accepted whole, not mixed with
/// another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub name: String,
    pub pcrs: BTreeMap<(crate::crypto::Hash, u8), BTreeSet<crate::crypto::Digest>>,
}

impl Accepted {
    /// Whether each of its registers has one of its values.
    pub fn accepts(&self, values: &PcrValues) -> bool {
        let holds = |(&(bank, pcr), allowed): (&(_, u8), &BTreeSet<_>)| {
            values.get(bank, pcr).is_some_and(|value| allowed.contains(value))
        };
        !self.pcrs.is_empty() && self.pcrs.iter().all(holds)
    }

    /// Its registers whose values are others.
    pub fn differing(&self, values: &PcrValues) -> Vec<String> {
        let differs = |(&(bank, pcr), allowed): (&(crate::crypto::Hash, u8), &BTreeSet<_>)| {
            let has = values.get(bank, pcr).is_some_and(|value| allowed.contains(value));
            (!has).then(|| format!("PCR {pcr} {bank}"))
        };
        self.pcrs.iter().filter_map(differs).collect()
    }
}

/// A release and its launch digests.
pub(super) type Release = (String, BTreeSet<[u8; 48]>);

/// What is asked of the SNP part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SnpRules {
    /// All rules but those that follow from the evidence: its data, and the host's data of a machine.
    pub report: SnpPolicy,
    /// Launch digests of releases.
    pub releases: Vec<Release>,
}

impl SnpRules {
    /// The release that a launch digest is of.
    pub fn release(&self, measurement: &[u8; 48]) -> Option<&str> {
        let found = self.releases.iter().find(|(_, digests)| digests.contains(measurement));
        found.map(|(name, _)| name.as_str())
    }
}

/// Sections of a policy that evidence of the accepted roles needs, no more and no fewer.
fn check_sections(policy: &Policy) -> Result<(), PolicyError> {
    if policy.roles.is_empty() {
        return Err(PolicyError::Empty("roles"));
    }
    type HasPart = fn(Role) -> bool;
    let sections: [(&'static str, bool, HasPart); 2] = [
        ("tpm", policy.tpm.is_some(), Role::has_tpm),
        ("snp", policy.snp.is_some(), Role::has_snp),
    ];
    for (section, is_there, has_part) in sections {
        let needed = policy.roles.iter().copied().find(|role| has_part(*role));
        match (needed, is_there) {
            (Some(role), false) => return Err(PolicyError::Section { role, section }),
            (None, true) => return Err(PolicyError::Unused(section)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
