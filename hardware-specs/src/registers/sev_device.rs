//! The security processor, asked through /dev/sev for the status of SEV-SNP.
//!
//! Sources: kernel header `linux/psp-sev.h` (command SNP_PLATFORM_STATUS); "SEV Secure Nested Paging
//! Firmware ABI", SNP_PLATFORM_STATUS.

use crate::facts::ApiVersion;
use serde::Deserialize;
use std::fs::File;
use std::os::fd::AsRawFd as _;

/// The number of SNP_PLATFORM_STATUS among the kernel's commands.
const SNP_PLATFORM_STATUS: u32 = 9;
/// `_IOWR('S', 0, struct sev_issue_cmd)`: both directions, 16 bytes.
const SEV_ISSUE_CMD: libc::c_ulong = 0xc010_5300;

/// What it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SevStatus {
    /// The version of its interface.
    pub api: ApiVersion,
    /// The firmware's build.
    pub build: u32,
}

/// `struct sev_issue_cmd`, which is packed.
#[repr(C, packed)]
struct IssueCommand {
    command: u32,
    data: u64,
    error: u32,
}

/// `struct sev_user_data_snp_status`: numbers of eight bits first, then the rest in order.
#[repr(C, align(8))]
struct StatusBytes([u8; 32]);

/// Asks; none if there is no such device, it may not be opened, or it refuses.
pub(super) fn status() -> Option<SevStatus> {
    let device = File::options().read(true).write(true).open("/dev/sev").ok()?;
    let mut bytes = StatusBytes([0; 32]);
    let mut command = IssueCommand {
        command: SNP_PLATFORM_STATUS,
        data: (&raw mut bytes).expose_provenance() as u64,
        error: 0,
    };
    // SAFETY: the request is one that takes a `struct sev_issue_cmd`, which `command` is, byte for byte.
    // For this command the kernel writes a `struct sev_user_data_snp_status` to where `data` points:
    // 32 bytes, the length of `bytes`, which outlives the call and nobody else looks at meanwhile.
    // There is no safe interface to this device.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), SEV_ISSUE_CMD, &raw mut command) };
    (result == 0).then(|| of_bytes(&bytes.0))
}

fn of_bytes(bytes: &[u8; 32]) -> SevStatus {
    let [major, minor, _state, _flags, b0, b1, b2, b3, ..] = *bytes;
    SevStatus { api: ApiVersion { major, minor }, build: u32::from_le_bytes([b0, b1, b2, b3]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernels_lengths() {
        assert_eq!(size_of::<IssueCommand>(), (SEV_ISSUE_CMD >> 16) as usize & 0x3fff);
        assert_eq!(size_of::<StatusBytes>(), 32);
    }

    #[test]
    fn the_status_is_read_by_its_offsets() {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&[1, 55, 1, 1, 21, 0, 0, 0]);
        let expected = SevStatus { api: ApiVersion { major: 1, minor: 55 }, build: 21 };
        assert_eq!(of_bytes(&bytes), expected);
    }
}
