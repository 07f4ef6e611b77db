//! Public keys in files that are no public areas of a TPM: a SubjectPublicKeyInfo or an X.509 certificate, in
//! PEM or DER.

use crate::der::tag;
use crate::x509::{CERTIFICATE, Certificate, pem_blocks};

/// The label of a SubjectPublicKeyInfo (RFC 7468, section 13).
const PUBLIC_KEY: &str = "PUBLIC KEY";

/// The DER of a public key, if the file is one or the certificate of one, in PEM or DER. Else it may be a
/// public area. A certificate is not judged: it only says which key is meant, as a key does by itself. Marks
/// of PEM with no single key between them give no bytes, and so no key.
pub fn public_key_from_file(file: &[u8]) -> Option<Vec<u8>> {
    // A TPMT_PUBLIC begins with a zero byte, and a TPM2B_PUBLIC of this first byte would be longer than any.
    if file.first() == Some(&tag::SEQUENCE) {
        return Some(key_of(file));
    }
    let keys = pem_blocks(file, PUBLIC_KEY).unwrap_or_else(|_| vec![Vec::new()]);
    let certificates = pem_blocks(file, CERTIFICATE).unwrap_or_else(|_| vec![Vec::new()]);
    match (keys.as_slice(), certificates.as_slice()) {
        ([], []) => None,
        ([der], []) | ([], [der]) => Some(key_of(der)),
        _ => Some(Vec::new()),
    }
}

/// The key of a certificate, or else the bytes as they are.
fn key_of(der: &[u8]) -> Vec<u8> {
    Certificate::from_padded_der(der)
        .map_or_else(|_| der.to_vec(), |certificate| certificate.spki().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::forge::{Draft, Key, pkcs1_sha256};
    use base64ct::{Base64, Encoding as _};

    fn pem(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    #[test]
    fn tells_keys_from_public_areas() {
        let check = |file: &[u8], expected: Option<&[u8]>| {
            assert_eq!(public_key_from_file(file).as_deref(), expected);
        };
        let key = |body: &str| pem(PUBLIC_KEY, body);
        check(key("MAEC\nAw==").as_bytes(), Some(&[0x30, 1, 2, 3]));
        check(format!("# a note\n{}", key("MAEC")).as_bytes(), Some(&[0x30, 1, 2]));
        check(&[b"M\xfcller\n", key("MAEC").as_bytes()].concat(), Some(&[0x30, 1, 2]));
        check(&[0x30, 1, 2], Some(&[0x30, 1, 2]));
        check(key("???").as_bytes(), Some(&[]));
        check(b"-----BEGIN PUBLIC KEY-----", Some(&[]));
        check(b"-----BEGIN CERTIFICATE-----", Some(&[]));
        // Which of two is meant cannot be told.
        check(key("MAEC").repeat(2).as_bytes(), Some(&[]));
        check((key("MAEC") + &pem(CERTIFICATE, "MAEC")).as_bytes(), Some(&[]));
        check(&[0, 1, 0, 0x0b], None);
        check(b"-----BEGIN CERTIFICATE REQUEST-----", None);
        check(b"", None);
    }

    #[test]
    fn the_key_of_a_certificate_is_found() {
        let key = Key::rsa();
        let der = Draft::new("key", "maker", &key, pkcs1_sha256()).sign(&key);
        let found = Some(key.spki());
        assert_eq!(public_key_from_file(&der), found);
        let padded = [&der[..], &[0xff; 9]].concat();
        assert_eq!(public_key_from_file(&padded), found, "as a TPM stores it");
        let text = pem(CERTIFICATE, &Base64::encode_string(&der));
        assert_eq!(public_key_from_file(text.as_bytes()), found);
    }
}
