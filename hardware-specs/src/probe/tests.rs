use super::*;
use crate::facts::{ApiVersion, DriveKind};
use crate::registers::Recorded;

/// A recorded machine below a scratch folder: sections `== KIND PATH`, then the content.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub fn recorded(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("trees").join(format!("{name}.tree"));
        let text = std::fs::read_to_string(&path).unwrap();
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for section in text.split("\n== ").skip(1) {
            let (head, content) = section.split_once('\n').unwrap_or((section, ""));
            let (kind, path) = head.split_once(' ').unwrap();
            match kind {
                "text" => machine.write(path, format!("{content}\n").as_bytes()),
                "hex" => machine.write(path, &hex::decode(content.replace('\n', "")).unwrap()),
                "folder" => std::fs::create_dir_all(machine.at(path)).unwrap(),
                "link" => {
                    std::fs::create_dir_all(machine.at(path).parent().unwrap()).unwrap();
                    std::os::unix::fs::symlink(content.trim(), machine.at(path)).unwrap();
                }
                other => panic!("{other}"),
            }
        }
        machine
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, content: &[u8]) {
        std::fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        std::fs::write(self.at(path), content).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let path = self.at(path);
        let is_folder = path.symlink_metadata().unwrap().is_dir();
        if is_folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }

    /// Changes a recorded register's line.
    pub fn change_registers(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.at("registers.yaml")).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        self.write("registers.yaml", text.replace(from, to).as_bytes());
    }

    pub fn facts(&self) -> Facts {
        let text = std::fs::read_to_string(self.at("registers.yaml")).unwrap_or("{}".to_owned());
        probe(self.folder.path(), &Recorded::parse(&text).unwrap()).unwrap()
    }
}

#[test]
fn a_server() {
    let facts = Machine::recorded("epyc-7313").facts();
    let processor = &facts.processor;
    assert_eq!(
        (processor.vendor.as_str(), processor.family, processor.model),
        ("AuthenticAMD", 25, 1)
    );
    assert_eq!((processor.sockets, processor.cores, processor.threads), (2, 32, 64));
    assert_eq!((processor.smt, processor.is_virtual), (Some(true), false));
    assert_eq!(facts.memory.installed_bytes, Some(512 << 30));
    assert_eq!(facts.memory.modules, Some(16));
    assert_eq!(facts.memory.usable_bytes, 527_900_000 * 1024);
    // The stick, the loop and the mapping are no drives.
    let names: Vec<&str> = facts.drives.iter().map(|drive| drive.name.as_str()).collect();
    assert_eq!(names, ["nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1", "nvme4n1"]);
    assert!(facts.drives.iter().all(|drive| drive.kind == DriveKind::Nvme));
    assert_eq!(facts.drives[0].bytes, 6_401_252_745_216);
    let speeds: Vec<_> = facts.interfaces.iter().map(|interface| interface.speed_mbps).collect();
    assert_eq!(speeds, [Some(10_000), None]);
    assert_eq!(facts.interfaces[0].driver.as_deref(), Some("bnxt_en"));
    let tpm = Tpm { version: 2, banks: Some(vec!["sha256".to_owned()]) };
    assert_eq!(facts.tpm, Some(tpm));
    let firmware = &facts.firmware;
    assert_eq!((firmware.secure_boot, firmware.setup_mode), (Some(false), Some(true)));
    assert_eq!(firmware.iommu_groups, 4);
    let snp = &facts.snp;
    assert_eq!(
        (snp.is_supported, snp.memory_encryption, snp.kvm),
        (Some(true), Some(true), Some(true))
    );
    assert_eq!(snp.api, Some(ApiVersion { major: 1, minor: 55 }));
    assert!(snp.covered_bytes.unwrap() >= facts.memory.usable_bytes);
}

/// A machine that shows little: what is not there is not made up.
#[test]
fn a_machine_without_firmware_tables() {
    let facts = Machine::recorded("cloud-turin").facts();
    assert_eq!((facts.processor.family, facts.processor.threads), (26, 2));
    assert_eq!(facts.memory.modules, None);
    assert_eq!(facts.tpm, None);
    assert_eq!(facts.identity, Identity::default());
    assert!(!facts.firmware.is_uefi);
    assert_eq!(facts.snp, crate::facts::Snp::default());
    assert_eq!(facts.drives.len(), 1);
    assert_eq!(facts.interfaces.len(), 1);
}

/// The machine that the test runs on, whatever it is.
#[test]
fn this_machine_can_be_probed() {
    let facts = probe(Path::new("/"), &crate::registers::Live).unwrap();
    assert!(facts.processor.threads >= facts.processor.cores);
    assert!(facts.processor.cores >= facts.processor.sockets);
    assert!(facts.memory.usable_bytes > 0);
    // cpuid and the kernel agree on the family.
    use crate::registers::Registers as _;
    let [eax, ..] = crate::registers::Live.cpuid(1, 0).unwrap();
    let (base, extended) = (eax >> 8 & 0xf, eax >> 20 & 0xff);
    assert_eq!(facts.processor.family, if base == 0xf { base + extended } else { base });
    assert_eq!(crate::registers::Live.cpuid(0x8fff_ffff, 0), None);
}

#[test]
fn a_folder_without_a_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = probe(folder.path(), &Recorded::default()).unwrap_err().to_string();
    assert!(error.contains("says nothing of x86 processors"), "{error}");
}

/// Foreign bytes in each file: probing goes on with what can be read.
#[test]
fn rubbish_is_no_fact() {
    for path in [
        "proc/meminfo",
        "sys/firmware/dmi/tables/DMI",
        "sys/block/nvme0n1/size",
        "sys/class/net/enp65s0f0np0/speed",
        "sys/class/tpm/tpm0/tpm_version_major",
        "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        "sys/module/kvm_amd/parameters/sev_snp",
        "sys/class/dmi/id/sys_vendor",
    ] {
        let machine = Machine::recorded("epyc-7313");
        let good = machine.facts();
        machine.write(path, &[0xff, 0, 0x1b, b'[', b'9', b'\n', 0xfe]);
        assert_ne!(machine.facts(), good, "{path}");
    }
    let machine = Machine::recorded("epyc-7313");
    machine.write("sys/block/nvme0n1/size", b"18446744073709551615");
    assert_eq!(machine.facts().drives.len(), 4);
    machine.write("sys/class/dmi/id/sys_vendor", b"a\x1b[31mred");
    assert_eq!(machine.facts().identity.maker.as_deref(), Some("a[31mred"));
}
