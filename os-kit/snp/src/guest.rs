//! The two things that a guest can ask for, whoever answers.

use crate::certificates::Certificates;
use crate::device::SevGuestDevice;
use crate::error::SnpError;
use crate::tsm::TsmReports;
use std::path::Path;
use zeroize::Zeroizing;

/// A report, with the certificates of its key where the host has left them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReport {
    /// The report, with its signature.
    pub report: Vec<u8>,
    /// The chain; none if the host did not provide it. Then it comes from elsewhere: it proves itself.
    pub certificates: Option<Certificates>,
}

/// Fields that a derived key depends on, beyond the chip and the level (firmware ABI, MSG_KEY_REQ).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub u64);

impl Fields {
    /// The guest policy: a guest that can be debugged gets another key.
    pub const POLICY: Self = Self(1 << 0);
    /// The image of the identity block.
    pub const IMAGE_ID: Self = Self(1 << 1);
    /// The family of the identity block.
    pub const FAMILY_ID: Self = Self(1 << 2);
    /// The launch digest.
    pub const MEASUREMENT: Self = Self(1 << 3);
    /// The version of the guest that was asked for.
    pub const GUEST_SVN: Self = Self(1 << 4);
    /// The firmware version that was asked for.
    pub const TCB: Self = Self(1 << 5);
    /// The mitigations at launch that were asked for: message version 2 alone.
    pub const LAUNCH_MITIGATIONS: Self = Self(1 << 6);

    /// The fields of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all fields of the other are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A request for a derived key. The root is the chip's own (VCEK), always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// On which fields it depends.
    pub fields: Fields,
    /// The privilege level that is mixed in: the one that asks, or a less privileged one.
    pub vmpl: u32,
    /// The version of the guest that is mixed in, up to its own.
    pub guest_svn: u32,
    /// The firmware version that is mixed in, as reports write it, up to the committed one.
    pub tcb: [u8; 8],
    /// The mitigations that are mixed in: of those that were in force at launch.
    pub launch_mitigations: u64,
}

/// A key that the firmware derived. Wiped when it goes out of scope.
pub struct DerivedKey(Zeroizing<[u8; 32]>);

impl DerivedKey {
    /// Takes the key.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A guest, as it sees its security processor.
pub trait SnpGuest {
    /// A report with this data, for a privilege level.
    fn report(&self, data: &[u8; 64], vmpl: u32) -> Result<SignedReport, SnpError>;

    /// A key that only guests get for which the chosen fields are equal, on this chip.
    fn derived_key(&self, request: &KeyRequest) -> Result<DerivedKey, SnpError>;

    /// Whether requests can name mitigations ([`Fields::LAUNCH_MITIGATIONS`]).
    fn mixes_mitigations(&self) -> bool;
}

/// The processor that this machine runs on, through the kernel's two interfaces.
pub struct Kernel {
    reports: TsmReports,
    keys: SevGuestDevice,
}

impl Kernel {
    /// By the folder of configfs-tsm and the device: see [`crate::TSM_REPORTS`], [`crate::SEV_GUEST`]. Neither
    /// is opened before it is asked.
    pub fn new(reports: &Path, device: &Path) -> Self {
        Self { reports: TsmReports::new(reports), keys: SevGuestDevice::new(device) }
    }
}

impl SnpGuest for Kernel {
    fn report(&self, data: &[u8; 64], vmpl: u32) -> Result<SignedReport, SnpError> {
        self.reports.report(data, vmpl)
    }

    fn derived_key(&self, request: &KeyRequest) -> Result<DerivedKey, SnpError> {
        self.keys.derived_key(request)
    }

    /// The kernel's request has no room for them.
    fn mixes_mitigations(&self) -> bool {
        false
    }
}
