//! Public keys in files that are no public areas of a TPM: SubjectPublicKeyInfo in PEM or DER.

use base64ct::{Base64, Encoding as _};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// SEQUENCE: what a SubjectPublicKeyInfo begins with. A TPMT_PUBLIC begins with a zero byte, and a
/// TPM2B_PUBLIC of this first byte would be longer than any.
const SEQUENCE: u8 = 0x30;

/// The DER of a public key, if the file is one in PEM (RFC 7468) or DER. Else it may be a public area.
/// What is no Base64 between the marks gives no bytes, and so no key.
pub fn public_key_from_file(file: &[u8]) -> Option<Vec<u8>> {
    if file.first() == Some(&SEQUENCE) {
        return Some(file.to_vec());
    }
    let text = std::str::from_utf8(file).ok()?;
    let (_, rest) = text.split_once(BEGIN)?;
    let body = rest.split_once(END).map_or("", |(body, _)| body);
    let letters: String = body.split_ascii_whitespace().collect();
    Some(Base64::decode_vec(&letters).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_keys_from_public_areas() {
        let check = |file: &[u8], expected: Option<&[u8]>| {
            assert_eq!(public_key_from_file(file).as_deref(), expected);
        };
        let pem = |body: &str| format!("{BEGIN}\n{body}\n{END}\n");
        check(pem("MAEC\nAw==").as_bytes(), Some(&[0x30, 1, 2, 3]));
        check(format!("# a note\n{}", pem("MAEC")).as_bytes(), Some(&[0x30, 1, 2]));
        check(&[0x30, 1, 2], Some(&[0x30, 1, 2]));
        check(pem("???").as_bytes(), Some(&[]));
        check(BEGIN.as_bytes(), Some(&[]));
        check(&[0, 1, 0, 0x0b], None);
        check(b"-----BEGIN CERTIFICATE-----", None);
        check(b"", None);
    }
}
