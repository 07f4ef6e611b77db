//! From what a guest is started with to its launch digests.

#[cfg(test)]
mod tests;

use super::data::{Hex, LaunchDigest, LaunchDigests};
use attestation::snp::launch::{
    BaseDigest, Firmware, FirmwareError, KernelHashes, LaunchError, Processor,
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The models of virtual processors that guests get, by QEMU's names, sorted. A name's version changes
/// nothing that is measured; `EPYC-v4` is the one that runs on every generation with SEV-SNP.
pub const PROCESSORS: [&str; 4] = ["EPYC-Genoa", "EPYC-Milan", "EPYC-Turin", "EPYC-v4"];

/// The counts of virtual processors that are written out.
pub const PROCESSOR_COUNTS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

/// SEV_FEATURES as KVM sets them for QEMU: SEV-SNP is active, and nothing else.
const FEATURES: u64 = 1;

/// Parts for which there is no launch digest, or digests that contradict themselves.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaunchFault {
    /// The guest's firmware.
    #[error("the guest firmware cannot be measured; take OVMF built as AmdSev from the lock")]
    Firmware(#[from] FirmwareError),
    /// The parts do not go together.
    #[error("these parts have no launch digest")]
    Launch(#[from] LaunchError),
    /// A command line that QEMU could not hand over as it is.
    #[error("the command line has a zero byte")]
    CommandLine,
    /// A name that is not QEMU's.
    #[error("{0:?} is no model of QEMU's EPYC processors")]
    Processor(String),
    /// Digests that are not those of the base.
    #[error("the digest for {count} processors {processor} does not follow from the base digest")]
    Digest {
        /// The model.
        processor: String,
        /// How many.
        count: u32,
    },
    /// Not sorted, or twice.
    #[error("the digests are not sorted by model and count, each once")]
    Order,
}

/// What a guest is started with.
#[derive(Clone, Copy, Debug)]
pub struct GuestParts<'a> {
    /// The guest's firmware: OVMF built as AmdSev.
    pub firmware: &'a [u8],
    /// The kernel.
    pub kernel: &'a [u8],
    /// The initrd.
    pub initrd: &'a [u8],
    /// The command line, without a zero byte at its end.
    pub command_line: &'a str,
}

/// The launch digests for each of [`PROCESSORS`] x [`PROCESSOR_COUNTS`].
pub fn launch_digests(parts: &GuestParts) -> Result<LaunchDigests, LaunchFault> {
    let GuestParts { firmware, kernel, initrd, command_line } = *parts;
    if command_line.contains('\0') {
        return Err(LaunchFault::CommandLine);
    }
    let hashes = KernelHashes::new(kernel, initrd, command_line);
    let base = BaseDigest::new(&Firmware::from_bytes(firmware)?, Some(&hashes))?;
    let mut digests = Vec::new();
    for name in PROCESSORS {
        for count in PROCESSOR_COUNTS {
            if count > 1 && base.further_start().is_none() {
                break;
            }
            let digest = Hex(digest(&base, name, count, FEATURES)?);
            digests.push(LaunchDigest { processor: name.to_owned(), count, digest });
        }
    }
    Ok(LaunchDigests {
        firmware: sha256(firmware),
        kernel: sha256(kernel),
        initrd: sha256(initrd),
        command_line: command_line.to_owned(),
        features: FEATURES,
        base: Hex(base.value()),
        further_start: base.further_start(),
        digests,
    })
}

impl LaunchDigests {
    /// The digest for any model and count, by the base.
    pub fn digest_of(&self, processor: &str, count: u32) -> Result<[u8; 48], LaunchFault> {
        let base = BaseDigest::from_parts(self.base.0, self.further_start);
        digest(&base, processor, count, self.features)
    }

    /// Whether each digest follows from the base, and they are sorted.
    pub fn check(&self) -> Result<(), LaunchFault> {
        let key = |digest: &LaunchDigest| (digest.processor.clone(), digest.count);
        if !self.digests.is_sorted_by(|a, b| key(a) < key(b)) {
            return Err(LaunchFault::Order);
        }
        for LaunchDigest { processor, count, digest } in &self.digests {
            if self.digest_of(processor, *count)? != digest.0 {
                return Err(LaunchFault::Digest { processor: processor.clone(), count: *count });
            }
        }
        Ok(())
    }
}

fn digest(
    base: &BaseDigest,
    name: &str,
    count: u32,
    features: u64,
) -> Result<[u8; 48], LaunchFault> {
    let processor =
        Processor::from_qemu_name(name).ok_or_else(|| LaunchFault::Processor(name.to_owned()))?;
    Ok(base.with_processors(count, processor, features)?)
}

fn sha256(bytes: &[u8]) -> Hex<32> {
    Hex(Sha256::digest(bytes).into())
}
