//! What the launch digest of a guest will be, from the parts that it is launched with.
//!
//! The firmware of the security processor extends one SHA-384 digest with each page that the host
//! puts into a guest before its start (ABI, 8.17). Which pages, and in which order, is the matter
//! of the virtual machine monitor; this is QEMU's:
//!
//! 1. the pages of the guest's firmware, which end at 4 GiB,
//! 2. the sections that the firmware's metadata names, in its order; one of them may hold the
//!    hashes of kernel, initial file system and command line,
//! 3. one page of register values for each virtual processor.
//!
//! Processors beyond the first have the same page, so that each adds the same step:
//! [`BaseDigest::by_processor_count`] gives the digest for each number of them.

mod firmware;
mod kernel;
mod page;
mod vmsa;

pub use firmware::{Firmware, FirmwareError, Section, SectionKind};
pub use kernel::KernelHashes;
pub use vmsa::Processor;

use page::{PAGE_BYTES, PageKind, Running};

/// Where the pages of register values are said to be.
const VMSA_ADDRESS: u64 = 0xffff_ffff_f000;

/// Where the first processor starts, in real mode.
const RESET_ADDRESS: u32 = 0xffff_fff0;

/// Why there is no digest for these parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// The firmware would not look at the kernel's hashes.
    #[error("the guest firmware has no place for a kernel's hashes: use one built as AmdSev")]
    NoKernelHashes,
    /// The firmware does not say where further processors start.
    #[error("the guest firmware does not say where further processors start")]
    NoResetAddress,
    /// A number of processors that no guest has.
    #[error("a guest has from 1 to {PROCESSORS_MAX} processors, not {0}")]
    Processors(u32),
}

/// More than any guest has.
const PROCESSORS_MAX: u32 = 4096;

/// The digest after all pages but those of the processors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseDigest {
    digest: Running,
    further_start: Option<u32>,
}

impl BaseDigest {
    /// Of this guest firmware, with or without a kernel that is booted directly.
    pub fn new(firmware: &Firmware, kernel: Option<&KernelHashes>) -> Result<Self, LaunchError> {
        let hashes_page = match kernel {
            Some(kernel) => Some(firmware.hashes_page(kernel).ok_or(LaunchError::NoKernelHashes)?),
            None => None,
        };
        let mut digest = Running::new();
        digest.add_contents(firmware.address(), firmware.bytes());
        for Section { kind, address, bytes } in firmware.sections() {
            let (address, bytes) = (u64::from(*address), *bytes);
            match (kind, &hashes_page) {
                (SectionKind::KernelHashes, Some(page)) => digest.add_contents(address, page),
                (SectionKind::Memory | SectionKind::SvsmCaller | SectionKind::KernelHashes, _) => {
                    digest.add_empty(PageKind::Zero, address, bytes);
                }
                (SectionKind::Secrets, _) => {
                    digest.add_empty(PageKind::Secrets, address, PAGE_BYTES as u32);
                }
                (SectionKind::Cpuid, _) => {
                    digest.add_empty(PageKind::Cpuid, address, PAGE_BYTES as u32);
                }
            }
        }
        Ok(Self { digest, further_start: firmware.further_start() })
    }

    /// From what a release says of its own: [`BaseDigest::value`] and [`BaseDigest::further_start`].
    pub fn from_parts(value: [u8; 48], further_start: Option<u32>) -> Self {
        Self { digest: Running::from_value(value), further_start }
    }

    /// The digest. No guest reports it: each has a processor.
    pub fn value(&self) -> [u8; 48] {
        self.digest.value()
    }

    /// Where processors beyond the first start, if the firmware says so.
    pub fn further_start(&self) -> Option<u32> {
        self.further_start
    }

    /// The launch digest with this many processors. `features` are the SEV features of their
    /// register pages: bit 0 always, others as kernel and monitor choose.
    pub fn with_processors(
        &self,
        count: u32,
        processor: Processor,
        features: u64,
    ) -> Result<[u8; 48], LaunchError> {
        if count == 0 || count > PROCESSORS_MAX {
            return Err(LaunchError::Processors(count));
        }
        if count > 1 && self.further_start.is_none() {
            return Err(LaunchError::NoResetAddress);
        }
        let wanted = usize::try_from(count - 1).unwrap_or(usize::MAX);
        self.by_processor_count(processor, features)
            .nth(wanted)
            .ok_or(LaunchError::Processors(count))
    }

    /// The launch digests with 1, 2, 3 … processors. Only the first if the firmware does not say
    /// where further ones start.
    pub fn by_processor_count(
        &self,
        processor: Processor,
        features: u64,
    ) -> impl Iterator<Item = [u8; 48]> + use<> {
        let mut first = self.digest.clone();
        first.add_vmsa(&processor.page(RESET_ADDRESS, features));
        let further = self.further_start.map(|start| processor.page(start, features));
        let next = move |digest: &Running| {
            further.as_ref().map(|page| {
                let mut digest = digest.clone();
                digest.add_vmsa(page);
                digest
            })
        };
        std::iter::successors(Some(first), next)
            .take(PROCESSORS_MAX as usize)
            .map(|digest| digest.value())
    }
}

#[cfg(test)]
mod tests;
