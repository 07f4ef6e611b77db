//! The requirements, one function for each part of a spec.

use super::fix;
use super::{Check, Outcome};
use crate::facts::{Drive, Facts, Interface, Memory, Processor, Tpm};
use crate::spec::{
    DriveRule, FirmwareRule, InterfaceRule, MemoryRule, ProcessorRule, SecureBootRule, Spec,
    TpmRule,
};

fn check(
    id: &'static str,
    outcome: Outcome,
    wanted: impl Into<String>,
    found: impl Into<String>,
    fix: &str,
) -> Check {
    let fix = (outcome != Outcome::Met).then(|| fix.to_owned());
    Check { id, outcome, wanted: wanted.into(), found: found.into(), fix }
}

fn met(is_met: bool) -> Outcome {
    if is_met { Outcome::Met } else { Outcome::Missed }
}

pub(super) fn processor(rule: &ProcessorRule, found: &Processor) -> Vec<Check> {
    let mut checks = Vec::new();
    let what = format!(
        "{} ({} family {:#x} model {:#x})",
        found.name, found.vendor, found.family, found.model
    );
    if let Some(kind) = &rule.kind {
        let names: Vec<String> = kind
            .models
            .iter()
            .map(|range| format!("{} {:#x} to {:#x}", range.name, range.first, range.last))
            .collect();
        let wanted =
            format!("{} family {:#x}, model {}", kind.vendor, kind.family, names.join(" or "));
        let outcome = met(kind.range_of(found).is_some());
        checks.push(check("processor.kind", outcome, wanted, what, fix::PROCESSOR));
    }
    let [fewest, most] = rule.sockets;
    let wanted = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
    let is_met = (fewest..=most).contains(&found.sockets);
    checks.push(check(
        "processor.sockets",
        met(is_met),
        wanted,
        found.sockets.to_string(),
        if found.sockets > most { fix::PROCESSOR } else { fix::SOCKETS },
    ));
    for (id, wanted, found) in [
        ("processor.cores", rule.cores_min, found.cores),
        ("processor.threads", rule.threads_min, found.threads),
    ] {
        let at_least = format!("at least {wanted}");
        checks.push(check(id, met(found >= wanted), at_least, found.to_string(), fix::CORES));
    }
    checks
}

pub(super) fn memory(rule: &MemoryRule, found: &Memory) -> Check {
    let wanted = format!("at least {}", gigabytes(rule.usable_bytes_min));
    let modules = match (found.modules, found.installed_bytes) {
        (Some(count), Some(bytes)) => format!(", {count} modules with {}", gibibytes(bytes)),
        _ => String::new(),
    };
    let text = format!("{}{modules}", gigabytes(found.usable_bytes));
    let outcome = met(found.usable_bytes >= rule.usable_bytes_min);
    check("memory.usable", outcome, wanted, text, fix::MEMORY)
}

pub(super) fn drives(rule: &DriveRule, found: &[Drive]) -> Check {
    let is_large =
        |drive: &&Drive| rule.kinds.contains(&drive.kind) && drive.bytes >= rule.bytes_min;
    let large = found.iter().filter(is_large).count();
    let kinds: Vec<String> =
        rule.kinds.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect();
    let wanted = format!(
        "at least {} of {} with {} each",
        rule.count_min,
        kinds.join(" or "),
        gigabytes(rule.bytes_min)
    );
    let all: Vec<String> =
        found.iter().map(|drive| format!("{} {}", drive.name, gigabytes(drive.bytes))).collect();
    let text = match all.is_empty() {
        true => "no drives".to_owned(),
        false => format!("{large} ({})", all.join(", ")),
    };
    let outcome = met(large >= rule.count_min as usize);
    check("drives", outcome, wanted, text, fix::DRIVES)
}

pub(super) fn interfaces(rule: &InterfaceRule, found: &[Interface]) -> Vec<Check> {
    let has_driver = |interface: &&Interface| {
        interface.driver.as_ref().is_some_and(|driver| rule.drivers.contains(driver))
    };
    let usable: Vec<&Interface> = found.iter().filter(has_driver).collect();
    let all: Vec<String> = found.iter().map(shown).collect();
    let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    let wanted = format!("at least {} with driver {}", rule.count_min, rule.drivers.join(" or "));
    let outcome = met(usable.len() >= rule.count_min as usize);
    let mut checks =
        vec![check("interfaces.driver", outcome, wanted, all.clone(), fix::INTERFACES)];
    if let Some(link) = &rule.linked {
        let is_fast = |interface: &&&Interface| {
            interface.speed_mbps.is_some_and(|speed| speed >= link.speed_mbps_min)
        };
        let fast = usable.iter().filter(is_fast).count();
        let wanted = format!(
            "at least {} with a link of {} Mbit/s or more",
            link.count_min, link.speed_mbps_min
        );
        let outcome = met(fast >= link.count_min as usize);
        checks.push(check("interfaces.link", outcome, wanted, all, fix::LINK));
    }
    checks
}

fn shown(interface: &Interface) -> String {
    let driver = interface.driver.as_deref().unwrap_or("no driver");
    match interface.speed_mbps {
        Some(speed) => format!("{} ({driver}, {speed} Mbit/s)", interface.name),
        None => format!("{} ({driver}, no link)", interface.name),
    }
}

pub(super) fn tpm(rule: &TpmRule, found: Option<&Tpm>) -> Vec<Check> {
    let wanted = format!("TPM {}", rule.version);
    let Some(tpm) = found else {
        return vec![check("tpm.version", Outcome::Missed, wanted, "no TPM", fix::NO_TPM)];
    };
    let outcome = met(tpm.version == rule.version);
    let text = format!("TPM {}", tpm.version);
    let mut checks = vec![check("tpm.version", outcome, wanted, text, fix::OLD_TPM)];
    let wanted = rule.banks.join(", ");
    checks.push(match &tpm.banks {
        None => check(
            "tpm.banks",
            Outcome::Unknown,
            wanted,
            "the kernel shows none",
            fix::BANKS_UNKNOWN,
        ),
        Some(banks) => {
            let outcome = met(rule.banks.iter().all(|bank| banks.contains(bank)));
            check("tpm.banks", outcome, wanted, banks.join(", "), fix::BANK)
        }
    });
    checks
}

pub(super) fn firmware(rule: &FirmwareRule, facts: &Facts) -> Vec<Check> {
    let firmware = &facts.firmware;
    let text = if firmware.is_uefi { "UEFI" } else { "not UEFI" };
    let mut checks = vec![check("firmware.uefi", met(firmware.is_uefi), "UEFI", text, fix::UEFI)];
    if firmware.is_uefi {
        checks.extend(secure_boot(rule.secure_boot, facts));
    }
    if let Some(wanted) = rule.smt {
        let text = |is_on| if is_on { "on" } else { "off" };
        let fix = if wanted { fix::SMT_ON } else { fix::SMT_OFF };
        // Kernels without the file run on processors that have one thread a core.
        let found = facts.processor.smt.unwrap_or(false);
        checks.push(check("firmware.smt", met(found == wanted), text(wanted), text(found), fix));
    }
    if rule.iommu {
        let text = format!("{} groups of devices", firmware.iommu_groups);
        checks.push(check(
            "firmware.iommu",
            met(firmware.iommu_groups > 0),
            "on",
            text,
            fix::IOMMU,
        ));
    }
    checks
}

fn secure_boot(rule: SecureBootRule, facts: &Facts) -> [Check; 2] {
    let SecureBootRule::OffNoKeys = rule;
    let state = |flag: Option<bool>, words: [&'static str; 2]| match flag {
        Some(true) => words[0],
        Some(false) => words[1],
        None => "not told",
    };
    let outcome = |flag: Option<bool>, wanted: bool| match flag {
        Some(found) => met(found == wanted),
        None => Outcome::Unknown,
    };
    let fix =
        |flag: Option<bool>, fix: &'static str| if flag.is_some() { fix } else { fix::EFIVARS };
    let (on, setup) = (facts.firmware.secure_boot, facts.firmware.setup_mode);
    [
        check(
            "firmware.secure-boot",
            outcome(on, false),
            "off",
            state(on, ["on", "off"]),
            fix(on, fix::SECURE_BOOT_ON),
        ),
        check(
            "firmware.secure-boot-keys",
            outcome(setup, true),
            "none",
            state(setup, ["none", "enrolled"]),
            fix(setup, fix::KEYS),
        ),
    ]
}

pub(super) fn snp(spec: &Spec, facts: &Facts) -> Vec<Check> {
    let snp = &facts.snp;
    let mut checks = Vec::new();
    let mut flag = |id, wanted: &str, found: Option<bool>, texts: [&str; 2], missed, unknown| {
        let (outcome, text, fix) = match found {
            Some(true) => (Outcome::Met, texts[0], ""),
            Some(false) => (Outcome::Missed, texts[1], missed),
            None => (Outcome::Unknown, "not told", unknown),
        };
        checks.push(check(id, outcome, wanted, text, fix));
    };
    flag(
        "snp.processor",
        "SEV-SNP",
        snp.is_supported,
        ["SEV-SNP", "no SEV-SNP"],
        fix::NO_SNP,
        fix::NO_SNP,
    );
    flag("snp.memory-encryption", "on", snp.memory_encryption, ["on", "off"], fix::SMEE, fix::MSR);
    flag(
        "snp.kvm",
        "guests with SEV-SNP",
        snp.kvm,
        ["guests with SEV-SNP", "guests without"],
        fix::KVM_OFF,
        fix::KVM_ABSENT,
    );
    let wanted = format!("all memory, {}", gigabytes(facts.memory.usable_bytes));
    let (outcome, text, fix) = match snp.covered_bytes {
        Some(bytes) => (met(bytes >= facts.memory.usable_bytes), gigabytes(bytes), fix::COVERAGE),
        None => (Outcome::Unknown, "not told".to_owned(), fix::MSR),
    };
    checks.push(check("snp.coverage", outcome, wanted, text, fix));
    if let Some(rule) = &spec.snp {
        let wanted = format!("{} or newer", rule.api_min);
        let (outcome, text, fix) = match snp.api {
            Some(api) => (met(api >= rule.api_min), api.to_string(), fix::API),
            None => (Outcome::Unknown, "not told".to_owned(), fix::DEVICE),
        };
        checks.push(check("snp.api", outcome, wanted, text, fix));
    }
    checks
}

/// As makers count: 10^9 bytes.
fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10)
}

/// As memory modules are counted: 2^30 bytes.
fn gibibytes(bytes: u64) -> String {
    format!("{} GiB", bytes >> 30)
}
