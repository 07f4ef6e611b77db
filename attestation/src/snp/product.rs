//! Generations of processors that can run SEV-SNP.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A generation, as AMD groups them under one root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// EPYC 7003, Zen 3.
    Milan,
    /// EPYC 9004 and 8004 (Genoa, Bergamo, Siena), Zen 4.
    Genoa,
    /// EPYC 9005, Zen 5.
    Turin,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// From the name in a certificate, such as `Milan-B0`: what is before the stepping.
    pub fn from_certificate_name(name: &str) -> Option<Self> {
        match name.split('-').next()? {
            "Milan" => Some(Self::Milan),
            "Genoa" | "Bergamo" | "Siena" => Some(Self::Genoa),
            "Turin" => Some(Self::Turin),
            _ => None,
        }
    }

    /// From family and model, the extended parts added, as reports from version 3 on have them.
    pub fn from_cpuid(family: u8, model: u8) -> Option<Self> {
        match (family, model) {
            (0x19, 0x00..=0x0f) => Some(Self::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Self::Genoa),
            (0x1a, 0x00..=0x1f) => Some(Self::Turin),
            _ => None,
        }
    }

    /// How many bytes of a report's chip id name the chip.
    pub const fn chip_id_bytes(self) -> usize {
        match self {
            Self::Milan | Self::Genoa => 64,
            Self::Turin => 8,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_processor_ids() {
        let name = Product::from_certificate_name;
        assert_eq!(name("Milan-B0"), Some(Product::Milan));
        assert_eq!(name("Milan"), Some(Product::Milan));
        assert_eq!(name("Genoa-B1"), Some(Product::Genoa));
        assert_eq!(name("Turin"), Some(Product::Turin));
        for unknown in ["", "-", "milan", "Milan2", "Rome", "Venice-A0"] {
            assert_eq!(name(unknown), None, "{unknown}");
        }
        assert_eq!(Product::from_cpuid(0x19, 0x01), Some(Product::Milan));
        assert_eq!(Product::from_cpuid(0x19, 0x11), Some(Product::Genoa));
        assert_eq!(Product::from_cpuid(0x19, 0xa0), Some(Product::Genoa));
        assert_eq!(Product::from_cpuid(0x1a, 0x02), Some(Product::Turin));
        assert_eq!(Product::from_cpuid(0x1a, 0x11), Some(Product::Turin));
        for (family, model) in [(0, 0), (0x17, 0x31), (0x19, 0x20), (0x1a, 0x20), (0x1b, 0)] {
            assert_eq!(Product::from_cpuid(family, model), None);
        }
    }
}
