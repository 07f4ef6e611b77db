//! Certificates as AMD makes them: a small writer of DER.

/// One DER value of at most 65535 bytes.
pub fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("certificates are far shorter").to_be_bytes();
    let head = match length {
        [0, short @ 0..=0x7f] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [head.as_slice(), content].concat()
}

/// A sequence of values.
pub fn sequence(values: &[&[u8]]) -> Vec<u8> {
    value(0x30, &values.concat())
}

/// A bit string of whole bytes.
pub fn bits(bytes: &[u8]) -> Vec<u8> {
    value(3, &[&[0], bytes].concat())
}

/// A number of one byte.
pub fn integer(number: u8) -> Vec<u8> {
    if number < 0x80 { value(2, &[number]) } else { value(2, &[0, number]) }
}

/// A name with an organization that says what this is, and a common name.
pub fn name(common_name: &str) -> Vec<u8> {
    let attribute = |kind: u8, text: &str| {
        let pair = sequence(&[&value(6, &[0x55, 4, kind]), &value(0x0c, text.as_bytes())]);
        value(0x31, &pair)
    };
    sequence(&[&attribute(10, "SIMULATION ONLY"), &attribute(3, common_name)])
}

/// RSASSA-PSS with SHA-384, its mask by the same, 48 bytes of salt.
pub fn pss_sha384() -> Vec<u8> {
    let sha384 =
        sequence(&[&value(6, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02]), &[5, 0]]);
    let pkcs1 = |last: u8| value(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last]);
    let mask = sequence(&[&pkcs1(8), &sha384]);
    let parameters =
        sequence(&[&value(0xa0, &sha384), &value(0xa1, &mask), &value(0xa2, &integer(48))]);
    sequence(&[&pkcs1(10), &parameters])
}

/// The SubjectPublicKeyInfo of an RSA key, given as its RSAPublicKey.
pub fn rsa_spki(key: &[u8]) -> Vec<u8> {
    let oid = value(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]);
    sequence(&[&sequence(&[&oid, &[5, 0]]), &bits(key)])
}

/// The SubjectPublicKeyInfo of a point on P-384.
pub fn p384_spki(point: &[u8]) -> Vec<u8> {
    let algorithm = sequence(&[
        &value(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]),
        &value(6, &[0x2b, 0x81, 0x04, 0x00, 0x22]),
    ]);
    sequence(&[&algorithm, &bits(point)])
}

/// An extension that is not critical, or one that is.
pub fn extension(oid: &[u8], is_critical: bool, content: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if is_critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&value(6, oid), critical, &value(4, content)])
}

/// What an authority's certificate has: basic constraints and key usage.
pub fn authority_extensions(has_limit: bool) -> Vec<u8> {
    let limit: &[u8] = if has_limit { &[2, 1, 0] } else { &[] };
    let constraints = sequence(&[&[1, 1, 0xff], limit]);
    [
        extension(&[0x55, 0x1d, 19], true, &constraints),
        extension(&[0x55, 0x1d, 15], true, &[3, 2, 2, 4]),
    ]
    .concat()
}

/// Names and key of a certificate.
pub struct Subject<'a> {
    /// Of whom.
    pub name: &'a str,
    /// By whom.
    pub issuer: &'a str,
    /// Its SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// All its extensions.
    pub extensions: &'a [u8],
}

/// The part that is signed. Valid from 2020 to the end of 2049.
pub fn to_be_signed(subject: &Subject<'_>) -> Vec<u8> {
    let validity = sequence(&[&value(0x17, b"200101000000Z"), &value(0x17, b"491231235959Z")]);
    sequence(&[
        &value(0xa0, &integer(2)),
        // As AMD's.
        &integer(0),
        &pss_sha384(),
        &name(subject.issuer),
        &validity,
        &name(subject.name),
        subject.spki,
        &value(0xa3, &value(0x30, subject.extensions)),
    ])
}
