//! What a block holds.
//!
//! Encoding: CBOR (RFC 8949, deterministic form), the array
//! `[1, time, [dealer log ...], [ingress ...]]` with the version in front. There is one encoding
//! of each payload; any other is refused, so a payload has one digest.

use bytes::Bytes;
use minicbor::{Decoder, Encoder};
use replica_crypto::cbor::{self, CborError};
use thiserror::Error;
use types::Time;

use crate::bounds::{DEALER_LOGS_PER_BLOCK_MAX, PAYLOAD_BYTES_MAX};

const VERSION: u64 = 1;

/// More ingress messages than this in a block do not decode, whatever the subnet's limits allow:
/// it bounds what decoding allocates.
const INGRESS_COUNT_DECODED_MAX: u64 = 100_000;

/// The content of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The block's time; above the parent's.
    pub time: Time,
    /// Dealer logs of the key generation; empty once the chain key is fixed.
    pub dealer_logs: Vec<Bytes>,
    /// Ingress envelopes in the order of execution; empty until the chain key is fixed.
    pub ingress: Vec<Bytes>,
}

/// Why bytes are no payload.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// Too large.
    #[error("the payload has {0} bytes, above {PAYLOAD_BYTES_MAX}")]
    TooLarge(usize),
    /// Not the CBOR described above.
    #[error("the payload is not well formed")]
    Malformed(#[from] CborError),
    /// A version this replica does not know.
    #[error("the payload has version {0}; this replica knows version {VERSION}")]
    Version(u64),
    /// More entries than allowed.
    #[error("the payload lists {0} entries, above the bound")]
    TooMany(u64),
    /// The same value in another encoding.
    #[error("the payload is not in its canonical encoding")]
    NotCanonical,
}

impl Payload {
    /// The one encoding.
    pub fn encode(&self) -> Bytes {
        let mut to = Encoder::new(Vec::with_capacity(self.bytes_about()));
        cbor::put_array(&mut to, 4);
        cbor::put_u64(&mut to, VERSION);
        cbor::put_u64(&mut to, self.time.0);
        put_list(&mut to, &self.dealer_logs);
        put_list(&mut to, &self.ingress);
        to.into_writer().into()
    }

    /// Reads a payload; its parts share the memory of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, PayloadError> {
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(PayloadError::TooLarge(bytes.len()));
        }
        let mut from = Decoder::new(bytes);
        if cbor::array_length(&mut from)? != 4 {
            return Err(PayloadError::NotCanonical);
        }
        match from.u64().map_err(CborError::from)? {
            VERSION => {}
            other => return Err(PayloadError::Version(other)),
        }
        let payload = Self {
            time: Time(from.u64().map_err(CborError::from)?),
            dealer_logs: list(&mut from, bytes, DEALER_LOGS_PER_BLOCK_MAX)?,
            ingress: list(&mut from, bytes, INGRESS_COUNT_DECODED_MAX)?,
        };
        cbor::expect_end(&from)?;
        match payload.encode() == *bytes {
            true => Ok(payload),
            false => Err(PayloadError::NotCanonical),
        }
    }

    fn bytes_about(&self) -> usize {
        let content = self.dealer_logs.iter().chain(&self.ingress);
        content.map(|part| part.len() + 5).sum::<usize>() + 32
    }
}

fn put_list(to: &mut Encoder<Vec<u8>>, list: &[Bytes]) {
    cbor::put_array(to, list.len() as u64);
    list.iter().for_each(|part| cbor::put_bytes(to, part));
}

/// A list of byte strings. Each entry takes at least one byte, which bounds what is allocated
/// before anything is read.
fn list(from: &mut Decoder<'_>, source: &Bytes, max: u64) -> Result<Vec<Bytes>, PayloadError> {
    let count = cbor::array_length(from)?;
    let left = (from.input().len() - from.position()) as u64;
    if count > max.min(left) {
        return Err(PayloadError::TooMany(count));
    }
    (0..count).map(|_| Ok(source.slice_ref(cbor::byte_string(from)?))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::{Format, check};

    fn payload() -> impl Strategy<Value = Payload> {
        let part = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        let parts = move |max| proptest::collection::vec(part(), 0..max);
        (any::<u64>(), parts(4), parts(40)).prop_map(|(time, dealer_logs, ingress)| Payload {
            time: Time(time),
            dealer_logs,
            ingress,
        })
    }

    proptest! {
        #[test]
        fn reads_back(payload in payload()) {
            prop_assert_eq!(Payload::decode(&payload.encode()).expect("own encoding"), payload);
        }

        #[test]
        fn foreign_bytes_never_panic_and_have_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let bytes = Bytes::from(bytes);
            if let Ok(payload) = Payload::decode(&bytes) {
                prop_assert_eq!(payload.encode(), bytes);
            }
        }

        #[test]
        fn a_changed_byte_is_refused_or_another_payload(payload in payload(), at: prop::sample::Index, change in 1u8..) {
            let mut bytes = payload.encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            if let Ok(other) = Payload::decode(&bytes.into()) {
                prop_assert_ne!(other, payload);
            }
        }
    }

    fn refused(bytes: &[u8]) -> PayloadError {
        Payload::decode(&Bytes::copy_from_slice(bytes)).expect_err("foreign bytes")
    }

    #[test]
    fn bounds() {
        assert!(matches!(refused(&vec![0; PAYLOAD_BYTES_MAX + 1]), PayloadError::TooLarge(_)));
        assert!(matches!(refused(&[0x84, 2, 0, 0x80, 0x80]), PayloadError::Version(2)));
        // A list of 2^63 entries in a payload of 14 bytes.
        let huge = [0x84, 1, 0, 0x80, 0x9b, 0x7f, 255, 255, 255, 255, 255, 255, 255];
        assert!(matches!(refused(&huge), PayloadError::TooMany(_)));
        // Time 0 in two bytes; a byte more at the end; an indefinite list.
        assert!(matches!(refused(&[0x84, 1, 0x18, 0, 0x80, 0x80]), PayloadError::NotCanonical));
        assert!(matches!(refused(&[0x84, 1, 0, 0x80, 0x80, 0]), PayloadError::Malformed(_)));
        assert!(matches!(refused(&[0x84, 1, 0, 0x9f, 0xff, 0x80]), PayloadError::Malformed(_)));
        assert!(matches!(refused(b""), PayloadError::Malformed(_)));
    }

    /// The encoding is part of the chain; the version is the first field.
    #[test]
    fn the_format_is_frozen() {
        let payloads = (0u64..64).map(|n| Payload {
            time: Time(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            dealer_logs: (0..n % 3).map(|k| Bytes::from(vec![k as u8; 7 * n as usize])).collect(),
            ingress: (0..n % 5).map(|k| Bytes::from(vec![!k as u8; 11 * n as usize])).collect(),
        });
        check(&[Format {
            name: "payloads of blocks (VERSION)",
            encodings: payloads.map(|payload| payload.encode().to_vec()).collect(),
            hash: "fc98ab87de28651def10d9b5fa23d7efb9f4e2fc3c9e8a8aaa9a83ade5372351",
        }]);
    }
}
