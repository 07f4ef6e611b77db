//! Lists of canister ranges as the state tree has them: `55799([[first, last], ...])`.

use crate::cbor::{self, CborError};
use minicbor::Decoder;

/// Whether an encoded list of closed ranges has the canister. A list that cannot be read has none.
pub(super) fn contain(list: &[u8], canister_id: &[u8]) -> bool {
    read(list).is_ok_and(|ranges| {
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&canister_id))
    })
}

fn read(list: &[u8]) -> Result<Vec<(&[u8], &[u8])>, CborError> {
    let mut decoder = Decoder::new(list);
    cbor::skip_self_describing_tag(&mut decoder)?;
    let mut ranges = Vec::new();
    for _ in 0..cbor::array_length(&mut decoder)? {
        cbor::expect_array(&mut decoder, 2)?;
        ranges.push((cbor::byte_string(&mut decoder)?, cbor::byte_string(&mut decoder)?));
    }
    cbor::expect_end(&decoder)?;
    Ok(ranges)
}
