//! The attestation report (ABI, table 23): a window onto the received bytes.

use super::policy::{AbiVersion, GuestBits, PlatformBits};
use crate::crypto::{Curve, EcdsaSignature, SignatureError};
use std::ops::Range;

/// Length of a report, its signature included.
pub const REPORT_BYTES: usize = 0x4a0;

/// What the signature is over.
const SIGNED: Range<usize> = 0..0x2a0;

/// `r`, `s`: 72 bytes each, little endian, of which 48 are used; then 368 bytes that are not.
const SIGNATURE: usize = 0x2a0;
const NUMBER_FIELD_BYTES: usize = 72;
const NUMBER_BYTES: usize = 48;

/// Bytes without a meaning, in every version.
const RESERVED: [Range<usize>; 5] =
    [0x4c..0x50, 0x18b..0x1a0, 0x1eb..0x1ec, 0x1ef..0x1f0, 0x208..0x2a0];

/// Family, model and stepping of the processor: from version 3 on.
const CPUID: Range<usize> = 0x188..0x18b;

/// Vectors of mitigations, at launch and now: from version 5 on.
const MITIGATIONS: Range<usize> = 0x1f8..0x208;

/// Bits of the flags with a meaning: author key, chip key masked, signing key.
const FLAGS: u32 = 0x1f;

/// Why bytes are no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Too short or too long.
    #[error("a report has {REPORT_BYTES} bytes, not {0}")]
    Length(usize),
}

/// Which key the firmware says that it signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKey {
    /// The key of the chip at its firmware version.
    Vcek,
    /// The key of a cloud provider at the chip's firmware version.
    Vlek,
    /// None, or a value without meaning.
    Other(u8),
}

/// A report as received. Nothing in it is believed: see [`super::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    bytes: [u8; REPORT_BYTES],
}

impl Report {
    /// A window onto exactly one report.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReportError> {
        let bytes = bytes.try_into().map_err(|_| ReportError::Length(bytes.len()))?;
        Ok(Self { bytes })
    }

    /// The report as received, its signature included.
    pub fn as_bytes(&self) -> &[u8; REPORT_BYTES] {
        &self.bytes
    }

    /// What the signature is over.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.bytes[SIGNED]
    }

    /// Version of the report's layout.
    pub fn version(&self) -> u32 {
        self.u32_at(0x00)
    }

    /// The version number that the guest's owner gave it, from its identity block.
    pub fn guest_svn(&self) -> u32 {
        self.u32_at(0x04)
    }

    /// The guest policy, whole.
    pub fn policy_raw(&self) -> u64 {
        self.u64_at(0x08)
    }

    /// What the guest policy allows and demands.
    pub fn policy(&self) -> GuestBits {
        GuestBits(self.policy_raw() & !0xffff)
    }

    /// The oldest firmware interface on which the guest may run.
    pub fn policy_abi(&self) -> AbiVersion {
        let [minor, major, ..] = self.policy_raw().to_le_bytes();
        AbiVersion { major, minor }
    }

    /// From the identity block.
    pub fn family_id(&self) -> [u8; 16] {
        self.array_at(0x10)
    }

    /// From the identity block.
    pub fn image_id(&self) -> [u8; 16] {
        self.array_at(0x20)
    }

    /// The privilege level that asked for the report: 0 to 3 in the guest, 0xffffffff the host.
    pub fn vmpl(&self) -> u32 {
        self.u32_at(0x30)
    }

    /// 1 is ECDSA on P-384 with SHA-384, and there is no other.
    pub fn signature_algorithm(&self) -> u32 {
        self.u32_at(0x34)
    }

    /// Firmware that runs now.
    pub fn current_tcb(&self) -> [u8; 8] {
        self.array_at(0x38)
    }

    /// What the platform is set to.
    pub fn platform(&self) -> PlatformBits {
        PlatformBits(self.u64_at(0x40))
    }

    fn flags(&self) -> u32 {
        self.u32_at(0x48)
    }

    /// Whether the identity block's key was certified by an author key.
    pub fn has_author_key(&self) -> bool {
        self.flags() & 1 != 0
    }

    /// Whether the host has forbidden signatures by the chip's key.
    pub fn masks_chip_key(&self) -> bool {
        self.flags() & 2 != 0
    }

    /// The key that signed.
    pub fn signing_key(&self) -> SigningKey {
        match self.flags() >> 2 & 7 {
            0 => SigningKey::Vcek,
            1 => SigningKey::Vlek,
            other => SigningKey::Other(other as u8),
        }
    }

    /// What the guest had put into the report.
    pub fn report_data(&self) -> [u8; 64] {
        self.array_at(0x50)
    }

    /// The launch digest.
    pub fn measurement(&self) -> [u8; 48] {
        self.array_at(0x90)
    }

    /// What the host had put into the report, at launch.
    pub fn host_data(&self) -> [u8; 32] {
        self.array_at(0xc0)
    }

    /// SHA-384 of the key that signed the identity block; zero if there was none.
    pub fn id_key_digest(&self) -> [u8; 48] {
        self.array_at(0xe0)
    }

    /// SHA-384 of the author key; zero if there was none.
    pub fn author_key_digest(&self) -> [u8; 48] {
        self.array_at(0x110)
    }

    /// Names this launch of the guest.
    pub fn report_id(&self) -> [u8; 32] {
        self.array_at(0x140)
    }

    /// Names the migration agent; all ones if there is none.
    pub fn migration_agent_report_id(&self) -> [u8; 32] {
        self.array_at(0x160)
    }

    /// The firmware version that the signing key stands for.
    pub fn reported_tcb(&self) -> [u8; 8] {
        self.array_at(0x180)
    }

    /// Family, model and stepping, if the version has them.
    pub fn cpuid(&self) -> Option<[u8; 3]> {
        (self.version() >= 3).then(|| self.array_at(CPUID.start))
    }

    /// Names the chip; zero if the host masks it.
    pub fn chip_id(&self) -> [u8; 64] {
        self.array_at(0x1a0)
    }

    /// Firmware below which the chip will not go back.
    pub fn committed_tcb(&self) -> [u8; 8] {
        self.array_at(0x1e0)
    }

    /// Interface version of the firmware that runs now.
    pub fn current_abi(&self) -> AbiVersion {
        AbiVersion { major: self.bytes[0x1ea], minor: self.bytes[0x1e9] }
    }

    /// Interface version of the committed firmware.
    pub fn committed_abi(&self) -> AbiVersion {
        AbiVersion { major: self.bytes[0x1ee], minor: self.bytes[0x1ed] }
    }

    /// Firmware that ran when the guest was launched.
    pub fn launch_tcb(&self) -> [u8; 8] {
        self.array_at(0x1f0)
    }

    /// Mitigations that were in force at launch, and those that are now, if the version has them.
    pub fn mitigations(&self) -> Option<(u64, u64)> {
        (self.version() >= 5).then(|| (self.u64_at(0x1f8), self.u64_at(0x200)))
    }

    /// The offset of the first byte that has no meaning in this version and is not zero.
    pub(super) fn nonzero_reserved(&self) -> Option<usize> {
        let cpuid = if self.version() >= 3 { 0..0 } else { CPUID };
        let mitigations = if self.version() >= 5 { 0..0 } else { MITIGATIONS };
        let in_flags = (self.flags() & !FLAGS != 0).then_some(0x48);
        RESERVED
            .into_iter()
            .chain([cpuid, mitigations])
            .flatten()
            .find(|at| self.bytes[*at] != 0)
            .or(in_flags)
    }

    /// The offset of the first byte of the signature field that is not used and not zero.
    pub(super) fn nonzero_signature_padding(&self) -> Option<usize> {
        let number = |index: usize| {
            let start = SIGNATURE + index * NUMBER_FIELD_BYTES;
            start + NUMBER_BYTES..start + NUMBER_FIELD_BYTES
        };
        let tail = SIGNATURE + 2 * NUMBER_FIELD_BYTES..REPORT_BYTES;
        [number(0), number(1), tail].into_iter().flatten().find(|at| self.bytes[*at] != 0)
    }

    /// `r` and `s`, their padding left out.
    pub(super) fn signature(&self) -> Result<EcdsaSignature, SignatureError> {
        let big_endian = |offset: usize| {
            let mut number: [u8; NUMBER_BYTES] = self.array_at(offset);
            number.reverse();
            number
        };
        let (r, s) = (big_endian(SIGNATURE), big_endian(SIGNATURE + NUMBER_FIELD_BYTES));
        EcdsaSignature::from_parts(Curve::P384, &r, &s)
    }

    /// All offsets in this file are constants below the length of a report.
    fn array_at<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[offset..offset + N]);
        array
    }

    fn u32_at(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.array_at(offset))
    }

    fn u64_at(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.array_at(offset))
    }
}
