//! Processors, by /proc/cpuinfo and cpuid.

use super::tree::Tree;
use crate::facts::Processor;
use crate::registers::Registers;
use std::collections::BTreeSet;

/// The bit of leaf 1, ECX, by which a hypervisor says that it is there.
const HYPERVISOR: u32 = 1 << 31;

/// None if nothing is said of x86 processors.
pub(super) fn probe(tree: &Tree, registers: &dyn Registers) -> Option<Processor> {
    let text = tree.text("proc/cpuinfo")?;
    let blocks: Vec<&str> = text.split("\n\n").filter(|block| !block.trim().is_empty()).collect();
    let first = blocks.first()?;
    let sockets: BTreeSet<&str> =
        blocks.iter().map(|block| field(block, "physical id").unwrap_or("0")).collect();
    let core = |(number, block): (usize, &&str)| match field(block, "core id") {
        Some(core) => (field(block, "physical id").unwrap_or("0").to_owned(), core.to_owned()),
        // A kernel without topology counts each thread as a core.
        None => (String::new(), number.to_string()),
    };
    let cores: BTreeSet<(String, String)> = blocks.iter().enumerate().map(core).collect();
    let number = |name: &str| field(first, name)?.parse().ok();
    let says_hypervisor = field(first, "flags")
        .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let is_virtual = match registers.cpuid(1, 0) {
        Some([_, _, ecx, _]) => ecx & HYPERVISOR != 0,
        None => says_hypervisor,
    };
    Some(Processor {
        vendor: field(first, "vendor_id")?.to_owned(),
        name: field(first, "model name").unwrap_or_default().to_owned(),
        family: number("cpu family")?,
        model: number("model")?,
        stepping: number("stepping").unwrap_or(0),
        sockets: sockets.len() as u32,
        cores: cores.len() as u32,
        threads: blocks.len() as u32,
        smt: tree.number("sys/devices/system/cpu/smt/active").map(|active: u32| active == 1),
        is_virtual,
    })
}

/// A field of one processor's block: `name<tab>: value`.
fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    block.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim())
    })
}
