//! Memory encryption and SEV-SNP, from the processor up to KVM.
//!
//! Sources: AMD64 Architecture Programmer's Manual volume 2, sections 7.10 (SYSCFG) and 15.36 (reverse
//! map table), volume 3, leaf 8000_001F.

use super::tree::Tree;
use crate::facts::Snp;
use crate::registers::{MSR_RMP_BASE, MSR_RMP_END, MSR_SYSCFG, Registers};

/// The leaf that tells of memory encryption, and its bit of SEV-SNP in EAX.
const LEAF: u32 = 0x8000_001f;
const SNP: u32 = 1 << 4;
/// SYSCFG: memory encryption is on.
const SMEE: u64 = 1 << 23;
/// The reverse map table begins with this much for the processor's own use, and then has an entry of
/// 16 bytes for each page of 4 KiB.
const RMP_HEAD_BYTES: u64 = 16 * 1024;
const RMP_ENTRY_BYTES: u64 = 16;
const PAGE_BYTES: u64 = 4096;

pub(super) fn probe(tree: &Tree, registers: &dyn Registers) -> Snp {
    let status = registers.sev_status();
    Snp {
        is_supported: registers.cpuid(LEAF, 0).map(|[eax, ..]| eax & SNP != 0).or_else(|| {
            // A processor without the leaf has nothing of it.
            registers.cpuid(0x8000_0000, 0).map(|_| false)
        }),
        memory_encryption: registers.msr(MSR_SYSCFG).map(|syscfg| syscfg & SMEE != 0),
        covered_bytes: covered_bytes(registers),
        kvm: tree.line("sys/module/kvm_amd/parameters/sev_snp").map(|value| value == "Y"),
        api: status.map(|status| status.api),
        build: status.map(|status| status.build),
    }
}

/// What the reverse map table that firmware set up covers.
fn covered_bytes(registers: &dyn Registers) -> Option<u64> {
    let (base, end) = (registers.msr(MSR_RMP_BASE)?, registers.msr(MSR_RMP_END)?);
    if base == 0 || end <= base {
        return Some(0);
    }
    let table_bytes = (end - base).saturating_add(1);
    let entries = table_bytes.saturating_sub(RMP_HEAD_BYTES) / RMP_ENTRY_BYTES;
    Some(entries.saturating_mul(PAGE_BYTES))
}
