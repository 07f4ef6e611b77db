//! Files of certificates and keys: PEM (RFC 7468) or DER.

use super::{Certificate, CertificateError, RevocationList, RevocationListError};
use crate::der::tag;
use base64ct::{Base64, Encoding as _};

/// The label of lists of revoked certificates.
const LIST: &str = "X509 CRL";

/// The label of certificates.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

const END_PREFIX: &str = "-----END ";

/// More blocks than this in one file are refused.
const BLOCKS_MAX: usize = 1024;

/// Why a file holds no certificates that we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each one means")]
pub enum PemError {
    #[error(
        "the file holds more than {BLOCKS_MAX} PEM blocks; give a file with the one that is meant"
    )]
    TooMany,
    #[error("a PEM block is not closed by a line `{END_PREFIX}...`; the file may be cut short")]
    NotClosed,
    #[error("a PEM block is not Base64")]
    Base64,
    #[error("the file is neither PEM nor DER")]
    Neither,
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    RevocationList(#[from] RevocationListError),
}

/// All certificates of a file, in its order: PEM blocks, or else one certificate in DER.
pub fn certificates(file: &[u8]) -> Result<Vec<Certificate>, PemError> {
    let blocks = certificate_bytes(file)?;
    blocks.iter().map(|der| Ok(Certificate::from_der(der)?)).collect()
}

/// All lists of revoked certificates of a file, in its order: PEM blocks, or else one list in DER.
pub fn revocation_lists(file: &[u8]) -> Result<Vec<RevocationList>, PemError> {
    let blocks = blocks_or_der(file, LIST)?;
    blocks.iter().map(|der| Ok(RevocationList::from_der(der)?)).collect()
}

/// What [`certificates`] reads, not yet read: what a file holds in the place of certificates.
pub fn certificate_bytes(file: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    blocks_or_der(file, CERTIFICATE)
}

/// The PEM blocks with this label, or else the file itself.
fn blocks_or_der(file: &[u8], label: &str) -> Result<Vec<Vec<u8>>, PemError> {
    if is_der(file) {
        return Ok(vec![file.to_vec()]);
    }
    let blocks = pem_blocks(file, label)?;
    if blocks.is_empty() { Err(PemError::Neither) } else { Ok(blocks) }
}

/// Whether a file is the DER of something long, and no text: what is a letter behind the first byte
/// (`0`, in a text) is here the length of a length. A certificate may well have the marks of PEM in it.
pub fn is_der(file: &[u8]) -> bool {
    matches!(file, [tag::SEQUENCE, 0x81..=0x83, ..])
}

/// The content of all PEM blocks with this label. What stands around them is left alone, whatever its
/// encoding.
pub(crate) fn pem_blocks(file: &[u8], label: &str) -> Result<Vec<Vec<u8>>, PemError> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("{END_PREFIX}{label}-----");
    let mut blocks = Vec::new();
    let mut rest = file;
    while let Some((_, block)) = split_once(rest, begin.as_bytes()) {
        let (body, after) = split_once(block, end.as_bytes()).ok_or(PemError::NotClosed)?;
        if blocks.len() == BLOCKS_MAX {
            return Err(PemError::TooMany);
        }
        blocks.push(base64(body).ok_or(PemError::Base64)?);
        rest = after;
    }
    Ok(blocks)
}

/// What stands before and after the first of these marks.
fn split_once<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|part| part == mark)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.get(mark.len()..)?))
}

/// Decodes the standard alphabet with padding, white space left out.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let letters = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let letters = String::from_utf8(letters.collect()).ok()?;
    if letters.is_empty() { None } else { Base64::decode_vec(&letters).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";

    #[test]
    fn base64_has_one_form() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(base64(text.as_bytes()).as_deref(), expected, "{text}");
        };
        check("TWFu", Some(b"Man"));
        check("TW\nE=", Some(b"Ma"));
        check("TQ==", Some(b"M"));
        check("+/+/", Some(&[0xfb, 0xff, 0xbf]));
        for bad in ["", "TQ=", "TQ", "TR==", "T===", "TQ==TQ==", "TW-u", "TWF"] {
            check(bad, None);
        }
        assert_eq!(base64(b"TW\xffu"), None);
    }

    #[test]
    fn files_that_hold_no_certificate() {
        let check = |file: &str, expected: fn(&PemError) -> bool| {
            let error = certificates(file.as_bytes()).unwrap_err();
            assert!(expected(&error), "{file}: {error}");
        };
        check("", |error| *error == PemError::Neither);
        check("hello", |error| *error == PemError::Neither);
        check("0ello", |error| *error == PemError::Neither);
        check(BEGIN, |error| *error == PemError::NotClosed);
        check(&format!("{BEGIN}\n???\n{END}"), |error| *error == PemError::Base64);
        check(&format!("{BEGIN}\nTWFu\n{END}"), |error| matches!(error, PemError::Certificate(_)));
        let error = certificates(&[0x30, 0x82, 1]).unwrap_err();
        assert!(matches!(error, PemError::Certificate(_)), "{error}");
        let many = format!("{BEGIN}\nTWFu\n{END}\n").repeat(BLOCKS_MAX + 1);
        check(&many, |error| *error == PemError::TooMany);
    }

    /// Notes around blocks come from programs that write names in encodings of their own.
    #[test]
    fn what_stands_around_blocks_does_not_matter() {
        let block = format!("{BEGIN}\r\nTWFu\r\n{END}\r\n");
        let check = |before: &[u8], after: &[u8]| {
            let file = [before, block.as_bytes(), after].concat();
            assert_eq!(certificate_bytes(&file), Ok(vec![b"Man".to_vec()]));
        };
        check(b"", b"");
        check(b"subject: M\xfcller\n", b"\xff\xfe");
        check(b"\xef\xbb\xbf", b"");
        check(b"0 s:CN = one\n", b"-----BEGIN X509 CRL-----\nTWFu\n-----END X509 CRL-----\n");
    }

    #[test]
    fn a_certificate_with_marks_of_pem_in_it_is_der() {
        let file = [&[0x30, 0x81, 80][..], BEGIN.as_bytes(), END.as_bytes()].concat();
        assert_eq!(certificate_bytes(&file), Ok(vec![file.clone()]));
    }
}
