//! Certificates in files: PEM (RFC 7468) or DER.

use super::{Certificate, CertificateError};
use crate::der::tag;
use base64ct::{Base64, Encoding as _};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// More certificates than this in one file are refused.
const CERTIFICATES_MAX: usize = 64;

/// Why a file holds no certificates that we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each one means")]
pub enum PemError {
    #[error("the file holds more than {CERTIFICATES_MAX} certificates")]
    TooMany,
    #[error("a PEM block is not closed by `{END}`")]
    NotClosed,
    #[error("a PEM block is not Base64")]
    Base64,
    #[error("the file is neither PEM nor DER")]
    Neither,
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// All certificates of a file, in its order: PEM blocks, or else one certificate in DER.
pub fn certificates(file: &[u8]) -> Result<Vec<Certificate>, PemError> {
    let blocks = certificate_bytes(file)?;
    blocks.iter().map(|der| Ok(Certificate::from_der(der)?)).collect()
}

/// The same, not yet read: what a file holds in the place of certificates.
pub fn certificate_bytes(file: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    let text = std::str::from_utf8(file).ok().filter(|text| text.contains(BEGIN));
    let Some(mut rest) = text else {
        let is_der = file.first() == Some(&tag::SEQUENCE);
        return if is_der { Ok(vec![file.to_vec()]) } else { Err(PemError::Neither) };
    };
    let mut blocks = Vec::new();
    while let Some((_, block)) = rest.split_once(BEGIN) {
        let (body, after) = block.split_once(END).ok_or(PemError::NotClosed)?;
        if blocks.len() == CERTIFICATES_MAX {
            return Err(PemError::TooMany);
        }
        blocks.push(base64(body).ok_or(PemError::Base64)?);
        rest = after;
    }
    Ok(blocks)
}

/// Decodes the standard alphabet with padding, white space left out.
fn base64(text: &str) -> Option<Vec<u8>> {
    let letters: String = text.split_ascii_whitespace().collect();
    if letters.is_empty() { None } else { Base64::decode_vec(&letters).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_form() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(base64(text).as_deref(), expected, "{text}");
        };
        check("TWFu", Some(b"Man"));
        check("TW\nE=", Some(b"Ma"));
        check("TQ==", Some(b"M"));
        check("+/+/", Some(&[0xfb, 0xff, 0xbf]));
        for bad in ["", "TQ=", "TQ", "TR==", "T===", "TQ==TQ==", "TW-u", "TWF"] {
            check(bad, None);
        }
    }

    #[test]
    fn files_that_hold_no_certificate() {
        let check = |file: &str, expected: fn(&PemError) -> bool| {
            let error = certificates(file.as_bytes()).unwrap_err();
            assert!(expected(&error), "{file}: {error}");
        };
        check("", |error| *error == PemError::Neither);
        check("hello", |error| *error == PemError::Neither);
        check("0ello", |error| matches!(error, PemError::Certificate(_)));
        check(BEGIN, |error| *error == PemError::NotClosed);
        check(&format!("{BEGIN}\n???\n{END}"), |error| *error == PemError::Base64);
        check(&format!("{BEGIN}\nTWFu\n{END}"), |error| matches!(error, PemError::Certificate(_)));
    }
}
