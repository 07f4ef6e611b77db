//! Images that were tampered with: they do not come up, say why on the console, and end.

use crate::guestos::Boot;
use boot_tests::images;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::process::Command;

/// A file that the first process of the root reads, so that its block is met at every start.
const READ_AT_START: &[u8] = b"[Manager]\nLogTarget=kmsg\n";

#[test]
fn a_flipped_byte_of_the_root_stops_the_start() {
    let images = images::production();
    let root = images.read("guestos", "root.erofs");
    let at = root.windows(READ_AT_START.len()).position(|bytes| bytes == READ_AT_START);
    let at = at.expect("the root has the settings of systemd") as u64;
    let folder = tempfile::tempdir_in(&images.folder).expect("the cache can be written");
    let disk = folder.path().join("disk");
    let mut copy = Command::new("cp");
    copy.arg("--sparse=always").arg(images.disk("guestos")).arg(&disk);
    assert!(copy.status().expect("cp can be started").success());
    let file = OpenOptions::new().read(true).write(true).open(&disk).expect("the copy");
    let table = image_build::gpt::read(&mut &file).expect("our own disk");
    let entry = table.entries.iter().find(|entry| entry.label == "root-a").expect("a root");
    let place = entry.first_sector * 512 + at;
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).expect("the copy has it");
    assert_eq!(byte, [b'[']);
    file.write_all_at(&[byte[0] ^ 1], place).expect("the copy can be written");
    let boot = Boot::of(&images);
    let console = boot.start(&boot.command_line, &disk).wait_for_end();
    let found = format!("data block {} is corrupted", at / 4096);
    for said in [&found, "dm-verity device corrupted", "Rebooting in 10 seconds"] {
        assert!(console.contains(said), "no {said:?} in\n{console}");
    }
    assert!(!console.contains("Reached target multi-user.target"), "{console}");
}

#[test]
fn a_command_line_without_a_root_hash_starts_nothing() {
    let images = images::production();
    let boot = Boot::of(&images);
    let (others, _) = boot.command_line.split_once("plinth.roothash=").expect("it has one");
    let console = boot.start(others.trim_end(), &images.disk("guestos")).wait_for_end();
    for said in ["has no plinth.roothash=", "the machine starts again", "reboot: Restarting system"]
    {
        assert!(console.contains(said), "no {said:?} in\n{console}");
    }
    assert!(!console.contains("systemd[1]"), "{console}");
}
