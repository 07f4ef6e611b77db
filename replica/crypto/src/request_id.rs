//! The representation-independent hash: how requests, delegations and query responses are named
//! and signed.
//!
//! Rules followed here ("Representation-independent hashing of structured data"): the hash of a
//! map is SHA-256 over the sorted pairs of key hash and value hash; numbers are hashed in their
//! shortest LEB128 form, arrays as the hash of their elements' hashes, nested maps recursively.

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
type Hash = [u8; 32];

/// A value inside a map. It borrows, so that hashing a large argument copies nothing.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// A blob, hashed as it is.
    Bytes(&'a [u8]),
    /// Text, hashed as UTF-8.
    Text(&'a str),
    /// A natural number.
    Nat(u64),
    /// An integer.
    Int(i64),
    /// Elements in order.
    Array(Vec<Value<'a>>),
    /// Fields in any order; absent optional fields are left out.
    Map(Vec<(&'a str, Value<'a>)>),
}

/// The hash of a map, given as its present fields in any order.
pub fn hash_of_map(fields: &[(&str, Value<'_>)]) -> [u8; 32] {
    let mut pairs: Vec<[Hash; 2]> =
        fields.iter().map(|(name, value)| [hash(name.as_bytes()), hash_of_value(value)]).collect();
    pairs.sort_unstable();
    hash(pairs.as_flattened().as_flattened())
}

fn hash_of_value(value: &Value<'_>) -> Hash {
    match value {
        Value::Bytes(bytes) => hash(bytes),
        Value::Text(text) => hash(text.as_bytes()),
        Value::Nat(number) => hash_of_leb128(|bytes| leb128::write::unsigned(bytes, *number)),
        Value::Int(number) => hash_of_leb128(|bytes| leb128::write::signed(bytes, *number)),
        Value::Array(elements) => {
            let hashes: Vec<Hash> = elements.iter().map(hash_of_value).collect();
            hash(hashes.as_flattened())
        }
        Value::Map(fields) => hash_of_map(fields),
    }
}

fn hash_of_leb128(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<usize>) -> Hash {
    let mut bytes = Vec::with_capacity(10);
    write(&mut bytes).expect("a vector takes all bytes");
    hash(&bytes)
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&str, Value<'_>)], expected: &str) {
        assert_eq!(hex::encode(hash_of_map(fields)), expected);
    }

    /// The example of the specification.
    #[test]
    fn request_id_of_a_call() {
        let call = [
            ("request_type", Value::Text("call")),
            ("sender", Value::Bytes(&[4])),
            ("ingress_expiry", Value::Nat(1_685_570_400_000_000_000)),
            ("canister_id", Value::Bytes(&[0, 0, 0, 0, 0, 0, 4, 0xd2])),
            ("method_name", Value::Text("hello")),
            ("arg", Value::Bytes(b"DIDL\x00\xfd*")),
        ];
        let expected = "1d1091364d6bb8a6c16b203ee75467d59ead468f523eb058880ae8ec80e2b101";
        check(&call, expected);
        let mut reversed = call.clone();
        reversed.reverse();
        check(&reversed, expected);
    }

    /// Digests made with the rules by hand: H(key) and H(value) from an independent SHA-256.
    #[test]
    fn numbers_have_their_shortest_form() {
        let one = |value: Value<'_>| hash_of_map(&[("n", value)]);
        let leb = |bytes: &[u8]| one(Value::Bytes(bytes));
        assert_eq!(one(Value::Nat(0)), leb(&[0]));
        assert_eq!(one(Value::Nat(624_485)), leb(&[0xe5, 0x8e, 0x26]));
        assert_eq!(one(Value::Int(-123_456)), leb(&[0xc0, 0xbb, 0x78]));
        assert_eq!(one(Value::Int(0)), leb(&[0]));
        assert_eq!(
            one(Value::Nat(u64::MAX)),
            leb(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])
        );
    }

    #[test]
    fn arrays_and_maps_are_hashed_by_their_parts() {
        let parts = [hash(b"a"), hash(b"b")].concat();
        let array = Value::Array(vec![Value::Bytes(b"a"), Value::Text("b")]);
        assert_eq!(hash_of_value(&array), hash(&parts));
        // From the specification's note on nested maps.
        let inner = hash(&[hash(b"arg"), hash(b"DIDL\x00\x00")].concat());
        let outer = hash(&[hash(b"reply"), inner].concat());
        let nested = Value::Map(vec![("arg", Value::Bytes(b"DIDL\x00\x00"))]);
        assert_eq!(hash_of_map(&[("reply", nested)]), outer);
    }
}
