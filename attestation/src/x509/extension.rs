//! The extensions that path validation reads (RFC 5280, 4.2).

use super::Quirk;
use super::algorithm::note;
use crate::der::{DerError, Reader, only, tag};

/// Object identifiers of extensions, as the content of their DER.
pub mod oid {
    /// keyUsage.
    pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    /// subjectAltName.
    pub const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
    /// basicConstraints.
    pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    /// nameConstraints.
    pub const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
    /// cRLDistributionPoints.
    pub const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
    /// certificatePolicies.
    pub const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 32];
    /// extKeyUsage.
    pub const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
}

/// Whether a certificate may issue others, and how long a path below it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether it may issue others.
    pub is_authority: bool,
    /// How many authorities may stand between it and the end of the path.
    pub authorities_below_max: Option<u8>,
}

impl BasicConstraints {
    pub(super) fn from_der(value: &[u8], quirks: &mut Vec<Quirk>) -> Result<Self, DerError> {
        let mut fields = only(value, tag::SEQUENCE)?.reader();
        let is_authority = default_false(&mut fields, quirks)?;
        let authorities_below_max = if fields.is_empty() {
            None
        } else {
            // More than a byte can say is more than any path here has.
            match fields.unsigned()? {
                [] => Some(0),
                [count] => Some(*count),
                _ => Some(u8::MAX),
            }
        };
        fields.end()?;
        Ok(Self { is_authority, authorities_below_max })
    }
}

/// What a key may be used for. Bits are counted as in RFC 5280, 4.2.1.3: digitalSignature is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// Signatures over data.
    pub const DIGITAL_SIGNATURE: u8 = 0;
    /// Encryption of keys, as RSA endorsement keys do.
    pub const KEY_ENCIPHERMENT: u8 = 2;
    /// Agreement on keys, as endorsement keys on curves do.
    pub const KEY_AGREEMENT: u8 = 4;
    /// Signatures over certificates.
    pub const CERTIFICATE_SIGN: u8 = 5;
    /// Signatures over lists of revoked certificates.
    pub const LIST_SIGN: u8 = 6;

    /// Whether the use with this number is named.
    pub fn allows(self, bit: u8) -> bool {
        bit < 16 && self.0 >> bit & 1 == 1
    }

    pub(super) fn from_der(value: &[u8], quirks: &mut Vec<Quirk>) -> Result<Self, DerError> {
        let content = only(value, tag::BIT_STRING)?.content;
        let (&unused, bytes) = content.split_first().ok_or(DerError::BitString)?;
        if unused > 7 || bytes.is_empty() || bytes.len() > 2 {
            return Err(DerError::BitString);
        }
        let last = bytes[bytes.len() - 1];
        // DER: named bits end with a one, and the unused bits are zero.
        if u32::from(unused) != last.trailing_zeros() {
            note(quirks, Quirk::BitListForm);
        }
        let mut bits = 0;
        for (index, byte) in bytes.iter().enumerate() {
            bits |= u16::from(byte.reverse_bits()) << (8 * index);
        }
        // Bits that are unused say nothing.
        let used = 8 * bytes.len() - usize::from(unused);
        let mask = u16::try_from((1u32 << used) - 1).unwrap_or(u16::MAX);
        Ok(Self(bits & mask))
    }
}

/// `BOOLEAN DEFAULT FALSE`: absent, or true in its one form.
pub(super) fn default_false(
    reader: &mut Reader<'_>,
    quirks: &mut Vec<Quirk>,
) -> Result<bool, DerError> {
    match reader.optional(tag::BOOLEAN)?.map(|value| value.content) {
        None => Ok(false),
        Some([0]) => {
            note(quirks, Quirk::DefaultWritten);
            Ok(false)
        }
        Some([byte]) => {
            if *byte != 0xff {
                note(quirks, Quirk::BooleanForm);
            }
            Ok(true)
        }
        Some(_) => Err(DerError::Boolean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_constraints() {
        let check =
            |der: &[u8], expected: Result<(bool, Option<u8>), DerError>, quirk: &[Quirk]| {
                let mut quirks = Vec::new();
                let read = BasicConstraints::from_der(der, &mut quirks)
                    .map(|read| (read.is_authority, read.authorities_below_max));
                assert_eq!((read, quirks.as_slice()), (expected, quirk), "{der:02x?}");
            };
        check(&[0x30, 0], Ok((false, None)), &[]);
        check(&[0x30, 3, 1, 1, 0xff], Ok((true, None)), &[]);
        check(&[0x30, 3, 1, 1, 1], Ok((true, None)), &[Quirk::BooleanForm]);
        check(&[0x30, 3, 1, 1, 0], Ok((false, None)), &[Quirk::DefaultWritten]);
        check(&[0x30, 6, 1, 1, 0xff, 2, 1, 0], Ok((true, Some(0))), &[]);
        check(&[0x30, 7, 1, 1, 0xff, 2, 2, 1, 0], Ok((true, Some(255))), &[]);
        check(&[0x30, 6, 1, 1, 0xff, 2, 1, 0x80], Err(DerError::Integer), &[]);
        check(&[0x30, 8, 1, 1, 0xff, 2, 1, 0, 5, 0], Err(DerError::Trailing), &[]);
        check(&[0x30, 2, 1, 0], Err(DerError::Boolean), &[]);
        check(&[], Err(DerError::Truncated), &[]);
    }

    #[test]
    fn key_usage() {
        let check = |der: &[u8], expected: Result<&[u8], DerError>, quirk: &[Quirk]| {
            let mut quirks = Vec::new();
            let read = KeyUsage::from_der(der, &mut quirks);
            let named =
                read.map(|usage| (0..16).filter(|bit| usage.allows(*bit)).collect::<Vec<u8>>());
            assert_eq!(named.as_deref(), expected.as_deref(), "{der:02x?}");
            assert_eq!(quirks, quirk, "{der:02x?}");
        };
        check(&[3, 2, 7, 0x80], Ok(&[0]), &[]);
        check(&[3, 2, 1, 0x06], Ok(&[5, 6]), &[]);
        check(&[3, 2, 2, 0x04], Ok(&[5]), &[]);
        check(&[3, 3, 7, 0, 0x80], Ok(&[8]), &[]);
        check(&[3, 2, 0, 0x04], Ok(&[5]), &[Quirk::BitListForm]);
        check(&[3, 2, 3, 0x04], Ok(&[]), &[Quirk::BitListForm]);
        check(&[3, 1, 0], Err(DerError::BitString), &[]);
        check(&[3, 0], Err(DerError::BitString), &[]);
        check(&[3, 2, 8, 0x80], Err(DerError::BitString), &[]);
        check(&[3, 4, 0, 1, 1, 1], Err(DerError::BitString), &[]);
    }
}
