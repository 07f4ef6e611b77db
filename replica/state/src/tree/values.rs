//! The encodings of the values in the tree.

use bytes::Bytes;
use replica_crypto::cbor;
use types::{CanisterId, Cycles, PrincipalId};

/// A natural number: LEB128.
pub(super) fn natural(number: u64) -> Bytes {
    let mut bytes = Vec::with_capacity(10);
    leb128::write::unsigned(&mut bytes, number).expect("a vector takes all bytes");
    exact(bytes)
}

/// The same bytes in no more memory than they need; there is one such value for each canister.
fn exact(bytes: Vec<u8>) -> Bytes {
    Bytes::from(bytes.into_boxed_slice())
}

/// A list of principals: self-described CBOR.
pub(super) fn principals<'a>(
    principals: impl IntoIterator<Item = &'a PrincipalId, IntoIter: ExactSizeIterator>,
) -> Bytes {
    let principals = principals.into_iter();
    let mut encoder = minicbor::Encoder::new(Vec::new());
    cbor::put_self_describing_tag(&mut encoder);
    cbor::put_array(&mut encoder, principals.len() as u64);
    for principal in principals {
        cbor::put_bytes(&mut encoder, principal.as_slice());
    }
    exact(encoder.into_writer())
}

/// A list of ranges of canister ids, both ends included: self-described CBOR.
pub(super) fn canister_ranges(ranges: &[(CanisterId, CanisterId)]) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    cbor::put_self_describing_tag(&mut encoder);
    cbor::put_array(&mut encoder, ranges.len() as u64);
    for (first, last) in ranges {
        cbor::put_array(&mut encoder, 2);
        cbor::put_bytes(&mut encoder, first.as_slice());
        cbor::put_bytes(&mut encoder, last.as_slice());
    }
    encoder.into_writer()
}

/// What `/subnet/<s>/metrics` tells.
pub(super) struct SubnetMetrics {
    pub canister_count: u64,
    pub canister_bytes: u64,
    pub consumed_cycles: Cycles,
    pub update_transactions: u64,
}

impl SubnetMetrics {
    /// CBOR without a tag, fields numbered in the order in which the specification lists them;
    /// cycles are a map of the lower and, if it is not zero, the upper 64 bits. Agents read this
    /// form; names instead of numbers are not read by all of them.
    pub(super) fn encode(&self) -> Vec<u8> {
        let low = self.consumed_cycles.0 as u64;
        let high = (self.consumed_cycles.0 >> 64) as u64;
        let mut encoder = minicbor::Encoder::new(Vec::new());
        cbor::put_map(&mut encoder, 4);
        put_field(&mut encoder, 0, self.canister_count);
        put_field(&mut encoder, 1, self.canister_bytes);
        cbor::put_u64(&mut encoder, 2);
        cbor::put_map(&mut encoder, if high == 0 { 1 } else { 2 });
        put_field(&mut encoder, 0, low);
        if high != 0 {
            put_field(&mut encoder, 1, high);
        }
        put_field(&mut encoder, 3, self.update_transactions);
        encoder.into_writer()
    }
}

fn put_field(to: &mut minicbor::Encoder<Vec<u8>>, number: u64, value: u64) {
    cbor::put_u64(to, number);
    cbor::put_u64(to, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naturals_are_leb128() {
        assert_eq!(natural(0)[..], [0]);
        assert_eq!(natural(624_485)[..], [0xe5, 0x8e, 0x26]);
    }

    #[test]
    fn lists_carry_the_tag() {
        let anonymous = PrincipalId::anonymous();
        assert_eq!(hex::encode(principals(&[anonymous])), "d9d9f7814104");
        let range = (CanisterId::from_index(0), CanisterId::from_index(1));
        let expected = "d9d9f781824a000000000000000001014a00000000000000010101";
        assert_eq!(hex::encode(canister_ranges(&[range])), expected);
    }

    #[test]
    fn metrics_have_numbered_fields() {
        let encode = |cycles| {
            let metrics = SubnetMetrics {
                canister_count: 1,
                canister_bytes: 2,
                consumed_cycles: Cycles(cycles),
                update_transactions: 4,
            };
            hex::encode(metrics.encode())
        };
        assert_eq!(encode(3), "a40001010202a100030304");
        assert_eq!(encode((5 << 64) + 3), "a40001010202a2000301050304");
    }
}
