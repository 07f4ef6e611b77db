//! The registers with which a virtual processor starts (APM volume 2, table B-4), as KVM and QEMU
//! set them.

use super::page::PAGE_BYTES;

/// A model of virtual processors, by the signature that its register EDX holds at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    signature: u32,
}

impl Processor {
    /// QEMU's `EPYC`, in all its versions.
    pub const EPYC: Self = Self::new(0x17, 0x01, 2);
    /// QEMU's `EPYC-Rome`.
    pub const EPYC_ROME: Self = Self::new(0x17, 0x31, 0);
    /// QEMU's `EPYC-Milan`.
    pub const EPYC_MILAN: Self = Self::new(0x19, 0x01, 1);
    /// QEMU's `EPYC-Genoa`.
    pub const EPYC_GENOA: Self = Self::new(0x19, 0x11, 0);
    /// QEMU's `EPYC-Turin`.
    pub const EPYC_TURIN: Self = Self::new(0x1a, 0x00, 0);

    /// A processor of this family and model, the extended parts added.
    pub const fn new(family: u8, model: u8, stepping: u8) -> Self {
        let (base, extended) =
            if family > 0xf { (0xf, family as u32 - 0xf) } else { (family as u32, 0) };
        let (model_high, model_low) = (model as u32 >> 4, model as u32 & 0xf);
        let signature =
            extended << 20 | model_high << 16 | base << 8 | model_low << 4 | stepping as u32 & 0xf;
        Self { signature }
    }

    /// The model that QEMU calls by this name, with or without a version such as `-v4`.
    pub fn from_qemu_name(name: &str) -> Option<Self> {
        let (model, version) = match name.rsplit_once("-v") {
            Some((model, version)) => (model, Some(version)),
            None => (name, None),
        };
        let is_version = |digits: &str| {
            !digits.is_empty()
                && digits.len() < 3
                && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !version.is_none_or(is_version) {
            return None;
        }
        match model {
            "EPYC" | "EPYC-IBPB" => Some(Self::EPYC),
            "EPYC-Rome" => Some(Self::EPYC_ROME),
            "EPYC-Milan" => Some(Self::EPYC_MILAN),
            "EPYC-Genoa" => Some(Self::EPYC_GENOA),
            "EPYC-Turin" => Some(Self::EPYC_TURIN),
            _ => None,
        }
    }

    /// The page of registers of a processor that starts at this address in real mode.
    pub(super) fn page(self, start: u32, features: u64) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        let mut put = |offset: usize, bytes: &[u8]| {
            page[offset..offset + bytes.len()].copy_from_slice(bytes);
        };
        // Selector, attributes, limit, base.
        let mut segment = |offset: usize, selector: u16, attributes: u16, base: u32| {
            put(offset, &selector.to_le_bytes());
            put(offset + 2, &attributes.to_le_bytes());
            put(offset + 4, &0xffff_u32.to_le_bytes());
            put(offset + 8, &u64::from(base).to_le_bytes());
        };
        const DATA: u16 = 0x93;
        segment(0x00, 0, DATA, 0); // ES
        segment(0x10, 0xf000, 0x9b, start & 0xffff_0000); // CS
        for offset in [0x20, 0x30, 0x40, 0x50] {
            segment(offset, 0, DATA, 0); // SS, DS, FS, GS
        }
        segment(0x60, 0, 0, 0); // GDTR
        segment(0x70, 0, 0x82, 0); // LDTR
        segment(0x80, 0, 0, 0); // IDTR
        segment(0x90, 0, 0x8b, 0); // TR
        for (offset, value) in [
            (0x0d0, 0x1000),                    // EFER: SVME
            (0x148, 0x40),                      // CR4: MCE
            (0x158, 0x10),                      // CR0: ET
            (0x160, 0x400),                     // DR7
            (0x168, 0xffff_0ff0),               // DR6
            (0x170, 0x2),                       // RFLAGS
            (0x178, u64::from(start & 0xffff)), // RIP
            (0x268, 0x0007_0406_0007_0406),     // PAT
            (0x310, u64::from(self.signature)), // RDX
            (0x3b0, features),                  // SEV features
            (0x3e8, 0x1),                       // XCR0
        ] {
            put(offset, &u64::to_le_bytes(value));
        }
        put(0x408, &0x1f80_u32.to_le_bytes()); // MXCSR
        put(0x410, &0x037f_u16.to_le_bytes()); // x87 control word
        page
    }
}
