//! SubjectPublicKeyInfo in DER: `SEQUENCE { SEQUENCE { algorithm }, BIT STRING { key } }`.

use super::UserKeyError;

/// The content of the algorithm's sequence: OID 1.3.101.112 (RFC 8410).
pub(super) const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// OID 1.2.840.10045.2.1 with the curve 1.2.840.10045.3.1.7 (RFC 5480).
pub(super) const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07,
];
/// OID 1.2.840.10045.2.1 with the curve 1.3.132.0.10.
pub(super) const SECP256K1: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a,
];
/// OID 1.3.6.1.4.1.56387.1.1: a COSE key, for WebAuthn.
pub(super) const COSE: &[u8] =
    &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xb8, 0x43, 0x01, 0x01];
/// OID 1.3.6.1.4.1.56387.1.2: a canister and a seed.
pub(super) const CANISTER: &[u8] =
    &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xb8, 0x43, 0x01, 0x02];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// The parts of a SubjectPublicKeyInfo.
pub(super) struct Spki<'a> {
    /// The content of the algorithm's sequence.
    pub(super) algorithm: &'a [u8],
    /// The key's bytes.
    pub(super) key: &'a [u8],
}

/// Takes a SubjectPublicKeyInfo apart; nothing may be left over.
pub(super) fn parse(der: &[u8]) -> Result<Spki<'_>, UserKeyError> {
    let parts = || {
        let (outer, rest) = element(SEQUENCE, der)?;
        let (algorithm, after) = element(SEQUENCE, outer)?;
        let (bits, inner_rest) = element(BIT_STRING, after)?;
        let key = bits.strip_prefix(&[0])?;
        (rest.is_empty() && inner_rest.is_empty()).then_some(Spki { algorithm, key })
    };
    parts().ok_or(UserKeyError::Der(
        "expected a sequence of an algorithm and a bit string of whole bytes, in the shortest form",
    ))
}

/// Puts a SubjectPublicKeyInfo together.
pub(super) fn encode(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = wrap(SEQUENCE, algorithm);
    let key = wrap(BIT_STRING, &[&[0], key].concat());
    wrap(SEQUENCE, &[algorithm, key].concat())
}

/// The two numbers of a DER-encoded ECDSA signature as 32 bytes each.
pub(super) fn ecdsa_signature(der: &[u8]) -> Option<[u8; 64]> {
    let (numbers, rest) = element(SEQUENCE, der)?;
    let (r, after) = element(INTEGER, numbers)?;
    let (s, inner_rest) = element(INTEGER, after)?;
    if !rest.is_empty() || !inner_rest.is_empty() {
        return None;
    }
    let mut signature = [0; 64];
    put_number(&mut signature[..32], r)?;
    put_number(&mut signature[32..], s)?;
    Some(signature)
}

/// A non-negative DER integer, right-aligned. A leading zero is there only where it is needed.
fn put_number(to: &mut [u8], number: &[u8]) -> Option<()> {
    let digits = match number {
        [0] => return None,
        [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => rest,
        [first, ..] if (1..0x80).contains(first) => number,
        _ => return None,
    };
    let start = to.len().checked_sub(digits.len())?;
    to[start..].copy_from_slice(digits);
    Some(())
}

/// Splits an element with this tag from the front: its content and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length).checked_sub(0x80)? + 0x80, rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)).checked_sub(0x100)? + 0x100, rest)
        }
        // No key that is supported is as long.
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    // The casts keep the value: each is under the bound of its arm.
    let head = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        0x100..=0xffff => vec![tag, 0x82, (length >> 8) as u8, length as u8],
        _ => unreachable!("keys that we encode have less than 64 KiB"),
    };
    [&head, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_parsed_and_only_in_one_form(
            key in prop::collection::vec(any::<u8>(), 0..700),
            cut in any::<prop::sample::Index>(),
        ) {
            let der = encode(COSE, &key);
            let spki = parse(&der).unwrap();
            prop_assert_eq!((spki.algorithm, spki.key), (COSE, &key[..]));
            prop_assert!(parse(&der[..cut.index(der.len())]).is_err());
            prop_assert!(parse(&[&der[..], &[0]].concat()).is_err());
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = ecdsa_signature(&bytes);
        }
    }

    #[test]
    fn longer_forms_of_a_length_are_refused() {
        assert_eq!(element(0x30, &[0x30, 0x01, 7]), Some((&[7][..], &[][..])));
        assert_eq!(element(0x30, &[0x30, 0x81, 0x01, 7]), None);
        assert_eq!(element(0x30, &[0x30, 0x82, 0x00, 0x01, 7]), None);
        assert_eq!(element(0x30, &[0x30, 0x80, 7, 0, 0]), None);
        assert_eq!(element(0x30, &[0x31, 0x01, 7]), None);
        assert_eq!(element(0x30, &[0x30, 0x02, 7]), None);
    }

    #[test]
    fn numbers_of_an_ecdsa_signature() {
        let check = |hex: &str, expected: Option<(u8, u8)>| {
            let found = ecdsa_signature(&hex::decode(hex).unwrap());
            assert_eq!(found.map(|rs| (rs[31], rs[63])), expected, "{hex}");
        };
        check("3006020101020102", Some((1, 2)));
        check("300702020080020102", Some((0x80, 2)));
        check("3006020180020102", None);
        check("300702020001020102", None);
        check("3006020100020102", None);
        check("300602010102010200", None);
        check("3005020001020102", None);
        check(&format!("30260221{}0102 0102", "01".repeat(32)).replace(' ', ""), None);
    }
}
