//! The page by which guest firmware knows the kernel that the host hands it.

use super::page::PAGE_BYTES;
use crate::crypto::Hash;

/// SHA-256 of what a directly booted guest is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelHashes {
    kernel: [u8; 32],
    initrd: [u8; 32],
    command_line: [u8; 32],
}

/// Names in the table, as their bytes lie in memory (the first three groups little endian).
const TABLE: [u8; 16] = guid(0x9438_d606, 0x4f22, 0x4cc9, *b"\xb4\x79\xa7\x93\xd4\x11\xfd\x21");
const KERNEL: [u8; 16] = guid(0x4de7_9437, 0xabd2, 0x427f, *b"\xb8\x35\xd5\xb1\x72\xd2\x04\x5b");
const INITRD: [u8; 16] = guid(0x44ba_f731, 0x3a2f, 0x4bd7, *b"\x9a\xf1\x41\xe2\x91\x69\x78\x1d");
const COMMAND_LINE: [u8; 16] =
    guid(0x97d0_2dd8, 0xbd20, 0x4c94, *b"\xaa\x78\xe7\x71\x4d\x36\xab\x2a");

/// A name and a length, before each value.
const HEAD_BYTES: usize = 18;
/// The table, and what it is padded to.
const TABLE_BYTES: usize = HEAD_BYTES + 3 * (HEAD_BYTES + 32);
pub(super) const PADDED_BYTES: usize = TABLE_BYTES.next_multiple_of(16);

impl KernelHashes {
    /// Of these files; no initial file system is an empty one. QEMU ends the command line with a
    /// zero byte, which is not given here.
    pub fn new(kernel: &[u8], initrd: &[u8], command_line: &str) -> Self {
        Self {
            kernel: sha256(&[kernel]),
            initrd: sha256(&[initrd]),
            command_line: sha256(&[command_line.as_bytes(), &[0]]),
        }
    }

    /// The page with the table at `offset`; none if it would pass the page's end.
    pub(super) fn page(&self, offset: usize) -> Option<[u8; PAGE_BYTES]> {
        let length = |bytes: usize| (bytes as u16).to_le_bytes();
        let mut table = [TABLE.as_slice(), &length(TABLE_BYTES)].concat();
        for (name, hash) in
            [(COMMAND_LINE, self.command_line), (INITRD, self.initrd), (KERNEL, self.kernel)]
        {
            table.extend(name);
            table.extend(length(HEAD_BYTES + 32));
            table.extend(hash);
        }
        let mut page = [0; PAGE_BYTES];
        page.get_mut(offset..offset.checked_add(PADDED_BYTES)?)?[..TABLE_BYTES]
            .copy_from_slice(&table);
        Some(page)
    }
}

/// A name as it lies in memory.
pub(super) const fn guid(first: u32, second: u16, third: u16, rest: [u8; 8]) -> [u8; 16] {
    let ([a, b, c, d], [e, f], [g, h]) =
        (first.to_le_bytes(), second.to_le_bytes(), third.to_le_bytes());
    let [i, j, k, l, m, n, o, p] = rest;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(Hash::Sha256.digest_parts(parts).as_bytes());
    array
}
