//! One step of the digest: what a page is, where, and what is in it.

use super::VMSA_ADDRESS;
use crate::crypto::Hash;

/// Length of a page.
pub(super) const PAGE_BYTES: usize = 4096;

/// Length of the structure that is hashed for each page.
const PAGE_INFO_BYTES: u16 = 0x70;

/// Kinds of pages (ABI, table 67).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    /// With contents, which are measured.
    Normal = 1,
    /// A processor's registers, which are measured.
    Vmsa = 2,
    /// All zero bytes.
    Zero = 3,
    /// Filled by the security processor with the guest's secrets.
    Secrets = 5,
    /// Filled by the monitor, checked by the security processor.
    Cpuid = 6,
}

/// The digest so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running([u8; 48]);

impl Running {
    pub fn new() -> Self {
        Self([0; 48])
    }

    pub fn from_value(value: [u8; 48]) -> Self {
        Self(value)
    }

    pub fn value(&self) -> [u8; 48] {
        self.0
    }

    /// Pages with contents, from `address` on. `contents` are whole pages.
    pub fn add_contents(&mut self, address: u64, contents: &[u8]) {
        for (page, at) in contents.chunks(PAGE_BYTES).zip((address..).step_by(PAGE_BYTES)) {
            self.extend(PageKind::Normal, at, &sha384(page));
        }
    }

    /// Pages whose contents are not measured, from `address` on.
    pub fn add_empty(&mut self, kind: PageKind, address: u64, bytes: u32) {
        for offset in (0..u64::from(bytes)).step_by(PAGE_BYTES) {
            self.extend(kind, address + offset, &[0; 48]);
        }
    }

    /// A processor's registers.
    pub fn add_vmsa(&mut self, page: &[u8; PAGE_BYTES]) {
        self.extend(PageKind::Vmsa, VMSA_ADDRESS, &sha384(page));
    }

    fn extend(&mut self, kind: PageKind, address: u64, contents: &[u8; 48]) {
        // The zeros: not an initial migration image; no permissions below VMPL 0; reserved.
        let mut info = [0; PAGE_INFO_BYTES as usize];
        info[..48].copy_from_slice(&self.0);
        info[48..96].copy_from_slice(contents);
        info[96..98].copy_from_slice(&PAGE_INFO_BYTES.to_le_bytes());
        info[98] = kind as u8;
        info[104..].copy_from_slice(&address.to_le_bytes());
        self.0 = sha384(&info);
    }
}

fn sha384(bytes: &[u8]) -> [u8; 48] {
    let mut array = [0; 48];
    array.copy_from_slice(Hash::Sha384.digest(bytes).as_bytes());
    array
}
