//! Certificates in files: PEM (RFC 7468) or DER.

use super::{Certificate, CertificateError};
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
    #[error("the file holds neither PEM nor DER of a certificate: {0}")]
    Certificate(#[from] CertificateError),
}

/// All certificates of a file, in its order: PEM blocks, or else one certificate in DER.
pub fn certificates(file: &[u8]) -> Result<Vec<Certificate>, PemError> {
    let text = std::str::from_utf8(file).ok().filter(|text| text.contains(BEGIN));
    let Some(mut rest) = text else {
        return Ok(vec![Certificate::from_der(file)?]);
    };
    let mut certificates = Vec::new();
    while let Some((_, block)) = rest.split_once(BEGIN) {
        let (body, after) = block.split_once(END).ok_or(PemError::NotClosed)?;
        if certificates.len() == CERTIFICATES_MAX {
            return Err(PemError::TooMany);
        }
        certificates.push(Certificate::from_der(&base64(body).ok_or(PemError::Base64)?)?);
        rest = after;
    }
    Ok(certificates)
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
        check("", |error| matches!(error, PemError::Certificate(_)));
        check("hello", |error| matches!(error, PemError::Certificate(_)));
        check(BEGIN, |error| *error == PemError::NotClosed);
        check(&format!("{BEGIN}\n???\n{END}"), |error| *error == PemError::Base64);
        check(&format!("{BEGIN}\nTWFu\n{END}"), |error| matches!(error, PemError::Certificate(_)));
    }
}
