//! GuestOS: started by its host from kernel, initrd and command line as they are in its boot archive.

use attestation::snp::launch::{BaseDigest, Firmware, KernelHashes, Processor};
use boot_tests::images::{self, Images};
use boot_tests::machine::{Machine, STARTED, Starter, assert_up};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The boot archive, taken apart by a tool of others.
pub struct Boot {
    folder: tempfile::TempDir,
    pub command_line: String,
}

impl Boot {
    pub fn of(images: &Images) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let archive = fs::File::open(images.path("guestos", "boot.cpio")).expect("a boot archive");
        let mut cpio = Command::new("cpio");
        cpio.args(["--extract", "--quiet"]).current_dir(folder.path()).stdin(archive);
        assert!(cpio.status().expect("cpio can be started").success());
        let command_line = fs::read_to_string(folder.path().join("cmdline")).expect("it is there");
        Self { folder, command_line }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it, with its own command line or another one.
    pub fn start(&self, command_line: &str, disk: &Path) -> Machine {
        let (kernel, initrd) = (&self.path("kernel"), &self.path("initrd"));
        Machine::start(&Starter::Direct { kernel, initrd, command_line }, disk)
    }
}

/// Our digests of the real firmware, kernel, initrd and command line are those of another implementation.
#[test]
fn launch_digests_are_those_of_sev_snp_measure() {
    let images = images::production();
    let boot = Boot::of(&images);
    let read = |name: &str| fs::read(boot.path(name)).expect("it is there");
    let firmware = Firmware::from_bytes(&images.read("guestos", "firmware.fd")).expect("firmware");
    let kernel = KernelHashes::new(&read("kernel"), &read("initrd"), &boot.command_line);
    let base = BaseDigest::new(&firmware, Some(&kernel)).expect("it measures kernels");
    let programs = std::env::var_os("PLINTH_PYTHON_PROGRAMS");
    let programs = PathBuf::from(programs.expect("`cargo xtask test` sets PLINTH_PYTHON_PROGRAMS"));
    for (model, count) in [
        ("EPYC-v4", 1),
        ("EPYC-Rome", 2),
        ("EPYC-Milan", 1),
        ("EPYC-Milan-v2", 64),
        ("EPYC-Genoa", 16),
        ("EPYC-Turin", 3),
    ] {
        let processor = Processor::from_qemu_name(model).expect("a model of QEMU");
        let ours = base.with_processors(count, processor, 1).expect("a number of processors");
        let mut measure = Command::new(programs.join("sev-snp-measure"));
        measure.args(["--mode", "snp", "--vcpus", &count.to_string(), "--vcpu-type", model]);
        measure.arg("--ovmf").arg(images.path("guestos", "firmware.fd"));
        measure.arg("--kernel").arg(boot.path("kernel")).arg("--initrd").arg(boot.path("initrd"));
        let output = measure.args(["--append", &boot.command_line]).output().expect("it starts");
        let theirs = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(hex::encode(ours), theirs, "{count} {model}: {text}");
    }
}

#[test]
fn guestos_starts_from_its_boot_archive() {
    let images = images::production();
    let built = images.built("guestos");
    let boot = Boot::of(&images);
    assert_eq!(Some(&boot.command_line), built.command_line.as_ref());
    for _ in 0..2 {
        let machine = boot.start(&boot.command_line, &images.disk("guestos"));
        assert_up(&machine.wait_for(STARTED), "root-a (vda2)", &built.root_hash);
    }
}
