//! Registers that were written down: `registers.yaml` in the folder of a recorded machine.

use super::{Registers, SevStatus};
use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// What was written down. Registers that are not in it could not be read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// By leaf and subleaf, such as `0x8000001f.0`: EAX, EBX, ECX, EDX.
    #[serde(default)]
    cpuid: BTreeMap<String, [u32; 4]>,
    /// By number, such as `0xc0010010`.
    #[serde(default)]
    msr: BTreeMap<String, u64>,
    /// What the security processor said.
    #[serde(default)]
    sev_status: Option<SevStatus>,
}

/// A file of registers that cannot be used.
#[derive(Debug, Error)]
#[error("registers.yaml of the recorded machine is wrong; record it again")]
pub struct RecordedError(#[from] serde_yaml::Error);

impl Recorded {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Self, RecordedError> {
        Ok(serde_yaml::from_str(text)?)
    }
}

impl Registers for Recorded {
    fn cpuid(&self, leaf: u32, subleaf: u32) -> Option<[u32; 4]> {
        self.cpuid.get(&format!("{leaf:#x}.{subleaf}")).copied()
    }

    fn msr(&self, number: u32) -> Option<u64> {
        self.msr.get(&format!("{number:#x}")).copied()
    }

    fn sev_status(&self) -> Option<SevStatus> {
        self.sev_status
    }
}
