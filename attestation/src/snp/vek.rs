//! What the certificate of a VCEK or VLEK says, beyond X.509 (57230, table 8 and 9).

use super::{Product, TcbVersion};
use crate::der::{DerError, Reader, only, tag};
use crate::x509::Certificate;
use serde::Serialize;
use std::fmt;

/// 1.3.6.1.4.1.3704.1, AMD's extensions.
const AMD: [u8; 8] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];

/// The parts of an AMD object identifier after its prefix.
const PRODUCT_NAME: &[u8] = &[2];
const BOOTLOADER: &[u8] = &[3, 1];
const TEE: &[u8] = &[3, 2];
const SNP: &[u8] = &[3, 3];
/// Versions without a meaning yet: bytes 2 to 5 of a TCB version before Turin.
const SPARE: [&[u8]; 4] = [&[3, 4], &[3, 5], &[3, 6], &[3, 7]];
const MICROCODE: &[u8] = &[3, 8];
const FMC: &[u8] = &[3, 9];
const HARDWARE_ID: &[u8] = &[4];
const PROVIDER_ID: &[u8] = &[5];

/// Tag of an IA5String.
const IA5_STRING: u8 = 0x16;

/// Names of the keys, the last part of the certificate's name.
const VCEK_NAME: &str = "SEV-VCEK";
const VLEK_NAME: &str = "SEV-VLEK";

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VekKind {
    /// One chip's, with the chip's id: 64 bytes, on Turin 8.
    Vcek {
        /// The chip.
        hardware_id: Vec<u8>,
    },
    /// One cloud provider's, on any of its chips.
    Vlek {
        /// The provider, as AMD names it.
        provider: String,
    },
}

impl fmt::Display for VekKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vcek { .. } => write!(formatter, "VCEK"),
            Self::Vlek { provider } => write!(formatter, "VLEK of {provider}"),
        }
    }
}

/// Why a certificate is not that of a VCEK or VLEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VekError {
    /// An extension of AMD's is missing.
    #[error("the extension {0} is missing")]
    Missing(&'static str),
    /// An extension of AMD's has another form.
    #[error("the extension {0} is malformed")]
    Malformed(&'static str),
    /// A generation that is not known here.
    #[error("the product is not Milan, Genoa or Turin")]
    Product,
    /// Neither of the two, or a mixture.
    #[error("name and extensions are neither those of a VCEK nor those of a VLEK")]
    Kind,
}

/// What a certificate claims about its key. It is not believed before its chain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VekClaims {
    /// Whose key it is.
    pub kind: VekKind,
    /// The generation of the chip.
    pub product: Product,
    /// The firmware version that the key stands for, as reports write it.
    pub tcb: [u8; 8],
}

impl VekClaims {
    /// Reads AMD's extensions.
    pub fn of(certificate: &Certificate) -> Result<Self, VekError> {
        let product = product(certificate)?;
        Ok(Self { kind: kind(certificate, product)?, product, tcb: tcb(certificate, product)? })
    }

    /// The firmware version that the key stands for.
    pub fn tcb_version(&self) -> TcbVersion {
        TcbVersion::from_raw(self.tcb, self.product)
    }
}

fn extension<'c>(certificate: &'c Certificate, suffix: &[u8]) -> Option<&'c [u8]> {
    let oid = [&AMD, suffix].concat();
    certificate.extension(&oid).map(|extension| extension.value.as_slice())
}

fn product(certificate: &Certificate) -> Result<Product, VekError> {
    const NAME: &str = "product name";
    let value = extension(certificate, PRODUCT_NAME).ok_or(VekError::Missing(NAME))?;
    let name = only(value, IA5_STRING).map_err(|_| VekError::Malformed(NAME))?.content;
    let name = std::str::from_utf8(name).map_err(|_| VekError::Malformed(NAME))?;
    Product::from_certificate_name(name).ok_or(VekError::Product)
}

fn kind(certificate: &Certificate, product: Product) -> Result<VekKind, VekError> {
    let name = certificate.subject_text();
    let hardware_id = extension(certificate, HARDWARE_ID);
    let provider = extension(certificate, PROVIDER_ID);
    match (name.as_str(), hardware_id, provider) {
        (VCEK_NAME, Some(value), None) => {
            // AMD puts the bytes there as they are; an octet string around them is the same id.
            let id = only(value, tag::OCTET_STRING)
                .map(|inner| inner.content)
                .ok()
                .filter(|inner| inner.len() == product.chip_id_bytes())
                .unwrap_or(value);
            if id.len() != product.chip_id_bytes() || id.iter().all(|byte| *byte == 0) {
                return Err(VekError::Malformed("hardware id"));
            }
            Ok(VekKind::Vcek { hardware_id: id.to_vec() })
        }
        (VLEK_NAME, None, Some(value)) => {
            const NAME: VekError = VekError::Malformed("provider id");
            let text = only(value, IA5_STRING).map_err(|_| NAME)?.content;
            let is_plain = text.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
            match String::from_utf8(text.to_vec()) {
                Ok(provider) if is_plain && !provider.is_empty() => Ok(VekKind::Vlek { provider }),
                _ => Err(NAME),
            }
        }
        _ => Err(VekError::Kind),
    }
}

/// The versions of the certificate, in the order of a report's bytes.
fn tcb(certificate: &Certificate, product: Product) -> Result<[u8; 8], VekError> {
    let wanted = |suffix: &[u8], name: &'static str| {
        let value = extension(certificate, suffix).ok_or(VekError::Missing(name))?;
        version(value).map_err(|_| VekError::Malformed(name))
    };
    let spare = |suffix: &[u8]| match extension(certificate, suffix) {
        Some(value) => version(value).map_err(|_| VekError::Malformed("spare version")),
        None => Ok(0),
    };
    let bootloader = wanted(BOOTLOADER, "boot loader version")?;
    let tee = wanted(TEE, "TEE version")?;
    let snp = wanted(SNP, "SNP version")?;
    let microcode = wanted(MICROCODE, "microcode version")?;
    let [four, five, six, seven] = SPARE;
    match product {
        Product::Milan | Product::Genoa => {
            if extension(certificate, FMC).is_some() {
                return Err(VekError::Product);
            }
            let spare = [spare(four)?, spare(five)?, spare(six)?, spare(seven)?];
            let [a, b, c, d] = spare;
            Ok([bootloader, tee, a, b, c, d, snp, microcode])
        }
        Product::Turin => {
            let fmc = wanted(FMC, "FMC version")?;
            // Turin's certificates have no fourth: its place is the FMC's.
            if spare(four)? != 0 {
                return Err(VekError::Malformed("spare version"));
            }
            let [a, b, c] = [spare(five)?, spare(six)?, spare(seven)?];
            Ok([fmc, bootloader, tee, snp, a, b, c, microcode])
        }
    }
}

/// An INTEGER of one byte.
fn version(value: &[u8]) -> Result<u8, DerError> {
    let mut reader = Reader::new(value);
    let digits = reader.unsigned()?;
    reader.end()?;
    match digits {
        [] => Ok(0),
        [digit] => Ok(*digit),
        _ => Err(DerError::Integer),
    }
}
