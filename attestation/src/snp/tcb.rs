//! Versions of the firmware parts that a guest has to trust.

use super::Product;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Security version numbers, each of which only grows with fixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcbVersion {
    /// Firmware of the mediator chip: Turin alone, zero elsewhere.
    pub fmc: u8,
    /// Boot loader of the security processor.
    pub bootloader: u8,
    /// Operating system of the security processor.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// The lowest patch level of all cores.
    pub microcode: u8,
}

impl TcbVersion {
    /// From the eight bytes of a report, whose order depends on the product (ABI, 2.2). Reserved
    /// ones among them are not looked at.
    pub fn from_raw(raw: [u8; 8], product: Product) -> Self {
        match (product, raw) {
            (Product::Milan | Product::Genoa, [bootloader, tee, .., snp, microcode]) => {
                Self { fmc: 0, bootloader, tee, snp, microcode }
            }
            (Product::Turin, [fmc, bootloader, tee, snp, .., microcode]) => {
                Self { fmc, bootloader, tee, snp, microcode }
            }
        }
    }

    /// The reserved ones of the eight bytes, which firmware writes as zero.
    pub(super) fn reserved(raw: [u8; 8], product: Product) -> [u8; 4] {
        match (product, raw) {
            (Product::Milan | Product::Genoa, [_, _, a, b, c, d, _, _]) => [a, b, c, d],
            (Product::Turin, [_, _, _, _, a, b, c, _]) => [a, b, c, 0],
        }
    }

    /// Whether no part is older than in `minimum`.
    pub fn is_at_least(&self, minimum: &Self) -> bool {
        self.parts().iter().zip(minimum.parts()).all(|(have, want)| *have >= want)
    }

    fn parts(&self) -> [u8; 5] {
        [self.fmc, self.bootloader, self.tee, self.snp, self.microcode]
    }
}

impl fmt::Display for TcbVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fmc != 0 {
            write!(formatter, "fmc={},", self.fmc)?;
        }
        let Self { bootloader, tee, snp, microcode, .. } = self;
        write!(formatter, "bootloader={bootloader},tee={tee},snp={snp},microcode={microcode}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_depends_on_the_product() {
        let raw = [1, 2, 3, 4, 5, 6, 7, 8];
        let milan = TcbVersion { fmc: 0, bootloader: 1, tee: 2, snp: 7, microcode: 8 };
        let turin = TcbVersion { fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 8 };
        assert_eq!(TcbVersion::from_raw(raw, Product::Milan), milan);
        assert_eq!(TcbVersion::from_raw(raw, Product::Genoa), milan);
        assert_eq!(TcbVersion::from_raw(raw, Product::Turin), turin);
        assert_eq!(TcbVersion::reserved(raw, Product::Genoa), [3, 4, 5, 6]);
        assert_eq!(TcbVersion::reserved(raw, Product::Turin), [5, 6, 7, 0]);
    }

    #[test]
    fn each_part_counts() {
        let minimum = TcbVersion { fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 5 };
        assert!(minimum.is_at_least(&minimum));
        assert!(minimum.is_at_least(&TcbVersion::default()));
        for older in [
            TcbVersion { fmc: 0, ..minimum },
            TcbVersion { bootloader: 1, ..minimum },
            TcbVersion { tee: 2, ..minimum },
            TcbVersion { snp: 3, microcode: 255, ..minimum },
            TcbVersion { microcode: 4, snp: 255, ..minimum },
        ] {
            assert!(!older.is_at_least(&minimum), "{older}");
        }
    }
}
