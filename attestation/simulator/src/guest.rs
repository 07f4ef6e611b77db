//! A guest, and what it can ask the firmware for.

use attestation::crypto::Hash;
use attestation::snp::{Product, REPORT_BYTES, TcbVersion};
use p384::ecdsa::Signature;
use p384::ecdsa::signature::Signer as _;
use thiserror::Error;

use crate::chip::{Chip, raw};
use os_kit_snp::Fields;

/// What a guest is launched with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The guest policy, whole.
    pub policy: u64,
    /// The digest of its first memory.
    pub measurement: [u8; 48],
    /// From the identity block.
    pub family_id: [u8; 16],
    /// From the identity block.
    pub image_id: [u8; 16],
    /// From the identity block.
    pub guest_svn: u32,
    /// From the host.
    pub host_data: [u8; 32],
}

/// A report that the firmware does not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReportError {
    /// A level that is more privileged than the one that asks, or none.
    #[error("level {wanted} is not between {own} and 3")]
    Level {
        /// Which was asked for.
        wanted: u32,
        /// Which asks.
        own: u32,
    },
}

/// A key that the firmware does not derive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DerivedKeyError {
    /// A level that is more privileged than the one that asks, or none.
    #[error("level {wanted} is not between {own} and 3")]
    Level {
        /// Which was asked for.
        wanted: u32,
        /// Which asks.
        own: u32,
    },
    /// A version of the guest above its own.
    #[error("the guest was launched as version {launched}, below {wanted}")]
    GuestSvn {
        /// Which was asked for.
        wanted: u32,
        /// Which it has.
        launched: u32,
    },
    /// Mitigations that were not in force at launch.
    #[error("mitigations {wanted:#x} are not all in force: {in_force:#x} were at launch")]
    Mitigations {
        /// Which were asked for.
        wanted: u64,
        /// Which the firmware had at launch.
        in_force: u64,
    },
    /// A firmware version above the committed one.
    #[error("the committed version is {committed}, which is not at least {wanted}")]
    Tcb {
        /// Which was asked for.
        wanted: TcbVersion,
        /// What the chip has committed to.
        committed: TcbVersion,
    },
}

/// A request for a derived key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// On which fields it depends.
    pub fields: Fields,
    /// The privilege level that is mixed in: the one that asks, or a less privileged one.
    pub vmpl: u32,
    /// The version of the guest that is mixed in.
    pub guest_svn: u32,
    /// The firmware version that is mixed in.
    pub tcb: TcbVersion,
    /// The mitigations that are mixed in.
    pub launch_mitigations: u64,
}

/// What the firmware keeps of the moment of a launch.
#[derive(Clone, Copy)]
pub(crate) struct AtLaunch {
    pub tcb: TcbVersion,
    pub mitigations: u64,
}

/// A running guest, seen from one of its privilege levels.
#[derive(Clone)]
pub struct Guest {
    chip: Chip,
    launch: Launch,
    at_launch: AtLaunch,
    report_id: [u8; 32],
    vmpl: u32,
}

impl Guest {
    pub(crate) fn new(
        chip: Chip,
        launch: Launch,
        at_launch: AtLaunch,
        report_id: [u8; 32],
    ) -> Self {
        Self { chip, launch, at_launch, report_id, vmpl: 0 }
    }

    /// The same guest, seen from another level.
    #[must_use]
    pub fn at_level(&self, vmpl: u32) -> Self {
        Self { vmpl, ..self.clone() }
    }

    /// The chip that it runs on.
    pub fn chip(&self) -> &Chip {
        &self.chip
    }

    /// A report with this data, for the own level or a less privileged one.
    pub fn report(&self, report_data: &[u8; 64], vmpl: u32) -> Result<Vec<u8>, ReportError> {
        if vmpl < self.vmpl || vmpl > 3 {
            return Err(ReportError::Level { wanted: vmpl, own: self.vmpl });
        }
        Ok(self.write_report(report_data, vmpl))
    }

    /// A report that the host asks for: the firmware says so in it.
    pub fn report_for_host(&self, report_data: &[u8; 64]) -> Vec<u8> {
        self.write_report(report_data, u32::MAX)
    }

    fn write_report(&self, report_data: &[u8; 64], vmpl: u32) -> Vec<u8> {
        let product = self.chip.product();
        let versions = self.chip.versions();
        let cpuid: [u8; 3] = match product {
            Product::Milan => [0x19, 0x01, 1],
            Product::Genoa => [0x19, 0x11, 1],
            Product::Turin => [0x1a, 0x02, 1],
        };
        let mut report = vec![0; REPORT_BYTES];
        let mut put = |offset: usize, bytes: &[u8]| {
            report[offset..offset + bytes.len()].copy_from_slice(bytes);
        };
        put(0x00, &5_u32.to_le_bytes());
        put(0x04, &self.launch.guest_svn.to_le_bytes());
        put(0x08, &self.launch.policy.to_le_bytes());
        put(0x10, &self.launch.family_id);
        put(0x20, &self.launch.image_id);
        put(0x30, &vmpl.to_le_bytes());
        put(0x34, &1_u32.to_le_bytes());
        put(0x38, &raw(versions.current, product));
        // SMT, error correction, memory checked for aliases.
        put(0x40, &0x25_u64.to_le_bytes());
        put(0x50, report_data);
        put(0x90, &self.launch.measurement);
        put(0xc0, &self.launch.host_data);
        put(0x140, &self.report_id);
        put(0x160, &[0xff; 32]);
        put(0x180, &raw(versions.reported, product));
        put(0x188, &cpuid);
        put(0x1a0, &self.chip.id());
        put(0x1e0, &raw(versions.committed, product));
        put(0x1e8, &[0, 55, 1, 0, 0, 55, 1, 0]);
        put(0x1f0, &raw(self.at_launch.tcb, product));
        put(0x1f8, &self.at_launch.mitigations.to_le_bytes());
        put(0x200, &versions.mitigations.to_le_bytes());
        let signature: Signature = self.chip.signing_key().sign(&report[..0x2a0]);
        let numbers = signature.to_bytes();
        let (r, s) = numbers.split_at(48);
        for (offset, number) in [(0x2a0, r), (0x2e8, s)] {
            for (to, from) in report[offset..].iter_mut().zip(number.iter().rev()) {
                *to = *from;
            }
        }
        report
    }

    /// A key that only guests get for which the chosen fields are equal, on this chip.
    pub fn derived_key(&self, request: &KeyRequest) -> Result<[u8; 32], DerivedKeyError> {
        let KeyRequest { fields, vmpl, guest_svn, tcb, launch_mitigations } = *request;
        if vmpl < self.vmpl || vmpl > 3 {
            return Err(DerivedKeyError::Level { wanted: vmpl, own: self.vmpl });
        }
        if guest_svn > self.launch.guest_svn {
            let launched = self.launch.guest_svn;
            return Err(DerivedKeyError::GuestSvn { wanted: guest_svn, launched });
        }
        let committed = self.chip.versions().committed;
        if !committed.is_at_least(&tcb) {
            return Err(DerivedKeyError::Tcb { wanted: tcb, committed });
        }
        let in_force = self.at_launch.mitigations;
        if launch_mitigations & !in_force != 0 {
            return Err(DerivedKeyError::Mitigations { wanted: launch_mitigations, in_force });
        }
        // Fields that are not chosen are zero.
        let chosen = |field: Fields, bytes: &[u8]| match fields.has(field) {
            true => bytes.to_vec(),
            false => vec![0; bytes.len()],
        };
        let inputs = [
            fields.0.to_le_bytes().to_vec(),
            vmpl.to_le_bytes().to_vec(),
            chosen(Fields::POLICY, &self.launch.policy.to_le_bytes()),
            chosen(Fields::IMAGE_ID, &self.launch.image_id),
            chosen(Fields::FAMILY_ID, &self.launch.family_id),
            chosen(Fields::MEASUREMENT, &self.launch.measurement),
            chosen(Fields::GUEST_SVN, &guest_svn.to_le_bytes()),
            chosen(Fields::TCB, &raw(tcb, self.chip.product())),
            chosen(Fields::LAUNCH_MITIGATIONS, &launch_mitigations.to_le_bytes()),
        ]
        .concat();
        let derived = self.chip.derive(Hash::Sha256, b"derived key", &[&inputs]);
        let mut key = [0; 32];
        key.copy_from_slice(&derived);
        Ok(key)
    }
}
