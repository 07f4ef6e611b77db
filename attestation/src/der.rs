//! A strict reader of DER (X.690): slices into the received bytes, nothing copied, nothing
//! re-encoded.
//!
//! Refused: tags of more than one byte, indefinite lengths, lengths that are not minimal or pass
//! the end, and bytes left over where a value must end.

/// Tags that certificates, keys and signatures are made of.
pub(crate) mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;

    /// `[n]`, explicit or implicit around a constructed value.
    pub const fn context(number: u8) -> u8 {
        0xa0 | number
    }
}

/// Why bytes are not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    #[error("the DER ends in the middle of a value")]
    Truncated,
    #[error("a DER length is indefinite, not minimal or too large")]
    Length,
    #[error("DER tag {found:#04x} where {expected:#04x} is expected")]
    Tag { expected: u8, found: u8 },
    #[error("DER tags of several bytes are not used here")]
    LongTag,
    #[error("bytes are left over after a DER value")]
    Trailing,
    #[error("a DER integer is empty, not minimal or negative")]
    Integer,
    #[error("a DER bit string has unused bits or no content")]
    BitString,
    #[error("a DER boolean is not 0x00 or 0xff")]
    Boolean,
    #[error("a DER object identifier is malformed")]
    Oid,
}

/// One value: its tag, its content, and all its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    pub whole: &'a [u8],
}

impl<'a> Value<'a> {
    /// Reads the values inside this one.
    pub fn reader(&self) -> Reader<'a> {
        Reader::new(self.content)
    }
}

/// Reads one value after the other.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value, if there is one.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever its tag.
    pub fn any(&mut self) -> Result<Value<'a>, DerError> {
        let start = self.rest;
        let (&tag, after_tag) = start.split_first().ok_or(DerError::Truncated)?;
        if tag & 0x1f == 0x1f {
            return Err(DerError::LongTag);
        }
        let (&first, after_first) = after_tag.split_first().ok_or(DerError::Truncated)?;
        let (length, after_length) = match first {
            0..=0x7f => (usize::from(first), after_first),
            0x81..=0x83 => long_length(usize::from(first & 0x7f), after_first)?,
            // 0x80 is the indefinite form; more than three bytes of length are 16 MiB and more.
            _ => return Err(DerError::Length),
        };
        let (content, rest) = after_length.split_at_checked(length).ok_or(DerError::Truncated)?;
        let whole = &start[..start.len() - rest.len()];
        self.rest = rest;
        Ok(Value { tag, content, whole })
    }

    /// The next value, which must have this tag.
    pub fn expect(&mut self, expected: u8) -> Result<Value<'a>, DerError> {
        let found = self.peek().ok_or(DerError::Truncated)?;
        if found != expected {
            return Err(DerError::Tag { expected, found });
        }
        self.any()
    }

    /// The next value if it has this tag.
    pub fn optional(&mut self, expected: u8) -> Result<Option<Value<'a>>, DerError> {
        if self.peek() == Some(expected) { self.any().map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), DerError> {
        if self.is_empty() { Ok(()) } else { Err(DerError::Trailing) }
    }

    /// A non-negative integer in its one form, without the leading zero byte.
    pub fn unsigned(&mut self) -> Result<&'a [u8], DerError> {
        match *self.expect(tag::INTEGER)?.content {
            [] => Err(DerError::Integer),
            [0] => Ok(&[]),
            [0, second, ..] if second < 0x80 => Err(DerError::Integer),
            [first, ..] if first >= 0x80 => Err(DerError::Integer),
            [0, ref digits @ ..] => Ok(digits),
            ref digits => Ok(digits),
        }
    }

    /// A bit string of whole bytes.
    pub fn bit_string(&mut self) -> Result<&'a [u8], DerError> {
        match self.expect(tag::BIT_STRING)?.content {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(DerError::BitString),
        }
    }

    /// The content of an object identifier, checked for form.
    pub fn oid(&mut self) -> Result<&'a [u8], DerError> {
        let content = self.expect(tag::OID)?.content;
        let ends = content.last().is_some_and(|last| last & 0x80 == 0);
        // No part may begin with the byte that adds nothing.
        let padded = content.first() == Some(&0x80)
            || content.windows(2).any(|pair| pair[0] & 0x80 == 0 && pair[1] == 0x80);
        if ends && !padded { Ok(content) } else { Err(DerError::Oid) }
    }
}

/// The one value that `bytes` must be, with this tag.
pub(crate) fn only(bytes: &[u8], expected: u8) -> Result<Value<'_>, DerError> {
    let mut reader = Reader::new(bytes);
    let value = reader.expect(expected)?;
    reader.end()?;
    Ok(value)
}

/// A length of `count` bytes, which must be the shortest form of its value.
fn long_length(count: usize, bytes: &[u8]) -> Result<(usize, &[u8]), DerError> {
    let (digits, rest) = bytes.split_at_checked(count).ok_or(DerError::Truncated)?;
    let length = digits.iter().fold(0usize, |sum, &digit| sum << 8 | usize::from(digit));
    let shortest = if count == 1 { 0x80 } else { 1 << (8 * (count - 1)) };
    if length >= shortest { Ok((length, rest)) } else { Err(DerError::Length) }
}

/// The dotted form of an object identifier's content, for people.
pub(crate) fn dotted(content: &[u8]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut value: u128 = 0;
    for &byte in content.iter().take(64) {
        value = value.wrapping_shl(7) | u128::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if parts.is_empty() {
            let first = (value / 40).min(2);
            parts.push(first.to_string());
            parts.push((value - 40 * first).to_string());
        } else {
            parts.push(value.to_string());
        }
        value = 0;
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_lengths() {
        let check = |bytes: &[u8], expected: Result<&[u8], DerError>| {
            assert_eq!(only(bytes, 4).map(|value| value.content), expected, "{bytes:02x?}");
        };
        check(&[4, 1, 9], Ok(&[9]));
        check(&[4, 0], Ok(&[]));
        check(&[4, 0x81, 1, 9], Err(DerError::Length));
        check(&[4, 0x80, 9, 0, 0], Err(DerError::Length));
        check(&[4, 0x84, 0, 0, 0, 1, 9], Err(DerError::Length));
        check(&[4, 0xff], Err(DerError::Length));
        check(&[4, 2, 9], Err(DerError::Truncated));
        check(&[4], Err(DerError::Truncated));
        check(&[], Err(DerError::Truncated));
        check(&[4, 1, 9, 9], Err(DerError::Trailing));
        check(&[5, 0], Err(DerError::Tag { expected: 4, found: 5 }));
        check(&[0x1f, 1, 0], Err(DerError::Tag { expected: 4, found: 0x1f }));
        let long: Vec<u8> = [4, 0x82, 1, 0].into_iter().chain([7; 256]).collect();
        check(&long, Ok(&[7; 256]));
        let not_minimal: Vec<u8> = [4, 0x82, 0, 200].into_iter().chain([7; 200]).collect();
        check(&not_minimal, Err(DerError::Length));
    }

    #[test]
    fn one_form_of_integers() {
        let check = |content: &[u8], expected: Result<&[u8], DerError>| {
            let bytes = [&[2, content.len() as u8], content].concat();
            assert_eq!(Reader::new(&bytes).unsigned(), expected, "{content:02x?}");
        };
        check(&[0], Ok(&[]));
        check(&[1], Ok(&[1]));
        check(&[0, 0x80], Ok(&[0x80]));
        check(&[0x7f, 0xff], Ok(&[0x7f, 0xff]));
        check(&[], Err(DerError::Integer));
        check(&[0, 1], Err(DerError::Integer));
        check(&[0, 0], Err(DerError::Integer));
        check(&[0x80], Err(DerError::Integer));
    }

    #[test]
    fn object_identifiers_read_and_print() {
        let bytes = [6, 6, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d];
        let oid = Reader::new(&bytes).oid().unwrap();
        assert_eq!(dotted(oid), "1.2.840.113549");
        for bad in [&[6u8, 0][..], &[6, 1, 0x80], &[6, 2, 0x2a, 0x86], &[6, 3, 0x2a, 0x80, 1]] {
            assert_eq!(Reader::new(bad).oid(), Err(DerError::Oid));
        }
    }
}
