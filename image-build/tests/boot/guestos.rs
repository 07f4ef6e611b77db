//! GuestOS: started by its host from kernel, initrd and command line as they are in its boot archive.

use crate::images::{self, Images};
use crate::machine::{Machine, STARTED, Starter, assert_up};
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
