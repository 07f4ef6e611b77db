//! Makes certificates for tests, good ones and bad ones: a writer of DER and keys that sign.

use super::extension::oid;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA384};
use p384::ecdsa::signature::Signer as _;

/// One DER value.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [head.as_slice(), content].concat()
}

/// A DER sequence of values.
pub fn sequence(values: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &values.concat())
}

/// A name with this common name alone.
pub fn name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[&tlv(6, &[0x55, 4, 3]), &tlv(0x0c, common_name.as_bytes())]);
    sequence(&[&tlv(0x31, &attribute)])
}

/// RSA PSS with SHA-384, mask and salt to match, as AMD signs.
pub fn pss_sha384() -> Vec<u8> {
    let sha384 =
        sequence(&[&tlv(6, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02]), &[5, 0]]);
    let mgf1 =
        sequence(&[&tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08]), &sha384]);
    let parameters = sequence(&[&tlv(0xa0, &sha384), &tlv(0xa1, &mgf1), &tlv(0xa2, &[2, 1, 48])]);
    sequence(&[&tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a]), &parameters])
}

/// RSA PKCS#1 v1.5 with SHA-256.
pub fn pkcs1_sha256() -> Vec<u8> {
    let oid = tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]);
    sequence(&[&oid, &[5, 0]])
}

/// ECDSA with SHA-384.
pub fn ecdsa_sha384() -> Vec<u8> {
    sequence(&[&tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03])])
}

/// ECDSA with SHA-512.
pub fn ecdsa_sha512() -> Vec<u8> {
    sequence(&[&tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04])])
}

/// A key pair of a test.
pub enum Key {
    Rsa(Box<KeyPair>),
    P384(Box<p384::ecdsa::SigningKey>),
    P521(Box<p521::ecdsa::SigningKey>),
}

impl Key {
    /// A new RSA key of 2048 bits.
    pub fn rsa() -> Self {
        Self::Rsa(Box::new(
            KeyPair::generate(KeySize::Rsa2048).expect("aws-lc makes keys of this size"),
        ))
    }

    /// The P-384 key with this scalar.
    pub fn p384(scalar: u8) -> Self {
        let secret = [[0; 47].as_slice(), &[scalar]].concat();
        Self::P384(Box::new(
            p384::ecdsa::SigningKey::from_slice(&secret).expect("a small scalar is one"),
        ))
    }

    /// The P-521 key with this scalar.
    pub fn p521(scalar: u8) -> Self {
        let secret = [[0; 65].as_slice(), &[scalar]].concat();
        Self::P521(Box::new(
            p521::ecdsa::SigningKey::from_slice(&secret).expect("a small scalar is one"),
        ))
    }

    pub fn spki(&self) -> Vec<u8> {
        let (algorithm, key) = match self {
            Self::Rsa(pair) => (
                sequence(&[
                    &tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]),
                    &[5, 0],
                ]),
                pair.public_key().as_ref().to_vec(),
            ),
            Self::P384(key) => (
                sequence(&[
                    &tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]),
                    &tlv(6, &[0x2b, 0x81, 0x04, 0x00, 0x22]),
                ]),
                key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            ),
            Self::P521(key) => (
                sequence(&[
                    &tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]),
                    &tlv(6, &[0x2b, 0x81, 0x04, 0x00, 0x23]),
                ]),
                key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            ),
        };
        sequence(&[&algorithm, &tlv(3, &[&[0], key.as_slice()].concat())])
    }

    /// The signature in the way that `algorithm` names.
    pub fn sign(&self, algorithm: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => {
                let is_pkcs1 = algorithm == pkcs1_sha256();
                let encoding = if is_pkcs1 { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA384 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
                    .expect("the key signs");
                signature
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }
}

/// An extension: object identifier, what stands for its criticality, value.
pub type ForgedExtension = (Vec<u8>, Vec<u8>, Vec<u8>);

/// `critical TRUE`.
pub const CRITICAL: [u8; 3] = [1, 1, 0xff];

/// The parts of a certificate, each of which a test may change.
#[derive(Clone)]
pub struct Draft {
    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    pub inner_algorithm: Vec<u8>,
    pub outer_algorithm: Vec<u8>,
    pub issuer: Vec<u8>,
    pub validity: Vec<u8>,
    pub subject: Vec<u8>,
    pub spki: Vec<u8>,
    pub extensions: Vec<ForgedExtension>,
    /// More fields after the extensions.
    pub extra: Vec<u8>,
}

impl Draft {
    /// A certificate of `key` that names its issuer, valid from 2020 to 2040.
    pub fn new(subject: &str, issuer: &str, key: &Key, algorithm: Vec<u8>) -> Self {
        Self {
            version: tlv(0xa0, &[2, 1, 2]),
            serial: tlv(2, &[7]),
            inner_algorithm: algorithm.clone(),
            outer_algorithm: algorithm,
            issuer: name(issuer),
            validity: sequence(&[&tlv(0x17, b"200101000000Z"), &tlv(0x17, b"400101000000Z")]),
            subject: name(subject),
            spki: key.spki(),
            extensions: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Marks it as an authority with no authority below it.
    pub fn authority(mut self, authorities_below_max: Option<u8>) -> Self {
        let limit = authorities_below_max.map(|limit| tlv(2, &[limit])).unwrap_or_default();
        let constraints = sequence(&[&CRITICAL, &limit]);
        self.extensions.push((oid::BASIC_CONSTRAINTS.to_vec(), CRITICAL.to_vec(), constraints));
        self.extensions.push((oid::KEY_USAGE.to_vec(), CRITICAL.to_vec(), vec![3, 2, 2, 4]));
        self
    }

    pub fn with(mut self, oid: &[u8], critical: &[u8], value: Vec<u8>) -> Self {
        self.extensions.push((oid.to_vec(), critical.to_vec(), value));
        self
    }

    /// The certificate in DER, signed.
    pub fn sign(&self, issuer: &Key) -> Vec<u8> {
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|(oid, critical, value)| sequence(&[&tlv(6, oid), critical, &tlv(4, value)]))
            .collect();
        let tbs = sequence(&[
            &self.version,
            &self.serial,
            &self.inner_algorithm,
            &self.issuer,
            &self.validity,
            &self.subject,
            &self.spki,
            &tlv(0xa3, &tlv(0x30, &extensions)),
            &self.extra,
        ]);
        let signature = issuer.sign(&self.outer_algorithm, &tbs);
        sequence(&[&tbs, &self.outer_algorithm, &tlv(3, &[&[0], signature.as_slice()].concat())])
    }
}

/// Uses of an authority's key for certificates and for lists: the bits 5 and 6.
pub const BOTH_SIGNATURES: [u8; 4] = [3, 2, 1, 6];

/// The parts of a list of revoked certificates, each of which a test may change.
pub struct ListDraft {
    pub version: Vec<u8>,
    pub inner_algorithm: Vec<u8>,
    pub outer_algorithm: Vec<u8>,
    pub issuer: Vec<u8>,
    pub dates: Vec<u8>,
    pub entries: Vec<u8>,
    pub extensions: Vec<u8>,
}

impl ListDraft {
    /// A list of these entries, the current one from 2024 to 2028.
    pub fn new(issuer: &str, algorithm: Vec<u8>, entries: &[Vec<u8>]) -> Self {
        Self {
            version: tlv(2, &[1]),
            inner_algorithm: algorithm.clone(),
            outer_algorithm: algorithm,
            issuer: name(issuer),
            dates: [tlv(0x17, b"240101000000Z"), tlv(0x17, b"280101000000Z")].concat(),
            entries: tlv(0x30, &entries.concat()),
            extensions: Vec::new(),
        }
    }

    /// The list in DER, signed.
    pub fn sign(&self, key: &Key) -> Vec<u8> {
        let tbs = sequence(&[
            &self.version,
            &self.inner_algorithm,
            &self.issuer,
            &self.dates,
            &self.entries,
            &self.extensions,
        ]);
        let signature = key.sign(&self.outer_algorithm, &tbs);
        sequence(&[&tbs, &self.outer_algorithm, &tlv(3, &[&[0], signature.as_slice()].concat())])
    }
}

/// The entry of a list that revokes the certificate with this serial number.
pub fn list_entry(serial: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(2, serial), &tlv(0x17, b"240601000000Z")])
}
