//! What a verifier accepts of a report. A policy has no switches: each field is a set of values or
//! a bound, and each is checked always.

use super::{Product, TcbVersion};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The last privilege level of a guest. Whoever asks with another number is none.
pub const VMPL_MAX: u32 = 3;

/// Which values of a field are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect<T: Ord> {
    /// Every value: the field decides nothing here.
    Any,
    /// These values.
    OneOf(BTreeSet<T>),
}

impl<T: Ord> Expect<T> {
    /// This value alone.
    pub fn exactly(value: T) -> Self {
        Self::OneOf(BTreeSet::from([value]))
    }

    pub(super) fn accepts(&self, value: &T) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(values) => values.contains(value),
        }
    }
}

/// The lowest versions that are accepted, for each of the four that a report has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcbMinima {
    /// Of the firmware that runs now.
    pub current: TcbVersion,
    /// Of the firmware that the signing key stands for.
    pub reported: TcbVersion,
    /// Of the firmware below which the chip will not go back.
    pub committed: TcbVersion,
    /// Of the firmware that ran when the guest was launched.
    pub launch: TcbVersion,
}

impl TcbMinima {
    /// The same for all four.
    pub const fn all(minimum: TcbVersion) -> Self {
        Self { current: minimum, reported: minimum, committed: minimum, launch: minimum }
    }
}

/// Which keys may have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// A chip's key alone: VCEK.
    Chip,
    /// A chip's key, or the key of one of these cloud providers: VCEK or VLEK.
    ChipOrProvider(Expect<String>),
}

/// Version of the firmware's interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbiVersion {
    /// First part.
    pub major: u8,
    /// Second part.
    pub minor: u8,
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// Bits of the guest policy (ABI, table 9), above its two bytes of interface version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestBits(pub u64);

impl GuestBits {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Allowed: two threads on one core.
    pub const SMT: Self = Self(1 << 16);
    /// Always one.
    pub const ALWAYS_ONE: Self = Self(1 << 17);
    /// Allowed: a migration agent, which may move the guest and read it. Never accepted.
    pub const MIGRATION_AGENT: Self = Self(1 << 18);
    /// Allowed: debugging, by which the host reads the guest. Never accepted.
    pub const DEBUG: Self = Self(1 << 19);
    /// Demanded: all memory and cores on one socket.
    pub const SINGLE_SOCKET: Self = Self(1 << 20);
    /// Allowed: memory and devices on CXL.
    pub const CXL: Self = Self(1 << 21);
    /// Demanded: memory encryption by AES-256-XTS.
    pub const AES_256_XTS: Self = Self(1 << 22);
    /// Demanded: power meters are off.
    pub const RAPL_OFF: Self = Self(1 << 23);
    /// Demanded: the host does not see the ciphertext of memory.
    pub const CIPHERTEXT_HIDING: Self = Self(1 << 24);
    /// Demanded: pages are neither moved nor swapped.
    pub const NO_PAGE_SWAP: Self = Self(1 << 25);

    /// All bits with a meaning.
    pub(super) const KNOWN: Self = Self(0x3ff << 16);

    /// The bits of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    pub(super) const fn has_any(self, bits: Self) -> bool {
        self.0 & bits.0 != 0
    }

    pub(super) const fn without(self, bits: Self) -> Self {
        Self(self.0 & !bits.0)
    }
}

/// Bits of the platform's settings (ABI, table 24). Firmware adds new ones over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformBits(pub u64);

impl PlatformBits {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Two threads run on each core.
    pub const SMT: Self = Self(1 << 0);
    /// All memory is encrypted.
    pub const TSME: Self = Self(1 << 1);
    /// Memory corrects errors.
    pub const ECC: Self = Self(1 << 2);
    /// Power meters are off.
    pub const RAPL_OFF: Self = Self(1 << 3);
    /// The host does not see the ciphertext of memory.
    pub const CIPHERTEXT_HIDING: Self = Self(1 << 4);
    /// Memory was checked for aliases at the start of the machine, and had none.
    pub const ALIAS_CHECK: Self = Self(1 << 5);
    /// Devices may take part in guests.
    pub const TRUSTED_IO: Self = Self(1 << 7);

    /// The bits of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// All that a verifier decides about reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpPolicy {
    /// The generations that are accepted, each with its lowest versions. One that is not named is
    /// excluded.
    pub minima: BTreeMap<Product, TcbMinima>,
    /// Which keys may have signed.
    pub keys: KeyRule,
    /// The privilege levels that may have asked for the report; the host is none of them.
    pub vmpl: BTreeSet<u32>,
    /// What a guest policy may allow: SMT and CXL, or neither.
    pub guest_may_allow: GuestBits,
    /// What a guest policy must demand.
    pub guest_must_demand: GuestBits,
    /// The lowest interface version that a guest policy must demand.
    pub guest_abi_min: AbiVersion,
    /// Settings that the platform must have.
    pub platform_required: PlatformBits,
    /// Settings that the platform must not have.
    pub platform_forbidden: PlatformBits,
    /// Mitigations that must have been in force, at launch and when the report was made. Reports
    /// before version 5 show none.
    pub mitigations_required: u64,
    /// Launch digests.
    pub measurement: Expect<[u8; 48]>,
    /// What the guest had put into the report: binds keys and freshness.
    pub report_data: Expect<[u8; 64]>,
    /// What the host had put into the report at launch.
    pub host_data: Expect<[u8; 32]>,
    /// Chips.
    pub chip_id: Expect<[u8; 64]>,
    /// Digests of the key that signed the identity block; zero where there is none.
    pub id_key: Expect<[u8; 48]>,
    /// Digests of the author key; zero where there is none.
    pub author_key: Expect<[u8; 48]>,
    /// From the identity block.
    pub family_id: Expect<[u8; 16]>,
    /// From the identity block.
    pub image_id: Expect<[u8; 16]>,
    /// From the identity block.
    pub guest_svn_min: u32,
}
