//! What no file tells: cpuid, model-specific registers and the security processor.
//!
//! The three sit behind one trait, so that a machine can be looked at that is somewhere else: a folder
//! with what was recorded there has them in `registers.yaml`.

mod recorded;
mod sev_device;

pub use recorded::{Recorded, RecordedError};
pub use sev_device::SevStatus;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// SYSCFG: whether memory encryption is on, among others.
pub const MSR_SYSCFG: u32 = 0xc001_0010;
/// Where the reverse map table begins.
pub const MSR_RMP_BASE: u32 = 0xc001_0132;
/// Its last byte.
pub const MSR_RMP_END: u32 = 0xc001_0133;

/// The registers of a machine.
pub trait Registers {
    /// EAX, EBX, ECX and EDX of a leaf; none if the processor has no such leaf, or no cpuid.
    fn cpuid(&self, leaf: u32, subleaf: u32) -> Option<[u32; 4]>;
    /// A model-specific register of the first processor; none if it cannot be read.
    fn msr(&self, number: u32) -> Option<u64>;
    /// What the security processor says of itself; none if it does not answer.
    fn sev_status(&self) -> Option<SevStatus>;
}

/// Those of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Live;

impl Registers for Live {
    #[cfg(target_arch = "x86_64")]
    fn cpuid(&self, leaf: u32, subleaf: u32) -> Option<[u32; 4]> {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        // The highest leaf of each range stands in its first one.
        let last = __cpuid(leaf & 0xf000_0000).eax;
        let registers = || __cpuid_count(leaf, subleaf);
        (leaf <= last).then(registers).map(|found| [found.eax, found.ebx, found.ecx, found.edx])
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn cpuid(&self, _: u32, _: u32) -> Option<[u32; 4]> {
        None
    }

    fn msr(&self, number: u32) -> Option<u64> {
        let mut value = [0; 8];
        let file = File::open("/dev/cpu/0/msr").ok()?;
        file.read_exact_at(&mut value, u64::from(number)).ok()?;
        Some(u64::from_le_bytes(value))
    }

    fn sev_status(&self) -> Option<SevStatus> {
        sev_device::status()
    }
}
