//! Lists of canister ranges as the state tree has them: `55799([[first, last], ...])`.

use crate::cbor::{self, CborError};
use minicbor::Decoder;

/// Whether an encoded list of closed ranges has the canister. A list that cannot be read has none.
pub(super) fn contain(list: &[u8], canister_id: &[u8]) -> bool {
    search(list, canister_id).unwrap_or(false)
}

fn search(list: &[u8], canister_id: &[u8]) -> Result<bool, CborError> {
    let mut decoder = Decoder::new(list);
    cbor::skip_self_describing_tag(&mut decoder)?;
    let mut found = false;
    for _ in 0..cbor::array_length(&mut decoder)? {
        cbor::expect_array(&mut decoder, 2)?;
        let (first, last) = (cbor::byte_string(&mut decoder)?, cbor::byte_string(&mut decoder)?);
        found |= (first..=last).contains(&canister_id);
    }
    // A list that is not well encoded to its end does not count, wherever the canister is.
    cbor::expect_end(&decoder)?;
    Ok(found)
}
