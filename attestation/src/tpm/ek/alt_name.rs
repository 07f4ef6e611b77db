//! The alternative name of an endorsement key's certificate: which TPM it is.
//!
//! Source: "TCG EK Credential Profile", subject alternative name: a directory name with the attributes
//! tpmManufacturer 2.23.133.2.1, tpmModel 2.23.133.2.2 and tpmVersion 2.23.133.2.3, in one set or in
//! several.

use crate::der::{DerError, only, tag};
use std::fmt;

/// 2.23.133.2, to which the last part is added.
const TPM_ATTRIBUTE: [u8; 4] = [0x67, 0x81, 0x05, 0x02];
/// directoryName in GeneralName.
const DIRECTORY_NAME: u8 = 4;
/// The longest text that is kept.
const TEXT_BYTES_MAX: usize = 256;
/// The most names and attributes that are read.
const COUNT_MAX: usize = 64;

/// Why an alternative name does not name a TPM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AltNameError {
    /// It is not DER.
    #[error("the alternative name is not well-formed DER")]
    Der(#[from] DerError),
    /// An attribute is missing.
    #[error("the alternative name has no {0}")]
    Missing(&'static str),
    /// An attribute comes twice.
    #[error("the alternative name has an attribute of the TPM twice")]
    Twice,
    /// The maker is not written as it must be.
    #[error("tpmManufacturer is not `id:` and eight hexadecimal digits")]
    Manufacturer,
    /// It is over its bound.
    #[error("the alternative name has over 64 parts, or a text of over 256 bytes")]
    TooLong,
}

/// Which TPM a certificate is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AltName {
    /// The maker, four bytes of the TCG vendor id registry, such as `0x49465800` (IFX).
    pub manufacturer: u32,
    /// The maker's name of the model.
    pub model: String,
    /// The version of the firmware when the certificate was made.
    pub version: String,
}

impl AltName {
    /// Reads GeneralNames.
    pub fn from_der(value: &[u8]) -> Result<Self, AltNameError> {
        let mut attributes: [Option<String>; 3] = [None, None, None];
        let mut names = only(value, tag::SEQUENCE)?.reader();
        let mut count = 0;
        while !names.is_empty() {
            let name = names.any()?;
            if name.tag == tag::context(DIRECTORY_NAME) {
                directory_name(name.content, &mut attributes, &mut count)?;
            }
            count += 1;
            if count > COUNT_MAX {
                return Err(AltNameError::TooLong);
            }
        }
        let [manufacturer, model, version] = attributes;
        let manufacturer = manufacturer.ok_or(AltNameError::Missing("tpmManufacturer"))?;
        let digits = manufacturer.strip_prefix("id:").filter(|digits| {
            digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        Ok(Self {
            manufacturer: digits
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .ok_or(AltNameError::Manufacturer)?,
            model: model.ok_or(AltNameError::Missing("tpmModel"))?,
            version: version.ok_or(AltNameError::Missing("tpmVersion"))?,
        })
    }
}

fn directory_name(
    content: &[u8],
    attributes: &mut [Option<String>; 3],
    count: &mut usize,
) -> Result<(), AltNameError> {
    let mut sets = only(content, tag::SEQUENCE)?.reader();
    while !sets.is_empty() {
        let mut set = sets.expect(tag::SET)?.reader();
        while !set.is_empty() {
            let mut attribute = set.expect(tag::SEQUENCE)?.reader();
            let oid = attribute.oid()?;
            let text = attribute.any()?.content;
            attribute.end()?;
            *count += 1;
            if *count > COUNT_MAX || text.len() > TEXT_BYTES_MAX {
                return Err(AltNameError::TooLong);
            }
            let Some([part @ 1..=3]) = oid.strip_prefix(&TPM_ATTRIBUTE) else { continue };
            let place = &mut attributes[usize::from(*part) - 1];
            if place.replace(printable(text)).is_some() {
                return Err(AltNameError::Twice);
            }
        }
    }
    Ok(())
}

/// The text without what would steer a terminal.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|letter| !letter.is_control()).collect()
}

impl fmt::Display for AltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.manufacturer.to_be_bytes();
        let letters: String = id
            .iter()
            .filter(|byte| byte.is_ascii_graphic())
            .map(|byte| char::from(*byte))
            .collect();
        write!(
            f,
            "maker {:08x} ({letters}), model {}, version {}",
            self.manufacturer, self.model, self.version
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(part: u8, text: &str) -> Vec<u8> {
        let oid = [&[6, 5][..], &TPM_ATTRIBUTE, &[part]].concat();
        let text = [&[0x0c, text.len() as u8], text.as_bytes()].concat();
        wrap(0x30, &[oid, text].concat())
    }

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        assert!(content.len() < 0x80, "one byte of length");
        [&[tag, content.len() as u8], content].concat()
    }

    fn names(sets: &[Vec<u8>]) -> Vec<u8> {
        let sets: Vec<u8> = sets.iter().flat_map(|set| wrap(0x31, set)).collect();
        wrap(0x30, &wrap(0xa4, &wrap(0x30, &sets)))
    }

    #[test]
    fn attributes_stand_in_one_set_or_in_several() {
        let [maker, model, version] =
            [attribute(1, "id:49465800"), attribute(2, "SLB"), attribute(3, "id:0102")];
        let expected =
            AltName { manufacturer: 0x4946_5800, model: "SLB".into(), version: "id:0102".into() };
        let several = names(&[maker.clone(), model.clone(), version.clone()]);
        assert_eq!(AltName::from_der(&several), Ok(expected.clone()));
        let one = names(&[[maker, model, version].concat()]);
        assert_eq!(AltName::from_der(&one), Ok(expected.clone()));
        assert_eq!(expected.to_string(), "maker 49465800 (IFX), model SLB, version id:0102");
    }

    #[test]
    fn what_does_not_name_a_tpm_is_refused() {
        let check = |sets: &[Vec<u8>], expected: AltNameError| {
            assert_eq!(AltName::from_der(&names(sets)), Err(expected));
        };
        let [maker, model, version] =
            [attribute(1, "id:49465800"), attribute(2, "SLB"), attribute(3, "id:0102")];
        check(&[], AltNameError::Missing("tpmManufacturer"));
        check(&[maker.clone(), version.clone()], AltNameError::Missing("tpmModel"));
        check(&[maker.clone(), model.clone()], AltNameError::Missing("tpmVersion"));
        check(&[maker.clone(), maker.clone()], AltNameError::Twice);
        for wrong in ["IFX", "id:4946580", "id:4946580g", "id:+4946580", ""] {
            check(
                &[attribute(1, wrong), model.clone(), version.clone()],
                AltNameError::Manufacturer,
            );
        }
        assert!(matches!(AltName::from_der(&[0x30, 1]), Err(AltNameError::Der(_))));
        assert!(matches!(AltName::from_der(&[]), Err(AltNameError::Der(_))));
        // Other kinds of names are skipped, and name no TPM.
        let other = wrap(0x30, &wrap(0x82, b"host"));
        assert_eq!(AltName::from_der(&other), Err(AltNameError::Missing("tpmManufacturer")));
    }
}
