//! Measurements as a manifest keeps them: the plain form, in the schema of the crate `image-build`'s
//! `measure::data`, which computes them and has the rules; here they are only carried.

use super::HexBytes;
use serde::{Deserialize, Serialize};

/// What a machine's TPM holds after it booted a unified kernel image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurements {
    /// The state of secure boot for which PCR 4 and 7 hold, such as `off-no-keys`.
    pub secure_boot: String,
    /// The PCRs that are predicted, ascending.
    pub pcrs: Vec<PcrValue>,
    /// What is extended: by PCR, and within one PCR in the order of the boot.
    pub events: Vec<MeasuredEvent>,
}

/// The value of one PCR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcrValue {
    /// Its index.
    pub pcr: u8,
    /// In the bank of SHA-256.
    pub sha256: HexBytes<32>,
    /// In the bank of SHA-384.
    pub sha384: HexBytes<48>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredEvent {
    /// The PCR that it extends.
    pub pcr: u8,
    /// What it is, such as `image` or `section:.cmdline`.
    pub what: String,
    /// Its digest in the bank of SHA-256.
    pub sha256: HexBytes<32>,
    /// Its digest in the bank of SHA-384.
    pub sha384: HexBytes<48>,
    /// What is hashed, where it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<EventContent>,
}

/// What was hashed, in the first of these forms that can hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum EventContent {
    /// Text in UTF-8, perhaps with zero bytes at its end.
    Text(String),
    /// Text in UTF-16, little-endian, perhaps with zeros at its end.
    Utf16(String),
    /// Anything else, in hexadecimal.
    Hex(String),
}

/// The launch digests of a confidential guest, by processor model and count. That for another count
/// follows from `base`, one page of registers for each processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchDigests {
    /// SHA-256 of the guest's firmware.
    pub firmware: HexBytes<32>,
    /// SHA-256 of the kernel.
    pub kernel: HexBytes<32>,
    /// SHA-256 of the initrd.
    pub initrd: HexBytes<32>,
    /// The command line.
    pub command_line: String,
    /// SEV_FEATURES of the processors' register pages.
    pub features: u64,
    /// The digest before any processor.
    pub base: HexBytes<48>,
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
    pub digest: HexBytes<48>,
}
