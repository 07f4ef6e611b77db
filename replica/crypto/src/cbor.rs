//! The few CBOR steps that all decoders and encoders of this project's client formats share.
//!
//! Decoding is strict: no trailing bytes, integers as integers, each key once. Lengths are given up
//! front, but for requests ([`Items`]): some agents write those of maps and arrays as they go.

use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};

/// The tag that says "this is CBOR" (RFC 8949, 3.4.6).
const SELF_DESCRIBING: u64 = 55799;

/// Why bytes are not the CBOR that is expected.
#[derive(Debug, thiserror::Error)]
pub enum CborError {
    /// Malformed, or of another type than expected.
    #[error("unexpected CBOR")]
    Unexpected(#[from] minicbor::decode::Error),
    /// An array, map or string without a length up front.
    #[error("an array, map or string of indefinite length: write its length up front")]
    IndefiniteLength,
    /// An array of another length than defined.
    #[error("an array of {found} elements where {expected} are defined")]
    ArrayLength {
        /// Elements defined.
        expected: u64,
        /// Elements found.
        found: u64,
    },
    /// Bytes after the end of the value.
    #[error("{0} bytes follow the value: send exactly one")]
    TrailingBytes(usize),
    /// A map has a key twice.
    #[error("the map has the key {0:?} twice")]
    DuplicateKey(String),
    /// A map has a key that is not defined.
    #[error("the map has the key {0:?}, which is not defined here")]
    UnknownKey(String),
    /// A map lacks a key.
    #[error("the map lacks the key {0:?}")]
    MissingKey(&'static str),
    /// A tag that is not expected.
    #[error("tag {0}, expected only the self-describing tag 55799")]
    Tag(u64),
}

/// Steps over the self-describing tag if there is one.
pub fn skip_self_describing_tag(decoder: &mut Decoder<'_>) -> Result<(), CborError> {
    if decoder.datatype()? != Type::Tag {
        return Ok(());
    }
    match decoder.tag()?.as_u64() {
        SELF_DESCRIBING => Ok(()),
        other => Err(CborError::Tag(other)),
    }
}

/// Checks that all bytes have been read.
pub fn expect_end(decoder: &Decoder<'_>) -> Result<(), CborError> {
    match decoder.input().len() - decoder.position() {
        0 => Ok(()),
        left => Err(CborError::TrailingBytes(left)),
    }
}

/// Reads the head of an array.
pub fn array_length(decoder: &mut Decoder<'_>) -> Result<u64, CborError> {
    decoder.array()?.ok_or(CborError::IndefiniteLength)
}

/// Reads the head of an array that must have this length.
pub fn expect_array(decoder: &mut Decoder<'_>, expected: u64) -> Result<(), CborError> {
    match array_length(decoder)? {
        found if found == expected => Ok(()),
        found => Err(CborError::ArrayLength { expected, found }),
    }
}

/// Reads the head of a map.
pub fn map_length(decoder: &mut Decoder<'_>) -> Result<u64, CborError> {
    decoder.map()?.ok_or(CborError::IndefiniteLength)
}

/// A walk over the entries of a map or the elements of an array, whose end is known from a length
/// up front or from a mark behind the last one.
pub struct Items {
    /// How many are left; `None` if a mark will say.
    left: Option<u64>,
}

impl Items {
    /// Reads the head of a map.
    pub fn of_map(decoder: &mut Decoder<'_>) -> Result<Self, CborError> {
        Ok(Self { left: decoder.map()? })
    }

    /// Reads the head of an array.
    pub fn of_array(decoder: &mut Decoder<'_>) -> Result<Self, CborError> {
        Ok(Self { left: decoder.array()? })
    }

    /// Whether another one follows. To be asked before each, until the answer is no.
    pub fn has_next(&mut self, decoder: &mut Decoder<'_>) -> Result<bool, CborError> {
        if let Some(left) = &mut self.left {
            let has_next = *left > 0;
            *left = left.saturating_sub(1);
            return Ok(has_next);
        }
        let is_end = decoder.datatype()? == Type::Break;
        if is_end {
            decoder.set_position(decoder.position() + 1);
        }
        Ok(!is_end)
    }
}

/// Steps over a null; whether there was one.
pub fn skip_null(decoder: &mut Decoder<'_>) -> Result<bool, CborError> {
    let is_null = decoder.datatype()? == Type::Null;
    if is_null {
        decoder.null()?;
    }
    Ok(is_null)
}

/// Reads a byte string.
pub fn byte_string<'b>(decoder: &mut Decoder<'b>) -> Result<&'b [u8], CborError> {
    Ok(decoder.bytes()?)
}

/// Reads a text string.
pub fn text<'b>(decoder: &mut Decoder<'b>) -> Result<&'b str, CborError> {
    Ok(decoder.str()?)
}

/// Stores the value of a map's key, once.
pub fn put_once<T>(slot: &mut Option<T>, key: &'static str, value: T) -> Result<(), CborError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(CborError::DuplicateKey(key.to_owned())),
    }
}

/// Takes the value of a key that must be there.
pub fn required<T>(slot: Option<T>, key: &'static str) -> Result<T, CborError> {
    slot.ok_or(CborError::MissingKey(key))
}

/// Appends the self-describing tag.
pub fn put_self_describing_tag(to: &mut Encoder<Vec<u8>>) {
    written(to.tag(Tag::new(SELF_DESCRIBING)));
}

/// Appends the head of an array.
pub fn put_array(to: &mut Encoder<Vec<u8>>, length: u64) {
    written(to.array(length));
}

/// Appends the head of a map.
pub fn put_map(to: &mut Encoder<Vec<u8>>, length: u64) {
    written(to.map(length));
}

/// Appends a byte string.
pub fn put_bytes(to: &mut Encoder<Vec<u8>>, value: &[u8]) {
    written(to.bytes(value));
}

/// Appends a text string.
pub fn put_text(to: &mut Encoder<Vec<u8>>, value: &str) {
    written(to.str(value));
}

/// Appends a natural number.
pub fn put_u64(to: &mut Encoder<Vec<u8>>, value: u64) {
    written(to.u64(value));
}

/// Appends an integer.
pub fn put_i64(to: &mut Encoder<Vec<u8>>, value: i64) {
    written(to.i64(value));
}

/// Writing to a vector has no way to fail; minicbor's types cannot say so at this place.
fn written<T>(result: Result<T, minicbor::encode::Error<core::convert::Infallible>>) {
    result.map(drop).expect("a vector takes all bytes");
}
