use super::*;
use crate::probe::tests::Machine;
use crate::spec::Spec;

fn missed(machine: &Machine, spec: &str) -> Vec<Check> {
    let checks = compare(&Spec::named(spec).unwrap(), &machine.facts());
    for check in &checks {
        assert_eq!(check.fix.is_some(), check.outcome != Outcome::Met, "{check:?}");
    }
    checks.into_iter().filter(|check| check.outcome != Outcome::Met).collect()
}

fn ids(checks: &[Check]) -> Vec<&'static str> {
    checks.iter().map(|check| check.id).collect()
}

#[test]
fn machines_as_they_should_be() {
    for (machine, spec) in
        [("epyc-7302", "gen1"), ("epyc-7313", "gen2"), ("epyc-9354", "gen3"), ("qemu-q35", "qemu")]
    {
        assert_eq!(missed(&Machine::recorded(machine), spec), [], "{machine}");
    }
}

#[test]
fn the_spec_follows_from_the_processor() {
    let specs = crate::spec::all();
    for (machine, expected) in [
        ("epyc-7302", vec!["gen1"]),
        ("epyc-7313", vec!["gen2"]),
        ("epyc-9354", vec!["gen3"]),
        ("cloud-turin", vec!["gen4"]),
        ("qemu-q35", vec![]),
    ] {
        let facts = Machine::recorded(machine).facts();
        let names: Vec<&str> =
            specs_for(&specs, &facts).into_iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, expected, "{machine}");
    }
}

/// One thing is wrong with a good machine, and exactly that is told, with its fix.
#[test]
fn each_mismatch_has_its_fix() {
    const EFI: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
    type Change<'a> = &'a dyn Fn(&Machine);
    let check = |change: Change, id: &str, outcome: Outcome, fix: &str| {
        let machine = Machine::recorded("epyc-7313");
        change(&machine);
        let missed = missed(&machine, "gen2");
        assert_eq!(ids(&missed), [id]);
        assert_eq!(missed[0].outcome, outcome, "{id}");
        let text = missed[0].fix.as_deref().unwrap();
        assert!(text.contains(fix), "{id}: {text} does not say: {fix}");
    };
    let (gone, unknown) = (Outcome::Missed, Outcome::Unknown);
    check(
        &|m| m.write("proc/meminfo", b"MemTotal: 263000000 kB\n"),
        "memory.usable",
        gone,
        "memory modules",
    );
    check(&|m| m.remove("sys/block/nvme3n1"), "drives", gone, "missing drives");
    check(&|m| m.write("sys/block/nvme3n1/size", b"6251234304"), "drives", gone, "missing drives");
    check(&|m| m.remove("sys/class/net/enp65s0f1np1"), "interfaces.driver", gone, "network card");
    check(
        &|m| m.write("sys/class/net/enp65s0f0np0/speed", b"1000"),
        "interfaces.link",
        gone,
        "made for this speed",
    );
    check(&|m| m.remove("sys/class/tpm"), "tpm.version", gone, "plug in a TPM 2.0");
    check(
        &|m| m.write("sys/class/tpm/tpm0/tpm_version_major", b"1"),
        "tpm.version",
        gone,
        "TPM Device Version",
    );
    check(
        &|m| {
            m.remove("sys/class/tpm/tpm0/pcr-sha256");
            m.write("sys/class/tpm/tpm0/pcr-sha1/0", b"00");
        },
        "tpm.banks",
        gone,
        "PCR Bank",
    );
    check(&|m| m.remove("sys/class/tpm/tpm0/pcr-sha256"), "tpm.banks", unknown, "5.12");
    check(&|m| m.remove("sys/firmware/efi"), "firmware.uefi", gone, "UEFI");
    let secure = format!("sys/firmware/efi/efivars/SecureBoot-{EFI}");
    let setup = format!("sys/firmware/efi/efivars/SetupMode-{EFI}");
    check(
        &|m| m.write(&secure, &[6, 0, 0, 0, 1]),
        "firmware.secure-boot",
        gone,
        "switch Secure Boot off",
    );
    check(
        &|m| m.write(&setup, &[6, 0, 0, 0, 0]),
        "firmware.secure-boot-keys",
        gone,
        "delete all Secure Boot keys",
    );
    check(&|m| m.remove(&setup), "firmware.secure-boot-keys", unknown, "efivarfs");
    check(
        &|m| m.write("sys/devices/system/cpu/smt/active", b"0"),
        "firmware.smt",
        gone,
        "SMT Control",
    );
    check(&|m| m.remove("sys/kernel/iommu_groups"), "firmware.iommu", gone, "IOMMU");
    check(&|m| m.change_registers("0x1b", "0x0b"), "snp.processor", gone, "no SEV-SNP");
    check(&|m| m.change_registers("0x3800000", "0x3000000"), "snp.memory-encryption", gone, "SMEE");
    check(
        &|m| m.write("sys/module/kvm_amd/parameters/sev_snp", b"N"),
        "snp.kvm",
        gone,
        "SEV-SNP is off: set SMEE and SNP Memory",
    );
    check(&|m| m.remove("sys/module/kvm_amd"), "snp.kvm", unknown, "SVM Mode");
    check(
        &|m| m.change_registers("0xc0010133: ", "0xc0010134: "),
        "snp.coverage",
        unknown,
        "module msr",
    );
    check(&|m| m.change_registers("0x8000000000\n", "0\n"), "snp.coverage", gone, "Coverage");
    check(
        &|m| m.change_registers("1.55", "1.49"),
        "snp.api",
        gone,
        "update the machine's firmware",
    );
    check(&|m| m.change_registers("sev_status:", "# "), "snp.api", unknown, "/dev/sev");
}

/// Half of the memory is covered by a table that firmware made too small.
#[test]
fn a_table_that_covers_too_little() {
    let machine = Machine::recorded("epyc-7313");
    let base = 0x80_0000_0000_u64;
    let end = base + 16_384 + (256_u64 << 30) / 4096 * 16 - 1;
    let facts = machine.facts();
    let line = |end: u64| format!("0xc0010133: {end:#x}");
    let covered = facts.snp.covered_bytes.unwrap();
    machine.change_registers(&line(base + 16_384 + covered / 4096 * 16 - 1), &line(end));
    assert_eq!(machine.facts().snp.covered_bytes, Some(256 << 30));
    let missed = missed(&machine, "gen2");
    assert_eq!(ids(&missed), ["snp.coverage"]);
    assert_eq!(missed[0].found, "274.8 GB");
}

/// This kind of cloud machine is of the generation by its processor, and lacks nearly all else.
#[test]
fn a_cloud_machine_is_no_node() {
    let missed = missed(&Machine::recorded("cloud-turin"), "gen4");
    assert_eq!(
        ids(&missed),
        [
            "processor.cores",
            "processor.threads",
            "memory.usable",
            "drives",
            "interfaces.driver",
            "interfaces.link",
            "tpm.version",
            "firmware.uefi",
            "firmware.smt",
            "firmware.iommu",
            "snp.processor",
            "snp.memory-encryption",
            "snp.kvm",
            "snp.coverage",
            "snp.api",
        ]
    );
}

#[test]
fn another_generation_is_told() {
    let missed = missed(&Machine::recorded("epyc-9354"), "gen2");
    assert_eq!(ids(&missed), ["processor.kind"]);
    assert!(missed[0].fix.as_deref().unwrap().contains("plinth spec list"));
    assert_eq!(
        missed[0].found,
        "AMD EPYC 9354 32-Core Processor (AuthenticAMD family 0x19 model 0x11)"
    );
}
