//! The initrd that systemd-stub hands to the kernel: what the image has, and what the stub adds.
//!
//! Source: systemd-stub 257, `src/boot/stub.c` and `cpio.c`: the image's microcode and initrd, then one
//! archive for each section that the running system is to find below `/.extra`; each part is padded
//! with zeros to four bytes. Files beside the image (credentials, extensions) would add more, and are
//! measured into PCR 12 and 13, which must be zero.

use super::uki::Uki;

/// Sections that become files, in the order of the archives.
const FILES: [(&str, &str); 4] = [
    (".pcrsig", ".extra/tpm2-pcr-signature.json"),
    (".pcrpkey", ".extra/tpm2-pcr-public-key.pem"),
    (".osrel", ".extra/os-release"),
    (".profile", ".extra/profile"),
];

/// The folder of those files.
const FOLDER: &str = ".extra";
/// Modes: a folder and a file that all may read.
const FOLDER_MODE: u32 = 0o40_555;
const FILE_MODE: u32 = 0o100_444;

/// The entry that ends an archive. Unlike all other numbers, the length of its name is in upper case.
const TRAILER: &[u8; 124] = b"070701\
    00000000000000000000000000000000\
    00000001\
    000000000000000000000000000000000000000000000000\
    0000000B\
    00000000\
    TRAILER!!!\0\0\0\0";

/// All parts of an image's initrd, one after the other.
pub(super) fn by_stub(uki: &Uki) -> Vec<u8> {
    let mut initrd = Vec::new();
    for name in [".ucode", ".initrd"] {
        initrd.extend(uki.section(name).unwrap_or_default());
        pad(&mut initrd);
    }
    for (section, path) in FILES {
        if let Some(content) = uki.file_section(section) {
            initrd.extend(archive(path, content));
            pad(&mut initrd);
        }
    }
    initrd
}

/// A cpio archive ("newc") of one file in its folder.
fn archive(path: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    entry(&mut archive, 1, FOLDER_MODE, FOLDER, &[]);
    entry(&mut archive, 2, FILE_MODE, path, content);
    archive.extend(TRAILER);
    archive
}

fn entry(archive: &mut Vec<u8>, inode: u32, mode: u32, name: &str, content: &[u8]) {
    // A section's length comes from 32 bits of its header.
    let content_bytes = u32::try_from(content.len()).expect("sections have under 4 GiB");
    let name_bytes = name.len() as u32 + 1;
    let (owner, group, links, time) = (0, 0, 1, 0);
    archive.extend(b"070701");
    let numbers =
        [inode, mode, owner, group, links, time, content_bytes, 0, 0, 0, 0, name_bytes, 0];
    for number in numbers {
        archive.extend(format!("{number:08x}").bytes());
    }
    archive.extend(name.bytes());
    archive.push(0);
    pad(archive);
    archive.extend(content);
    pad(archive);
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}
