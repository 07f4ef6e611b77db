//! From what the kernel shows of a machine to facts. Everything is read below a root folder: `/` for
//! this machine, another one for a machine that was recorded. Nothing that is read is believed to have
//! a length or a form.

mod devices;
mod processor;
mod snp;
mod tree;

use crate::facts::{Facts, Firmware, Identity, Memory, Tpm};
use crate::registers::Registers;
use crate::smbios::{self, Structure};
use std::path::Path;
use thiserror::Error;
use tree::Tree;

/// Bytes of a line of /proc/meminfo are in this unit.
const KIB: u64 = 1024;
/// Names of UEFI's variables about secure boot in efivarfs.
const SECURE_BOOT: &str = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SETUP_MODE: &str = "SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Why a folder is no machine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// There is no description of the processors.
    #[error(
        "{root}/proc/cpuinfo says nothing of x86 processors; run this on the machine itself, or name \
         the root of a recorded one"
    )]
    NoProcessor {
        /// The root folder.
        root: String,
    },
}

/// What is below this root, and in these registers.
pub fn probe(root: &Path, registers: &dyn Registers) -> Result<Facts, ProbeError> {
    let tree = Tree::new(root);
    let processor = processor::probe(&tree, registers)
        .ok_or_else(|| ProbeError::NoProcessor { root: root.display().to_string() })?;
    let memory = memory(&tree);
    Ok(Facts {
        identity: identity(&tree),
        processor,
        drives: devices::drives(&tree),
        interfaces: devices::interfaces(&tree),
        tpm: tpm(&tree),
        firmware: firmware(&tree),
        snp: snp::probe(&tree, registers),
        memory,
    })
}

fn identity(tree: &Tree) -> Identity {
    let field = |name: &str| tree.line(&format!("sys/class/dmi/id/{name}"));
    Identity {
        maker: field("sys_vendor"),
        product: field("product_name"),
        firmware_maker: field("bios_vendor"),
        firmware_version: field("bios_version"),
    }
}

fn memory(tree: &Tree) -> Memory {
    let info = tree.text("proc/meminfo").unwrap_or_default();
    let usable = info.lines().find_map(|line| {
        let rest = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        rest.trim().parse::<u64>().ok()?.checked_mul(KIB)
    });
    let table = tree.bytes("sys/firmware/dmi/tables/DMI").unwrap_or_default();
    let modules: Option<Vec<u64>> = smbios::structures(&table).ok().map(|all| {
        all.iter().filter_map(Structure::memory_bytes).filter(|bytes| *bytes > 0).collect()
    });
    Memory {
        usable_bytes: usable.unwrap_or(0),
        installed_bytes: modules
            .as_ref()
            .and_then(|all| all.iter().try_fold(0u64, |sum, bytes| sum.checked_add(*bytes))),
        modules: modules.map(|all| all.len() as u32),
    }
}

fn tpm(tree: &Tree) -> Option<Tpm> {
    let version = tree.number("sys/class/tpm/tpm0/tpm_version_major")?;
    let names = tree.names("sys/class/tpm/tpm0");
    let banks: Vec<String> =
        names.iter().filter_map(|name| name.strip_prefix("pcr-")).map(str::to_owned).collect();
    Some(Tpm { version, banks: (!banks.is_empty()).then_some(banks) })
}

fn firmware(tree: &Tree) -> Firmware {
    // Four bytes of attributes stand before the value.
    let flag = |name: &str| match tree.bytes(&format!("sys/firmware/efi/efivars/{name}"))?[..] {
        [_, _, _, _, value] => Some(value == 1),
        _ => None,
    };
    Firmware {
        is_uefi: tree.exists("sys/firmware/efi"),
        secure_boot: flag(SECURE_BOOT),
        setup_mode: flag(SETUP_MODE),
        iommu_groups: tree.names("sys/kernel/iommu_groups").len() as u32,
    }
}

#[cfg(test)]
pub(crate) mod tests;
