//! Measurements as files keep them. All of it can be read years later without this program: digests
//! are in hex, and what is short enough stands beside its digest.
//!
//! There is one form for each value: lower-case hex, events in the order of their PCRs and of the
//! boot, lists sorted; [`Measurements::prediction`] and [`LaunchDigests::check`] refuse any other.

mod content;
mod hex_bytes;

pub use content::Content;
pub use hex_bytes::Hex;

use serde::{Deserialize, Serialize};

/// What a machine's TPM holds after it booted a unified kernel image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurements {
    /// The state of secure boot for which PCR 4 and 7 hold.
    pub secure_boot: SecureBootState,
    /// The PCRs that are predicted, ascending, after all phases.
    pub pcrs: Vec<PcrValue>,
    /// What is extended: by PCR, and within one PCR in the order of the boot. Folding the digests of a
    /// PCR gives its value; a PCR without an event stays zero.
    pub events: Vec<MeasuredEvent>,
}

/// A state of secure boot that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureBootState {
    /// Firmware has the variable `SecureBoot` and it is off; no keys are enrolled. So are OVMF's fresh
    /// variables, and a machine in setup mode.
    OffNoKeys,
    /// Firmware has no secure boot at all, and measures five empty variables.
    Absent,
    /// Keys are enrolled: those in the contents of the events of PCR 7. No release is measured for it,
    /// as keys are the matter of each machine.
    Keys,
}

/// The value of one PCR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcrValue {
    /// Its index.
    pub pcr: u8,
    /// In the bank of SHA-256.
    pub sha256: Hex<32>,
    /// In the bank of SHA-384.
    pub sha384: Hex<48>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredEvent {
    /// The PCR that it extends.
    pub pcr: u8,
    /// What it is: `boot-option`, `boot-option-ended`, `separator`, `loader`, `image`, `kernel`,
    /// `variable:NAME`, `authority`, `load-options`, `initrd`, `section-name:NAME`, `section:NAME`,
    /// `phase:WORD`.
    pub what: String,
    /// Its digest in the bank of SHA-256: that of the content where this is given; of programs the
    /// Authenticode digest.
    pub sha256: Hex<32>,
    /// The same in the bank of SHA-384.
    pub sha384: Hex<48>,
    /// What is hashed, where it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// The launch digests of a confidential guest under QEMU, by processor model and count.
///
/// The digest for another count follows from `base`: it is extended by one page of registers for each
/// processor, the first of which starts at the reset vector and all others at `further_start`
/// (`attestation::snp::launch::BaseDigest::from_parts`, then `by_processor_count`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchDigests {
    /// SHA-256 of the guest's firmware.
    pub firmware: Hex<32>,
    /// SHA-256 of the kernel, as the guest's firmware compares it.
    pub kernel: Hex<32>,
    /// SHA-256 of the initrd, the same.
    pub initrd: Hex<32>,
    /// The command line. What is hashed of it ends with a zero byte.
    pub command_line: String,
    /// SEV_FEATURES of the processors' register pages.
    pub features: u64,
    /// The digest before any processor.
    pub base: Hex<48>,
    /// Where processors beyond the first start, if the firmware says so; else a guest has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub further_start: Option<u32>,
    /// The digests, sorted by model and count.
    pub digests: Vec<LaunchDigest>,
}

/// The launch digest of one kind of guest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchDigest {
    /// The model by QEMU's name, such as `EPYC-Milan`.
    pub processor: String,
    /// How many virtual processors.
    pub count: u32,
    /// What the guest's reports have as their measurement.
    pub digest: Hex<48>,
}
