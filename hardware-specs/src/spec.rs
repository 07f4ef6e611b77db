//! Specs of machines: one YAML file for each generation, in `hardware-specs/specs` and in this program.

#[cfg(test)]
mod tests;

use crate::facts::{ApiVersion, DriveKind};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The specs of this program, by name.
const SPECS: [(&str, &str); 5] = [
    ("gen1", include_str!("../specs/gen1.yaml")),
    ("gen2", include_str!("../specs/gen2.yaml")),
    ("gen3", include_str!("../specs/gen3.yaml")),
    ("gen4", include_str!("../specs/gen4.yaml")),
    ("qemu", include_str!("../specs/qemu.yaml")),
];

/// What a generation of machines must have. What is not in it may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, which is that of its file.
    pub name: String,
    /// What it is, in one line.
    pub title: String,
    /// Processors.
    pub processor: ProcessorRule,
    /// Memory.
    pub memory: MemoryRule,
    /// Drives: each rule by itself.
    pub drives: Vec<DriveRule>,
    /// Network interfaces: each rule by itself.
    pub interfaces: Vec<InterfaceRule>,
    /// The TPM.
    pub tpm: TpmRule,
    /// What firmware must be told.
    pub firmware: FirmwareRule,
    /// SEV-SNP; none where guests are not confidential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snp: Option<SnpRule>,
}

/// Processors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessorRule {
    /// The vendor and models; none for any processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProcessorKind>,
    /// The fewest and the most packages.
    pub sockets: [u32; 2],
    /// Cores of all packages.
    pub cores_min: u32,
    /// Threads of all packages.
    pub threads_min: u32,
}

/// Models of processors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessorKind {
    /// What cpuid calls the vendor.
    pub vendor: String,
    /// The family, its extended part added.
    pub family: u32,
    /// Ranges of models, both ends included, each with its name.
    pub models: Vec<ModelRange>,
}

/// A range of models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRange {
    /// What it is called.
    pub name: String,
    /// The lowest model.
    pub first: u32,
    /// The highest model.
    pub last: u32,
}

/// Memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryRule {
    /// What the kernel must have; firmware and tables of the kernel take their part before.
    pub usable_bytes_min: u64,
}

/// Drives of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriveRule {
    /// The kinds that count.
    pub kinds: Vec<DriveKind>,
    /// The fewest that are large enough.
    pub count_min: u32,
    /// What each of them must have.
    pub bytes_min: u64,
}

/// Network interfaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceRule {
    /// The drivers of HostOS that count.
    pub drivers: Vec<String>,
    /// The fewest.
    pub count_min: u32,
    /// How many of them must have a link that is at least this fast, in megabits a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<LinkRule>,
}

/// Links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRule {
    /// The fewest.
    pub count_min: u32,
    /// In megabits a second.
    pub speed_mbps_min: u32,
}

/// The TPM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmRule {
    /// The version.
    pub version: u32,
    /// Banks of PCRs that must be in use.
    pub banks: Vec<String>,
}

/// What firmware must be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareRule {
    /// The state of secure boot: releases say what is measured in it.
    pub secure_boot: SecureBootRule,
    /// Whether cores run two threads; none for either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smt: Option<bool>,
    /// Whether the IOMMU must keep devices apart.
    pub iommu: bool,
}

/// States of secure boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureBootRule {
    /// It is off, and no keys are enrolled.
    OffNoKeys,
}

/// SEV-SNP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnpRule {
    /// The lowest version of the security processor's interface.
    pub api_min: ApiVersion,
}

/// A spec that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// There is none of this name.
    #[error("there is no spec {name:?}; there are {}", names().collect::<Vec<_>>().join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// The text is none.
    #[error("spec {name} cannot be read")]
    Format {
        /// Its name.
        name: String,
        /// The cause.
        #[source]
        source: serde_yaml::Error,
    },
    /// It says what cannot be meant.
    #[error("spec {name}: {problem}")]
    Meaning {
        /// Its name.
        name: String,
        /// What.
        problem: &'static str,
    },
}

/// The names of the specs, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    SPECS.iter().map(|(name, _)| *name)
}

/// All specs of this program.
pub fn all() -> Vec<Spec> {
    let read = |(name, text): &(&str, &str)| {
        Spec::parse(name, text).expect("a test reads each spec of this program")
    };
    SPECS.iter().map(read).collect()
}

impl Spec {
    /// The spec of a name.
    pub fn named(name: &str) -> Result<Self, SpecError> {
        let found = SPECS.iter().find(|(known, _)| *known == name);
        let (name, text) = found.ok_or_else(|| SpecError::Unknown { name: name.to_owned() })?;
        Self::parse(name, text)
    }

    /// Reads and checks the text of a spec.
    pub fn parse(name: &str, text: &str) -> Result<Self, SpecError> {
        let spec: Self = serde_yaml::from_str(text)
            .map_err(|source| SpecError::Format { name: name.to_owned(), source })?;
        match spec.problem(name) {
            Some(problem) => Err(SpecError::Meaning { name: name.to_owned(), problem }),
            None => Ok(spec),
        }
    }

    /// Whether a processor is of this generation.
    pub fn is_for(&self, processor: &crate::facts::Processor) -> bool {
        self.processor.kind.as_ref().is_some_and(|kind| kind.range_of(processor).is_some())
    }

    fn problem(&self, name: &str) -> Option<&'static str> {
        let Self { processor, drives, interfaces, tpm, .. } = self;
        let [fewest, most] = processor.sockets;
        if self.name != name {
            return Some("its name is not that of its file");
        }
        if self.title.is_empty() {
            return Some("it has no title");
        }
        if fewest == 0 || most < fewest {
            return Some("sockets are the fewest, at least 1, and the most");
        }
        if processor.cores_min == 0 || processor.threads_min < processor.cores_min {
            return Some("there are at least as many threads as cores, and at least one");
        }
        if let Some(kind) = &processor.kind
            && (kind.models.is_empty() || kind.models.iter().any(|range| range.last < range.first))
        {
            return Some("models are ranges from a first to a last");
        }
        if drives.iter().any(|rule| rule.kinds.is_empty() || rule.count_min == 0) {
            return Some("a rule of drives needs kinds and a count");
        }
        if interfaces.iter().any(|rule| rule.drivers.is_empty() || rule.count_min == 0) {
            return Some("a rule of interfaces needs drivers and a count");
        }
        (tpm.version != 2).then_some("releases are measured into a TPM of version 2")
    }
}

impl ProcessorKind {
    /// The range that a processor is in.
    pub fn range_of(&self, processor: &crate::facts::Processor) -> Option<&ModelRange> {
        let is_kind = processor.vendor == self.vendor && processor.family == self.family;
        let mut ranges = self.models.iter();
        ranges.find(|range| is_kind && (range.first..=range.last).contains(&processor.model))
    }
}
